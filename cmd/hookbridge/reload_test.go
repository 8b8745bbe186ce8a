package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/internal/prototest"
)

// lines collects what is written, and lets a test wait for a line.
type lines struct {
	mu      sync.Mutex
	text    bytes.Buffer
	written chan struct{}
}

func newLines() *lines { return &lines{written: make(chan struct{}, 1)} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.text.Write(p)
	select {
	case l.written <- struct{}{}:
	default:
	}
	return n, err
}

// take waits for text and returns everything up to the end of its line, which is gone then.
func (l *lines) take(t *testing.T, text string) string {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		l.mu.Lock()
		all := l.text.String()
		if at := strings.Index(all, text); at >= 0 {
			end := at + strings.IndexByte(all[at:]+"\n", '\n') + 1
			taken := l.text.Next(end)
			out := string(taken)
			l.mu.Unlock()
			return out
		}
		l.mu.Unlock()
		select {
		case <-l.written:
		case <-deadline:
			t.Fatalf("waited in vain for %q; written was\n%s", text, all)
		}
	}
}

// A change of the file, of a secret's file, or SIGHUP takes effect while deliveries go on, none of which is dropped; a configuration that is wrong is
// reported whole and changes nothing.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	put := func(name, content string) {
		t.Helper()
		replace(t, filepath.Join(dir, name), []byte(content))
	}
	const head = "http: {listen: '127.0.0.1:0'}\ngrpc: {listen: '127.0.0.1:0'}\nadmin: {listen: '127.0.0.1:0'}\njournal: {min_free: 0}\nlog: {format: text}\nsources:\n- {name: steady, provider: hmac, secrets: [file:steady.secret]}\n"
	put("steady.secret", "steady\n")
	put("a.secret", "first\n")
	put("hookbridge.yaml", head+"- {name: a, provider: hmac, secrets: [file:a.secret]}\n")

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, log := newLines(), newLines()
	served := make(chan error, 1)
	go func() { served <- serve(ctx, out, log, filepath.Join(dir, "hookbridge.yaml")) }()
	address := regexp.MustCompile(`http://([0-9.:]+)/webhooks`).FindStringSubmatch(out.take(t, "/webhooks/"))[1]

	deliver := func(source, secret, id string) int {
		body := `{"event":"user_created"}`
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(body))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/webhooks/"+source, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return 0
		}
		req.Header = http.Header{"Content-Type": {"application/json"}, "X-Signature": {hex.EncodeToString(mac.Sum(nil))}, "X-Delivery-Id": {id}}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return 0
		}
		defer func() { _ = resp.Body.Close() }()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	want := func(source, secret string, status int) {
		t.Helper()
		if got := deliver(source, secret, "1"); got != status {
			t.Errorf("source %s with secret %q: status %d, want %d", source, secret, got, status)
		}
	}
	want("a", "first", 200)

	// Deliveries to a source that stays go on during everything below.
	steady, done := context.WithCancel(t.Context())
	finished := make(chan int)
	go func() {
		n := 0
		for ; steady.Err() == nil; n++ {
			if got := deliver("steady", "steady", fmt.Sprint(n)); got != 200 {
				t.Errorf("delivery %d during the reloads: status %d", n, got)
			}
		}
		finished <- n
	}()

	put("a.secret", "second\n")
	log.take(t, "configuration reloaded")
	want("a", "second", 200)
	want("a", "first", 401)

	put("hookbridge.yaml", head+"- {name: a, provider: hmac, secrets: [file:a.secret, file:old.secret]}\n- {name: b, provider: standard_webhooks, secrets: [file:a.secret, file:a.secret]}\n- {name: c, provider: nobody, secrets: [file:a.secret]}\n")
	problems := log.take(t, "was not reloaded")
	for _, problem := range []string{"old.secret can't be read", "want each reference once", `there is no provider \"nobody\"`, "problems=3"} {
		if !strings.Contains(problems, problem) {
			t.Errorf("the log doesn't have %q:\n%s", problem, problems)
		}
	}
	want("a", "second", 200)
	want("b", "second", 404)

	put("hookbridge.yaml", head+"- {name: a, provider: hmac, secrets: [file:a.secret, file:old.secret]}\n")
	log.take(t, "was not reloaded")
	// The file that was missing puts it right, although the configuration that names it was never in force.
	put("old.secret", "first\n")
	log.take(t, "configuration reloaded")
	want("a", "second", 200)
	want("a", "first", 200)

	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	log.take(t, "configuration reloaded")
	want("a", "first", 200)

	put("hookbridge.yaml", head+"- {name: b, provider: hmac, secrets: [file:a.secret]}\n")
	log.take(t, "configuration reloaded")
	want("a", "first", 404)
	want("b", "second", 200)

	done()
	if n := <-finished; n < 10 {
		t.Errorf("only %d deliveries went on during the reloads", n)
	}
	stop()
	if err := <-served; err != nil {
		t.Errorf("serve ended with %v", err)
	}
}

// A new image is taken over when its file changes, and one that doesn't fit is refused whole.
func TestReloadOfImages(t *testing.T) {
	config := visitsConfig(t, visits)
	put := func(source string) {
		t.Helper()
		image := prototest.Image(t, map[string]string{"acme/visits/v1/visits.proto": source})
		replace(t, filepath.Join(filepath.Dir(config), "acme.binpb"), image)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, log := newLines(), newLines()
	served := make(chan error, 1)
	go func() { served <- serve(ctx, out, log, config) }()
	address := regexp.MustCompile(`gRPC +([0-9.:]+)`).FindStringSubmatch(out.take(t, "gRPC "))[1]
	shows := func(typ string) int {
		t.Helper()
		_, _, code := call(t.Context(), "schema", "show", typ, "--server", address)
		return code
	}
	if shows("visit.ended") != 0 || shows("visit.begun") != exitFailure {
		t.Error("the first image is not in force")
	}
	put(strings.Replace(visits, `"visit.ended"`, `"visit.ended", "visit.begun"`, 1))
	log.take(t, "configuration reloaded")
	if shows("visit.begun") != 0 {
		t.Error("the second image is not in force")
	}
	put(strings.Replace(visits, `"visit.ended"`, `"user_created"`, 1))
	problems := log.take(t, "was not reloaded")
	if want := `acme.visits.v1.VisitEnded: option (hookbridge.v1.event): types[0]: \"user_created\" is claimed by hookbridge.hmac.v1.UserCreated (builtin) too`; !strings.Contains(problems, want) {
		t.Errorf("the log doesn't have %s:\n%s", want, problems)
	}
	if shows("visit.begun") != 0 {
		t.Error("the refused image took the place of the one before")
	}
	put(visits)
	log.take(t, "configuration reloaded")
	if shows("visit.begun") != exitFailure {
		t.Error("the fourth image is not in force")
	}
	stop()
	if err := <-served; err != nil {
		t.Errorf("serve ended with %v", err)
	}
}

// replace makes a file hold something else at once, as an editor does. One that is written in place is empty for a moment, in which it may be read: then the
// log speaks of that first.
func replace(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path+".new", content, 0o600), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}
