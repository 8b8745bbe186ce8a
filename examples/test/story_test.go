// Package test runs the subscribers in Go and other languages, built as their READMEs say, against the real bridge.
package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const subscription = "billing"

// delivery is what a provider posts, and what a subscriber prints about it.
type delivery struct {
	source, typ, id string
	body            string // empty for the sample of the type
	line            string // empty when it doesn't match the subscription
}

func invoice(id, typ, amount, line string) delivery {
	body := fmt.Sprintf(`{"id":%q,"object":"event","type":%q,"created":1747813618,"data":{"object":{"id":"in_%s","object":"invoice","amount_due":%s,"currency":"eur"}}}`, id, typ, id, amount)
	return delivery{source: "stripe", typ: typ, id: id, body: body, line: id + " " + typ + " " + line}
}

func pull(id string) delivery {
	return delivery{source: "github", typ: "pull_request.opened", id: id, line: id + " pull_request.opened larkspur-labs/tidepool#52 Read the phase of the moon"}
}

// Deliveries before and after the bridge is killed, just before the subscriber is stopped, and while none is there.
var (
	before = []delivery{
		{source: "stripe", typ: "invoice.paid", id: "1PTide0018Kp7qLmZx", line: "evt_1PTide0018Kp7qLmZx invoice.paid in_1PTideAAAA1 1575 gbp"},
		{source: "stripe", typ: "charge.succeeded", id: "unused"},
		pull("pull-1"),
		{source: "github", typ: "issues.opened", id: "issue-1"},
		// Beyond 2^53: digits that a double loses.
		invoice("evt_large", "invoice.finalized", "9007199254740993", "in_evt_large 9007199254740993 eur"),
		invoice("evt_changed", "invoice.voided", `"a lot"`, "not typed: data.object.amount_due"),
	}
	after = []delivery{pull("pull-2"), invoice("evt_2", "invoice.sent", "2", "in_evt_2 2 eur")}
	last  = []delivery{pull("pull-last")}
	away  = []delivery{invoice("evt_3", "invoice.sent", "3", "in_evt_3 3 eur"), pull("pull-3"), invoice("evt_4", "invoice.sent", "0", "in_evt_4 0 eur")}
)

// Each subscriber prints and acknowledges every event once, survives kill -9 of the bridge, and ends in order on a signal.
func TestSubscribersSurviveARestartOfTheBridge(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the real bridge")
	}
	// What examples/README.md says comes first.
	tools := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", tools, "../../cmd/hookbridge", "github.com/bufbuild/buf/cmd/buf").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	t.Setenv("PATH", tools+string(filepath.ListSeparator)+os.Getenv("PATH"))
	for language, scheme := range map[string]string{"go": "", "typescript": "http://", "python": "", "java": ""} {
		t.Run(language, func(t *testing.T) {
			if language != "go" && os.Getenv("HOOKBRIDGE_EXAMPLES") == "" {
				t.Skip("needs node, python3, java and mvn: make examples")
			}
			e := prepare(t, language)
			b := newBridge(t)
			server := scheme + b.grpc

			s := e.subscribe(t, server, subscription)
			s.awaitNote("subscribed as " + subscription + " ")
			tell(b, s, before)
			b.awaitSettled(subscription, 4)
			b.kill()
			s.awaitNote("disconnected: ")
			b.start()
			tell(b, s, after)
			b.awaitSettled(subscription, 2)
			s.awaitNote("subscribed as " + subscription + " ")
			// What is printed is acknowledged, even if nothing but the end comes after it.
			tell(b, s, last)
			s.stop(syscall.SIGTERM)
			b.awaitSettled(subscription, 3)

			post(b, away)
			s = e.subscribe(t, server, subscription)
			hear(s, away)
			b.awaitSettled(subscription, 6)
			s.awaitNote("subscribed as " + subscription + " ")
			s.stop(syscall.SIGINT)

			code, lines, notes := e.subscribe(t, server, "Not a name").end()
			if code != 1 || len(lines) != 0 || !strings.Contains(strings.Join(notes, "\n"), "subscription") {
				t.Errorf("a wrong name: exit code %d, printed %q, noted %q; want 1, nothing, and the bridge's reason", code, lines, notes)
			}

			// Whose subscription is deleted ends: to subscribe again would make a new one.
			s = e.subscribe(t, server, subscription)
			s.awaitNote("subscribed as " + subscription + " ")
			b.run("subscriptions", "delete", subscription, "--yes", "--server", b.grpc)
			if code, lines, notes := s.end(); code != 1 || len(lines) != 0 || !strings.Contains(strings.Join(notes, "\n"), `subscription "`+subscription+`" was deleted`) {
				t.Errorf("a deleted subscription: exit code %d, printed %q, noted %q; want 1, nothing, and the bridge's reason", code, lines, notes)
			}

			// A subscriber that waits for a bridge can be stopped, too.
			b.kill()
			s = e.subscribe(t, server, subscription)
			s.awaitNote("disconnected: ")
			s.stop(syscall.SIGTERM)
		})
	}
}

// tell posts deliveries and expects the subscriber's lines about them, no others, in order.
func tell(b *bridge, s *subscriber, deliveries []delivery) {
	b.t.Helper()
	post(b, deliveries)
	hear(s, deliveries)
}

func post(b *bridge, deliveries []delivery) {
	b.t.Helper()
	for _, d := range deliveries {
		b.send(d)
	}
}

func hear(s *subscriber, deliveries []delivery) {
	s.t.Helper()
	for _, d := range deliveries {
		if d.line == "" {
			continue
		}
		if got := s.next(s.lines); got != d.line {
			s.t.Fatalf("printed %q, want %q", got, d.line)
		}
	}
}
