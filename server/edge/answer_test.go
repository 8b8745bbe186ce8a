package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/provider"
)

func packWith(t *testing.T, rest string) *provider.Pack {
	t.Helper()
	pack, err := provider.Parse("p.yaml", []byte(`
key: p
name: P
docs_url: https://example.com/
schemes: [{name: signature, algorithm: hmac-sha256, signature: [{header: X-Signature}], encoding: hex, content: "{body}"}]
bodies: [{media_type: application/json}]
id: [{parts: [{json: id}]}]
retries: true
evidence: [made for this test]
`+rest))
	if err != nil {
		t.Fatal(err)
	}
	return pack
}

// What a pack wants a provider to be told is told.
func TestAnswersOfAPack(t *testing.T) {
	const answers = `answers: {success: {status: 202, content_type: application/json, body: '{{"ok":"{json:id}"}}'}, duplicate: {status: 204, headers: [{name: X-Again, value: "{json:id}"}]}, failure: {status: 403, empty: true}}`
	for _, tc := range []struct {
		name, body                      string
		duplicate, forged               bool
		trouble                         error
		status                          int
		contentType, header, text, lost string
	}{
		{name: "stored", body: `{"id":"1"}`, status: 202, contentType: "application/json", text: `{"ok":"1"}`},
		{name: "stored before", body: `{"id":"1"}`, duplicate: true, status: 204, header: "1"},
		{name: "what is named is absent", body: `{}`, status: 200, contentType: "text/plain; charset=utf-8", text: "receipt"},
		{name: "not authentic", body: `{}`, forged: true, status: 403},
		{name: "trouble is told as always", body: `{"id":"1"}`, trouble: fault.ErrJournalFull, status: 503, contentType: "application/json", text: "JOURNAL_FULL"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := openPack(t, packWith(t, answers), time.Minute)
			b.duplicate, b.answer = tc.duplicate, tc.trouble
			resp, text := b.send(t, tc.body, func(r *http.Request) {
				if tc.forged {
					r.Header.Set("X-Signature", strings.Repeat("0", 64))
				}
			})
			if tc.text == "JOURNAL_FULL" {
				text = reasonOf(t, text)
			}
			if resp.StatusCode != tc.status || text != tc.text || resp.Header.Get("Content-Type") != tc.contentType || resp.Header.Get("X-Again") != tc.header {
				t.Errorf("got %d %q %v", resp.StatusCode, text, resp.Header)
			}
			if want := int64(len(tc.text)); tc.status != 204 && tc.trouble == nil && resp.ContentLength != want {
				t.Errorf("length %d, want %d", resp.ContentLength, want)
			}
		})
	}
}

// A handshake without what is required of it is forbidden.
func TestForbiddenHandshake(t *testing.T) {
	b := openPack(t, packWith(t, `handshakes: [{method: GET, when: [{query: c}], require: [{query: token, equals: right}], respond: {content_type: text/plain, body: "{query:c}"}}]`), time.Minute)
	for query, want := range map[string]string{
		"?c=1&token=right": "200 1", "?c=1&token=wrong": "403 HANDSHAKE_REFUSED", "?c=1": "403 HANDSHAKE_REFUSED", "?c=%00&token=right": "400 HANDSHAKE_REFUSED",
	} {
		resp, err := http.Get(b.URL + "/webhooks/demo" + query)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		got := string(text)
		if resp.StatusCode != 200 {
			got = reasonOf(t, got)
		}
		if got = fmt.Sprintf("%d %s", resp.StatusCode, got); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}

// A handshake that brings a secret is answered when the secret is kept, and not before.
func TestCapture(t *testing.T) {
	const handshake = `handshakes: [{method: POST, when: [{header: X-Hook-Secret}], captures: {header: X-Hook-Secret}, respond: {headers: [{name: X-Hook-Secret, value: "{header:X-Hook-Secret}"}]}}]`
	for _, tc := range []struct {
		name     string
		captured bool
		refusal  error
		want     string
		calls    string
	}{
		{"kept", true, nil, "200 brought", "demo brought 127.0.0.1"},
		{"refused", true, fault.Detail(fault.ErrHandshakeForbidden, "no window is open"), "403 ", "demo brought 127.0.0.1"},
		{"trouble", true, errors.New("disk"), "500 ", "demo brought 127.0.0.1"},
		{"a source that doesn't ask for one", false, nil, "403 ", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			calls := ""
			b := openPack(t, packWith(t, handshake), time.Minute, func(s *provider.SourceConfig, c *Config, _ *Endpoint) {
				s.Captured = tc.captured
				c.Capture = func(_ context.Context, source, secret, peer string) error {
					calls += source + " " + secret + " " + peer
					return tc.refusal
				}
			})
			resp, text := b.send(t, `{}`, func(r *http.Request) { r.Header.Set("X-Hook-Secret", "brought") })
			if got := fmt.Sprintf("%d %s", resp.StatusCode, resp.Header.Get("X-Hook-Secret")); got != tc.want || calls != tc.calls {
				t.Errorf("got %q after %q, want %q after %q", got, calls, tc.want, tc.calls)
			}
			b.Close()
			if strings.Contains(b.log.String()+text, "brought") {
				t.Errorf("the secret was said: %s\n%s", text, b.log)
			}
		})
	}
}

// A list goes on as a whole, an empty one too; one that is too long doesn't.
func TestLists(t *testing.T) {
	var got []*delivery.Delivery
	b := openPack(t, packWith(t, "batch: {}"), time.Minute, func(_ *provider.SourceConfig, c *Config, _ *Endpoint) {
		c.Next = func(_ context.Context, _ http.ResponseWriter, d *delivery.Delivery) error {
			got = append(got, d)
			return nil
		}
	})
	for _, tc := range []struct {
		body   string
		status int
		reason string
		events int
		list   bool
	}{
		{`[{"id":"1"},{"id":"2"}]`, 200, "", 2, true},
		{`[]`, 200, "", 0, true},
		{`{"id":"1"}`, 200, "", 1, false},
		{"[" + strings.Repeat("1,", provider.MaxEvents) + "1]", 413, "TOO_MANY_EVENTS", 0, false},
	} {
		got = nil
		resp, text := b.send(t, tc.body, nil)
		if resp.StatusCode != tc.status || tc.reason != "" && reasonOf(t, text) != tc.reason {
			t.Errorf("%.30s: %d %s", tc.body, resp.StatusCode, text)
		}
		if tc.status == 200 && (len(got) != 1 || got[0].Source != "demo" || got[0].List != tc.list || len(got[0].Events) != tc.events) {
			t.Errorf("%.30s: handed on %+v", tc.body, got)
		}
		if tc.status != 200 && got != nil {
			t.Errorf("%.30s: handed on %+v", tc.body, got)
		}
	}
}

// The events of a list count against the budget as long as they are on their way.
func TestListsCountAgainstTheBudget(t *testing.T) {
	const events = 100
	body := "[" + strings.Repeat("1,", events-1) + "1]"
	var b *bridge
	var during int64
	b = openPack(t, packWith(t, "batch: {}"), time.Minute, func(_ *provider.SourceConfig, c *Config, _ *Endpoint) {
		c.Next = func(context.Context, http.ResponseWriter, *delivery.Delivery) error {
			during = b.handler.budget.used.Load()
			return nil
		}
	})
	if resp, text := b.send(t, body, nil); resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	b.Close()
	if want := int64(len(body) + events*eventRoom); during != want {
		t.Errorf("%d bytes were taken, want %d", during, want)
	}
	if left := b.handler.budget.used.Load(); left != 0 {
		t.Errorf("%d bytes are still taken", left)
	}
	// A list that could never have its room has what there is.
	small := newBudget(1000)
	if taken, ok := small.events(t.Context(), events, 400, 0); !ok || taken.bytes != 600 {
		t.Errorf("took %v, %v", taken, ok)
	}
	if taken, ok := small.events(t.Context(), events, 400, 0); ok || taken.bytes != 0 {
		t.Errorf("took %v more, %v", taken, ok)
	}
}
