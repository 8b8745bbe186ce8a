package server_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server"
	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/provider"
)

// publisher is the network: every host publishes the key of one id, or is down.
type publisher struct {
	fetches atomic.Int64
	key     atomic.Pointer[publishedKey]
}

type publishedKey struct {
	id      string
	private *rsa.PrivateKey
}

func (p *publisher) RoundTrip(r *http.Request) (*http.Response, error) {
	p.fetches.Add(1)
	key := p.key.Load()
	if key == nil {
		return &http.Response{StatusCode: http.StatusBadGateway, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
	data, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.private.PublicKey, KeyID: key.id, Use: "sig"}}})
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(data)), Request: r}, err
}

func (k *publishedKey) sign(t *testing.T, body string) string {
	t.Helper()
	head := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"RS256","kid":%q,"ts":%d,"b64":false,"crit":["b64"]}`, k.id, time.Now().Unix()))
	sum := sha256.Sum256([]byte(head + "." + body))
	made, err := rsa.SignPKCS1v15(nil, k.private, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return head + ".." + base64.RawURLEncoding.EncodeToString(made)
}

func newPublishedKey(t *testing.T, id string) *publishedKey {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &publishedKey{id, private}
}

// A provider that publishes its keys needs no secret. They are fetched when the bridge starts and when it reloads, and not for each delivery;
// a delivery whose key isn't known, and can't be asked for yet, is to come again.
func TestPublishedKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hookbridge.yaml")
	text := "http: {listen: \"127.0.0.1:0\"}\ngrpc: {listen: \"127.0.0.1:0\"}\nadmin: {listen: \"127.0.0.1:0\"}\n" +
		"journal: {dir: " + t.TempDir() + ", min_free: 0B}\nsources: [{name: contacts, provider: constant_contact}, {name: tasks, provider: asana, secrets: [captured]}]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path, config.For(catalogue))
	if err != nil {
		t.Fatal(err)
	}
	network := &publisher{}
	first, second := newPublishedKey(t, "k1"), newPublishedKey(t, "k2")
	network.key.Store(first)
	s, err := server.New(t.Context(), server.Options{
		Config: cfg, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Version: "test", KeyTransport: network,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the bridge ended with %v", err)
		}
	}()
	deliver := func(key *publishedKey, what string, want int, reason string) {
		t.Helper()
		body := fmt.Sprintf(`{"event_type":"contact.updated","what":%q}`, what)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Addrs().HTTP+"/webhooks/contacts", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-CTCT-WEBHOOK-SIG", key.sign(t, body))
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		got, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != want || !strings.Contains(string(got), reason) {
			t.Errorf("%s: answered %d %s (%v), want %d %s", what, answer.StatusCode, got, err, want, reason)
		}
	}
	for n := range 20 {
		deliver(first, fmt.Sprintf("delivery %d", n), http.StatusOK, "")
	}
	deliver(second, "a key that wasn't published when it was last asked", http.StatusServiceUnavailable, "KEY_UNAVAILABLE")
	deliver(&publishedKey{first.id, second.private}, "forged under a key that is known", http.StatusUnauthorized, "SIGNATURE_MISMATCH")
	if n := network.fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
	captureAsana(t, s.Addrs(), "tasks")
	deliver(first, "after another source has captured its secret", http.StatusOK, "")
	if n := network.fetches.Load(); n != 1 {
		t.Errorf("%d fetches after another source has captured its secret, want 1", n)
	}
	network.key.Store(second)
	if err := s.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	deliver(second, "after a reload", http.StatusOK, "")
	deliver(first, "a key that was withdrawn, at once", http.StatusServiceUnavailable, "KEY_UNAVAILABLE")
	if n := network.fetches.Load(); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
	network.key.Store(nil)
	if err := s.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	deliver(second, "while the host is down", http.StatusOK, "")
	deliver(first, "an unknown key while the host is down", http.StatusServiceUnavailable, "KEY_UNAVAILABLE")
	metrics := getText(t, "http://"+s.Addrs().Admin+"/metrics")
	for _, line := range []string{
		`hookbridge_key_fetches_total{host="developer.constantcontact.com",outcome="ok"} 2`,
		`hookbridge_key_fetches_total{host="developer.constantcontact.com",outcome="status"} `,
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("the metrics have no %s", line)
		}
	}
}

// captureAsana opens a window and makes the handshake that brings the secret of a source of Asana.
func captureAsana(t *testing.T, at server.Addrs, source string) {
	t.Helper()
	conn, err := grpc.NewClient(at.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := hookbridgev1.NewSourceServiceClient(conn).OpenCapture(t.Context(), &hookbridgev1.OpenCaptureRequest{Source: source}); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+at.HTTP+"/webhooks/"+source, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Hook-Secret", "brought-by-the-handshake")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK || answer.Header.Get("X-Hook-Secret") != "brought-by-the-handshake" {
		t.Fatalf("the handshake was answered %d", answer.StatusCode)
	}
}

func getText(t *testing.T, u string) string {
	t.Helper()
	answer, err := http.Get(u)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
