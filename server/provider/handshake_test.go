package provider

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/delivery"
)

// ask makes a request without a signature.
func ask(s *Source, method, query, body string, headers ...string) (Outcome, error) {
	r := &delivery.Request{
		Method: method, URL: &url.URL{Scheme: "https", Host: "hooks.example.com", Path: "/webhooks/s", RawQuery: query},
		Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body), ReceivedAt: now,
	}
	for n := 0; n < len(headers); n += 2 {
		r.Header.Set(headers[n], headers[n+1])
	}
	return s.Receive(context.Background(), r)
}

func hmacOf(key, text string) []byte {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(text))
	return m.Sum(nil)
}

// What a handshake is answered with, and what it is refused for.
func TestHandshakes(t *testing.T) {
	sum, sha := sha256.Sum256([]byte("code-tokenhttps://hooks.example.com/webhooks/s")), hmac.New(sha1.New, []byte("secret"))
	sha.Write([]byte("c"))
	const computing = `handshakes: [{method: GET, when: [{query: crc}], respond: {content_type: application/json, body: '{{"response_token":"sha256={value:token}"}}', values: [{name: token, algorithm: hmac-sha256, encoding: base64, content: "{query:crc}"}]}, require: [{query: crc, %}]}]`
	for _, tc := range []struct {
		name, pack          string
		method, query, body string
		headers             []string
		status              int
		contentType, answer string
		fails               error
		withSettings        map[string]string
	}{
		{name: "computed with the secret", pack: strings.ReplaceAll(computing, "%", "matches: '[a-z]*'"), method: "GET", query: "crc=abc",
			status: 200, contentType: "application/json", answer: `{"response_token":"sha256=` + base64.StdEncoding.EncodeToString(hmacOf("secret", "abc")) + `"}`},
		{name: "what is required holds", pack: strings.ReplaceAll(computing, "%", "matches: abc"), method: "GET", query: "crc=abc",
			status: 200, contentType: "application/json", answer: `{"response_token":"sha256=` + base64.StdEncoding.EncodeToString(hmacOf("secret", "abc")) + `"}`},
		{name: "what is required doesn't hold", pack: strings.ReplaceAll(computing, "%", "matches: abd"), method: "GET", query: "crc=abc", fails: ErrHandshakeForbidden},
		{name: "a digest of a secret setting and of the URL without its query",
			pack:   "settings: [{name: token, description: x, secret: true}]\n" + `handshakes: [{method: GET, when: [{query: c}], respond: {content_type: text/plain, body: "{value:v}", values: [{name: v, algorithm: sha256, encoding: hex, content: "{query:c}-{setting:token}{url}"}]}}]`,
			method: "GET", query: "c=code", withSettings: map[string]string{"token": "token"}, status: 200, contentType: "text/plain", answer: hex.EncodeToString(sum[:])},
		{name: "a setting that the source lacks",
			pack:   "settings: [{name: token, description: x, optional: true, secret: true}]\n" + `handshakes: [{method: GET, when: [{query: c}], respond: {content_type: text/plain, body: "{value:v}", values: [{name: v, algorithm: sha256, encoding: hex, content: "{query:c}{setting:token}"}]}}]`,
			method: "GET", query: "c=code", fails: ErrHandshakeRefused},
		{name: "another hash than the scheme's, into a header",
			pack:   `handshakes: [{method: HEAD, when: [{query: c}], respond: {status: 204, headers: [{name: X-Proof, value: "{value:v}"}], values: [{name: v, algorithm: hmac-sha1, encoding: base64url, content: "{query:c}"}]}, require: [{query: c, matches: c}]}]`,
			method: "HEAD", query: "c=c", status: 204, answer: "", headers: []string{"X-Proof", base64.URLEncoding.EncodeToString(sha.Sum(nil))}},
		{name: "XML stays XML", pack: `handshakes: [{method: POST, when: [{json: c}], respond: {content_type: text/xml, body: "<a>{json:c}</a>"}}]`,
			method: "POST", body: `{"c":"</a><b x=\"1\">&"}`, status: 200, contentType: "text/xml", answer: "<a>&lt;/a&gt;&lt;b x=&#34;1&#34;&gt;&amp;</a>"},
		{name: "JSON stays JSON", pack: `handshakes: [{method: POST, when: [{json: c}], respond: {content_type: application/json, body: '{{"c":"{json:c}"}}'}}]`,
			method: "POST", body: `{"c":"\"}{"}`, status: 200, contentType: "application/json", answer: `{"c":"\"}{"}`},
		{name: "longer than 1 KiB", pack: `handshakes: [{method: GET, when: [{query: c}], respond: {content_type: text/plain, body: "{query:c}{query:c}"}}]`,
			method: "GET", query: "c=" + strings.Repeat("x", 513), fails: ErrHandshakeRefused},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t, SourceConfig{Pack: parse(t, tc.pack), Secrets: []string{"secret"}, Settings: tc.withSettings})
			outcome, err := ask(s, tc.method, tc.query, tc.body)
			if !errors.Is(err, tc.fails) {
				t.Fatalf("got %v, want %v", err, tc.fails)
			}
			if tc.fails != nil {
				if outcome.Answer != nil || outcome.Verified != nil {
					t.Errorf("got %+v", outcome)
				}
				return
			}
			a := outcome.Answer
			if a == nil || a.Status != tc.status || a.ContentType != tc.contentType || string(a.Body) != tc.answer {
				t.Fatalf("got %+v", a)
			}
			for n := 0; n < len(tc.headers); n += 2 {
				if got := a.Header.Get(tc.headers[n]); got != tc.headers[n+1] {
					t.Errorf("%s: got %q, want %q", tc.headers[n], got, tc.headers[n+1])
				}
			}
		})
	}
}

// A handshake brings a secret only to a source that asks for it, and until then everything else is refused.
func TestHandshakesBringASecret(t *testing.T) {
	pack := parse(t, `handshakes: [{method: POST, when: [{header: X-Hook-Secret}], captures: {header: X-Hook-Secret}, respond: {headers: [{name: X-Hook-Secret, value: "{header:X-Hook-Secret}"}]}}]`)
	empty := open(t, SourceConfig{Pack: pack, Captured: true})
	outcome, err := ask(empty, "POST", "", "{}", "X-Hook-Secret", "brought")
	if err != nil || outcome.Captured != "brought" || outcome.Answer == nil || outcome.Answer.Header.Get("X-Hook-Secret") != "brought" || outcome.Answer.ContentType != "" {
		t.Errorf("got %+v, %v", outcome, err)
	}
	if outcome, err := ask(empty, "POST", "", "{}", "X-Signature", hex.EncodeToString(hmacOf("", "{}"))); !errors.Is(err, ErrSignatureMissing) || outcome.Verified != nil {
		t.Errorf("without a secret: %+v, %v", outcome, err)
	}
	if _, err := ask(empty, "POST", "", "{}", "X-Hook-Secret", strings.Repeat("x", maxAnswer+1)); !errors.Is(err, ErrHandshakeRefused) {
		t.Errorf("too long: %v", err)
	}
	full := open(t, SourceConfig{Pack: pack, Captured: true, Secrets: []string{"brought"}})
	if outcome, err := signed(t, full, "{}"); err != nil || len(outcome.Verified) != 1 {
		t.Errorf("with the secret: %+v, %v", outcome, err)
	}
	if _, err := NewSource(SourceConfig{Name: "s", Pack: pack}); err == nil || err.Error() != `source "s": has no secrets` {
		t.Errorf("not asked for: %v", err)
	}
	if _, err := NewSource(SourceConfig{Name: "s", Pack: parse(t, ""), Captured: true}); err == nil || err.Error() != `no handshake of P brings a secret that could be captured` {
		t.Errorf("asked for in vain: %v", err)
	}
}

// An unsigned handshake is no oracle: what it signs for whoever asks is no delivery, and a pack says what that is.
func TestHandshakesSignNoDelivery(t *testing.T) {
	const pack = `handshakes: [{method: GET, when: [{query: c}], require: [{query: c, matches: '[0-9]+'}], respond: {content_type: text/plain, body: "{value:v}", values: [{name: v, algorithm: hmac-sha256, encoding: hex, content: "{query:c}"}]}}]`
	s := open(t, SourceConfig{Pack: parse(t, pack), Secrets: []string{"secret"}})
	challenge, err := ask(s, "GET", "c=123", "")
	if err != nil {
		t.Fatal(err)
	}
	if outcome, err := ask(s, "POST", "", "123", "X-Signature", string(challenge.Answer.Body)); !errors.Is(err, ErrSignatureMismatch) || outcome.Verified != nil {
		t.Errorf("what anybody had signed: %+v, %v", outcome, err)
	}
	if outcome, err := signed(t, s, `{"n":123}`); err != nil || len(outcome.Verified) != 1 {
		t.Errorf("a delivery: %+v, %v", outcome, err)
	}
	const want = "9:14: handshakes[0].require: an unsigned handshake that computes with the key says by `matches` what of, so that no delivery is like it"
	_, err = Parse("p.yaml", []byte(strings.Replace(head+pack, ", require: [{query: c, matches: '[0-9]+'}]", "", 1)))
	if err == nil || err.Error() != "p.yaml:"+want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// What a pack's templates may name.
func TestTemplatesNameWhatIsThere(t *testing.T) {
	const settings = "settings: [{name: token, description: x, secret: true}, {name: open, description: x}]\n"
	for body, want := range map[string]string{
		"{setting:open}":  "",
		"{setting:token}": `11:156: handshakes[0].respond.body: token is secret, which is for ` + "`equals`" + ` of a selector's or handshake's condition and for what is computed`,
		"{value:v}":       `11:156: handshakes[0].respond.body: unknown {value:v}`,
		"{url}":           `11:156: handshakes[0].respond.body: {url} needs a name, as in {url:name}`,
	} {
		_, err := Parse("p.yaml", []byte(`
key: p
name: P
docs_url: https://example.com/
schemes: [{name: token, algorithm: token, signature: [{header: X-Own-Token}]}]
bodies: [{media_type: application/json}]
retries: true
evidence: [made for this test]
`+settings+`handshakes:
  - {method: GET, require: [{query: token, equals: "{setting:token}"}, {query: open, equals: "{setting:open}"}], respond: {content_type: text/plain, body: "`+body+`"}}`))
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != "p.yaml:"+want) {
			t.Errorf("%s: got %v, want %s", body, err, want)
		}
	}
}

// A delivery is answered as its provider wants it, and with the receipt where that can't be filled in.
func TestReplies(t *testing.T) {
	const success = `answers: {success: {status: 202, content_type: application/json, body: '{{"id":"{json:id}"}}', headers: [{name: X-Challenge, value: "{header:X-Challenge}"}]}`
	for _, tc := range []struct {
		name, pack, body string
		headers          []string
		duplicate        bool
		want             string
	}{
		{"nothing said", "", `{"id":"1"}`, nil, false, "receipt"},
		{"success", success + "}", `{"id":"1"}`, []string{"X-Challenge", "c"}, false, `202 {"id":"1"} c`},
		{"a duplicate is one, too", success + "}", `{"id":"1"}`, []string{"X-Challenge", "c"}, true, `202 {"id":"1"} c`},
		{"unless it is said", success + ", duplicate: {status: 208}}", `{"id":"1"}`, []string{"X-Challenge", "c"}, true, "208  "},
		{"only of duplicates", "answers: {duplicate: {status: 208}}", `{"id":"1"}`, nil, false, "receipt"},
		{"what is absent", success + "}", `{"id":"1"}`, nil, false, "receipt"},
		{"of a list", success + "}\nbatch: {events: events}", `{"id":"1","events":[1,2]}`, []string{"X-Challenge", "c"}, false, `202 {"id":"1"} c`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			outcome, err := signed(t, open(t, SourceConfig{Pack: parse(t, tc.pack), Secrets: []string{"secret"}}), tc.body, tc.headers...)
			if err != nil {
				t.Fatal(err)
			}
			got := "receipt"
			if outcome.Reply != nil {
				if a := outcome.Reply(tc.duplicate); a != nil {
					got = strings.Join([]string{http.StatusText(a.Status), string(a.Body), a.Header.Get("X-Challenge")}, " ")
				}
			}
			want := strings.NewReplacer("202", "Accepted", "208", "Already Reported").Replace(tc.want)
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
