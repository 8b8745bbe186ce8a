package main

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// application is what a developer runs: it checks the signature itself, with a secret of its own.
type application struct {
	*httptest.Server
	got chan *http.Request
	// refuse is how many deliveries are answered with 500 first.
	refuse atomic.Int32
}

const localSecret = "what the application checks against"

func newApplication(t *testing.T) *application {
	t.Helper()
	a := &application{got: make(chan *http.Request, 100)}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte(localSecret))
		mac.Write(body)
		switch {
		case err != nil || r.Header.Get("X-Signature") != hex.EncodeToString(mac.Sum(nil)):
			w.WriteHeader(http.StatusUnauthorized)
		case a.refuse.Add(-1) >= 0:
			w.WriteHeader(http.StatusInternalServerError)
		default:
			a.got <- r
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	t.Cleanup(a.Close)
	return a
}

// An event reaches the application with its body and headers, signed anew so that the application's own check passes; the next start
// goes on where it stood; and Ctrl-C ends it with exit code 0.
func TestForward(t *testing.T) {
	t.Setenv("LOCAL_SECRET", localSecret)
	config := configFile(t, "")
	bridge := start(t, config)
	app := newApplication(t)
	send := func(id string) {
		t.Helper()
		if out, errOut, code := execute(t, "send", "--config", config, "--url", "http://"+bridge.http, "--id", id, "demo", "user_created"); code != 0 {
			t.Fatalf("send: %d %s%s", code, out, errOut)
		}
	}
	send("one")
	forward := func(n int) (lines []string, errOut string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), binary(t), "forward", "--server", bridge.grpc, "--source", "demo", "--to", app.URL+"/hooks",
			"--secret", "env:LOCAL_SECRET", "--from", "beginning", "--subscription", "mine")
		var text transcript
		cmd.Stderr = &text
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		scanner := bufio.NewScanner(stdout)
		for len(lines) < n && scanner.Scan() {
			lines = append(lines, scanner.Text())
		}
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("forward ended with %v\n%s", err, &text)
		}
		return lines, text.String()
	}
	lines, errOut := forward(1)
	if !regexp.MustCompile(`^\d\d:\d\d:\d\d  demo  user_created  one  → 204  \d+ms$`).MatchString(lines[0]) {
		t.Errorf("forward showed %q", lines)
	}
	if want := "hookbridge: forwarding to " + app.URL + "/hooks with the subscription mine\n"; errOut != want {
		t.Errorf("forward said %q, want %q", errOut, want)
	}
	r := <-app.got
	if r.URL.Path != "/hooks" || r.Header.Get("X-Delivery-Id") != "one" || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the application got %s %v", r.URL, r.Header)
	}
	// What comes while nobody forwards is not lost, what was acknowledged doesn't come again, and what was refused does.
	send("two")
	app.refuse.Store(1)
	lines, _ = forward(2)
	if len(lines) != 2 || !strings.Contains(lines[0], "  two  → 500  ") || !strings.Contains(lines[1], "  two  → 204  ") || !strings.HasSuffix(lines[1], "  (attempt 2)") {
		t.Errorf("after a restart forward showed %q", lines)
	}
}

// One stored event is posted by its id or its number; the exit code says what the application made of it.
func TestReplayOne(t *testing.T) {
	t.Setenv("LOCAL_SECRET", localSecret)
	config := configFile(t, "")
	bridge := start(t, config)
	app := newApplication(t)
	if out, errOut, code := execute(t, "send", "--config", config, "--url", "http://"+bridge.http, "--id", "one", "demo", "user_created"); code != 0 {
		t.Fatalf("send: %d %s%s", code, out, errOut)
	}
	for _, tc := range []struct {
		name        string
		args        []string
		code        int
		out, errOut string
	}{
		{"by id", []string{"--source", "demo", "--id", "one", "--secret", "env:LOCAL_SECRET"}, 0, `^demo  user_created  one  → 204  \d+ms\n$`, ""},
		{"by number", []string{"--sequence", "1", "--secret", "env:LOCAL_SECRET"}, 0, `^demo  user_created  one  → 204  \d+ms\n$`, ""},
		{"unsigned", []string{"--sequence", "1"}, exitFailure, `^demo  user_created  one  → 401  \d+ms\n$`, "hookbridge: the application answered 401\n"},
		{"no such event", []string{"--sequence", "9"}, exitFailure, `^$`, "hookbridge: there is no such event, or none any more\n"},
		{"both", []string{"--sequence", "9", "--id", "one"}, exitUsage, `^$`, "hookbridge: replay wants either --sequence, or --source and --id\n"},
		{"no secret", []string{"--sequence", "1", "--secret", "env:NOBODY_SET_THIS"}, exitUsage, `^$`, "hookbridge: --secret: environment variable NOBODY_SET_THIS is not set\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, errOut, code := execute(t, append([]string{"replay", "--server", bridge.grpc, "--to", app.URL}, tc.args...)...)
			if code != tc.code || !regexp.MustCompile(tc.out).MatchString(out) || errOut != tc.errOut {
				t.Errorf("%d\n%s%s", code, out, errOut)
			}
		})
	}
	if out, errOut, code := execute(t, "replay", "--server", bridge.grpc, "--sequence", "1", "--to", "localhost:3000"); code != exitUsage ||
		errOut != "hookbridge: --to: want a URL like http://localhost:3000/webhook, got \"localhost:3000\"\n" {
		t.Errorf("%d %s%s", code, out, errOut)
	}
}

// Forward says where events go when they can, and that a source isn't there. When its subscription is deleted it ends and says so: to go on
// would make another one.
func TestForwardEndsWithItsSubscription(t *testing.T) {
	bridge := start(t, configFile(t, ""))
	cmd := exec.CommandContext(t.Context(), binary(t), "forward", "--server", bridge.grpc, "--to", "http://127.0.0.1:1/", "--source", "nope", "--subscription", "mine")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	if !lines.Scan() || lines.Text() != "hookbridge: forwarding to http://127.0.0.1:1/ with the subscription mine" {
		t.Fatalf("forward said %q", lines.Text())
	}
	if out, errOut, code := execute(t, "subscriptions", "delete", "mine", "--yes", "--server", bridge.grpc); code != 0 {
		t.Fatalf("delete: %d %s%s", code, out, errOut)
	}
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
	}
	err = cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != exitFailure {
		t.Errorf("forward ended with %v", err)
	}
	want := []string{`hookbridge: the bridge has no source "nope" now; nothing comes from it until it has`, `hookbridge: subscription "mine" was deleted`}
	if !slices.Equal(said, want) {
		t.Errorf("forward said %q, want %q", said, want)
	}
	// What the bridge refuses is all that is said.
	out, errOut, code := execute(t, "forward", "--server", bridge.grpc, "--to", "http://127.0.0.1:1/", "--subscription", "Not a name")
	if code != exitFailure || out != "" || !strings.HasPrefix(errOut, "hookbridge: subscription: ") {
		t.Errorf("with a wrong name: %d %q %q", code, out, errOut)
	}
	if out, errOut, code := execute(t, "subscriptions", "show", "mine", "--server", bridge.grpc); code != exitFailure {
		t.Errorf("there is one again: %d %s%s", code, out, errOut)
	}
}
