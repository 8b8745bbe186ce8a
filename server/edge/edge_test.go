package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/provider"
)

var now = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

const secret = "a secret for tests"

// bridge is an edge on a real listener, and what went past it.
type bridge struct {
	*httptest.Server
	handler *Handler
	source  *provider.Source
	log     *syncBuffer
	got     []*delivery.Verified
	answer  error
	// duplicate says that nothing of what comes is new.
	duplicate bool
}

// syncBuffer is a log that requests write to while a test reads it.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String returns what was logged.
func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func open(t *testing.T, key string, change ...func(*provider.SourceConfig, *Config, *Endpoint)) *bridge {
	t.Helper()
	return openPack(t, builtin(t, key), 30*time.Second, change...)
}

func builtin(t *testing.T, key string) *provider.Pack {
	t.Helper()
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	pack, _ := catalogue.Get(key)
	return pack
}

func openPack(t *testing.T, pack *provider.Pack, readTimeout time.Duration, change ...func(*provider.SourceConfig, *Config, *Endpoint)) *bridge {
	t.Helper()
	b := closed(t, pack, change...)
	b.Server = httptest.NewUnstartedServer(nil)
	b.Config = b.handler.Server(readTimeout)
	b.Start()
	t.Cleanup(b.Close)
	return b
}

// closed is a bridge that doesn't listen.
func closed(t *testing.T, pack *provider.Pack, change ...func(*provider.SourceConfig, *Config, *Endpoint)) *bridge {
	t.Helper()
	var err error
	b := &bridge{log: &syncBuffer{}}
	sourceCfg := provider.SourceConfig{Name: "demo", Pack: pack, Secrets: []string{secret}, DigestWindow: time.Minute}
	cfg := Config{
		MaxInFlight: 64 << 20,
		Logger:      slog.New(slog.NewTextHandler(b.log, nil)),
		Now:         func() time.Time { return now },
		// What is the sender's fault is told, what is ours is logged; here both are in one place.
		Refused: func(r *delivery.Refusal) {
			_, _ = fmt.Fprintf(b.log, "refused reason=%s\n", r.Reason)
		},
		Next: func(_ context.Context, w http.ResponseWriter, d *delivery.Delivery) error {
			if b.answer != nil {
				return b.answer
			}
			b.got = append(b.got, d.Events...)
			if told, ok := w.(delivery.Told); ok {
				told.Stored(b.duplicate)
			}
			_, err := io.WriteString(w, "receipt")
			return err
		},
	}
	endpoint := &Endpoint{}
	for _, c := range change {
		c(&sourceCfg, &cfg, endpoint)
	}
	if b.source, err = provider.NewSource(sourceCfg); err != nil {
		t.Fatal(err)
	}
	if b.handler, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	endpoint.Source = b.source
	b.handler.SetSources([]*Endpoint{endpoint})
	return b
}

// send signs a body and posts it; change may spoil the request.
func (b *bridge) send(t *testing.T, body string, change func(*http.Request)) (*http.Response, string) {
	t.Helper()
	h, err := b.source.Sign(&url.URL{Path: "/webhooks/demo"}, []byte(body), "user_created", "d-1", now)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.URL+"/webhooks/demo", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = h
	if change != nil {
		change(req)
	}
	resp, err := b.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// reasonOf reads the reason of an error body, which is a google.rpc.Status.
func reasonOf(t *testing.T, body string) string {
	t.Helper()
	var status struct {
		Message string
		Details []struct{ Reason string }
	}
	if err := json.Unmarshal([]byte(body), &status); err != nil || status.Message == "" || len(status.Details) == 0 {
		t.Fatalf("the error body is no google.rpc.Status: %q, %v", body, err)
	}
	return status.Details[0].Reason
}

// Every refusal, by status and reason, over real HTTP. Nothing that is refused goes past the edge, and no answer has the secret.
func TestRefusals(t *testing.T) {
	const body = `{"event":"user_created","user_id":42}`
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, tc := range []struct {
		name, provider string
		change         func(*http.Request)
		status         int
		reason, header string
	}{
		{"accepted", "hmac", nil, 200, "", ""},
		{"unknown source", "hmac", func(r *http.Request) { r.URL.Path = "/webhooks/nobody" }, 404, "UNKNOWN_SOURCE", ""},
		{"unknown path", "hmac", func(r *http.Request) { r.URL.Path = "/" }, 404, "UNKNOWN_SOURCE", ""},
		{"no signature", "hmac", func(r *http.Request) { r.Header.Del("X-Signature") }, 401, "SIGNATURE_MISSING", ""},
		{"a signature that can't be read", "hmac", set("X-Signature", "zz"), 401, "SIGNATURE_MALFORMED", ""},
		{"a wrong signature", "hmac", set("X-Signature", strings.Repeat("0", 64)), 401, "SIGNATURE_MISMATCH", ""},
		{"a method that isn't taken", "hmac", func(r *http.Request) { r.Method = http.MethodPut }, 405, "METHOD_NOT_ALLOWED", "Allow: POST"},
		{"a method in a header changes nothing", "hmac", set("X-HTTP-Method-Override", "PUT"), 200, "", ""},
		{"a media type that isn't taken", "hmac", set("Content-Type", "text/xml"), 415, "UNSUPPORTED_MEDIA_TYPE", ""},
		{"an encoding", "hmac", set("Content-Encoding", "gzip"), 415, "UNSUPPORTED_MEDIA_TYPE", ""},
		{"identity is no encoding", "hmac", set("Content-Encoding", "identity"), 200, "", ""},
		{"no signature of GitHub", "github", func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") }, 401, "SIGNATURE_MISSING", ""},
		{"GitHub's prefix is missing", "github", func(r *http.Request) {
			r.Header.Set("X-Hub-Signature-256", strings.TrimPrefix(r.Header.Get("X-Hub-Signature-256"), "sha256="))
		}, 401, "SIGNATURE_MALFORMED", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := open(t, tc.provider)
			resp, text := b.send(t, body, tc.change)
			if resp.StatusCode != tc.status {
				t.Fatalf("status %d, want %d: %s", resp.StatusCode, tc.status, text)
			}
			if resp.Header.Get("X-Request-Id") == "" {
				t.Error("no request id")
			}
			if strings.Contains(text, secret) || strings.Contains(b.log.String(), secret) {
				t.Error("the secret is in the answer or the log")
			}
			if tc.status == 200 {
				if len(b.got) != 1 || string(b.got[0].Body) != body || text != "receipt" {
					t.Errorf("got %d deliveries, answer %q", len(b.got), text)
				}
				return
			}
			if got := reasonOf(t, text); got != tc.reason {
				t.Errorf("reason %s, want %s", got, tc.reason)
			}
			if len(b.got) != 0 {
				t.Error("it went past the edge")
			}
			if name, value, ok := strings.Cut(tc.header, ": "); ok && resp.Header.Get(name) != value {
				t.Errorf("%s is %q, want %q", name, resp.Header.Get(name), value)
			}
			b.Close() // refusals are told after the answer
			if !strings.Contains(b.log.String(), "reason="+tc.reason) {
				t.Errorf("the log doesn't say why: %s", b.log)
			}
		})
	}
}

// A timestamp counts in both directions, to the second, for a signature that is right.
func TestTolerance(t *testing.T) {
	for _, tc := range []struct {
		offset time.Duration
		status int
	}{
		{0, 200}, {-300 * time.Second, 200}, {300 * time.Second, 200}, {-301 * time.Second, 401}, {301 * time.Second, 401},
	} {
		t.Run(tc.offset.String(), func(t *testing.T) {
			b := open(t, "stripe")
			body := `{"id":"evt_1","type":"invoice.paid"}`
			h, err := b.source.Sign(&url.URL{}, []byte(body), "", "", now.Add(tc.offset))
			if err != nil {
				t.Fatal(err)
			}
			resp, text := b.send(t, body, func(r *http.Request) { r.Header = h })
			if resp.StatusCode != tc.status {
				t.Fatalf("status %d, want %d: %s", resp.StatusCode, tc.status, text)
			}
			if tc.status == 401 {
				if got := reasonOf(t, text); got != "TIMESTAMP_OUT_OF_TOLERANCE" {
					t.Errorf("reason %s", got)
				}
			}
		})
	}
}

// A body of exactly the limit is taken whole; one byte more is 413, announced or not. Nothing is cut off.
func TestBodyLimit(t *testing.T) {
	const limit = 100_000
	limited := func(s *provider.SourceConfig, _ *Config, _ *Endpoint) { s.MaxBody = limit }
	for _, tc := range []struct {
		name   string
		size   int
		length bool
		status int
	}{
		{"the limit, announced", limit, true, 200},
		{"the limit, chunked", limit, false, 200},
		{"one more, announced", limit + 1, true, 413},
		{"one more, chunked", limit + 1, false, 413},
		{"much more, chunked", 10 * limit, false, 413},
		{"nothing", 0, true, 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := open(t, "hmac", limited)
			body := strings.Repeat("x", tc.size)
			resp, text := b.send(t, body, func(r *http.Request) {
				if !tc.length {
					r.ContentLength = -1
					r.Body = io.NopCloser(strings.NewReader(body))
				}
			})
			if resp.StatusCode != tc.status {
				t.Fatalf("status %d, want %d: %s", resp.StatusCode, tc.status, text)
			}
			if tc.status == 200 && (len(b.got) != 1 || string(b.got[0].Body) != body) {
				t.Error("the body didn't come through whole")
			}
			if tc.status == 413 && reasonOf(t, text) != "BODY_TOO_LARGE" {
				t.Errorf("got %s", text)
			}
		})
	}
}

// What next says is what the sender is told, with the status that the table has, and Retry-After where trying again helps.
func TestErrorsOfTheNextRoom(t *testing.T) {
	for _, tc := range []struct {
		err    error
		status int
		reason string
		retry  string
	}{
		{fault.ErrJournalFull, 503, "JOURNAL_FULL", "5"},
		{fmt.Errorf("%w: fsync", fault.ErrJournalUnavailable), 503, "JOURNAL_UNAVAILABLE", "5"},
		{fault.ErrSchema, 422, "SCHEMA_VIOLATION", ""},
		{errors.New("a defect with " + secret), 500, "INTERNAL", "5"},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			b := open(t, "hmac")
			b.answer = tc.err
			resp, text := b.send(t, `{}`, nil)
			if resp.StatusCode != tc.status || reasonOf(t, text) != tc.reason || resp.Header.Get("Retry-After") != tc.retry {
				t.Errorf("got %d, Retry-After %q, %s", resp.StatusCode, resp.Header.Get("Retry-After"), text)
			}
			if strings.Contains(text, secret) {
				t.Error("the cause is in the answer")
			}
		})
	}
}

// The rate counts verified deliveries only: forged ones don't use it up.
func TestRate(t *testing.T) {
	b := open(t, "hmac", func(_ *provider.SourceConfig, _ *Config, e *Endpoint) { e.Limiter = rate.NewLimiter(0.5, 1) })
	for range 3 {
		if resp, _ := b.send(t, `{}`, func(r *http.Request) { r.Header.Set("X-Signature", strings.Repeat("0", 64)) }); resp.StatusCode != 401 {
			t.Fatalf("status %d, want 401", resp.StatusCode)
		}
	}
	if resp, _ := b.send(t, `{}`, nil); resp.StatusCode != 200 {
		t.Fatalf("the first verified delivery: status %d", resp.StatusCode)
	}
	resp, text := b.send(t, `{}`, nil)
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "2" || reasonOf(t, text) != "RATE_EXCEEDED" {
		t.Errorf("got %d, Retry-After %q, %s", resp.StatusCode, resp.Header.Get("Retry-After"), text)
	}
}

// Draining refuses with 503, so that the sender tries again, on another connection.
func TestDrain(t *testing.T) {
	b := open(t, "hmac")
	b.handler.Drain()
	resp, text := b.send(t, `{}`, nil)
	if resp.StatusCode != 503 || reasonOf(t, text) != "SHUTTING_DOWN" || resp.Header.Get("Retry-After") != "1" || !resp.Close {
		t.Errorf("got %d, closed %t, %s", resp.StatusCode, resp.Close, text)
	}
}

// Slack's signed handshake is answered and is no event.
func TestHandshake(t *testing.T) {
	b := open(t, "slack")
	resp, text := b.send(t, `{"type":"url_verification","challenge":"3eZbrw1aB"}`, nil)
	if resp.StatusCode != 200 || text != "3eZbrw1aB" || resp.Header.Get("Content-Type") != "text/plain" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("got %d %q %v", resp.StatusCode, text, resp.Header)
	}
	if len(b.got) != 0 {
		t.Error("a handshake became an event")
	}
}
