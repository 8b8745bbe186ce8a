package provider

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/hookbridge/server/delivery"
)

const someTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// The trace of a delivery is kept for every provider, once, in the order of the names, and only if it is one.
func TestTraceParentIsKept(t *testing.T) {
	agent := delivery.Field{Name: "User-Agent", Value: "them"}
	event := delivery.Field{Name: "X-Github-Event", Value: "push"}
	trace := delivery.Field{Name: "Traceparent", Value: someTrace}
	for name, tc := range map[string]struct {
		provider string
		values   []string
		want     []delivery.Field
	}{
		"first of all":  {"github", []string{someTrace}, []delivery.Field{trace, agent, event}},
		"the only one":  {"hmac", []string{someTrace}, []delivery.Field{trace}},
		"none":          {"github", nil, []delivery.Field{agent, event}},
		"two":           {"github", []string{someTrace, someTrace}, []delivery.Field{agent, event}},
		"not one":       {"github", []string{"<script>"}, []delivery.Field{agent, event}},
		"of old":        {"hmac", []string{strings.ToUpper(someTrace)}, nil},
		"other version": {"hmac", []string{"01" + someTrace[2:]}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{"User-Agent": {"them"}, "X-Github-Event": {"push"}, "Cookie": {"a=b"}, "Traceparent": tc.values}
			if diff := cmp.Diff(tc.want, source(t, tc.provider).keep(h)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// A pack that names the header itself doesn't widen what is let through.
func TestTraceParentOfAPack(t *testing.T) {
	pack, err := Parse("p.yaml", []byte(`
key: p
name: P
docs_url: https://example.com/
schemes: [{name: token, algorithm: token, signature: [{header: X-Own-Token}]}]
bodies: [{media_type: application/json}]
stored_headers: [Traceparent, Accept, User-Agent]
retries: true
evidence: [made for this test]
`))
	if err != nil {
		t.Fatal(err)
	}
	s := &Source{cfg: SourceConfig{Pack: pack}}
	for value, want := range map[string][]delivery.Field{
		someTrace: {{Name: "Accept", Value: "a"}, {Name: "Traceparent", Value: someTrace}, {Name: "User-Agent", Value: "u"}},
		"other":   {{Name: "Accept", Value: "a"}, {Name: "User-Agent", Value: "u"}},
	} {
		if diff := cmp.Diff(want, s.keep(http.Header{"Traceparent": {value}, "Accept": {"a"}, "User-Agent": {"u"}})); diff != "" {
			t.Errorf("%s (-want +got)\n%s", value, diff)
		}
	}
}

// What counts as a traceparent has exactly one form.
func FuzzTraceParent(f *testing.F) {
	for _, seed := range []string{someTrace, "", "00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", someTrace + "-x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		fields := strings.Split(value, "-")
		want := len(fields) == 4 && fields[0] == "00" && len(fields[1]) == 32 && len(fields[2]) == 16 && len(fields[3]) == 2 &&
			strings.Trim(value, "0123456789abcdef-") == "" && strings.Trim(fields[1], "0") != "" && strings.Trim(fields[2], "0") != ""
		if got := isTraceParent(value); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	})
}
