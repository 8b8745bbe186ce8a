package provider

import (
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
		case tc.reason == "" && (err != nil || outcome.Verified == nil || outcome.Verified.Auth.BodyCovered):
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
