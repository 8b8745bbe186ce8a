package edge

import (
	"context"
	"net/http"
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
