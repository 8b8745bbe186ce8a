package signature_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/hookbridge/server/publickey"
	"github.com/hookbridge/hookbridge/server/signature"
)

// What claims must be, under the shared secret. The clock is stampTime.
func TestClaims(t *testing.T) {
	sum := sha256.Sum256([]byte(helloBody))
	urlSum := sha256.Sum256([]byte("https://hooks.example.com/webhooks/demo?a=1"))
	inHex, inBase64 := hex.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString(sum[:])
	for _, tc := range []struct{ name, claims, payload, want string }{
		{"nothing is demanded", "", `{}`, ""},
		{"a text", "{name: iss, equals: netherlands}", `{"iss":"netherlands"}`, ""},
		{"another text", "{name: iss, equals: netherlands}", `{"iss":"elsewhere"}`, "signature mismatch: the token's claim iss is for something else"},
		{"no claim", "{name: iss, equals: netherlands}", `{}`, "signature mismatch: the token has no claim iss"},
		{"no claim, and none is needed", "{name: iss, equals: a, optional: true}", `{}`, ""},
		{"another one than is optional", "{name: iss, equals: a, optional: true}", `{"iss":"b"}`, "signature mismatch: the token's claim iss is for something else"},
		{"whatever it is", "{name: sub}", `{"sub":{}}`, ""},
		{"not there", "{name: sub}", `{"iss":1}`, "signature mismatch: the token has no claim sub"},
		{"one of a list", "{name: aud, equals: b}", `{"aud":["a","b"]}`, ""},
		{"none of a list", "{name: aud, equals: b}", `{"aud":["a","c"]}`, "signature mismatch: the token's claim aud is for something else"},
		{"an object", "{name: aud, equals: b}", `{"aud":{"b":"b"}}`, "signature mismatch: the token's claim aud is for something else"},
		{"a boolean", `{name: email_verified, equals: "true"}`, `{"email_verified":true}`, ""},
		{"a path", `{name: "a.b", equals: "1"}`, `{"a":{"b":1}}`, ""},
		{"the body's digest in hex", `{name: h, equals: "{sha256_hex:body}"}`, `{"h":"` + inHex + `"}`, ""},
		{"the body's digest in capitals", `{name: h, equals: "{sha256_hex:body}"}`, `{"h":"` + strings.ToUpper(inHex) + `"}`, "signature mismatch: the token's claim h is for something else"},
		{"the body's digest in base64", `{name: h, equals: "{sha256_base64:body}"}`, `{"h":"` + inBase64 + `"}`, ""},
		{"the body", `{name: data, equals: "{body}"}`, `{"data":"{\"hello\":\"world\"}"}`, ""},
		{"another body", `{name: data, equals: "{body}"}`, `{"data":"{\"hello\":\"World\"}"}`, "signature mismatch: the token's claim data is for something else"},
		{"the URL's digest", `{name: u, equals: "{sha256_hex:url}"}`, `{"u":"` + hex.EncodeToString(urlSum[:]) + `"}`, ""},
		{"the URL", `{name: aud, equals: "{url}"}`, `{"aud":"https://hooks.example.com/webhooks/demo?a=1"}`, ""},
		{"another URL", `{name: aud, equals: "{url}"}`, `{"aud":"https://hooks.example.com/webhooks/demo"}`, "signature mismatch: the token's claim aud is for something else"},
		{"method and header", `{name: x, equals: "{method} {header:X-Request}"}`, `{"x":"POST 7"}`, ""},
		{"a header that isn't there", `{name: x, equals: "{header:X-Absent}"}`, `{"x":""}`, "signature missing: want header X-Absent, which is part of what is signed"},
		{"a setting that nobody has put in", `{name: aud, equals: "{setting:audience}"}`, `{"aud":"{setting:audience}"}`, "signature mismatch: the claim aud can't be compared, the setting audience has no value"},
		{"expired within the leeway", "", `{"exp":1699999941.5}`, ""},
		{"expired", "", `{"exp":1699999940}`, "timestamp out of tolerance: the token expired 1m0s ago"},
		{"not yet, within the leeway", "", `{"nbf":1700000060}`, ""},
		{"not yet", "", `{"nbf":1700000061}`, "timestamp out of tolerance: the token is not valid for another 1m1s"},
		{"an expiry that is a text", "", `{"exp":"1800000000"}`, "signature malformed: the claim exp is no time"},
		{"an expiry that is nothing", "", `{"exp":null}`, "signature malformed: the claim exp is no time"},
		{"a start that is negative", "", `{"nbf":-1}`, "signature malformed: the claim nbf is no time"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			scheme := compile(t, "{algorithm: jws, jws: {algorithms: [HS256], claims: ["+tc.claims+`]}, signature: [{header: Authorization, prefix: "Bearer "}]}`)
			token := mint(t, `{"alg":"HS256"}`, tc.payload, sharedSecret)
			r := verifyCase{query: "a=1", header: http.Header{"Authorization": {"Bearer " + token}, "X-Request": {"7"}}}.request()
			if _, err := scheme.Verify(r, keys(t, scheme), 0); text(err) != tc.want {
				t.Errorf("got %q, want %q", text(err), tc.want)
			}
			// Without the secret nobody hears what the claims should have been.
			forged := mint(t, `{"alg":"HS256"}`, tc.payload, "another secret")
			r.Header.Set("Authorization", "Bearer "+forged)
			if _, err := scheme.Verify(r, keys(t, scheme), 0); text(err) != "signature mismatch: the token matches under none of the secrets (1)" {
				t.Errorf("forged: got %v", err)
			}
		})
	}
}

// Id and time of a token, and where it is.
func TestIDAndTimeOfTokens(t *testing.T) {
	const stamped = `, id: [{claim: jti}], timestamp: {at: [{claim: iat}], unit: s, tolerance: 300s}, signature: [{header: X-Token}]}`
	hs := func(payload string) http.Header {
		return header("X-Token", mint(t, `{"alg":"HS256","ts":1700000000}`, payload, sharedSecret))
	}
	for _, tc := range []verifyCase{
		{name: "id and time", scheme: "{algorithm: jws, jws: {algorithms: [HS256]}" + stamped, header: hs(`{"jti":"e1","iat":1700000000}`), at: 5 * time.Minute, tolerance: 5 * time.Minute, want: signature.Match{ID: "e1", Time: stampTime, TimeCovered: true}},
		{name: "a fraction of a second", scheme: "{algorithm: jws, jws: {algorithms: [HS256]}" + stamped, header: hs(`{"iat":1700000000.25}`), want: signature.Match{Time: stampTime}},
		{name: "too old", scheme: "{algorithm: jws, jws: {algorithms: [HS256]}" + stamped, header: hs(`{"iat":1700000000}`), at: 301 * time.Second, tolerance: 5 * time.Minute, err: signature.ErrStale},
		{name: "no time", scheme: "{algorithm: jws, jws: {algorithms: [HS256]}" + stamped, header: hs(`{}`), tolerance: 5 * time.Minute, err: signature.ErrMalformed},
		{name: "a time that is none", scheme: "{algorithm: jws, jws: {algorithms: [HS256]}" + stamped, header: hs(`{"iat":"now"}`), err: signature.ErrMalformed},
		{name: "the time in the token's header", scheme: "{algorithm: jws, jws: {algorithms: [HS256]}, timestamp: {at: [{jws_header: ts}], unit: s}, signature: [{header: X-Token}]}", header: hs(`{}`), tolerance: time.Minute, want: signature.Match{Time: stampTime, TimeCovered: true}},
		{name: "detached", scheme: "{algorithm: jws, jws: {form: detached, algorithms: [HS256]}, signature: [{header: X-Token}]}", header: header("X-Token", mintDetached(t, `{"alg":"HS256"}`, helloBody, true, sharedSecret))},
		{name: "detached, another body", scheme: "{algorithm: jws, jws: {form: detached, algorithms: [HS256]}, signature: [{header: X-Token}]}", body: "x", header: header("X-Token", mintDetached(t, `{"alg":"HS256"}`, helloBody, true, sharedSecret)), err: signature.ErrMismatch},
		{name: "detached with a payload of its own", scheme: "{algorithm: jws, jws: {form: detached, algorithms: [HS256]}, signature: [{header: X-Token}]}", header: hs(helloBody), err: signature.ErrMalformed},
		{name: "detached and not encoded", scheme: "{algorithm: jws, jws: {form: detached-unencoded, algorithms: [HS256]}, signature: [{header: X-Token}]}", header: header("X-Token", mintDetached(t, `{"alg":"HS256","b64":false,"crit":["b64"]}`, helloBody, false, sharedSecret))},
		{name: "detached and encoded after all", scheme: "{algorithm: jws, jws: {form: detached-unencoded, algorithms: [HS256]}, signature: [{header: X-Token}]}", header: header("X-Token", mintDetached(t, `{"alg":"HS256"}`, helloBody, true, sharedSecret)), err: signature.ErrMalformed},
		{name: "the whole body", scheme: "{algorithm: jws, jws: {algorithms: [HS256]}, signature: [{body: true}]}", body: mint(t, `{"alg":"HS256"}`, `{"x":"`+strings.Repeat("x", 100<<10)+`"}`, sharedSecret)},
		{name: "no token", scheme: "{algorithm: jws, jws: {algorithms: [HS256]}, signature: [{header: X-Token}]}", err: signature.ErrMissing},
		{name: "another scheme's header", scheme: `{algorithm: jws, jws: {algorithms: [HS256]}, signature: [{header: X-Token, prefix: "Bearer "}]}`, header: header("X-Token", "Basic eDp5"), err: signature.ErrMalformed},
		{name: "too long", scheme: "{algorithm: jws, jws: {algorithms: [HS256]}, signature: [{header: X-Token}]}", header: hs(`{"x":"` + strings.Repeat("x", 50<<10) + `"}`), err: signature.ErrMalformed},
		{name: "the second of two", scheme: "{algorithm: jws, jws: {algorithms: [HS256]}, signature: [{header: X-Token}]}", header: http.Header{"X-Token": {mint(t, `{"alg":"HS256"}`, `{}`, "x"), mint(t, `{"alg":"HS256"}`, `{}`, sharedSecret)}}},
	} {
		t.Run(tc.name, tc.run)
	}
}

// published is a Fetcher with fixed answers.
type published struct {
	keys []publickey.Key
	err  error
	// since are the keys that are published since keys were fetched; nil: there are no others.
	since []publickey.Key
	// stale says that those may not be the newest.
	stale error
	asked []string
}

func (p *published) Renewed(context.Context, publickey.Origin, time.Time) ([]publickey.Key, error) {
	if p.since == nil {
		return p.keys, p.stale
	}
	return p.since, p.stale
}

func (p *published) Keys(_ context.Context, o publickey.Origin, id string) ([]publickey.Key, error) {
	p.asked = append(p.asked, fmt.Sprintf("%s %s %q", o.Format, o.URL, id))
	return p.keys, p.err
}

func TestPublishedKeys(t *testing.T) {
	key, pinned := rsaKey(t), rsaKey(t)
	const spec = `{algorithm: jws, jws: {algorithms: [RS256]}, key_source: {url: "https://keys.example.com/jwks", format: jwks}, signature: [{header: X-Token}]}`
	scheme := compile(t, spec)
	want := []publickey.Origin{{URL: "https://keys.example.com/jwks", Format: publickey.JWKS}}
	if diff := cmp.Diff(want, scheme.Origins()); diff != "" || !scheme.Keyless() {
		t.Errorf("keyless %v, origins (-want +got):\n%s", scheme.Keyless(), diff)
	}
	const none = "signature mismatch: it matches under none of the keys that the provider publishes"
	right := []publickey.Key{{ID: "k1", Public: &key.PublicKey}}
	for _, tc := range []struct {
		name    string
		fetcher *published
		maker   any
		secrets []string
		want    string
		asked   int
	}{
		{name: "a published key", fetcher: &published{keys: right}, maker: key, asked: 1},
		{name: "another key", fetcher: &published{keys: right}, maker: pinned, want: none, asked: 1},
		{name: "another key, and others since", fetcher: &published{keys: right, since: right}, maker: pinned, want: none, asked: 1},
		{name: "a key that was published since", fetcher: &published{keys: []publickey.Key{{Public: &pinned.PublicKey}}, since: right}, maker: key, asked: 1},
		{name: "a key of another id that was published since", fetcher: &published{keys: []publickey.Key{{Public: &pinned.PublicKey}}, since: []publickey.Key{{ID: "k2", Public: &key.PublicKey}}}, maker: key, want: none, asked: 1},
		{name: "a key of no id that may have been published since", fetcher: &published{keys: []publickey.Key{{Public: &pinned.PublicKey}}, stale: publickey.ErrUnavailable}, maker: key, want: "key unavailable: public key unavailable", asked: 1},
		{name: "a key that another delivery had fetched", fetcher: &published{keys: []publickey.Key{{Public: &pinned.PublicKey}}, since: right, stale: publickey.ErrUnavailable}, maker: key, asked: 1},
		{name: "another key of the id, at once", fetcher: &published{keys: right, stale: publickey.ErrUnavailable}, maker: pinned, want: none, asked: 1},
		{name: "a key for something else", fetcher: &published{keys: []publickey.Key{{ID: "k1", Algorithm: "PS256", Public: &key.PublicKey}}}, maker: key, want: none, asked: 1},
		{name: "an unknown id", fetcher: &published{err: publickey.ErrUnknown}, maker: key, want: none, asked: 1},
		{name: "nobody answers", fetcher: &published{err: publickey.ErrUnavailable}, maker: key, want: "key unavailable: public key unavailable", asked: 1},
		{name: "a key that the operator gave is used instead", fetcher: &published{keys: right}, maker: pinned, secrets: []string{pemText(t, &pinned.PublicKey)}},
		{name: "and no other", fetcher: &published{keys: right}, maker: key, secrets: []string{pemText(t, &pinned.PublicKey)}, want: "signature mismatch: the token matches under none of the secrets (1)"},
		{name: "nothing is fetched for a token of another kind", fetcher: &published{keys: right}, maker: sharedSecret, want: "signature malformed: want a token with the algorithm RS256"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			head := `{"alg":"RS256","kid":"k1"}`
			if tc.maker == sharedSecret {
				head = `{"alg":"HS256","kid":"k1"}`
			}
			var list []*signature.Key
			if tc.secrets != nil {
				list = keys(t, scheme, tc.secrets...)
			}
			r := verifyCase{header: header("X-Token", mint(t, head, `{}`, tc.maker))}.request()
			if _, err := scheme.VerifyFetching(t.Context(), r, list, 0, tc.fetcher); text(err) != tc.want {
				t.Errorf("got %q, want %q", text(err), tc.want)
			}
			if len(tc.fetcher.asked) != tc.asked || tc.asked == 1 && tc.fetcher.asked[0] != `jwks https://keys.example.com/jwks "k1"` {
				t.Errorf("asked for %q", tc.fetcher.asked)
			}
		})
	}
	r := verifyCase{header: header("X-Token", mint(t, `{"alg":"RS256"}`, `{}`, key))}.request()
	if _, err := scheme.Verify(r, nil, 0); !errors.Is(err, signature.ErrKeyUnavailable) {
		t.Errorf("without a fetcher: got %v", err)
	}
}

// Signatures of other kinds than tokens, under published keys.
func TestPublishedKeysOfOtherAlgorithms(t *testing.T) {
	const source = `, key_source: {url: "https://keys.example.com/pem", format: pem}, signature: [{header: X}]}`
	for _, spec := range []string{
		"{algorithm: rsa-sha256, encoding: base64, content: '{body}', key: {encoding: pem}" + source,
		"{algorithm: ecdsa-p256-sha256, encoding: hex, content: '{body}', key: {encoding: pem}" + source,
		"{algorithm: ed25519, encoding: base64, content: '{body}', key: {encoding: pem}" + source,
	} {
		scheme := compile(t, spec)
		secret, signer, err := scheme.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		other, _, err := scheme.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		parse := func(texts ...string) []publickey.Key {
			found, err := publickey.Parse(publickey.PEM, []byte(strings.Join(texts, "")))
			if err != nil {
				t.Fatal(err)
			}
			return found
		}
		weakest := publickey.Key{Public: &rsaKey(t).PublicKey}
		r := verifyCase{}.request()
		if r, err = scheme.Sign(r, signer, "", stampTime); err != nil {
			t.Fatal(err)
		}
		if !scheme.Keyless() || len(scheme.Origins()) != 1 {
			t.Errorf("%s: keyless %v", spec, scheme.Keyless())
		}
		for _, tc := range []struct {
			name    string
			fetcher *published
			body    string
			want    error
		}{
			{"among others", &published{keys: append([]publickey.Key{weakest}, parse(other, secret)...)}, helloBody, nil},
			{"published since", &published{keys: parse(other), since: parse(secret)}, helloBody, nil},
			{"another body", &published{keys: parse(secret)}, "{}", signature.ErrMismatch},
			{"another key", &published{keys: parse(other)}, helloBody, signature.ErrMismatch},
			{"unavailable", &published{err: publickey.ErrUnavailable}, helloBody, signature.ErrKeyUnavailable},
		} {
			r.Body = []byte(tc.body)
			if _, err := scheme.VerifyFetching(t.Context(), r, nil, 0, tc.fetcher); !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
				t.Errorf("%s, %s: got %v, want %v", spec, tc.name, err, tc.want)
			}
		}
		// Nothing is asked for without a signature, nor where the operator gave a key.
		f := &published{keys: parse(other)}
		if _, err := scheme.VerifyFetching(t.Context(), verifyCase{}.request(), nil, 0, f); !errors.Is(err, signature.ErrMissing) {
			t.Errorf("%s: got %v", spec, err)
		}
		r.Body = []byte(helloBody)
		if _, err := scheme.VerifyFetching(t.Context(), r, keys(t, scheme, secret), 0, f); err != nil || len(f.asked) > 0 {
			t.Errorf("%s: got %v, asked for %q", spec, err, f.asked)
		}
	}
}

// What the proof covers follows from what the token says of the delivery.
func TestTokenCoverage(t *testing.T) {
	const at = `signature: [{header: Authorization, prefix: "Bearer "}]}`
	for _, tc := range []struct{ name, scheme, want string }{
		{"nothing of the delivery", "{algorithm: jws, jws: {algorithms: [HS256]}, " + at, "credential"},
		{"the body's digest", `{algorithm: jws, jws: {algorithms: [HS256], claims: [{name: h, equals: "{sha256_hex:body}"}]}, ` + at, "body json"},
		{"the body and the URL", `{algorithm: jws, jws: {algorithms: [HS256], claims: [{name: h, equals: "{body}"}, {name: u, equals: "{sha256_hex:url}"}]}, ` + at, "body json url query"},
		{"the URL", `{algorithm: jws, jws: {algorithms: [HS256], claims: [{name: aud, equals: "{url}"}]}, ` + at, "url query credential"},
		{"the URL, perhaps", `{algorithm: jws, jws: {algorithms: [HS256], claims: [{name: aud, equals: "{url}", optional: true}]}, ` + at, "credential"},
		{"a header", `{algorithm: jws, jws: {algorithms: [HS256], claims: [{name: x, equals: "{header:X-Type}"}]}, ` + at, "header credential"},
		{"a detached payload", "{algorithm: jws, jws: {form: detached, algorithms: [HS256]}, " + at, "body json"},
		{"a body that is the token", "{algorithm: jws, jws: {algorithms: [HS256]}, signature: [{body: true}]}", "body json"},
		{"an id", "{algorithm: jws, jws: {algorithms: [HS256]}, id: [{claim: jti}], " + at, "id credential"},
	} {
		scheme := compile(t, tc.scheme)
		place := func(kind, name string) signature.Place {
			p, err := signature.PlaceNamed(kind, name)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		var got []string
		for _, is := range []struct {
			name string
			yes  bool
		}{
			{"body", scheme.CoversBody()}, {"json", scheme.Covers(place("json", "id"))}, {"url", scheme.UsesURL()},
			{"query", scheme.Covers(place("query", "id"))}, {"header", scheme.Covers(place("header", "X-Type"))},
			{"id", scheme.CoversFirst(scheme.ID())}, {"credential", slices.Equal(scheme.Credentials(), []string{"Authorization"})},
		} {
			if is.yes {
				got = append(got, is.name)
			}
		}
		if text := strings.Join(got, " "); text != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, text, tc.want)
		}
	}
}
