package provider

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// A token stands in each element of a list: with one changed, everything is refused.
func TestEveryElement(t *testing.T) {
	source := newTestSource(t, `
key: graph
name: Graph
docs_url: https://example.com
schemes: [{name: token, algorithm: token, signature: [{json: "value.*.clientState"}]}]
bodies: [{media_type: application/json}]
retries: true
evidence: [made up]
`, SourceConfig{Secrets: []string{"first", "second"}})
	for _, tc := range []struct{ body, reason string }{
		{`{"value":[{"clientState":"first"}]}`, ""},
		{`{"value":[{"clientState":"first"},{"clientState":"second"}]}`, ""},
		{`{"value":[{"clientState":"first"},{"clientState":"third"}]}`, "SIGNATURE_MISMATCH"},
		{`{"value":[{"clientState":"third"},{"clientState":"first"}]}`, "SIGNATURE_MISMATCH"},
		{`{"value":[{"clientState":"first"},{}]}`, "SIGNATURE_MISMATCH"},
		{`{"value":[{"clientState":"first"},"x"]}`, "SIGNATURE_MISMATCH"},
		{`{"value":[{"clientState":"first"},{"clientState":["first"]}]}`, "SIGNATURE_MISMATCH"},
		{`{"value":[{}]}`, "SIGNATURE_MISSING"},
		{`{"value":[]}`, "SIGNATURE_MISSING"},
		{`{"value":{"clientState":"first"}}`, "SIGNATURE_MISSING"},
		{`{"value":[{"clientState":"first"} {"clientState":"x"}]}`, "SIGNATURE_MISSING"},
		{``, "SIGNATURE_MISSING"},
	} {
		outcome, err := source.Receive(t.Context(), post(nil, []byte(tc.body)))
		switch {
		case tc.reason == "" && (err != nil || len(outcome.Verified) != 1 || outcome.Verified[0].Auth.BodyCovered):
			t.Errorf("%s: %v, %+v", tc.body, err, outcome.Verified)
		case tc.reason != "" && (err == nil || reasonOf(err) != tc.reason):
			t.Errorf("%s: %v, want %s", tc.body, err, tc.reason)
		}
	}
	signed, err := source.Deliver(nil, []byte(`{"value":[{"a":1},{"a":2}]}`), "", "", now)
	if err != nil || gjson.GetBytes(signed.Body, "value.#.clientState").Raw != `["first","first"]` {
		t.Errorf("signed %s, %v", signed.Body, err)
	}
}

// newTestSource makes a source of a pack that is written in the test.
func newTestSource(t testing.TB, pack string, cfg SourceConfig) *Source {
	t.Helper()
	key := strings.TrimSpace(strings.TrimPrefix(strings.SplitN(strings.TrimSpace(pack), "\n", 2)[0], "key:"))
	parsed, err := Parse(key+".yaml", []byte(pack))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Name, cfg.Pack = "test", parsed
	source, err := NewSource(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// schemesWhen has two ways to sign, and says which counts for a request; a third for those without a mark.
const schemesWhen = `key: two
name: Two
docs_url: https://example.com
schemes:
  - {name: new, algorithm: hmac-sha256, signature: [{header: S}], encoding: hex, content: "{body}", when: [{header: V, equals: "2"}]}
  - {name: old, algorithm: hmac-sha256, signature: [{header: S}], encoding: hex, content: "1{body}", when: [{json: v, matches: "[01]"}]}
bodies: [{media_type: application/json}]
retries: true
evidence: [made up]
`

// Conditions choose among schemes; a request that none counts for has no signature.
func TestSchemeConditions(t *testing.T) {
	both := SourceConfig{Secrets: []string{"a shared secret"}}
	onlyOld := SourceConfig{Secrets: []string{"a shared secret"}, Scheme: "old"}
	for _, tc := range []struct {
		name, v, body, sig string
		cfg                SourceConfig
		reason             string
	}{
		{"the first", "2", `{}`, hmacHex(`{}`), both, ""},
		{"the second", "", `{"v":1}`, hmacHex(`1{"v":1}`), both, ""},
		{"the first one decides", "2", `{"v":1}`, hmacHex(`1{"v":1}`), both, "SIGNATURE_MISMATCH"},
		{"neither", "3", `{"v":2}`, hmacHex(`{"v":2}`), both, "SIGNATURE_MISSING"},
		{"restricted to the second", "2", `{"v":1}`, hmacHex(`1{"v":1}`), onlyOld, ""},
		{"restricted to the second, by the first", "2", `{"v":1}`, hmacHex(`{"v":1}`), onlyOld, "SIGNATURE_MISMATCH"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := newTestSource(t, schemesWhen, tc.cfg).Receive(t.Context(), post(http.Header{"S": {tc.sig}, "V": {tc.v}}, []byte(tc.body)))
			if tc.reason == "" && err != nil || tc.reason != "" && (err == nil || reasonOf(err) != tc.reason) {
				t.Errorf("got %v, want %q", err, tc.reason)
			}
		})
	}
}

// hmacHex signs a text with "a shared secret".
func hmacHex(text string) string {
	mac := hmac.New(sha256.New, []byte("a shared secret"))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// chosen has a type that depends on a header which isn't signed, and one that depends on what is.
const chosen = `key: chosen
name: Chosen
docs_url: https://example.com
schemes: [{name: s, algorithm: hmac-sha256, signature: [{header: S}], encoding: hex, content: "{body}"}]
id:
  - parts: [{json: id}]
  - parts: [{header: Id}]
type:
  - {when: [{header: Kind, equals: gone}], parts: [{literal: gone}]}
  - {when: [{json: old}], parts: [{header: Type}]}
  - parts: [{key_matching: "(on|off)_.+"}]
  - parts: [{envelope: type}]
bodies: [{media_type: application/json}]
retries: true
evidence: [made up]
`

// What decides that a value comes from here and not from there counts for what the proof covers.
func TestCoveredChoice(t *testing.T) {
	withoutKind := strings.Replace(chosen, "  - {when: [{header: Kind, equals: gone}], parts: [{literal: gone}]}\n", "", 1)
	for _, tc := range []struct {
		name, pack, body string
		header           http.Header
		typ              string
		typeIsCovered    bool
		id               string
		idIsCovered      bool
	}{
		{"another header could choose another type", chosen, `{"on_call":1,"id":"i"}`, nil, "on_call", false, "i", true},
		{"what is signed decides", withoutKind, `{"a":1,"off_call":1,"on_call":2,"id":"i"}`, nil, "off_call", true, "i", true},
		{"the envelope is the document", withoutKind, `{"on_":1,"type":"t","id":"i"}`, nil, "t", true, "i", true},
		{"from a header", withoutKind, `{"old":1,"id":"i"}`, http.Header{"Type": {"t"}}, "t", false, "i", true},
		{"a header that was taken away", withoutKind, `{"old":1,"type":"t","id":"i"}`, nil, "t", false, "i", true},
		{"an id in a header", withoutKind, `{"type":"t"}`, http.Header{"Id": {"h"}}, "t", true, "h", false},
		{"no type, no id", withoutKind, `{}`, nil, "unknown", false, "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := http.Header{"S": {hmacHex(tc.body)}}
			for name, values := range tc.header {
				h[name] = values
			}
			outcome, err := newTestSource(t, tc.pack, SourceConfig{Secrets: []string{"a shared secret"}}).Receive(t.Context(), post(h, []byte(tc.body)))
			if err != nil {
				t.Fatal(err)
			}
			v := outcome.Verified[0]
			if tc.id == "" {
				tc.id = v.ID
			}
			if v.Type != tc.typ || v.Auth.TypeCovered != tc.typeIsCovered || v.ID != tc.id || v.Auth.IDCovered != tc.idIsCovered {
				t.Errorf("type %q %v, id %q %v", v.Type, v.Auth.TypeCovered, v.ID, v.Auth.IDCovered)
			}
		})
	}
}
