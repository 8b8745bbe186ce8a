package signature_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/signature"
)

// What a proof covers is derived from what is signed, and is never more than that.
func TestCovers(t *testing.T) {
	scheme := func(rest string) string {
		return `{algorithm: hmac-sha256, encoding: hex, signature: [{header: Sig}], ` + rest + `}`
	}
	for _, tc := range []struct {
		name, scheme string
		// covered and open are places, like "header A".
		covered, open string
		body          bool
	}{
		{"the body", scheme(`content: "{body}"`), "json a,form a", "header A,query a", true},
		{"a digest of it", scheme(`content: "{sha256_hex:body}"`), "json a,form a", "header A,query a", true},
		{"a value of the JSON", scheme(`content: "{json:a}"`), "json a", "json b,form a,header A", false},
		{"a field of the form", scheme(`content: "{form:a}"`), "form a", "json a,form b", false},
		{"the sorted form, whose names and values have no ends", scheme(`content: "{url}{form_sorted}"`), "query a", "json a,form a", false},
		{"the URL", scheme(`content: "{url}"`), "query a", "header A,json a", false},
		{"the URL in forms that keep its parameters apart", scheme(`content: "{url}", url_forms: [plain, default-port]`), "query a", "header A", false},
		{"the URL with escapes undone", scheme(`content: "{url}", url_forms: [plain, decoded]`), "", "query a,header A", false},
		{"a digest of the URL", scheme(`content: "{sha256_hex:url}{header:A}"`), "query a,header A", "header B", false},
		{"the path", scheme(`content: "{path}{query:a}"`), "query a", "query b", false},
		{"a header in lower case", scheme(`content: "{header:A|lower}{query:b}"`), "query b", "header A", false},
		{"parts", scheme(`content_parts: [{text: "{header:A}", optional: true}, {text: "{body}"}]`), "header A,json a", "header B", true},
		{"two that are left out together", scheme(`content_parts: [{text: "{header:A}{header:B}", optional: true}, {text: "{query:a}"}]`), "query a", "header A,header B,json a", false},
		{"a digest in a header", scheme(`content: "{header:D}", body_digests: [{header: D, algorithm: sha512, encoding: hex}]`), "json a,header D", "query a", true},
		{"a hash that ends with its secret", `{algorithm: sha1, encoding: hex, signature: [{header: Sig}], content: "{header:A}{body}{secret}"}`, "json a,header A", "header B", true},
		{"a hash that begins with its secret, to which anybody can append", `{algorithm: sha256, encoding: hex, signature: [{header: Sig}], content: "{secret}{header:A}{body}"}`, "header A", "json a,form a", false},
		{"another one", `{algorithm: sha1, encoding: hex, signature: [{header: Sig}], content: "{secret}{query:a}{header:A}"}`, "query a", "header A", false},
		{"a token", `{algorithm: token, signature: [{header: Sig}]}`, "", "json a,header Sig", false},
		{"a token in every element", `{algorithm: token, signature: [{json: "a.*.b"}]}`, "", "json a,json a.0.b", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := compile(t, tc.scheme)
			if s.CoversBody() != tc.body {
				t.Errorf("covers the body: %v", s.CoversBody())
			}
			for want, places := range map[bool]string{true: tc.covered, false: tc.open} {
				for text := range strings.SplitSeq(places, ",") {
					kind, name, ok := strings.Cut(text, " ")
					if !ok {
						continue
					}
					place, err := signature.PlaceNamed(kind, name)
					if err != nil {
						t.Fatal(err)
					}
					if s.Covers(place) != want {
						t.Errorf("covers %s: %v", place, !want)
					}
					if kind == "json" && s.Covers(place.InElement()) != tc.body {
						t.Errorf("covers %s of an element: %v", place, !tc.body)
					}
				}
			}
		})
	}
}

// Which of two proofs that one secret serves for is the one that says more.
func TestOutdoes(t *testing.T) {
	schemes := map[string]*signature.Scheme{
		"timed":  compile(t, `{algorithm: hmac-sha256, encoding: hex, signature: [{header: S}], content: "{ts}{body}", timestamp: {at: [{header: T}], unit: s}}`),
		"hmac":   compile(t, `{algorithm: hmac-sha256, encoding: hex, signature: [{header: S}], content: "{body}"}`),
		"digest": compile(t, `{algorithm: sha1, encoding: hex, signature: [{header: S}], content: "{body}{secret}"}`),
		"token":  compile(t, `{algorithm: token, signature: [{header: S}]}`),
		"basic":  compile(t, `{algorithm: basic, signature: [{header: S}]}`),
	}
	want := []string{"timed hmac", "timed digest", "timed token", "timed basic", "hmac token", "hmac basic", "digest token", "digest basic"}
	for a := range schemes {
		for b := range schemes {
			if got := schemes[a].Outdoes(schemes[b]); got != slices.Contains(want, a+" "+b) {
				t.Errorf("%s outdoes %s: %v", a, b, got)
			}
		}
	}
}

// Parts that would prove nothing, or less than they seem to, don't compile.
func TestCompilePartErrors(t *testing.T) {
	scheme := func(rest string) string {
		return `{algorithm: hmac-sha256, encoding: hex, signature: [{header: Sig}], ` + rest + `}`
	}
	for _, tc := range []struct{ name, scheme, want string }{
		{"everything is optional", scheme(`content_parts: [{text: "{header:A}", optional: true}]`), `content: nothing of the delivery is signed`},
		{"an optional text", scheme(`content_parts: [{text: "a", optional: true}, {text: "{body}"}]`), `content_parts[0]: what is optional names headers, parameters or fields, and nothing else`},
		{"an optional body", scheme(`content_parts: [{text: "{header:A}{body}", optional: true}, {text: "{url}"}]`), `content_parts[0]: what is optional names headers, parameters or fields, and nothing else`},
		{"the body in lower case", scheme(`content: "{body|lower}"`), `content: {body} is signed as it is, not in lower case`},
		{"an unknown digest", scheme(`content: "{sha256_hex:method}"`), `content: {sha256_hex:...} is a digest of body or url`},
		{"a digest in an unknown notation", scheme(`content: "{sha256_bin:body}"`), `content: unknown encoding "bin"`},
		{"a digest that isn't signed", scheme(`content: "{url}", body_digests: [{header: D, algorithm: sha256, encoding: hex}]`), `body_digests[0]: header D is not signed, so it proves nothing`},
		{"a digest in a query that isn't signed", scheme(`content: "{path}", body_digests: [{query: d, algorithm: sha256, encoding: hex}]`), `body_digests[0]: query parameter d is not signed, so it proves nothing`},
		{"forms of what isn't signed", scheme(`content: "{body}", url_forms: [plain]`), `url_forms: the URL is not signed`},
		{"a digest of a public key", `{algorithm: ed25519, encoding: hex, content: "{body}", signature: [{header: S}], key: {digest: sha1}}`, `key: digest is for HMACs and digests, not for ed25519`},
		{"hex or base64 of any length", `{algorithm: rsa-sha256, encoding: hex-or-base64, content: "{body}", signature: [{header: S}]}`, `encoding: hex-or-base64 is for algorithms whose signatures have one size`},
		{"numbers of a parameter", `{algorithm: hmac-sha256, encoding: hex, content: "{body}", signature: [{query: s, count: 3}]}`, `signature: count is for headers, with HMACs and digests`},
		{"numbers of public keys", `{algorithm: ed25519, encoding: hex, content: "{body}", signature: [{header: S, count: 3}]}`, `signature: count is for headers, with HMACs and digests`},
		{"two stars", `{algorithm: token, signature: [{json: "a.*.b.*"}]}`, `signature: JSON path "a.*.b.*" has several *, want one`},
		{"a star and another place", `{algorithm: token, signature: [{json: "a.*"}, {header: S}]}`, `signature: where every element has a token, there is no other place`},
		{"another place and a star", `{algorithm: token, signature: [{header: S}, {json: "a.*"}]}`, `signature: where every element has a token, there is no other place, no prefix and no list`},
		{"a token with forms of the URL", `{algorithm: token, signature: [{header: S}], url_forms: [plain]}`, `token has no encoding, content, timestamp or id: it signs nothing`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			spec, err := parseScheme(tc.scheme)
			if err != nil {
				t.Fatal(err)
			}
			want := `scheme "test": ` + tc.want
			if scheme, err := signature.Compile(spec); err == nil || scheme != nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}
