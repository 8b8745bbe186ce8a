package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// execute runs the real binary to its end.
func execute(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errOut strings.Builder
	cmd := exec.CommandContext(t.Context(), binary(t), args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// The commands against a real bridge: an event is sent, shown once, refused when it is signed with another secret, and both long
// runners end on Ctrl-C with exit code 0.
func TestCommands(t *testing.T) {
	config := configFile(t, "")
	bridge := start(t, config)
	url := "http://" + bridge.http

	tail := exec.CommandContext(t.Context(), binary(t), "tail", "--server", bridge.grpc, "--from", "beginning", "--json")
	stdout, err := tail.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tail.Start(); err != nil {
		t.Fatal(err)
	}
	out, errOut, code := execute(t, "send", "--config", config, "--url", url, "--id", "one", "demo", "payment_succeeded")
	if code != 0 || errOut != "" || out != `200 {"id":"one","sequence":"1","duplicate":false}`+"\n" {
		t.Errorf("send: %d\n%s%s", code, out, errOut)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var event struct {
		ID, Type, Sequence string
		Data               map[string]any
	}
	if err := json.Unmarshal([]byte(line), &event); err != nil || event.ID != "one" || event.Type != "payment_succeeded" || event.Sequence != "1" ||
		event.Data["@type"] != "type.googleapis.com/hookbridge.hmac.v1.PaymentSucceeded" {
		t.Errorf("tail showed %s, %v", line, err)
	}
	if err := tail.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := tail.Wait(); err != nil {
		t.Errorf("tail ended with %v", err)
	}

	if err := os.WriteFile(filepath.Join(filepath.Dir(config), "secret"), []byte("another secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The bridge may have seen the change of the file by now: it is stopped in time.
	body := filepath.Join(t.TempDir(), "body.json")
	if err := os.WriteFile(body, []byte(`{"event":"user_created"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	bridge.stop(t)
	_, errOut, code = execute(t, "send", "--config", config, "--url", url, "demo", "--file", body)
	if code != exitFailure || !strings.HasPrefix(errOut, "hookbridge: no answer from "+url) {
		t.Errorf("send to nobody: %d %s", code, errOut)
	}
}

// What is wrong with a command line is exit code 2, and says what is wanted.
func TestWrongCommandLines(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"serve"}, "hookbridge: serve wants one of --config FILE and --demo\n"},
		{[]string{"check"}, "hookbridge: check wants --config FILE\n"},
		{[]string{"tail", "--from", "yesterday"}, "hookbridge: --from: want beginning, now (or end), a sequence, a time like 2026-03-01T09:00:00Z or a duration like 30m, got \"yesterday\"\n"},
		{[]string{"tail", "--server", "bridge:9090"}, "hookbridge: --server: dial bridge:9090: the bridge is on another machine: want WithTLS, or WithoutTLS for plain text (here: --tls, or --plaintext, with a token also --plaintext-token)\n"},
		{[]string{"forward", "--to", "http://127.0.0.1:1", "--timeout", "0"}, "hookbridge: --timeout: want more than 0s and at most 30m0s, got 0s\n"},
		{[]string{"forward", "--to", "http://127.0.0.1:1", "--timeout", "2h"}, "hookbridge: --timeout: want more than 0s and at most 30m0s, got 2h0m0s\n"},
		{[]string{"replay", "--to", "http://127.0.0.1:1", "--sequence", "1", "--timeout", "-5m"}, "hookbridge: --timeout: want more than 0s and at most 30m0s, got -5m0s\n"},
		{[]string{"tail", "--colour"}, "hookbridge: unknown flag: --colour\n"},
		{[]string{"subscriptions", "lst"}, "hookbridge: subscriptions wants list, show, create, update, delete, pause, resume or seek, got \"lst\"\n"},
		{[]string{"subscriptions", "show"}, "hookbridge: subscriptions show wants one SUBSCRIPTION, got 0 arguments\n"},
		{[]string{"subscriptions", "delete", "a"}, "hookbridge: subscriptions delete removes where the subscription stands, and its dead letters, for good; say --yes if that is what you want\n"},
		{[]string{"subscriptions", "update", "a"}, "hookbridge: subscriptions update wants at least one setting\n"},
		{[]string{"subscriptions", "update", "a", "--everything", "--type", "x"}, "hookbridge: subscriptions update wants --everything or a filter, got both\n"},
		{[]string{"subscriptions", "seek", "a"}, "hookbridge: subscriptions seek wants --to WHERE\n"},
		{[]string{"subscriptions", "seek", "a", "--to", "0"}, "hookbridge: --to: want beginning, now (or end), a sequence, a time like 2026-03-01T09:00:00Z or a duration like 30m, got \"0\"\n"},
		{[]string{"subscriptions", "--server", "bridge:9090"}, "hookbridge: --server: dial bridge:9090: the bridge is on another machine: want WithTLS, or WithoutTLS for plain text (here: --tls, or --plaintext, with a token also --plaintext-token)\n"},
		{[]string{"dead-letters"}, "hookbridge: dead-letters wants list, redrive or purge\n"},
		{[]string{"dead-letters", "redrive", "a"}, "hookbridge: dead-letters redrive wants one of --all, --id, and a filter: --source, --type or --filter, or several of these\n"},
		{[]string{"dead-letters", "redrive", "a", "--all", "--id", "1"}, "hookbridge: dead-letters redrive wants one of --all, --id, and a filter: --source, --type or --filter, or several of these\n"},
		{[]string{"dead-letters", "purge", "a", "--all"}, "hookbridge: dead-letters purge removes them for good; say --yes if that is what you want\n"},
		{[]string{"dead-letters", "list", "a", "--limit", "0"}, "hookbridge: --limit: want at least 1, got 0\n"},
		{[]string{"forward"}, "hookbridge: forward wants --to URL, where the application takes its webhooks\n"},
		{[]string{"replay"}, "hookbridge: replay wants start, cancel or status, or --to\n"},
		{[]string{"replay", "start", "a", "--since", "noon"}, "hookbridge: --since: want a time like 2026-03-01T09:00:00Z or a duration like 30m, got \"noon\"\n"},
		{[]string{"events", "show", "demo/"}, "hookbridge: want an event as its sequence, or as SOURCE/ID, got \"demo/\"\n"},
		{[]string{"events", "erase", "5"}, "hookbridge: events erase removes the event for good; say --yes if that is what you want\n"},
		{[]string{"send"}, "hookbridge: send wants SOURCE [TYPE], got 0 arguments\n"},
		{[]string{"sned"}, "hookbridge: unknown command \"sned\" for \"hookbridge\"\n\nDid you mean this?\n\tsend\n\n"},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			if _, errOut, code := execute(t, tc.args...); code != exitUsage || errOut != tc.want {
				t.Errorf("want exit code %d and %q, got %d and %q", exitUsage, tc.want, code, errOut)
			}
		})
	}
}

// A bridge that is restarted is found again by tail, which says so once.
func TestTailSurvivesARestart(t *testing.T) {
	config := configFile(t, "")
	bridge := start(t, config)
	fix(t, config, bridge)
	tail := exec.CommandContext(t.Context(), binary(t), "tail", "--server", bridge.grpc, "--from", "beginning")
	var errOut transcript
	tail.Stderr = &errOut
	stdout, err := tail.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tail.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	awaitLine := func(part string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), part) {
				return
			}
		}
		t.Fatalf("tail ended before it showed %q", part)
	}
	send := func(id string) {
		t.Helper()
		if out, errOut, code := execute(t, "send", "--config", config, "--id", id, "demo", "user_created"); code != 0 {
			t.Fatalf("send: %d %s%s", code, out, errOut)
		}
	}
	send("before")
	awaitLine("before")
	bridge.kill(t)
	bridge = start(t, config)
	send("after")
	awaitLine("after")
	if err := tail.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	deadline := time.AfterFunc(patience, func() { _ = tail.Process.Kill() })
	defer deadline.Stop()
	if err := tail.Wait(); err != nil {
		t.Errorf("tail ended with %v", err)
	}
	if n := strings.Count(errOut.String(), "no connection to the bridge at "+bridge.grpc); n != 1 || !strings.HasSuffix(errOut.String(), "hookbridge: connected again\n") {
		t.Errorf("want one line about the loss and one about the return, got\n%s", errOut.String())
	}
	bridge.stop(t)
}
