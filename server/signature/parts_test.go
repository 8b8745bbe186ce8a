package signature_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/signature"
)

// optionalParts signs what there is of an id in the query and a header, and always the time.
const optionalParts = `{algorithm: hmac-sha256, encoding: hex, signature: [{header: Sig}], content_parts: [{text: "id:{query:data.id|lower};", optional: true}, {text: "request-id:{header:Request-Id};", optional: true}, {text: "ts:{ts};"}], timestamp: {at: [{header: Ts}], unit: s, tolerance: 300s}}`

// headers are a signature and further headers, name by name.
func headers(sig string, more ...string) http.Header {
	h := http.Header{"Sig": {sig}}
	for i := 0; i < len(more); i += 2 {
		h[more[i]] = append(h[more[i]], more[i+1])
	}
	return h
}

// Parts of the content that may be absent. The comment behind a case is what was given to python's hmac module.
func TestOptionalParts(t *testing.T) {
	const (
		full  = "cb794f768d22d8411f4fa1114f0c57d6e0b21d4cb98d51c9579c4e91bc1af65c" // id:abc;request-id:r1;ts:1700000000;
		onlyR = "8bc65062309e05cc194e830d557d56a1d2d4d9f35d6732b5a421875cdb17d46a" // request-id:r1;ts:1700000000;
		onlyI = "d28136e80b355893251d14e1de8019f151948d8c3e59c5cbdb1b435335066b64" // id:abc;ts:1700000000;
		none  = "10c26c00a7de9e0e8dbf5f9b280f57272ccb7834279dee43efdc37175a205f84" // ts:1700000000;
	)
	stamped := signature.Match{Time: stampTime, TimeCovered: true}
	for _, c := range []verifyCase{
		{name: "all", query: "data.id=ABC", header: headers(full, "Ts", "1700000000", "Request-Id", "r1"), want: stamped},
		{name: "no id", header: headers(onlyR, "Ts", "1700000000", "Request-Id", "r1"), want: stamped},
		{name: "no header", query: "data.id=abc", header: headers(onlyI, "Ts", "1700000000"), want: stamped},
		{name: "an empty header", query: "data.id=abc", header: headers(onlyI, "Ts", "1700000000", "Request-Id", ""), want: stamped},
		{name: "neither", header: headers(none, "Ts", "1700000000"), want: stamped},
		{name: "one taken away", query: "data.id=abc", header: headers(full, "Ts", "1700000000"), err: signature.ErrMismatch},
		{name: "one added", query: "data.id=abc", header: headers(onlyI, "Ts", "1700000000", "Request-Id", "r1"), err: signature.ErrMismatch},
		{name: "one that is there twice", query: "data.id=abc", header: headers(full, "Ts", "1700000000", "Request-Id", "r1", "Request-Id", "r2"), err: signature.ErrMalformed},
		{name: "what is required", query: "data.id=abc", header: headers(full, "Request-Id", "r1"), err: signature.ErrMissing},
	} {
		c.scheme, c.tolerance = optionalParts, 5*time.Minute
		t.Run(c.name, c.run)
	}
}

// What else a content is made of.
func TestDerivedParts(t *testing.T) {
	scheme := func(content string) string {
		return `{algorithm: hmac-sha256, encoding: hex, content: "` + content + `", signature: [{header: Sig}]}`
	}
	inJSON := `{algorithm: hmac-sha256, encoding: hex, content: "{json:s.ts}{json:s.token}", signature: [{json: s.sig}], timestamp: {at: [{json: s.ts}], unit: s-or-ms, tolerance: 300s}}`
	const inJSONSig = "460da61993259d46d240b4f595b7b8f631f956209557ed550a12a5325fb7f63b" // 1700000000tok
	stamped := signature.Match{Time: stampTime, TimeCovered: true}
	for _, c := range []verifyCase{
		{name: "a digest of the body", scheme: scheme("{sha256_hex:body}"), header: headers("f47e45bedb847d7b9e2a09d4b1da10cb641b83c5e00b6ef2e127c0a91886a1ba")},
		{name: "a digest of another body", scheme: scheme("{sha256_hex:body}"), body: "{}", header: headers("f47e45bedb847d7b9e2a09d4b1da10cb641b83c5e00b6ef2e127c0a91886a1ba"), err: signature.ErrMismatch},
		{name: "in base64", scheme: scheme("{sha256_base64:body}"), header: headers("0588fc08ddeb1407823f13e2ccb17835d389497c5a674b143c61dbfd28b7791f")},
		{name: "of the URL", scheme: scheme("{sha256_hex:url}"), query: "a=1", header: headers("bd411471714c9c4305b99bdf619fafb626b7a1e1315fbfef7bae2017127d6579")},
		{name: "of another URL", scheme: scheme("{sha256_hex:url}"), query: "a=2", header: headers("bd411471714c9c4305b99bdf619fafb626b7a1e1315fbfef7bae2017127d6579"), err: signature.ErrMismatch},
		{name: "method and path", scheme: scheme("{method}{path}{body}"), query: "a=1", header: headers("47f4adc8dbb197c979456ea05fc273e11a930c7f678d45f5698eb83e333985bd")},

		{name: "all of it in the JSON", scheme: inJSON, body: `{"s":{"ts":1700000000,"token":"tok","sig":"` + inJSONSig + `"},"data":1}`, want: stamped},
		{name: "another key beside it", scheme: inJSON, body: `{"data":2,"s":{"sig":"` + inJSONSig + `","token":"tok","ts":"1700000000"}}`, want: stamped},
		{name: "another token", scheme: inJSON, body: `{"s":{"ts":1700000000,"token":"toc","sig":"` + inJSONSig + `"}}`, err: signature.ErrMismatch},
		{name: "two tokens", scheme: inJSON, body: `{"s":{"ts":1700000000,"token":"tok","token":"x","sig":"` + inJSONSig + `"}}`, err: signature.ErrMalformed},
		{name: "two objects", scheme: inJSON, body: `{"s":{"ts":1700000000,"token":"tok","sig":"` + inJSONSig + `"},"s":{}}`, err: signature.ErrMalformed},
		{name: "no JSON", scheme: inJSON, body: `x`, err: signature.ErrMissing},
	} {
		c.tolerance = 5 * time.Minute
		t.Run(c.name, c.run)
	}
}

// A digest of the body in a place that is signed proves the body.
func TestBodyDigests(t *testing.T) {
	const (
		sum    = "93a23971a914e5eacbf0a8d25154cda309c3c1c72fbb9914d47c60f3cb681588"       // sha256sum of the body
		inline = "99efc4bd5b8f9de8748dd39ae0c8c0c28b4abd0473283e9c12b30b18655d37ae"       // SHA-256=k6I5...
		byURL  = "b79e507e8c73b1dfa193f09210a1e4f0725a4e003ccd5eebcb34df5fe9a5e0f7"       // https://hooks.example.com/webhooks/demo?bodySHA256=93a2...
		header = `{algorithm: hmac-sha256, encoding: hex, content: "{header:Digest}", ` + // the header itself is signed
			`signature: [{header: Sig}], body_digests: [{header: Digest, algorithm: sha256, encoding: base64, prefix: "SHA-256="}]}`
		query = `{algorithm: hmac-sha256, encoding: hex, content: "{url}", signature: [{header: Sig}], url_forms: [plain, default-port, no-port, decoded], ` +
			`body_digests: [{query: bodySHA256, algorithm: sha256, encoding: hex}]}`
	)
	for _, c := range []verifyCase{
		{name: "in a header", scheme: header, header: headers(inline, "Digest", "SHA-256=k6I5cakU5erL8KjSUVTNownDwccvu5kU1Hxg88toFYg=")},
		{name: "of another body", scheme: header, body: "{}", header: headers(inline, "Digest", "SHA-256=k6I5cakU5erL8KjSUVTNownDwccvu5kU1Hxg88toFYg="), err: signature.ErrMismatch},
		{name: "another digest", scheme: header, body: "{}", header: headers(inline, "Digest", "SHA-256=RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o="), err: signature.ErrMismatch},
		{name: "absent", scheme: header, header: headers(inline), err: signature.ErrMissing},
		{name: "in the query", scheme: query, query: "bodySHA256=" + sum, header: headers(byURL)},
		{name: "in the query, of another body", scheme: query, body: "{}", query: "bodySHA256=" + sum, header: headers(byURL), err: signature.ErrMismatch},
		{name: "in the query twice", scheme: query, query: "bodySHA256=" + sum + "&bodySHA256=" + sum, header: headers(byURL), err: signature.ErrMismatch},
	} {
		t.Run(c.name, c.run)
		if scheme := compile(t, c.scheme); !scheme.CoversBody() {
			t.Errorf("%s: the body is not covered", c.name)
		}
	}
}

// Forms of the URL, each of which may be the one that was signed.
func TestURLForms(t *testing.T) {
	scheme := func(forms string) string {
		return `{algorithm: hmac-sha256, encoding: hex, content: "{url}", signature: [{header: Sig}], url_forms: [` + forms + `]}`
	}
	const (
		plain   = "cf332fbc79e628695730b73583d60bd52bdcdb8f96bf1f59fa69b1233968c204" // https://hooks.example.com/webhooks/demo?a=1
		port    = "5c5bc6763332b7c1471e84e3e77386ee7e5e271dd71f54b79c5d631b9bb7d1e7" // https://hooks.example.com:443/webhooks/demo?a=1
		decoded = "a740279b00bf1e9b0412a963aec379da316404ec71fd343bab1011e16df5bb3d" // https://hooks.example.com/webhooks/demo?a=x:y&b=%20z
	)
	for _, c := range []verifyCase{
		{name: "plain", scheme: scheme("plain, default-port"), query: "a=1", header: headers(plain)},
		{name: "with its port", scheme: scheme("plain, default-port"), query: "a=1", header: headers(port)},
		{name: "with its port, which is not tried", scheme: scheme("plain, no-port"), query: "a=1", header: headers(port), err: signature.ErrMismatch},
		{name: "only the others", scheme: scheme("default-port"), query: "a=1", header: headers(plain), err: signature.ErrMismatch},
		{name: "decoded", scheme: scheme("plain, decoded"), query: "a=x%3Ay&b=%20z", header: headers(decoded)},
		{name: "decoded, with small letters", scheme: scheme("plain, decoded"), query: "a=x%3ay&b=%20z", header: headers(decoded)},
		{name: "decoded, another space", scheme: scheme("plain, decoded"), query: "a=x%3ay&b=+z", header: headers(decoded), err: signature.ErrMismatch},
	} {
		t.Run(c.name, c.run)
	}
}

// Signatures that stand in numbered headers, that are hex or base64, or whose key is a digest of the secret.
func TestOtherForms(t *testing.T) {
	numbered := `{algorithm: hmac-sha256, encoding: hex, content: "{body}", signature: [{header: Sig-, count: 100}]}`
	either := `{algorithm: hmac-sha256, encoding: hex-or-base64, content: "{body}", signature: [{header: Sig}]}`
	all := http.Header{}
	for n := range 99 {
		all["Sig-"+strconv.Itoa(n+1)] = []string{strings.Repeat("0", 64)}
	}
	all["Sig-100"] = []string{helloHex}
	for _, c := range []verifyCase{
		{name: "the first number", scheme: numbered, header: http.Header{"Sig-1": {helloHex}}},
		{name: "the last of all numbers", scheme: numbered, header: all},
		{name: "a number too much", scheme: numbered, header: http.Header{"Sig-101": {helloHex}}, err: signature.ErrMissing},
		{name: "no number", scheme: numbered, header: http.Header{"Sig-": {helloHex}}, err: signature.ErrMissing},
		{name: "hex", scheme: either, header: headers(helloHex)},
		{name: "base64", scheme: either, header: headers(helloBase64)},
		{name: "base64 without padding", scheme: either, header: headers(strings.TrimRight(helloBase64, "="))},
		{name: "neither", scheme: either, header: headers(helloHex[1:]), err: signature.ErrMalformed},
		{
			name: "a key that is a digest", scheme: `{algorithm: hmac-sha256, encoding: hex, content: "{body}", signature: [{header: Sig}], key: {digest: sha1}}`,
			header: headers("d84823960684b7a850951df3c4e0e5b9e51498ac026b83438df3becdfc731ecf"),
		},
	} {
		t.Run(c.name, c.run)
	}
}
