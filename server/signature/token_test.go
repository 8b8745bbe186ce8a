package signature_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// mint makes a compact token with nothing but the standard library, so that headers can be whatever an attacker writes.
func mint(t testing.TB, header, payload string, key any) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(header)) + "." + encode([]byte(payload))
	return text + "." + encode(signed(t, text, header, key))
}

// mintDetached is mint for a payload that stays outside, as it is or encoded.
func mintDetached(t testing.TB, header, payload string, encoded bool, key any) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	content := payload
	if encoded {
		content = encode([]byte(payload))
	}
	head := encode([]byte(header))
	return head + ".." + encode(signed(t, head+"."+content, header, key))
}

func signed(t testing.TB, text, header string, key any) []byte {
	t.Helper()
	sum := sha256.Sum256([]byte(text))
	var made []byte
	var err error
	switch key := key.(type) {
	case string:
		newHash := sha256.New
		if strings.Contains(header, "HS512") {
			newHash = sha512.New
		}
		mac := hmac.New(newHash, []byte(key))
		mac.Write([]byte(text))
		made = mac.Sum(nil)
	case *rsa.PrivateKey:
		if strings.Contains(header, "RS512") {
			long := sha512.Sum512([]byte(text))
			made, err = rsa.SignPKCS1v15(nil, key, crypto.SHA512, long[:])
		} else {
			made, err = rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
		}
	case *ecdsa.PrivateKey:
		r, s, failed := ecdsa.Sign(rand.Reader, key, sum[:])
		if err = failed; err == nil {
			size := (key.Curve.Params().BitSize + 7) / 8
			made = append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
		}
	case ed25519.PrivateKey:
		made = ed25519.Sign(key, []byte(text))
	}
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func rsaKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pemText(t testing.TB, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// The examples of RFC 7515 (A.1, A.3), RFC 7797 (4.2) and RFC 8037 (A.4), whole and with every bit of the token changed.
func TestPublishedTokens(t *testing.T) {
	const shared = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
	const joe = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	for _, tc := range []struct{ name, scheme, secret, token, body string }{
		{
			"HS256", "{jws: {algorithms: [HS256]}, key: {encoding: base64url}", shared,
			"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + joe + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "",
		},
		{
			"ES256", "{jws: {algorithms: [ES256]}",
			`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
			"eyJhbGciOiJFUzI1NiJ9." + joe + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q", "",
		},
		{
			"EdDSA", "{jws: {algorithms: [EdDSA]}", `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
			"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg", "",
		},
		{
			"unencoded payload", "{jws: {form: detached-unencoded, algorithms: [HS256]}, key: {encoding: base64url}", shared,
			"eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19..A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY", "$.02",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			scheme := compile(t, tc.scheme+", algorithm: jws, signature: [{header: X-Token}]}")
			list := keys(t, scheme, tc.secret)
			verify := func(token, body string) error {
				_, err := scheme.Verify(&delivery.Request{
					Method: http.MethodPost, Header: header("X-Token", token), Body: []byte(body), ReceivedAt: time.Unix(1300819380, 0),
				}, list, 0)
				return err
			}
			if err := verify(tc.token, tc.body); err != nil {
				t.Fatal(err)
			}
			for at := range len(tc.token) {
				for bit := range 8 {
					changed := []byte(tc.token)
					changed[at] ^= 1 << bit
					if err := verify(string(changed), tc.body); !errors.Is(err, signature.ErrMalformed) && !errors.Is(err, signature.ErrMismatch) {
						t.Fatalf("byte %d, bit %d changed: got %v", at, bit, err)
					}
				}
			}
			if tc.body != "" {
				if err := verify(tc.token, tc.body+" "); !errors.Is(err, signature.ErrMismatch) {
					t.Errorf("body changed: got %v", err)
				}
			}
		})
	}
}

// What is known to have fooled others.
func TestTokenAttacks(t *testing.T) {
	key, other := rsaKey(t), rsaKey(t)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := pemText(t, &key.PublicKey)
	const good = `{"alg":"RS256","typ":"JWT"}`
	modulus := base64.RawURLEncoding.EncodeToString(other.N.Bytes())
	for _, tc := range []struct {
		name, token, want string
	}{
		{"right", mint(t, good, `{}`, key), ""},
		{"with a key id that nobody published", mint(t, `{"alg":"RS256","kid":"../../../dev/null"}`, `{}`, key), ""},
		{"another key", mint(t, good, `{}`, other), "signature mismatch: the token matches under none of the secrets (1)"},
		{"none", mint(t, `{"alg":"none"}`, `{}`, "x"), "signature malformed: want a token with the algorithm RS256 or HS256"},
		{"None, and no signature", strings.Join(strings.Split(mint(t, `{"alg":"None"}`, `{}`, "x"), ".")[:2], ".") + ".", "signature malformed: the token's signature is no base64url"},
		{"no algorithm", mint(t, `{}`, `{}`, key), "signature malformed: want a token with the algorithm RS256 or HS256"},
		{"the public key as a shared secret", mint(t, `{"alg":"HS256"}`, `{}`, public), "signature mismatch: the token matches under none of the secrets (1)"},
		{"the public key as a shared secret, trimmed", mint(t, `{"alg":"HS256"}`, `{}`, strings.TrimSpace(public)), "signature mismatch: the token matches under none of the secrets (1)"},
		{"an algorithm that isn't taken", mint(t, `{"alg":"RS512"}`, `{}`, key), "signature malformed: want a token with the algorithm RS256 or HS256"},
		{"a key in the header", mint(t, `{"alg":"RS256","jwk":{"kty":"RSA","n":"`+modulus+`","e":"AQAB"}}`, `{}`, other), "signature mismatch: the token matches under none of the secrets (1)"},
		{"a key elsewhere", mint(t, `{"alg":"RS256","jku":"https://evil.example.com/jwks.json","x5u":"https://evil.example.com/c.pem"}`, `{}`, other), "signature mismatch: the token matches under none of the secrets (1)"},
		{"two algorithms", mint(t, `{"alg":"RS256","alg":"HS256"}`, `{}`, key), "signature malformed: the token's header has a member twice"},
		{"two algorithms in two cases", mint(t, `{"alg":"RS256","ALG":"HS256"}`, `{}`, key), "signature malformed: the token's header has a member twice"},
		{"an extension", mint(t, `{"alg":"RS256","crit":["exp"],"exp":1}`, `{}`, key), "signature malformed: the token has a critical extension that is not known"},
		{"an unencoded payload", mint(t, `{"alg":"RS256","crit":["b64"],"b64":false}`, `{}`, key), "signature malformed: want a token whose payload is encoded"},
		{"an unencoded payload that isn't critical", mint(t, `{"alg":"RS256","b64":false}`, `{}`, key), "signature malformed: the token's b64 is not critical"},
		{"a long header", mint(t, `{"alg":"RS256","x":"`+strings.Repeat("x", 8<<10)+`"}`, `{}`, key), "signature malformed: the token's header is longer than 8192 bytes"},
		{"no payload", mintDetached(t, good, `{}`, true, key), "signature malformed: want a JSON Web Signature with a payload"},
		{"padding", mint(t, good, `{}`, key) + "=", "signature malformed: the token's signature is no base64url"},
		{"more lines", mint(t, good, `{}`, key) + "\n", "signature malformed: the token has more than one line"},
		{"four parts", mint(t, good, `{}`, key) + ".e30", "signature malformed: want a JSON Web Signature of three parts"},
		{"the JSON form", `{"payload":"e30","protected":"e30","signature":"e30"}`, "signature malformed: want a JSON Web Signature of three parts"},
		{"a header that is a list", mint(t, `["RS256"]`, `{}`, key), "signature malformed: the token's header is no JSON object of the usual members"},
		{"something behind the header", mint(t, good+`{}`, `{}`, key), "signature malformed: the token's header is no JSON"},
		{"a curve of another algorithm", mint(t, `{"alg":"ES256"}`, `{}`, p384), "signature malformed: want a token with the algorithm RS256 or HS256"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			scheme := compile(t, "{algorithm: jws, jws: {algorithms: [RS256, HS256]}, signature: [{header: X-Token}]}")
			_, err := scheme.Verify(verifyCase{header: header("X-Token", tc.token)}.request(), keys(t, scheme, public), 0)
			if got := text(err); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A shared secret may be shorter than the RFC wants one: providers let people choose it.
func TestShortSharedSecrets(t *testing.T) {
	scheme := compile(t, "{algorithm: jws, jws: {algorithms: [HS256, HS512]}, signature: [{header: X-Token}]}")
	for _, alg := range []string{"HS256", "HS512"} {
		for _, secret := range []string{"short", strings.Repeat("s", 200)} {
			r := verifyCase{header: header("X-Token", mint(t, `{"alg":"`+alg+`"}`, `{}`, secret))}.request()
			if m, err := scheme.Verify(r, keys(t, scheme, "another", secret), 0); err != nil || m.Key != 1 {
				t.Errorf("%s with %d bytes: got %+v, %v", alg, len(secret), m, err)
			}
		}
	}
}
