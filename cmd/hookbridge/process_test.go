package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what should take milliseconds.
const patience = 60 * time.Second

// built is the real binary, made once for all tests of the package.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "hookbridge-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "hookbridge")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	if address := os.Getenv(subscriberAddress); address != "" {
		if err := subscriberProcess(address, os.Getenv(subscriberLog)); err != nil {
			fmt.Fprintln(os.Stderr, "subscriber:", err)
			os.Exit(exitFailure)
		}
		os.Exit(0)
	}
	code := m.Run()
	if path, err := built(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// binary is the path of the real binary.
func binary(t *testing.T) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// process is a running `hookbridge serve`.
type process struct {
	http, grpc, admin string
	cmd               *exec.Cmd
	exited            chan struct{}
	err               error // valid when exited is closed
	log               *transcript
}

// transcript keeps what a process printed.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// addresses finds a listener's address in what serve prints at the start.
var addresses = regexp.MustCompile(`^ +(webhooks|gRPC|admin) +(?:https?://)?([0-9.:]+)`)

// start runs `hookbridge serve` on a configuration and returns when it serves.
func start(t *testing.T, config string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary(t), "serve", "--config", config), exited: make(chan struct{}), log: &transcript{}}
	p.cmd.Stderr = p.log
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	up := make(chan struct{})
	go func() {
		p.read(stdout, up)
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() { p.kill(t) })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-up:
	case <-p.exited:
		t.Fatalf("serve ended: %v\n%s", p.err, p.log)
	case <-ctx.Done():
		t.Fatalf("serve did not come up\n%s", p.log)
	}
	return p
}

// read finds the addresses, and keeps reading to the end.
func (p *process) read(stdout io.Reader, up chan struct{}) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		_, _ = fmt.Fprintln(p.log, lines.Text())
		m := addresses.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		switch m[1] {
		case "webhooks":
			p.http = m[2]
		case "gRPC":
			p.grpc = m[2]
		case "admin":
			p.admin = m[2]
			close(up)
		}
	}
}

// fix gives a configuration the addresses that a bridge has, so that it has the same after a restart.
func fix(t *testing.T, config string, p *process) {
	t.Helper()
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	fixed := string(text)
	for _, address := range []string{p.http, p.grpc, p.admin} {
		fixed = strings.Replace(fixed, "127.0.0.1:0", address, 1)
	}
	if err := os.WriteFile(config, []byte(fixed), 0o600); err != nil {
		t.Fatal(err)
	}
}

// kill is kill -9.
func (p *process) kill(t *testing.T) {
	t.Helper()
	// It may have ended by itself.
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// stop is Ctrl-C. It fails the test unless the process ends in time and with exit code 0.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.exited:
	case <-time.After(patience):
		t.Fatalf("serve did not end\n%s", p.log)
	}
	if p.err != nil {
		t.Fatalf("serve ended with %v\n%s", p.err, p.log)
	}
}

// configFile writes a configuration into a folder of its own and returns its path.
func configFile(t *testing.T, more string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "hookbridge.yaml")
	text := `http: {listen: "127.0.0.1:0"}
grpc: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
journal: {dir: ./data, min_free: "0"}
sources:
  - {name: demo, provider: hmac, secrets: ["file:./secret"]}
` + more
	for name, content := range map[string]string{path: text, filepath.Join(dir, "secret"): secret} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

const secret = "a-secret-of-the-tests"
