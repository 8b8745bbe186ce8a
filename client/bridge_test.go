package client_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hookbridge/hookbridge/client"
	"github.com/hookbridge/hookbridge/server"
	"github.com/hookbridge/hookbridge/server/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secret = "a secret of the tests"
	// patience is how long a test waits for what should take milliseconds.
	patience = 30 * time.Second
)

// bridge is the production server, in a folder of its own. After a restart it has the same addresses.
type bridge struct {
	t      *testing.T
	path   string
	more   string // YAML behind the rest of the configuration
	at     server.Addrs
	server *server.Server
	stop   func()
}

func open(t *testing.T) *bridge { return openWith(t, "") }

func openWith(t *testing.T, more string) *bridge {
	t.Helper()
	b := &bridge{t: t, path: filepath.Join(t.TempDir(), "hookbridge.yaml"), more: more, at: server.Addrs{HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0", Admin: "127.0.0.1:0"}}
	b.start()
	return b
}

func (b *bridge) start() {
	b.t.Helper()
	s, err := server.New(b.t.Context(), server.Options{Config: b.configure(), Logger: slog.New(slog.DiscardHandler), Version: "test"})
	if err != nil {
		b.t.Fatal(err)
	}
	b.at, b.server = s.Addrs(), s
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	b.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("the bridge ended with %v", err)
		}
	}
	b.t.Cleanup(b.stop)
}

// configure writes the configuration and reads it.
func (b *bridge) configure() *config.Config {
	b.t.Helper()
	text := fmt.Sprintf(`http: {listen: %q}
grpc: {listen: %q}
admin: {listen: %q}
journal: {min_free: "0"}
sources: [{name: demo, provider: hmac, max_body: 25MiB, secrets: [env:SECRET]}]
`, b.at.HTTP, b.at.GRPC, b.at.Admin) + b.more
	if err := os.WriteFile(b.path, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	cfg, err := config.Load(b.path, config.Options{Providers: []string{"hmac"}, LookupEnv: func(string) (string, bool) { return secret, true }})
	if err != nil {
		b.t.Fatal(err)
	}
	return cfg
}

// poster keeps no connections: an idle one is no leak.
var poster = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

// post delivers a body, which must be new, with more headers: names and values in turns.
func (b *bridge) post(id, body string, more ...string) {
	b.t.Helper()
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, body)
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, "http://"+b.at.HTTP+"/webhooks/demo", strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Delivery-Id", id)
	req.Header.Set("X-Signature", hex.EncodeToString(mac.Sum(nil)))
	for n := 0; n+1 < len(more); n += 2 {
		req.Header.Set(more[n], more[n+1])
	}
	resp, err := poster.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(answer), `"duplicate":false`) {
		b.t.Fatalf("want 200 and a new event, got %d %s, %v", resp.StatusCode, answer, err)
	}
}

// users posts so many user_created events, with ids from first on.
func (b *bridge) users(first, n int) {
	b.t.Helper()
	for id := first; id < first+n; id++ {
		b.post(fmt.Sprintf("user-%d", id), fmt.Sprintf(`{"event":"user_created","user_id":%d}`, id))
	}
}

func (b *bridge) dial(options ...client.DialOption) *client.Client {
	b.t.Helper()
	c, err := client.Dial(b.at.GRPC, options...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = c.Close() })
	return c
}

// running is a Subscribe in the background.
type running struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan error
}

func subscribe(t *testing.T, c *client.Client, name string, options ...client.Option) *running {
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- c.Subscribe(ctx, name, options...) }()
	t.Cleanup(cancel)
	return r
}

// stop ends the context and wants Subscribe to return nil.
func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	if err := r.wait(); err != nil {
		r.t.Fatalf("Subscribe returned %v", err)
	}
}

func (r *running) wait() error {
	r.t.Helper()
	select {
	case err := <-r.done:
		return err
	case <-time.After(patience):
		r.t.Fatal("Subscribe did not return")
		return nil
	}
}

// next takes what a handler was given.
func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// none wants nothing to be there.
func none[T any](t *testing.T, from <-chan T) {
	t.Helper()
	select {
	case v := <-from:
		t.Fatalf("want nothing more, got %v", v)
	default:
	}
}
