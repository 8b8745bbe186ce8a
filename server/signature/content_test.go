package signature_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/hookbridge/server/signature"
)

// What the parts of a signed content stand for. The comment behind a case is what was given to openssl.
func TestContents(t *testing.T) {
	scheme := func(content string) string {
		return `{algorithm: hmac-sha256, encoding: hex, content: "` + content + `", signature: [{header: Sig}]}`
	}
	withStamp := `{algorithm: hmac-sha256, encoding: hex, content: "v0:{ts}:{body}", signature: [{header: Sig}], timestamp: {at: [{header: Ts}, {header: Ts-Old}], unit: s, tolerance: 300s}}`
	both := func(sig, name, value string) map[string][]string {
		return map[string][]string{"Sig": {sig}, name: {value}}
	}
	stamped := signature.Match{Time: stampTime, TimeCovered: true}
	for _, c := range []verifyCase{
		{name: "body", scheme: scheme("{body}"), header: header("Sig", helloHex)},
		{ // v0:1700000000:{"hello":"world"}
			name: "time", scheme: withStamp, header: both("4cb8824a83bcfa24b8f22abe091ce0ee7b50ace800476335dba55cee05d12de2", "Ts", "1700000000"), want: stamped,
		},
		{name: "time, under its second name", scheme: withStamp, header: both("4cb8824a83bcfa24b8f22abe091ce0ee7b50ace800476335dba55cee05d12de2", "Ts-Old", "1700000000"), want: stamped},
		{name: "time, nowhere", scheme: withStamp, header: header("Sig", helloHex), err: signature.ErrMissing},
		{ // POSThttps://hooks.example.com/webhooks/demo?a=1&b=2
			name: "method and URL", scheme: scheme("{method}{url}"), query: "a=1&b=2", header: header("Sig", "2cf7b69c5dd828e13ba91f92c8335f746cfb10e79d22bb8a29b819d30492036c"),
		},
		{ // https://hooks.example.com/webhooks/demo?a=1&b=2{"hello":"world"}
			name: "URL and body", scheme: scheme("{url}{body}"), query: "a=1&b=2", header: header("Sig", "a73b63945b83951bc2e961e43f0618f7dd09b062531be9fd1a09e7d367e38459"),
		},
		{name: "another query", scheme: scheme("{url}{body}"), query: "b=2&a=1", header: header("Sig", "a73b63945b83951bc2e961e43f0618f7dd09b062531be9fd1a09e7d367e38459"), err: signature.ErrMismatch},
		{ // 7|{"hello":"world"}
			name: "a header", scheme: scheme("{header:x-account}|{body}"), header: both("b913612400a319c7e77159e69ef4e36edbf00125392acfec15339a9d0f258507", "X-Account", "7"),
		},
		{name: "a header, another value", scheme: scheme("{header:x-account}|{body}"), header: both("b913612400a319c7e77159e69ef4e36edbf00125392acfec15339a9d0f258507", "X-Account", "8"), err: signature.ErrMismatch},
		{name: "a header, absent", scheme: scheme("{header:x-account}|{body}"), header: header("Sig", helloHex), err: signature.ErrMissing},
		{ // 1|{"hello":"world"}
			name: "a query parameter", scheme: scheme("{query:a}|{body}"), query: "a=1", header: header("Sig", "c9a943192caf38e6c19966a46801a50fb758c32ffe3963aad0e44c87513dd63a"),
		},
		{name: "a query parameter twice", scheme: scheme("{query:a}|{body}"), query: "a=1&a=2", header: header("Sig", "c9a943192caf38e6c19966a46801a50fb758c32ffe3963aad0e44c87513dd63a"), err: signature.ErrMalformed},
		{name: "a query parameter twice, once escaped", scheme: scheme("{query:a}|{body}"), query: "a=1&%61=2", header: header("Sig", "c9a943192caf38e6c19966a46801a50fb758c32ffe3963aad0e44c87513dd63a"), err: signature.ErrMalformed},
		{ // {{"hello":"world"}}
			name: "braces", scheme: scheme("{{{body}}}"), header: header("Sig", "6259c76d85468362fc1f0d6032dac4589649131f1f480c7f0fcd1c37e276c8f0"),
		},
		{ // https://hooks.example.com/webhooks/demo?a=1&b=2a1a2b bz%
			name: "sorted form", scheme: scheme("{url}{form_sorted}"), query: "a=1&b=2", body: "z=%25&b=+b&a=2&a=1&a=2&=x", header: header("Sig", "759305d9b80524f7ef31ce74ef1e2cde3dceb28088a11592e2b9909707da3fc4"),
		},
		{name: "sorted form with a broken escape", scheme: scheme("{url}{form_sorted}"), body: "z=%2", header: header("Sig", helloHex), err: signature.ErrMalformed},
		{name: "sorted form with too many fields", scheme: scheme("{url}{form_sorted}"), body: strings.Repeat("a=1&", 1000), header: header("Sig", helloHex), err: signature.ErrMalformed},
	} {
		c.tolerance = 5 * time.Minute
		t.Run(c.name, c.run)
	}
}

// A scheme that would prove nothing, or that contradicts itself, doesn't compile.
func TestCompileErrors(t *testing.T) {
	for _, tc := range []struct{ name, scheme, want string }{
		{"no content", `{algorithm: hmac-sha256, encoding: hex, signature: [{header: S}]}`, `content: nothing of the delivery is signed`},
		{"constant content", `{algorithm: hmac-sha256, encoding: hex, content: "v1", signature: [{header: S}]}`, `content: nothing of the delivery is signed`},
		{"only the secret", `{algorithm: sha1, encoding: hex, content: "{secret}", signature: [{header: S}]}`, `content: nothing of the delivery is signed`},
		{"digest without a secret", `{algorithm: sha1, encoding: hex, content: "{body}", signature: [{header: S}]}`, `content: {secret} is for digests, and they need it`},
		{"HMAC of the secret", `{algorithm: hmac-sha1, encoding: hex, content: "{secret}{body}", signature: [{header: S}]}`, `content: {secret} is for digests, and they need it`},
		{"no encoding", `{algorithm: hmac-sha256, content: "{body}", signature: [{header: S}]}`, `encoding: unknown encoding ""`},
		{"unsigned time", `{algorithm: hmac-sha256, encoding: hex, content: "{body}", signature: [{header: S}], timestamp: {at: [{header: T}], unit: s}}`, `timestamp: it is not signed, so it proves nothing`},
		{"unsigned time in the list", `{algorithm: hmac-sha256, encoding: hex, content: "{body}", signature: [{header: S}], list: {separator: ",", assign: "=", take: [v1]}, timestamp: {at: [{item: t}], unit: s}}`, `timestamp: it is not signed, so it proves nothing`},
		{"time that is nowhere", `{algorithm: hmac-sha256, encoding: hex, content: "{ts}{body}", signature: [{header: S}]}`, `content: {ts} needs a timestamp`},
		{"id that is nowhere", `{algorithm: hmac-sha256, encoding: hex, content: "{id}{body}", signature: [{header: S}]}`, `content: {id} and id go together`},
		{"id that isn't signed", `{algorithm: hmac-sha256, encoding: hex, content: "{body}", id: [{header: I}], signature: [{header: S}]}`, `content: {id} and id go together`},
		{"time in a list that isn't there", `{algorithm: hmac-sha256, encoding: hex, content: "{ts}{body}", signature: [{header: S}], timestamp: {at: [{item: t}], unit: s}}`, `timestamp: an item is in a list, and only one`},
		{"position of a signature", `{algorithm: hmac-sha256, encoding: hex, content: "{ts}{body}", signature: [{header: S}], list: {separator: ",", skip: 1}, timestamp: {at: [{item: "1"}], unit: s}}`, `list: timestamp item "1" is not the position of a skipped item`},
		{"signature and time are one item", `{algorithm: hmac-sha256, encoding: hex, content: "{ts}{body}", signature: [{header: S}], list: {separator: ",", assign: "=", take: [t]}, timestamp: {at: [{item: t}], unit: s}}`, `list: item "t" can't be signature and timestamp`},
		{"token with content", `{algorithm: token, content: "{body}", signature: [{header: S}]}`, `token has no encoding, content, timestamp or id: it signs nothing`},
		{"unknown part", `{algorithm: hmac-sha256, encoding: hex, content: "{boddy}", signature: [{header: S}]}`, `content: unknown {boddy}`},
		{"unknown place", `{algorithm: hmac-sha256, encoding: hex, content: "{cookie:a}", signature: [{header: S}]}`, `content: unknown {cookie:a}`},
		{"open brace", `{algorithm: hmac-sha256, encoding: hex, content: "{body", signature: [{header: S}]}`, `template "{body": { at 0 is not closed`},
		{"closing brace", `{algorithm: hmac-sha256, encoding: hex, content: "body}", signature: [{header: S}]}`, `template "body}": } at 4 closes nothing`},
		{"empty braces", `{algorithm: hmac-sha256, encoding: hex, content: "a{}", signature: [{header: S}]}`, `template "a{}": {} at 1 names nothing`},
		{"many parts", `{algorithm: hmac-sha256, encoding: hex, content: "` + strings.Repeat("{body}", 33) + `", signature: [{header: S}]}`, `content: it has more than 32 parts`},
		{"optional prefix of nothing", `{algorithm: token, signature: [{header: S}], key: {prefix_optional: true}}`, `key: prefix_optional without prefixes`},
		{"JSON path with an empty key", `{algorithm: token, signature: [{json: a..b}]}`, `JSON path "a..b" has an empty key`},
		{"deep JSON path", `{algorithm: token, signature: [{json: ` + strings.Repeat("a.", 16) + `a}]}`, `is deeper than 16`},
		{"JSON path with an escape of a letter", `{algorithm: token, signature: [{json: 'a\b'}]}`, `a backslash stands before a dot or a backslash`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			spec, err := parseScheme(tc.scheme)
			if err != nil {
				t.Fatal(err)
			}
			scheme, err := signature.Compile(spec)
			if err == nil || scheme != nil || !strings.HasPrefix(err.Error(), `scheme "test": `) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// How a template splits.
func TestParseTemplate(t *testing.T) {
	for template, want := range map[string][]signature.Segment{
		"":                nil,
		"v0":              {{Text: "v0"}},
		"v0:{ts}:{body}":  {{Text: "v0:"}, {Name: "ts"}, {Text: ":"}, {Name: "body"}},
		"{header:X-A:B}":  {{Name: "header", Args: "X-A:B"}},
		"{{}}":            {{Text: "{}"}},
		"{{{id}}}":        {{Text: "{"}, {Name: "id"}, {Text: "}"}},
		"a{id}b{{c}}{ts}": {{Text: "a"}, {Name: "id"}, {Text: "b{c}"}, {Name: "ts"}},
	} {
		got, err := signature.ParseTemplate(template)
		if err != nil {
			t.Errorf("%s: %v", template, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", template, diff)
		}
	}
}
