package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// What shows events and can't write them any more ends and says why. Whoever reads it only to a point, like head, ends it without a word. What
// forward has posted by then is not posted again.
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
	// acknowledged wants a subscription to stand behind the last event, with nothing that would come again.
	acknowledged := func(t *testing.T, name string, last int) {
		t.Helper()
		out, errOut, code := execute(t, "subscriptions", "show", name, "--server", bridge.grpc, "--json")
		if code != 0 || !strings.Contains(out, fmt.Sprintf(`"position":"%d"`, last+1)) || strings.Contains(out, "waiting_events") {
			t.Errorf("what was posted is not acknowledged: %d %s%s", code, out, errOut)
		}
	}
	tail := []string{"tail", "--server", bridge.grpc, "--from", "beginning"}
	forward := []string{"forward", "--server", bridge.grpc, "--to", app.URL, "--from", "beginning", "--subscription"}
	for name, args := range map[string][]string{"tail": tail, "forward": slices.Concat(forward, []string{"full"})} {
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
			if name == "forward" {
				acknowledged(t, "full", 1)
			}
		})
	}
	for n, tc := range []struct {
		args []string
		said string
	}{
		{tail, ""},
		{slices.Concat(forward, []string{"read"}), "hookbridge: forwarding to " + app.URL + " with the subscription read\n"},
	} {
		t.Run(tc.args[0]+" to a pipe that is closed", func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), binary(t), tc.args...)
			var said bytes.Buffer
			cmd.Stderr = &said
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			// A line for each event that there is.
			for in, events := bufio.NewReader(stdout), 0; events <= n; {
				line, err := in.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(line, "  demo  user_created  ") {
					events++
				}
			}
			_ = stdout.Close()
			send(fmt.Sprint("more-", n))
			err = cmd.Wait()
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGPIPE || said.String() != tc.said {
				t.Errorf("it ended with %v and said %q", err, &said)
			}
		})
	}
	acknowledged(t, "read", 3)
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
