package provider

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/hookbridge/server/delivery"
)

var (
	now = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	// secrets are one for each form that a built-in pack's keys have, by the pack; the rest take any text.
	secrets = map[string]string{
		"standard_webhooks": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"gitlab":            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	}
)

func source(t *testing.T, key string, secret ...string) *Source {
	t.Helper()
	c, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	pack, ok := c.Get(key)
	if !ok {
		t.Fatalf("no pack %q", key)
	}
	cfg := SourceConfig{Name: "test", Pack: pack, Secrets: secret, DigestWindow: 5 * time.Minute, PublicURL: true}
	c0 := fixtureCase(t, key)
	if len(secret) == 0 {
		cfg.Secrets = []string{"a secret for tests"}
		if s, ok := secrets[key]; ok {
			cfg.Secrets[0] = s
		} else if c0 != nil {
			cfg.Secrets = c0.GetSecrets()
		}
	}
	cfg.Settings = c0.GetSettings()
	s, err := NewSource(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func post(h http.Header, body []byte) *delivery.Request {
	return &delivery.Request{Method: http.MethodPost, URL: &url.URL{Path: "/webhooks/test"}, Header: h, Body: body, ReceivedAt: now}
}

// What is delivered of a fixture's documents, as a provider without samples of its own would, is taken and has its type.
func TestFixtureSamples(t *testing.T) {
	c, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	delivered := 0
	for _, key := range c.Keys() {
		for _, sample := range c.fixtureSamples(key) {
			t.Run(key+"/"+sample.Type, func(t *testing.T) {
				s := source(t, key)
				signed, err := s.Deliver(&url.URL{Scheme: "https", Host: "hooks.example.com", Path: "/webhooks/test"}, sample.Body, sample.Type, "id-1", now)
				if errors.Is(err, ErrCannotSign) {
					t.Skip("nobody but the provider can sign this; see its fixture:", err)
				}
				if err != nil {
					t.Fatal(err)
				}
				r := post(signed.Header, signed.Body)
				r.URL = signed.URL
				outcome, err := s.Receive(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				if len(outcome.Verified) == 0 || outcome.Verified[0].Type != sample.Type {
					t.Errorf("got %+v", outcome.Verified)
				}
				delivered++
			})
		}
	}
	if delivered < 120 {
		t.Errorf("only %d were delivered", delivered)
	}
}

// Each sample, signed as its provider would, verifies and has the type that its file is named after; with one bit of the body
// changed it is refused. A new pack is tested by its sample.
func TestSamples(t *testing.T) {
	c, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range c.Keys() {
		for _, sample := range ownSamples(key) {
			t.Run(key+"/"+sample.Type, func(t *testing.T) {
				s := source(t, key)
				h, err := s.Sign(&url.URL{Path: "/webhooks/test"}, sample.Body, sample.Type, "id-1", now)
				if errors.Is(err, ErrCannotSign) {
					t.Skip("nobody but the provider can sign this; see its fixture:", err)
				}
				if err != nil {
					t.Fatal(err)
				}
				outcome, err := s.Receive(t.Context(), post(h, sample.Body))
				if err != nil {
					t.Fatal(err)
				}
				v := outcome.Verified[0]
				if v.Type != sample.Type || v.Provider != key || v.Source != "test" || v.ID == "" ||
					v.Size == 0 && !bytes.Equal(v.Document, sample.Body) || !bytes.Contains(sample.Body, v.Document) {
					t.Errorf("got type %q, provider %q, source %q, id %q", v.Type, v.Provider, v.Source, v.ID)
				}
				if v.Auth.BodyCovered {
					for _, at := range []int{0, len(sample.Body) / 2, len(sample.Body) - 1} {
						changed := bytes.Clone(sample.Body)
						changed[at] ^= 1
						if _, err := s.Receive(t.Context(), post(h, changed)); err == nil {
							t.Errorf("byte %d changed, and still taken", at)
						}
					}
				}
			})
		}
	}
}

// What an event is made of, for deliveries whose parts come from different places.
func TestReceive(t *testing.T) {
	type want struct {
		ID, Type, OrderingKey string
		DedupeWindow          time.Duration
		Hold                  time.Duration
		Auth                  delivery.Auth
	}
	for _, tc := range []struct {
		name, provider, body string
		header               http.Header
		want                 want
	}{
		{
			name: "an id in a header that isn't signed", provider: "github",
			body:   `{"action":"opened","repository":{"full_name":"acme/mugs"}}`,
			header: http.Header{"X-Github-Event": {"pull_request"}, "X-Github-Delivery": {"guid-1"}},
			want: want{
				ID: "guid-1", Type: "pull_request.opened", OrderingKey: "acme/mugs", DedupeWindow: -1, Hold: 8500 * time.Millisecond,
				Auth: delivery.Auth{Scheme: "hmac-sha256", BodyCovered: true},
			},
		},
		{
			name: "everything in the signed body", provider: "stripe",
			body: `{"id":"evt_1","type":"invoice.paid","created":1772355600,"data":{"object":{"id":"in_1"}}}`,
			want: want{
				ID: "evt_1", Type: "invoice.paid", OrderingKey: "in_1", DedupeWindow: -1,
				Auth: delivery.Auth{Scheme: "hmac-sha256", BodyCovered: true, IDCovered: true, TypeCovered: true, TimeCovered: true},
			},
		},
		{
			// The header may have been taken away: the id would be another one.
			name: "no id: a digest of the body, for a while", provider: "hmac", body: `{"event":"ping"}`,
			want: want{
				ID:   "sha256:2e7cda3ca871a2f6dadd2ace4a66385bdefba7d32c11f8846fb0b628f354f82c",
				Type: "ping", DedupeWindow: 5 * time.Minute,
				Auth: delivery.Auth{Scheme: "hmac-sha256", BodyCovered: true, TypeCovered: true},
			},
		},
		{
			name: "no type", provider: "hmac", body: `[]`, header: http.Header{"X-Delivery-Id": {"d1"}},
			want: want{ID: "d1", Type: "unknown", DedupeWindow: -1, Auth: delivery.Auth{Scheme: "hmac-sha256", BodyCovered: true}},
		},
		{
			name: "a type with control characters", provider: "hmac", body: `{"event":"a\u0000b\u001b[31m"}`, header: http.Header{"X-Delivery-Id": {"d1"}},
			want: want{ID: "d1", Type: "ab[31m", DedupeWindow: -1, Auth: delivery.Auth{Scheme: "hmac-sha256", BodyCovered: true, TypeCovered: true}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := source(t, tc.provider)
			h, err := s.Sign(&url.URL{}, []byte(tc.body), "", "", now)
			if err != nil {
				t.Fatal(err)
			}
			for name := range h {
				if h.Get(name) == "" {
					h.Del(name)
				}
			}
			for name, values := range tc.header {
				h[name] = values
			}
			outcome, err := s.Receive(t.Context(), post(h, []byte(tc.body)))
			if err != nil {
				t.Fatal(err)
			}
			v := outcome.Verified[0]
			got := want{ID: v.ID, Type: v.Type, OrderingKey: v.OrderingKey, DedupeWindow: v.DedupeWindow, Auth: v.Auth}
			if !v.HoldUntil.IsZero() {
				got.Hold = v.HoldUntil.Sub(now)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A source uses the schemes that it has a secret for and no other, so a delivery can't choose the weaker one.
func TestNoDowngrade(t *testing.T) {
	body := []byte(`{"object_kind":"push"}`)
	signed := source(t, "gitlab", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	token := source(t, "gitlab", "a token")
	bare := http.Header{"X-Gitlab-Token": {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}
	if _, err := signed.Receive(t.Context(), post(bare, body)); err == nil {
		t.Error("a bare token was taken by a source with a signing secret")
	}
	both := source(t, "gitlab", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "a token")
	forged := http.Header{
		"X-Gitlab-Token": {"a token"}, "Webhook-Id": {"1"}, "Webhook-Timestamp": {"1772355600"},
		"Webhook-Signature": {"v1," + strings.Repeat("A", 43) + "="},
	}
	if _, err := both.Receive(t.Context(), post(forged, body)); !errors.Is(err, ErrSignatureMismatch) {
		t.Errorf("a wrong signature with the right token: got %v", err)
	}
	outcome, err := token.Receive(t.Context(), post(http.Header{"X-Gitlab-Token": {"a token"}}, body))
	if err != nil {
		t.Fatal(err)
	}
	if outcome.Verified[0].Auth.BodyCovered || outcome.Verified[0].Auth.Scheme != "token" {
		t.Errorf("a token proves nothing about the body: %+v", outcome.Verified[0].Auth)
	}
}

// Slack's check of the endpoint is answered only when it is signed, and only with text that is short and printable.
func TestSignedHandshake(t *testing.T) {
	s := source(t, "slack")
	for _, tc := range []struct {
		name, body, answer string
		tamper             bool
		fails              bool
	}{
		{"signed", `{"type":"url_verification","challenge":"3eZbrw1aB"}`, "3eZbrw1aB", false, false},
		{"not signed right", `{"type":"url_verification","challenge":"3eZbrw1aB"}`, "", true, true},
		{"a challenge that is no text", `{"type":"url_verification","challenge":"a\u0000b"}`, "", false, true},
		{"without a challenge", `{"type":"url_verification"}`, "", false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, err := s.Sign(&url.URL{}, []byte(tc.body), "", "", now)
			if err != nil {
				t.Fatal(err)
			}
			if tc.tamper {
				h.Set("X-Slack-Signature", "v0=0000000000000000000000000000000000000000000000000000000000000000")
			}
			outcome, err := s.Receive(t.Context(), post(h, []byte(tc.body)))
			if (err != nil) != tc.fails {
				t.Fatalf("error %v, want one: %v", err, tc.fails)
			}
			if err == nil && (outcome.Answer == nil || string(outcome.Answer.Body) != tc.answer || outcome.Answer.ContentType != "text/plain" || outcome.Verified != nil) {
				t.Errorf("got %+v", outcome)
			}
		})
	}
}

// A form's field carries the document; the signature covers the form as it was sent.
func TestFormPayload(t *testing.T) {
	s := source(t, "github")
	body := []byte("payload=" + url.QueryEscape(`{"action":"opened","zen":"a+b & c"}`))
	h, err := s.Sign(&url.URL{}, body, "issues.opened", "g1", now)
	if err != nil {
		t.Fatal(err)
	}
	h.Set("Content-Type", "application/x-www-form-urlencoded")
	h.Set("X-GitHub-Event", "issues")
	outcome, err := s.Receive(t.Context(), post(h, body))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(outcome.Verified[0].Document); got != `{"action":"opened","zen":"a+b & c"}` || !bytes.Equal(outcome.Verified[0].Body, body) || outcome.Verified[0].Type != "issues.opened" {
		t.Errorf("document %s, type %s", got, outcome.Verified[0].Type)
	}
}

// A secret of the wrong form is named by its place, not by its value.
func TestUnfitSecrets(t *testing.T) {
	c, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	pack, _ := c.Get("standard_webhooks")
	_, err = NewSource(SourceConfig{Name: "s", Pack: pack, Secrets: []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "not base64 at all: hunter2"}})
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte(`source "s": secrets[1]`)) || bytes.Contains([]byte(err.Error()), []byte("hunter2")) {
		t.Errorf("got %v", err)
	}
}

// Before its signature is verified nothing looks into a body: a handshake that is signed waits for it, and refusing a large forged
// form costs no memory beyond the body's own.
func TestNothingIsReadBeforeVerification(t *testing.T) {
	s := source(t, "slack")
	body := []byte("payload=" + strings.Repeat("%7B", 1<<18))
	r := post(http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "X-Slack-Signature": {"v0=" + strings.Repeat("0", 64)}, "X-Slack-Request-Timestamp": {"1772355600"}}, body)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := s.Receive(t.Context(), r)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrSignatureMismatch) {
		t.Fatalf("got %v, want ErrSignatureMismatch", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 64<<10 {
		t.Errorf("refusing a forged form of %d bytes took %d bytes of memory", len(body), used)
	}
}

// A delivery isn't lost for a Content-Type that is a little wrong: what counts is the media type.
func TestMediaTypes(t *testing.T) {
	s := source(t, "hmac")
	for contentType, ok := range map[string]bool{
		"": true, "application/json": true, "Application/JSON": true, "application/json; charset=utf-8": true,
		"application/json;": true, "application/json; charset": true, "application/json; charset=a; charset=b": false,
		"text/plain": false, "application/jsonp": false, "application/x-www-form-urlencoded": false, ";": false, "application/": false,
	} {
		if err := s.CheckMediaType([]string{contentType}); (err == nil) != ok || err != nil && !errors.Is(err, ErrMediaType) {
			t.Errorf("%q: got %v, want taken %v", contentType, err, ok)
		}
	}
	if err := s.CheckMediaType(nil); err != nil {
		t.Errorf("none: %v", err)
	}
	// The same thing twice is one, as every reader takes it.
	if err := s.CheckMediaType([]string{"application/json", "application/json"}); err != nil {
		t.Errorf("the same twice: %v", err)
	}
	const want = "media type not taken: Content-Type is there more than once, with different values, want application/json"
	for _, both := range [][]string{{"application/json", "text/plain"}, {"application/json", "application/json; charset=utf-8"}, {"", "application/json"}} {
		if err := s.CheckMediaType(both); !errors.Is(err, ErrMediaType) || err.Error() != want {
			t.Errorf("%q: got %v, want %s", both, err, want)
		}
	}
}

// A pack whose list of stored headers has a credential doesn't load, whether it is one of everybody's or the scheme's own.
func TestCredentialsAreNotStored(t *testing.T) {
	for _, name := range []string{"authorization", "Proxy-Authorization", "COOKIE", "Set-Cookie", "X-API-Key", "x-own-token"} {
		pack, err := Parse("p.yaml", []byte(`
key: p
name: P
docs_url: https://example.com/
schemes: [{name: token, algorithm: token, signature: [{header: X-Own-Token}]}]
bodies: [{media_type: application/json}]
stored_headers: [User-Agent, `+name+`]
retries: true
evidence: [made for this test]
`))
		want := "p.yaml:7:30: stored_headers[1]: " + http.CanonicalHeaderKey(name) + " carries a credential, which is never stored"
		if pack != nil || err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
