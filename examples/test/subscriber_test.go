package test

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// preparing is how long it may take to install libraries, generate and build: Maven begins with an empty cache.
const preparing = 8 * time.Minute

// example is a copy of one language's folder, built as its README says.
type example struct {
	dir string
	run string // the command of the README that starts it
}

// blocks finds the shell commands of a README.
var blocks = regexp.MustCompile("(?s)```sh\n(.*?)```")

// prepare copies the sources, and runs the first commands of the README. The second commands start the subscriber.
func prepare(t *testing.T, language string) example {
	t.Helper()
	e := example{dir: filepath.Join(workshop(t, language), language)}
	out, err := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", filepath.Join("..", language)).Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	for path := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		to := filepath.Join(filepath.Dir(e.dir), strings.TrimPrefix(path, ".."))
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, to, string(content))
	}
	readme, err := os.ReadFile(filepath.Join(e.dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := blocks.FindAllStringSubmatch(string(readme), -1)
	if len(found) != 2 {
		t.Fatalf("%s/README.md has %d blocks of shell commands; want 2, to prepare and to run", language, len(found))
	}
	e.run = strings.TrimSpace(found[1][1])
	// A registry may fail once.
	if err := e.shell(t, found[0][1]); err != nil {
		t.Logf("preparing again after %v", err)
		if err := e.shell(t, found[0][1]); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// workshop is a folder for a copy. One in Go has to be in the module.
func workshop(t *testing.T, language string) string {
	t.Helper()
	if language != "go" {
		return t.TempDir()
	}
	const ignored = "../../.build"
	if err := os.MkdirAll(ignored, 0o700); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(ignored, "example-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if dir, err = filepath.Abs(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (e example) shell(t *testing.T, script string) error {
	ctx, cancel := context.WithTimeout(t.Context(), preparing)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-ec", script)
	cmd.Dir, cmd.Stdout, cmd.Stderr = e.dir, t.Output(), t.Output()
	return cmd.Run()
}

// subscriber is the running example.
type subscriber struct {
	t      *testing.T
	cmd    *exec.Cmd
	lines  chan string // standard output; closed at its end
	notes  chan string // standard error; closed at its end
	exited chan error
}

// subscribe starts the example, and returns without waiting for anything.
func (e example) subscribe(t *testing.T, server, subscription string) *subscriber {
	t.Helper()
	s := &subscriber{t: t, cmd: exec.Command("sh", "-c", "exec "+e.run), lines: make(chan string, 100), notes: make(chan string, 100), exited: make(chan error, 1)}
	s.cmd.Dir = e.dir
	s.cmd.Env = append(os.Environ(), "HOOKBRIDGE_SERVER="+server, "HOOKBRIDGE_SUBSCRIPTION="+subscription)
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{}, 2)
	for pipe, to := range map[io.Reader]chan string{stdout: s.lines, stderr: s.notes} {
		go func() {
			for text := bufio.NewScanner(pipe); text.Scan(); {
				select {
				case to <- text.Text():
				case <-t.Context().Done():
				}
			}
			close(to)
			read <- struct{}{}
		}()
	}
	done := make(chan struct{})
	go func() {
		<-read
		<-read
		s.exited <- s.cmd.Wait()
		close(done)
	}()
	t.Cleanup(func() {
		// Mostly it has ended.
		_ = s.cmd.Process.Kill()
		<-done
	})
	return s
}

// next returns the next line of a channel.
func (s *subscriber) next(from chan string) string {
	s.t.Helper()
	select {
	case line, ok := <-from:
		if !ok {
			s.t.Fatalf("the subscriber ended; its notes: %q", s.rest(s.notes))
		}
		return line
	case <-time.After(patience):
		s.t.Fatalf("the subscriber printed nothing; its notes: %q", s.rest(s.notes))
		return ""
	}
}

// rest returns what is there already.
func (s *subscriber) rest(from chan string) (lines []string) {
	for {
		select {
		case line, ok := <-from:
			if !ok {
				return lines
			}
			lines = append(lines, line)
		default:
			return lines
		}
	}
}

// awaitNote waits for a note that begins so.
func (s *subscriber) awaitNote(prefix string) {
	s.t.Helper()
	for !strings.HasPrefix(s.next(s.notes), prefix) {
		continue
	}
}

// end waits for the end, and returns the exit code and what was printed since the last look.
func (s *subscriber) end() (code int, lines, notes []string) {
	s.t.Helper()
	select {
	case <-s.exited:
	case <-time.After(patience):
		s.t.Fatal("the subscriber did not end")
	}
	return s.cmd.ProcessState.ExitCode(), s.rest(s.lines), s.rest(s.notes)
}

// stop sends a signal. The subscriber has to end in order, and to say nothing more, except that there is no bridge.
func (s *subscriber) stop(signal os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
	code, lines, notes := s.end()
	notes = slices.DeleteFunc(notes, func(note string) bool { return strings.HasPrefix(note, "disconnected: ") })
	if code != 0 || len(lines) != 0 || len(notes) != 0 {
		s.t.Errorf("%v: exit code %d, printed %q, noted %q; want 0 and nothing", signal, code, lines, notes)
	}
}
