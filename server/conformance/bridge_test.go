package conformance

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server"
	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/provider"
)

// patience is how long a test waits for what should take milliseconds: nothing here fails because a machine is slow.
const patience = 60 * time.Second

// deadLetterBytes is how much room there is for dead letters.
const deadLetterBytes = 2 << 20

const listeners = `http: {listen: "127.0.0.1:0"}
grpc: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
sources:
  - {name: github, provider: github, secrets: [env:SECRET]}
  - {name: shop, provider: hmac, secrets: [env:SECRET]}
`

// poster keeps no connections: an idle one is no leak of the bridge.
var poster = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// bridge is the production server with a journal of its own.
type bridge struct {
	t      testing.TB
	path   string // of the configuration
	alive  server.Keepalive
	at     server.Addrs
	log    *lines
	stop   func()
	signer map[string]*provider.Source
	stored int64 // how many events were posted

	conn   *grpc.ClientConn
	events hookbridgev1.EventServiceClient
	manage hookbridgev1.SubscriptionServiceClient
}

// open starts a bridge on an empty journal. journal is YAML with what the journal is to have beside its bounds.
func open(t testing.TB, journal string) *bridge {
	t.Helper()
	dir := t.TempDir()
	b := &bridge{t: t, path: filepath.Join(dir, "hookbridge.yaml"), log: &lines{t: t}}
	text := fmt.Sprintf("%sjournal: {dir: %q, min_free: \"0\", retention: {max_bytes: 64MiB, dead_letter_bytes: \"%d\"}%s}\n",
		listeners, filepath.Join(dir, "data"), deadLetterBytes, journal)
	if err := os.WriteFile(b.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b.start()
	t.Cleanup(func() { b.stop() })
	return b
}

// start runs the server on what is on disk.
func (b *bridge) start() {
	b.t.Helper()
	catalogue, err := provider.Builtin()
	if err != nil {
		b.t.Fatal(err)
	}
	secret := func(string) (string, bool) { return "a secret of the tests", true }
	cfg, err := config.Load(b.path, config.Options{Providers: catalogue.Keys(), LookupEnv: secret})
	if err != nil {
		b.t.Fatal(err)
	}
	b.signer = map[string]*provider.Source{}
	for _, s := range cfg.Sources {
		pack, _ := catalogue.Get(s.Provider)
		b.signer[s.Name], err = provider.NewSource(provider.SourceConfig{Name: s.Name, Pack: pack, Secrets: []string{s.Secrets[0].Reveal()}})
		if err != nil {
			b.t.Fatal(err)
		}
	}
	s, err := server.New(b.t.Context(), server.Options{
		Config: cfg, Logger: slog.New(slog.NewTextHandler(b.log, nil)), Version: "test", Keepalive: b.alive,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	b.at = s.Addrs()
	b.conn = b.dial(b.at.GRPC)
	b.events, b.manage = hookbridgev1.NewEventServiceClient(b.conn), hookbridgev1.NewSubscriptionServiceClient(b.conn)
	conn := b.conn
	b.stop = sync.OnceFunc(func() {
		_ = conn.Close()
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("the bridge ended with %v", err)
		}
	})
}

// restart stops the bridge, and starts it again on what is on disk.
func (b *bridge) restart() {
	b.t.Helper()
	b.stop()
	b.start()
}

func (b *bridge) dial(address string) *grpc.ClientConn {
	b.t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.t.Fatal(err)
	}
	return conn
}

// post signs a delivery as its provider would and posts it, again while the answer is 503, as providers do. It returns the receipt.
func (b *bridge) post(source, typ, id, body string) string {
	b.t.Helper()
	u := &url.URL{Scheme: "http", Host: b.at.HTTP, Path: "/webhooks/" + source}
	header, err := b.signer[source].Sign(u, []byte(body), typ, id, time.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	receipt := ""
	eventually(b.t, "a delivery is taken", func() bool {
		ctx, cancel := context.WithTimeout(b.t.Context(), patience)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(body))
		if err != nil {
			b.t.Fatal(err)
		}
		req.Header = header
		resp, err := poster.Do(req)
		if err != nil {
			b.t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusServiceUnavailable {
			b.t.Fatalf("post %s: %d %s %v", id, resp.StatusCode, text, err)
		}
		receipt = string(text)
		return resp.StatusCode == http.StatusOK
	})
	return receipt
}

// event stores one event. Its sequence is one more than that of the one before.
func (b *bridge) event(source, typ, body string) {
	b.t.Helper()
	b.stored++
	b.post(source, typ, fmt.Sprintf("event-%d", b.stored), body)
}

// push stores n events of the type push.
func (b *bridge) push(n int) {
	b.t.Helper()
	for range n {
		b.event("github", "push", `{"ref":"refs/heads/main","repository":{"full_name":"acme/mugs"}}`)
	}
}

// keyed stores an event with an ordering key.
func (b *bridge) keyed(key string) {
	b.t.Helper()
	b.event("github", "push", fmt.Sprintf(`{"ref":"refs/heads/main","repository":{"full_name":%q}}`, key))
}

// order stores an event of the other source.
func (b *bridge) order(typ string) {
	b.t.Helper()
	b.event("shop", typ, fmt.Sprintf(`{"event":%q}`, typ))
}

// heavy stores an event with a body of so many bytes, which don't compress.
func (b *bridge) heavy(size int) {
	b.t.Helper()
	note := make([]byte, size)
	state := uint64(b.stored + 1)
	for i := range note {
		state = state*6364136223846793005 + 1442695040888963407
		note[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[state>>58]
	}
	b.event("shop", "heavy", fmt.Sprintf(`{"event":"heavy","note":%q}`, note))
}

// lines is a log that can be searched.
type lines struct {
	t    testing.TB
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.text.Write(p)
	return l.t.Output().Write(p)
}

// with returns the lines that have all of the parts.
func (l *lines) with(parts ...string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
next:
	for line := range strings.Lines(l.text.String()) {
		for _, part := range parts {
			if !strings.Contains(line, part) {
				continue next
			}
		}
		found = append(found, line)
	}
	return found
}
