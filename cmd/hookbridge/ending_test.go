package main

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// What shows events and can't write them any more ends and says why. Whoever reads it only to a point, like head, ends it without a word.
func TestOutputThatEnds(t *testing.T) {
	config := configFile(t, "")
	bridge := start(t, config)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(app.Close)
	send := func(id string) {
		t.Helper()
		if out, errOut, code := execute(t, "send", "--config", config, "--url", "http://"+bridge.http, "--id", id, "demo", "user_created"); code != 0 {
			t.Fatalf("send: %d %s%s", code, out, errOut)
		}
	}
	send("one")
	commands := map[string][]string{
		"tail":    {"tail", "--server", bridge.grpc, "--from", "beginning"},
		"forward": {"forward", "--server", bridge.grpc, "--to", app.URL, "--from", "beginning", "--subscription", "full"},
	}
	for name, args := range commands {
		t.Run(name+" to a full disk", func(t *testing.T) {
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Skip("this system has no disk that is always full:", err)
			}
			defer func() { _ = full.Close() }()
			cmd := exec.CommandContext(t.Context(), binary(t), args...)
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = full, &said
			err = cmd.Run()
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != exitFailure {
				t.Errorf("it ended with %v", err)
			}
			const want = "hookbridge: write /dev/stdout: no space left on device\n"
			if got := said.String(); got != want && !strings.HasSuffix(got, "\n"+want) {
				t.Errorf("it said %q, want %q at the end", got, want)
			}
		})
	}
	t.Run("tail to a pipe that is closed", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), binary(t), commands["tail"]...)
		var said bytes.Buffer
		cmd.Stderr = &said
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		_ = stdout.Close()
		send("two")
		err = cmd.Wait()
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGPIPE || said.Len() > 0 {
			t.Errorf("tail ended with %v and said %q", err, &said)
		}
	})
}

// Ctrl-C while an application takes its time says what is waited for, and waits for it.
func TestForwardWaitsForTheApplication(t *testing.T) {
	config := configFile(t, "")
	bridge := start(t, config)
	asked, answer := make(chan struct{}, 10), make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-answer
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(app.Close)
	if out, errOut, code := execute(t, "send", "--config", config, "--url", "http://"+bridge.http, "--id", "one", "demo", "user_created"); code != 0 {
		t.Fatalf("send: %d %s%s", code, out, errOut)
	}
	cmd := exec.CommandContext(t.Context(), binary(t), "forward", "--server", bridge.grpc, "--to", app.URL, "--from", "beginning", "--subscription", "slow")
	var out bytes.Buffer
	cmd.Stdout = &out
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	lines.Scan()
	<-asked
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	const want = "hookbridge: waiting up to 20s for the application's answer; Ctrl-C again ends at once"
	if lines.Scan(); lines.Text() != want {
		t.Errorf("forward said %q, want %q", lines.Text(), want)
	}
	close(answer)
	if lines.Scan() {
		t.Errorf("forward said %q", lines.Text())
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "  one  → 204  ") {
		t.Errorf("forward ended with %v and showed %q", err, &out)
	}
	if out, errOut, code := execute(t, "subscriptions", "show", "slow", "--server", bridge.grpc, "--json"); code != 0 || !strings.Contains(out, `"position":"2"`) {
		t.Errorf("the answer was not acknowledged: %d %s%s", code, out, errOut)
	}
}

// The subscription of forward is named for its machine and its sources, also where these are more than fits a name.
func TestForwardName(t *testing.T) {
	long := strings.Repeat("a-source-", 10)
	for _, tc := range []struct {
		host    string
		sources []string
		want    string
	}{
		{"Dev Box", nil, "forward.dev_box.all"},
		{"box", []string{"stripe-eu", "git*"}, "forward.box.stripe-eu.git_"},
		{"box", []string{long + "1"}, "forward.box.a-source-a-source-a-source-a-source-a-sour.1bf65800"},
		{"box", []string{long + "2"}, "forward.box.a-source-a-source-a-source-a-source-a-sour.12e0bd4a"},
	} {
		if got := forwardName(tc.host, tc.sources); got != tc.want || len(got) > 63 {
			t.Errorf("%s %v: want %s, got %s", tc.host, tc.sources, tc.want, got)
		}
	}
}
