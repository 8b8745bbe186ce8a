package method_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/signature"
)

const plaidURL = "https://sandbox.plaid.com/webhook_verification_key/get"

func plaidToken(t *testing.T, key *ecdsa.PrivateKey, header, claims string) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	content := encode([]byte(header)) + "." + encode([]byte(claims))
	sum := sha256.Sum256([]byte(content))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return content + "." + encode(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

func TestPlaid(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	answer := fmt.Sprintf(`{"key":{"alg":"ES256","crv":"P-256","kid":"k1","kty":"EC","use":"sig","x":%q,"y":%q,"created_at":1,"expired_at":%%s},"request_id":"r"}`,
		encode(public[1:33]), encode(public[33:]))
	const body = `{"webhook_type":"TRANSACTIONS"}`
	sum := sha256.Sum256([]byte(body))
	claims := func(at time.Time) string {
		return fmt.Sprintf(`{"iat":%d,"request_body_sha256":%q}`, at.Unix(), hex.EncodeToString(sum[:]))
	}
	const head = `{"alg":"ES256","kid":"k1","typ":"JWT"}`
	for _, tc := range []struct {
		name, token, body, expired, want string
		unavailable                      bool
		secrets                          []string
		asked                            int
	}{
		{name: "right", token: plaidToken(t, key, head, claims(now)), asked: 1},
		{name: "at the edge", token: plaidToken(t, key, head, claims(now.Add(-5*time.Minute))), asked: 1},
		{name: "too old", token: plaidToken(t, key, head, claims(now.Add(-301*time.Second))), asked: 1, want: "timestamp out of tolerance: signed 5m1s ago, which is more than 5m0s"},
		{name: "another key", token: plaidToken(t, other, head, claims(now)), asked: 1, want: "signature mismatch: the token doesn't match under the provider's key"},
		{name: "another body", token: plaidToken(t, key, head, claims(now)), body: "{}", asked: 1, want: "signature mismatch: the token is for another body"},
		{name: "no digest", token: plaidToken(t, key, head, `{"iat":1}`), asked: 1, want: "signature mismatch: the token is for another body"},
		{name: "no time", token: plaidToken(t, key, head, fmt.Sprintf(`{"request_body_sha256":%q}`, hex.EncodeToString(sum[:]))), asked: 1, want: "signature malformed: the token has no time"},
		{name: "a key that has expired", token: plaidToken(t, key, head, claims(now)), expired: "1772355000", asked: 1, want: "key unavailable: no usable public key: the key has expired"},
		{name: "no answer", token: plaidToken(t, key, head, claims(now)), unavailable: true, asked: 1, want: "key unavailable: public key unavailable"},
		{name: "two secrets, and no answer to either", token: plaidToken(t, key, head, claims(now)), unavailable: true, secrets: []string{"s0", "s1"}, asked: 2, want: "key unavailable: public key unavailable\nkey unavailable: public key unavailable"},
		{name: "a key id that is a path", token: plaidToken(t, key, `{"alg":"ES256","kid":"../x"}`, claims(now)), want: "signature malformed: the token names no key"},
		{name: "no key id", token: plaidToken(t, key, `{"alg":"ES256"}`, claims(now)), want: "signature malformed: the token names no key"},
		{name: "another algorithm", token: plaidToken(t, key, `{"alg":"HS256","kid":"k1"}`, claims(now)), want: "signature malformed: want a token with the algorithm ES256"},
		{name: "no token", want: "signature missing: want header Plaid-Verification"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			scheme := compile(t, "{code: plaid, parameters: [{name: client_id, value: c1}, {name: environment, value: sandbox}]}")
			r := request(body)
			if tc.body != "" {
				r.Body = []byte(tc.body)
			}
			r.Header.Set("Plaid-Verification", tc.token)
			if tc.expired == "" {
				tc.expired = "null"
			}
			if tc.secrets == nil {
				tc.secrets = []string{"s0"}
			}
			f := &hosts{documents: map[string]string{plaidURL: fmt.Sprintf(answer, tc.expired)}}
			if tc.unavailable {
				f.documents = nil
			}
			tolerance, stamped := scheme.Tolerance()
			if tolerance != 5*time.Minute || !stamped || !scheme.CoversBody() {
				t.Errorf("tolerance %v, %v, body covered %v", tolerance, stamped, scheme.CoversBody())
			}
			if _, err := scheme.VerifyFetching(t.Context(), r, secrets(t, scheme, tc.secrets...), tolerance, f); text(err) != tc.want {
				t.Errorf("got %q, want %q", text(err), tc.want)
			}
			if len(f.asked) != tc.asked {
				t.Errorf("asked for %v", f.asked)
			}
			for n, o := range f.asked {
				var asked map[string]string
				if err := json.Unmarshal(o.Body, &asked); err != nil || asked["client_id"] != "c1" || asked["secret"] != fmt.Sprintf("s%d", n) || asked["key_id"] != "k1" || o.Peer != "203.0.113.7" {
					t.Errorf("asked with %s", o.Body)
				}
			}
		})
	}
	scheme := compile(t, "{code: plaid}")
	r := request(body)
	r.Header.Set("Plaid-Verification", plaidToken(t, key, head, claims(now)))
	if _, err := scheme.VerifyFetching(t.Context(), r, secrets(t, scheme, "s"), 0, &hosts{}); text(err) != signature.ErrMismatch.Error()+": the source's client_id is not set" {
		t.Errorf("got %v", err)
	}
}
