package signature_test

import (
	"net/http"
	"net/url"
	"testing"

	"buf.build/go/protovalidate"
	"buf.build/go/protoyaml"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// What conditions hold for.
func TestConditions(t *testing.T) {
	r := &delivery.Request{
		URL: &url.URL{RawQuery: "mode=subscribe&empty=&two=1&two=1"}, Body: []byte("x=1&two=&two="),
		Header: http.Header{"Kind": {"a\nb"}, "Token": {"hunter2"}, "Two": {"1", "2"}},
	}
	document := []byte(`{"n":1,"s":"text","o":{}}`)
	for _, tc := range []struct {
		condition string
		secrets   map[string]string
		want      bool
	}{
		{`{query: mode}`, nil, true},
		{`{query: empty}`, nil, false},
		{`{query: mode, equals: subscribe}`, nil, true},
		{`{query: mode, equals: Subscribe}`, nil, false},
		{`{query: empty, equals: ""}`, nil, false},
		{`{json: n, equals: "1"}`, nil, true},
		{`{json: o}`, nil, false},
		{`{form: x, equals: "1"}`, nil, true},
		{`{query: mode, matches: "sub.*"}`, nil, true},
		{`{query: mode, matches: "sub"}`, nil, false},
		{`{query: mode, matches: "x|subscribe"}`, nil, true},
		{`{query: mode, matches: "subscribe|x"}`, nil, true},
		{`{header: Kind, matches: "a.b"}`, nil, false},
		{`{header: Kind, matches: "a"}`, nil, false},
		{`{header: Kind, matches: "(?s)a.b"}`, nil, true},
		{`{query: empty, matches: ".*"}`, nil, false},
		{`{query: empty, absent: true}`, nil, true},
		{`{json: none, absent: true}`, nil, true},
		{`{json: s, absent: true}`, nil, false},
		{`{header: Token, equals: "{setting:verify}"}`, map[string]string{"verify": "hunter2"}, true},
		{`{header: Token, equals: "{setting:verify}"}`, map[string]string{"verify": "hunter3"}, false},
		{`{header: Token, equals: "{setting:verify}"}`, map[string]string{"other": "hunter2"}, false},
		{`{header: Token, equals: "{setting:verify}"}`, nil, false},
		{`{header: Token, equals: "{setting:verify}"}`, map[string]string{"verify": ""}, false},
		{`{header: None, equals: "{setting:verify}"}`, map[string]string{"verify": ""}, false},
		// What is given twice has no value, and is there all the same.
		{`{header: Two}`, nil, false},
		{`{header: Two, equals: "1"}`, nil, false},
		{`{header: Two, matches: ".*"}`, nil, false},
		{`{header: Two, absent: true}`, nil, false},
		{`{query: two, equals: "1"}`, nil, false},
		{`{query: two, absent: true}`, nil, false},
		{`{form: two, absent: true}`, nil, false},
		// A setting that isn't there.
		{`{query: "\0", absent: true}`, nil, false},
		{`{query: "\0"}`, nil, false},
		{`{query: mode, equals: "\0"}`, nil, false},
	} {
		spec := &providerv1.Condition{}
		if err := protoyaml.Unmarshal([]byte(tc.condition), spec); err != nil {
			t.Fatal(err)
		}
		if err := protovalidate.Validate(spec); err != nil {
			t.Fatal(err)
		}
		condition, err := signature.NewCondition(spec)
		if err != nil {
			t.Fatal(err)
		}
		if got := condition.WithSecrets(tc.secrets).Holds(r, document); got != tc.want {
			t.Errorf("%s with %v: got %v", tc.condition, tc.secrets, got)
		}
	}
	for expression, want := range map[string]string{
		"(":     "matches: error parsing regexp: missing closing ): `(`",
		"a)(?:": "matches: error parsing regexp: unexpected ): `a)(?:`",
	} {
		_, err := signature.NewCondition(&providerv1.Condition{Place: &providerv1.Condition_Query{Query: "a"}, Matches: expression})
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", expression, err, want)
		}
	}
}

// What conditions want to the letter is put where nothing is; nothing else is touched.
func TestFulfil(t *testing.T) {
	for _, tc := range []struct{ conditions, query, want string }{
		{`[{header: Kind, equals: a}, {query: mode, equals: "b c"}]`, "x=1", "Kind:a x=1&mode=b+c"},
		{`[{header: Had, equals: a}, {query: x, equals: b}]`, "x=1", "Kind: x=1"},
		{`[{header: Kind}, {header: Kind, matches: "a"}, {query: mode, absent: true}]`, "", "Kind: "},
		{`[{json: kind, equals: a}, {form: kind, equals: a}, {header: Kind, equals: "{setting:token}"}]`, "", "Kind: "},
	} {
		spec := &providerv1.Scheme{}
		if err := protoyaml.Unmarshal([]byte("{when: "+tc.conditions+"}"), spec); err != nil {
			t.Fatal(err)
		}
		var conditions []signature.Condition
		for _, one := range spec.GetWhen() {
			c, err := signature.NewCondition(one)
			if err != nil {
				t.Fatal(err)
			}
			conditions = append(conditions, c)
		}
		r := &delivery.Request{URL: &url.URL{RawQuery: tc.query}, Header: http.Header{"Had": {"before"}}, Body: []byte("{}"), Document: []byte("{}")}
		got, err := signature.Fulfil(r, conditions)
		if err != nil {
			t.Fatal(err)
		}
		if text := "Kind:" + got.Header.Get("Kind") + " " + got.URL.RawQuery; text != tc.want || got.Header.Get("Had") != "before" || string(got.Body) != "{}" {
			t.Errorf("%s: got %s, body %s, want %s", tc.conditions, text, got.Body, tc.want)
		}
		if len(r.Header) != 1 || r.URL.RawQuery != tc.query {
			t.Errorf("%s: the request itself was changed: %v %s", tc.conditions, r.Header, r.URL)
		}
	}
}
