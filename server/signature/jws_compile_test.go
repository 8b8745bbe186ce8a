package signature_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

func TestTokenSchemesThatAreWrong(t *testing.T) {
	for _, tc := range []struct{ scheme, want string }{
		{"{algorithm: jws, jws: {form: detached, algorithms: [HS256], claims: [{name: iss}]}, signature: [{header: X}]}", "jws.form: the payload is the body, which is no token and has no claims"},
		{"{algorithm: jws, jws: {form: detached, algorithms: [HS256]}, id: [{claim: jti}], signature: [{header: X}]}", "jws.form: the payload is the body, which is no token and has no claims"},
		{"{algorithm: jws, jws: {form: detached, algorithms: [HS256]}, signature: [{body: true}]}", "jws.form: the payload is the body, which is no token and has no claims"},
		{"{algorithm: jws, jws: {algorithms: [HS256]}, signature: [{body: true}, {header: X}]}", "signature: what is the body is nowhere else"},
		{"{algorithm: jws, jws: {algorithms: [HS256]}, id: [{header: X-Id}], signature: [{header: X}]}", "id: it is not signed"},
		{"{algorithm: jws, jws: {algorithms: [HS256]}, timestamp: {at: [{header: X-At}], unit: s}, signature: [{header: X}]}", "timestamp: it is not signed, so it proves nothing"},
		{`{algorithm: jws, jws: {algorithms: [HS256, RS256]}, key_source: {url: "https://a/", format: jwks}, signature: [{header: X}]}`, "key_source: a published key is public, and the HS algorithms need a secret one"},
		{`{algorithm: jws, jws: {algorithms: [HS256], claims: [{name: a, equals: "{body}", optional: true}]}, signature: [{header: X}]}`, "jws.claims[0]: what covers the body is not optional"},
		{`{algorithm: jws, jws: {algorithms: [HS256], claims: [{name: a, equals: "{sha256_hex:method}"}]}, signature: [{header: X}]}`, "jws.claims[0]: equals: unknown {sha256_hex:method}, want the digest of body or url"},
		{`{algorithm: jws, jws: {algorithms: [HS256], claims: [{name: a, equals: "{ts}"}]}, signature: [{header: X}]}`, `jws.claims[0]: equals: {ts} needs a name, as in {ts:name}`},
		{`{algorithm: jws, jws: {algorithms: [HS256], claims: [{name: "a..b"}]}, signature: [{header: X}]}`, `jws.claims[0]: JSON path "a..b" has an empty key`},
		{`{algorithm: hmac-sha256, encoding: hex, content: "{body}", key_source: {url: "https://a/", format: pem}, signature: [{header: X}]}`, "key_source: a published key is public, and hmac-sha256 needs a secret one"},
		{`{algorithm: code, code: nobody}`, `code: there is no method "nobody"`},
		{`{algorithm: jws, encoding: hex, jws: {algorithms: [HS256]}, signature: [{header: X}]}`, "jws has no encoding, content, timestamp or id: it signs nothing"},
	} {
		spec, err := parseScheme(tc.scheme)
		if err != nil {
			t.Fatalf("%s: %v", tc.scheme, err)
		}
		if _, err := signature.Compile(spec); text(err) != `scheme "test": `+tc.want {
			t.Errorf("%s:\n got %v\nwant %s", tc.scheme, err, tc.want)
		}
	}
}

// Which secrets are keys, and for what.
func TestTokenKeys(t *testing.T) {
	public := pemText(t, &rsaKey(t).PublicKey)
	jwk := `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	for _, tc := range []struct{ name, algorithms, secret, form, want string }{
		{"a PEM block", "RS256", public, "a public key as a PEM block or a JSON Web Key", ""},
		{"a PEM block with lines around it", "RS256", "\n" + public + "\n\n", "a public key as a PEM block or a JSON Web Key", ""},
		{"a JSON Web Key", "EdDSA", jwk, "a public key as a PEM block or a JSON Web Key", ""},
		{"a set", "RS256, EdDSA", `{"keys":[` + jwk + `]}`, "a public key as a PEM block or a JSON Web Key", ""},
		{"a key of another kind", "RS256", jwk, "a public key as a PEM block or a JSON Web Key", "unfit secret: the public key is for none of RS256"},
		{"a text where a public key is wanted", "RS256", "hush", "a public key as a PEM block or a JSON Web Key", "unfit secret: want a public key as a PEM block or as a JSON Web Key"},
		{"a text", "HS256", "hush", "a text", ""},
		{"a text with a space", "HS256", "hush ", "a text", "unfit secret: there is white space around it"},
		{"a public key where a shared secret is wanted", "HS256", public, "a text", "unfit secret: the public key is for none of HS256"},
		{"a private key", "HS256, RS256", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "a text, or a public key as a PEM block or a JSON Web Key", "unfit secret: the PEM block has no public key that can be used"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			scheme := compile(t, "{algorithm: jws, jws: {algorithms: ["+tc.algorithms+"]}, signature: [{header: X}]}")
			key, err := scheme.Key(tc.secret)
			if text(err) != tc.want || (err != nil && !errors.Is(err, signature.ErrKey)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if got := scheme.KeyForm(); got != tc.form {
				t.Errorf("form: got %q, want %q", got, tc.form)
			}
			if err == nil && strings.Contains(fmt.Sprintf("%+v %s", key, key), "hush") {
				t.Error("the key prints")
			}
		})
	}
}

// What the bridge signs it verifies, for every algorithm that it can make a key for; and nothing else verifies under that key.
func TestGeneratedKeys(t *testing.T) {
	const digest = `claims: [{name: h, equals: "{sha256_hex:body}"}, {name: a.b, equals: x}, {name: u, equals: "{url}"}]`
	for _, spec := range []string{
		"{algorithm: ed25519, encoding: hex, content: '{body}', key: {encoding: hex}, signature: [{header: X}]}",
		"{algorithm: ed25519, encoding: base64, content: '{body}', key: {encoding: base64, prefixes: [whpk_]}, signature: [{header: X}]}",
		"{algorithm: ecdsa-p256-sha256, encoding: base64, content: '{body}', key: {encoding: base64}, signature: [{header: X}]}",
		"{algorithm: rsa-sha256, encoding: base64, content: '{body}', key: {encoding: pem}, signature: [{header: X}]}",
		"{algorithm: rsa-sha512, encoding: base64url, content: '{ts}{body}', timestamp: {at: [{header: X-At}], unit: ms}, key: {encoding: base64url}, signature: [{header: X}]}",
		"{algorithm: jws, jws: {algorithms: [RS256], " + digest + "}, signature: [{header: X, prefix: 'Bearer '}]}",
		"{algorithm: jws, jws: {algorithms: [HS256, PS512], " + digest + "}, signature: [{header: X}]}",
		"{algorithm: jws, jws: {algorithms: [ES256], " + digest + "}, id: [{claim: event.id}], timestamp: {at: [{claim: iat}], unit: s}, signature: [{header: X}]}",
		"{algorithm: jws, jws: {algorithms: [ES384], " + digest + "}, signature: [{header: X}]}",
		"{algorithm: jws, jws: {algorithms: [ES512], " + digest + "}, signature: [{header: X}]}",
		"{algorithm: jws, jws: {algorithms: [EdDSA], " + digest + "}, signature: [{header: X}]}",
		"{algorithm: jws, jws: {form: detached, algorithms: [RS512]}, signature: [{header: X}]}",
		"{algorithm: jws, jws: {form: detached-unencoded, algorithms: [RS256]}, timestamp: {at: [{jws_header: ts}], unit: s}, signature: [{header: X}]}",
		`{algorithm: jws, jws: {algorithms: [RS256]}, key_source: {url: "https://keys.example.com/", format: jwks}, signature: [{header: X}]}`,
	} {
		scheme := compile(t, spec)
		secret, signer, err := scheme.GenerateKey()
		if err != nil {
			t.Fatalf("%s: %v", spec, err)
		}
		r := verifyCase{}.request()
		signed, err := scheme.Sign(r, signer, "id-1", stampTime)
		if err != nil {
			t.Fatalf("%s: %v", spec, err)
		}
		r = signed
		m, err := scheme.Verify(r, keys(t, scheme, secret), 0)
		if err != nil || (len(scheme.ID()) > 0 && m.ID != "id-1") {
			t.Errorf("%s: got %+v, %v", spec, m, err)
		}
		if _, stamped := scheme.Tolerance(); stamped && !m.Time.Equal(stampTime) {
			t.Errorf("%s: got the time %v", spec, m.Time)
		}
		other, _, err := scheme.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := scheme.Verify(r, keys(t, scheme, other), 0); !errors.Is(err, signature.ErrMismatch) {
			t.Errorf("%s: under another key: got %v", spec, err)
		}
		if _, err := scheme.Sign(r, keys(t, scheme, secret)[0], "id-1", stampTime); !errors.Is(err, signature.ErrCannotSign) {
			t.Errorf("%s: with the public key: got %v", spec, err)
		}
	}
	for _, spec := range []string{
		"{algorithm: jws, jws: {algorithms: [HS256]}, signature: [{header: X}]}",
		"{algorithm: token, signature: [{header: X}]}",
		"{algorithm: hmac-sha256, encoding: hex, content: '{body}', signature: [{header: X}]}",
	} {
		if _, _, err := compile(t, spec).GenerateKey(); !errors.Is(err, signature.ErrCannotSign) {
			t.Errorf("%s: got %v", spec, err)
		}
	}
}

// A body that is the token is made of the document.
func TestWrap(t *testing.T) {
	scheme := compile(t, "{algorithm: jws, jws: {algorithms: [RS256]}, signature: [{body: true}]}")
	secret, signer, err := scheme.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	body, err := scheme.Wrap([]byte(helloBody), signer)
	if err != nil || !scheme.Wraps() {
		t.Fatal(err, scheme.Wraps())
	}
	r := &delivery.Request{Method: http.MethodPost, Header: http.Header{}, Body: body, ReceivedAt: stampTime}
	if _, err := scheme.Verify(r, keys(t, scheme, secret), 0); err != nil {
		t.Error(err)
	}
	if document, ok := signature.Payload(body); !ok || string(document) != helloBody {
		t.Errorf("got %q, %v", document, ok)
	}
	if _, err := scheme.Sign(r, signer, "", stampTime); !errors.Is(err, signature.ErrCannotSign) {
		t.Errorf("got %v", err)
	}
	if _, err := compile(t, "{algorithm: token, signature: [{header: X}]}").Wrap(body, signer); !errors.Is(err, signature.ErrCannotSign) {
		t.Errorf("got %v", err)
	}
}

// Whatever strangers send in place of a token: an error, and no panic.
func FuzzToken(f *testing.F) {
	f.Add("eyJhbGciOiJIUzI1NiJ9.e30.AAAA", []byte(helloBody))
	f.Add("eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19..AAAA", []byte("$.02"))
	f.Add("e30.e30.e30", []byte(nil))
	f.Add(mint(f, `{"alg":"RS256","kid":"a"}`, `{"exp":1}`, "x"), []byte(nil))
	public := pemText(f, &rsaKey(f).PublicKey)
	type active struct {
		scheme *signature.Scheme
		keys   []*signature.Key
	}
	var schemes []active
	for _, spec := range []string{
		`{algorithm: jws, jws: {algorithms: [HS256, RS256], claims: [{name: h, equals: "{sha256_hex:body}"}]}, signature: [{header: X, prefix: "Bearer "}, {header: X}]}`,
		"{algorithm: jws, jws: {form: detached, algorithms: [HS256, RS256]}, signature: [{header: X}]}",
		"{algorithm: jws, jws: {form: detached-unencoded, algorithms: [HS256, RS256]}, signature: [{header: X}]}",
		"{algorithm: jws, jws: {algorithms: [HS256, RS256]}, signature: [{body: true}]}",
	} {
		scheme := compile(f, spec)
		schemes = append(schemes, active{scheme, keys(f, scheme, "a secret that nobody guesses", public)})
	}
	f.Fuzz(func(t *testing.T, token string, body []byte) {
		for _, s := range schemes {
			r := &delivery.Request{Method: http.MethodPost, Header: header("X", token), Body: body, ReceivedAt: stampTime}
			if _, err := s.scheme.Verify(r, s.keys, 0); err == nil {
				t.Fatalf("accepted %q", token)
			}
		}
		signature.Payload(body)
	})
}
