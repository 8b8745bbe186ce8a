package edge

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/provider"
	"github.com/hookbridge/hookbridge/server/publickey"
)

// silent is a network in which nobody answers.
type silent struct{ waited chan time.Duration }

func (s silent) Keys(ctx context.Context, _ publickey.Origin, _ string) ([]publickey.Key, error) {
	deadline, _ := ctx.Deadline()
	s.waited <- time.Until(deadline)
	return nil, publickey.ErrUnavailable
}

func (s silent) Renewed(context.Context, publickey.Origin, time.Time) ([]publickey.Key, error) {
	return nil, publickey.ErrUnavailable
}

func (s silent) Visit(context.Context, string) error { return publickey.ErrUnavailable }

// A delivery whose provider's key can't be fetched is neither refused for good nor stored; it waits no longer than its provider does, and is told
// nothing of why.
func TestKeyUnavailable(t *testing.T) {
	network := silent{waited: make(chan time.Duration, 1)}
	b := open(t, "fireblocks", func(s *provider.SourceConfig, c *Config, _ *Endpoint) {
		s.Secrets = nil
		c.Now = time.Now
	})
	b.handler.SetSources([]*Endpoint{{Source: b.source.WithNetwork(network)}})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.URL+"/webhooks/demo", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Fireblocks-Webhook-Signature", "eyJhbGciOiJSUzUxMiIsImtpZCI6ImsxIn0..AAAA")
	answer, err := b.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text := make([]byte, 4096)
	n, _ := answer.Body.Read(text)
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") != "5" {
		t.Errorf("answered %d, Retry-After %q", answer.StatusCode, answer.Header.Get("Retry-After"))
	}
	if got := string(text[:n]); !strings.Contains(got, `"reason":"KEY_UNAVAILABLE"`) || !strings.Contains(got, "the key that it is signed with can't be had from the provider yet; send it again") || strings.Contains(got, "keys.fireblocks.io") {
		t.Errorf("answered %s", got)
	}
	if waited := <-network.waited; waited > 6500*time.Millisecond || waited < 5*time.Second {
		t.Errorf("may wait for %v", waited)
	}
	if len(b.got) != 0 {
		t.Error("the delivery went on")
	}
	if log := b.log.String(); !strings.Contains(log, "public key unavailable") {
		t.Errorf("the log has no cause: %s", log)
	}
}

// asked is a network that notes who is said to want a key.
type asked struct{ peers chan string }

func (a asked) Keys(_ context.Context, o publickey.Origin, _ string) ([]publickey.Key, error) {
	a.peers <- o.Peer
	return nil, publickey.ErrUnavailable
}

func (a asked) Renewed(context.Context, publickey.Origin, time.Time) ([]publickey.Key, error) {
	return nil, publickey.ErrUnavailable
}

func (a asked) Visit(context.Context, string) error { return publickey.ErrUnavailable }

// Whose turn it is to have a key fetched goes by the address that a trusted proxy names, and by no other header.
func TestAKeyIsFetchedForTheSender(t *testing.T) {
	for _, tc := range []struct {
		trusted []netip.Prefix
		want    string
	}{
		{nil, "127.0.0.1"},
		{[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "203.0.113.9"},
	} {
		network := asked{peers: make(chan string, 1)}
		b := open(t, "paypal", func(s *provider.SourceConfig, c *Config, _ *Endpoint) {
			s.Secrets, s.Settings, c.TrustedProxies, c.Now = nil, map[string]string{"webhook_id": "W1"}, tc.trusted, time.Now
		})
		b.handler.SetSources([]*Endpoint{{Source: b.source.WithNetwork(network)}})
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.URL+"/webhooks/demo", strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{
			"Paypal-Transmission-Sig": "AAAA", "Paypal-Transmission-Id": "1", "Paypal-Transmission-Time": "2026-03-01T09:00:00Z",
			"Paypal-Auth-Algo": "SHA256withRSA", "Paypal-Cert-Url": "https://api.paypal.com/v1/notifications/certs/CERT-1",
			"X-Forwarded-For": "198.51.100.7, 203.0.113.9", "X-Real-Ip": "198.51.100.7",
		} {
			request.Header.Set(name, value)
		}
		answer, err := b.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusServiceUnavailable {
			t.Fatalf("answered %d", answer.StatusCode)
		}
		if got := <-network.peers; got != tc.want {
			t.Errorf("with trusted proxies %v it was fetched for %q, want %q", tc.trusted, got, tc.want)
		}
	}
}
