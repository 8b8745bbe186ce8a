package edge

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/provider"
)

// What the sender did wrong is told once, with all that was read, after the answer; our own trouble isn't, and is in the log instead.
func TestRefusalsAreTold(t *testing.T) {
	const document = `{"event":"user_created"}`
	forge := func(r *http.Request) { r.Header.Set("X-Signature", strings.Repeat("0", 64)) }
	type told struct {
		Source, Reason, Body, Path, Signature string
		Status                                int
		Bytes                                 int64
	}
	for name, c := range map[string]struct {
		answer error
		change func(*http.Request)
		want   []told
		logged bool
	}{
		"stored": {},
		"forged": {
			change: forge,
			want:   []told{{"demo", "SIGNATURE_MISMATCH", document, "/webhooks/demo", strings.Repeat("0", 64), 401, int64(len(document))}},
		},
		"a wrong method, whose body nobody reads": {
			change: func(r *http.Request) { forge(r); r.Method = http.MethodPut },
			want:   []told{{"demo", "METHOD_NOT_ALLOWED", "", "/webhooks/demo", strings.Repeat("0", 64), 405, 0}},
		},
		"no source": {
			change: func(r *http.Request) { forge(r); r.URL.Path = "/webhooks/none" },
			want:   []told{{"", "UNKNOWN_SOURCE", "", "/webhooks/none", strings.Repeat("0", 64), 404, 0}},
		},
		"verified, and not what the schema wants": {
			answer: fault.ErrSchema,
			change: func(r *http.Request) { r.Header.Set("X-Unsigned", "1") },
			want:   []told{{"demo", "SCHEMA_VIOLATION", document, "/webhooks/demo", "", 422, int64(len(document))}},
		},
		"a journal that is full": {answer: fault.ErrJournalFull, logged: true},
		"a defect of ours":       {answer: context.Canceled, logged: true},
	} {
		t.Run(name, func(t *testing.T) {
			refused := make(chan *delivery.Refusal, 2)
			b := open(t, "hmac", func(_ *provider.SourceConfig, c *Config, _ *Endpoint) {
				c.Refused = func(r *delivery.Refusal) { refused <- r }
			})
			b.answer = c.answer
			resp, text := b.send(t, document, c.change)
			b.Close()
			close(refused)
			var got []told
			for r := range refused {
				seen := told{r.Source, r.Reason, string(r.Request.Body), r.Request.URL.Path, r.Request.Header.Get("X-Signature"), r.Status, r.BodyBytes}
				if r.Request.Header.Get("X-Unsigned") != "" {
					seen.Signature = ""
				}
				got = append(got, seen)
				if r.RequestID != resp.Header.Get("X-Request-Id") || r.Status != resp.StatusCode || !strings.Contains(text, r.Message) {
					t.Errorf("the sender was told %s, %d, %s; the refusal says %s, %d, %s",
						resp.Header.Get("X-Request-Id"), resp.StatusCode, text, r.RequestID, r.Status, r.Message)
				}
				if host := strings.TrimPrefix(b.URL, "http://"); r.Host != host || r.Peer != "127.0.0.1" || r.Request.Peer != r.Peer || !r.Time.Equal(now) || !r.Request.ReceivedAt.Equal(now) {
					t.Errorf("want %s, 127.0.0.1 and %v, got %s, %s and %v", host, now, r.Host, r.Peer, r.Time)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if logged := strings.Contains(b.log.String(), "delivery refused"); logged != c.logged {
				t.Errorf("want a log line: %v, got %q", c.logged, b.log.String())
			}
		})
	}
}
