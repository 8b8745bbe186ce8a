package signature_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/signature"
)

// The key pairs were made by openssl genpkey for these tests and thrown away; what is signed is helloBody:
//
//	openssl pkeyutl -sign -inkey ed.pem -rawin -in body     # ed25519
//	openssl dgst -sha256 -sign ec.pem body                  # ecdsa, rsa
const (
	ed25519Hex  = "9d15c0651c0df71b3d5cb34a1beabe82095a7a5198e40aa2d769a15935b2ec41"
	ed25519PKIX = "MCowBQYDK2VwAyEAnRXAZRwN9xs9XLNKG+q+gglaelGY5Aqi12mhWTWy7EE="
	p256PKIX    = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYslcnDNbX2BTvfT6G4PL+fF3uvJT5wUo4L6Nmy5LLoTt1BHMukI+nATfUM7GjKkPvP9QyFiAYAWJJLeFVJ78BA=="
	p384PKIX    = "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE3jkM8bzafNgYlhJe+B0rKP/VTs0COfBXqDoKwD9Z9XSZ3g0FktSJVyWxexGtUaJ5S2wQk45Z0+13GfQK2SMjGGRXWcW7hIF6yjaYZWZZOuzjjic93JcpRnPpaFKd3W46"
	rsa1024PKIX = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDRBlBikOZibi4CiUgSc60f5g5eyIfkEyrFMC+eN+StXgTrJ9ofyMjz6HijfJ4wFZcNMF6YzXxgI96lUnaR9l5Szv3LeV9A3DMLWAMUWR2hBqydwEOrnQs7IN6pv/59Xx+Ap7y2g/J6oBCXElPZTzQ3Qd8j8pscVztxL9O4N/ho5wIDAQAB"
	rsaPEM      = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAuJi19R1CB8llhcsfVRkF
/NR5FVip4iTAjMn2rE4ny+7w9fMrrfFOP003xvlXZ4TE8sr29z5J+ZCAPOenyNOl
NnXV5wPRpBNahO2KZlJh/6/YwJP/kqs5T6NwqpeK0NGLNhiv4iQN0xACOxTkpK9P
owSkDRgNhIu8Gf60Ud05qZ8N7NwZBaljDggdmg43V2yVktf9xN/+vGd5XlmclHf+
pEHBL5R79INOJG0c+OfWSkd1z++q1sueeSIy7mjlzaSDluUUNioEcQdBxJwS7H7j
ZWdYb2SG095mp6d2EXmcB7P3TJzyhXWQCY2YdwHJDqCxySj0nCyE6kUWLAqmDUjV
6QIDAQAB
-----END PUBLIC KEY-----
`
)

// algorithms has a signature of helloBody for each algorithm that signs.
var algorithms = []struct {
	name, encoding, content, secret, key string
	signature                            string
}{
	{"hmac-sha1", "hex", "{body}", sharedSecret, "", "eec40c600b27f61f1fa50ce88608d11967de4b83"},
	{"hmac-sha256", "hex", "{body}", sharedSecret, "", helloHex},
	{"hmac-sha512", "base64", "{body}", sharedSecret, "", "QDsq6YSxkymk7Ddd4xtU0ucPDRkcBT6eW2mfaRauY2O4swoU2Bcord1hhgmdkCMMsKaGJn39g423OASjSsYPnA=="},
	// (printf %s "$SECRET"; cat body) | openssl dgst -sha1 -r
	{"sha1", "hex", "{secret}{body}", sharedSecret, "", "92d6060ff8db14e7c8a5a8a0641c6fdf70378eb6"},
	{"sha256", "hex", "{secret}{body}", sharedSecret, "", "cc9e0756594a14b2a0f3e0e33e954106dba1d05b4f879588d578e1b24933c6b8"},
	{"ed25519", "hex", "{body}", ed25519Hex, "hex", "9e4b359762a6bc5f56cdfd4f83aa9d01b34874566abbdf8c68237b2cffa00f17ef3a061023fd7af5ec2d929862af62ee6bb1f0cb3c88780409bb745f09712f01"},
	{"ed25519", "hex", "{body}", ed25519PKIX, "base64", "9e4b359762a6bc5f56cdfd4f83aa9d01b34874566abbdf8c68237b2cffa00f17ef3a061023fd7af5ec2d929862af62ee6bb1f0cb3c88780409bb745f09712f01"},
	{"ecdsa-p256-sha256", "base64", "{body}", p256PKIX, "base64", "MEYCIQDsytg4ErXE9WckfMi5coSO6rKj0HDmltx9d4Xv6MqSUwIhAL0QlcyRM/wREeZnL+2As2KgbKVA7DITjVJwyOmAWy56"},
	{"rsa-sha256", "base64", "{body}", rsaPEM, "pem", "Cq7iHPTvV6k1Nb83USEo9ERO4y+nfPAj+VA3eCGFhHi3CpSeA83brtc+5dtddEBQ52dBFnbYEuImo07Xa9lqlR9J+yMzj4CT/HmXlae16flDH7ruFIPc3HTv3tJ69epHyD7oBf9VaHP6+Jp6MLBYglz7mOCFB+kCWv87t6fF5cFnHPeUNF17dVPRkP0m0q5NVOroHRfNs3I13qR6tV+9kSlXnBAHwSZGOgRzOV2NMXoqD/5uK9DsnxpO8NbPUlWVuzb77zmE9Xz5jSaIQ2H/RV3iyHd3SYTaO42NnO+I3r93YbzCsvGW4moM0JwCmDvI+Nrjc5HAsa7xNeTBeAyrxg=="},
	{"rsa-sha512", "base64", "{body}", rsaPEM, "pem", "Xh5QroIDPbOF5vyPhruD3Vh8S5xurSRSKRifuYQ6gKtxHkilRMBXaacW3RnPOCok5d8Gjj9A0gUgJ30dGZKqUMKVo65MypeqvbFurX8S/ictDiZzhx5M/+O90y3RQdvbx1E4FAKFmv/4Paeis4Au52mXL+UkNVE4Z59oPJWzqLryknsyfVfV/iaFwS5Xzyw7jDiPnJ5hRSyiKeBygd6kriwONPMukfTSLIWgZCO63H6G1fl7q7gCyVN9R2p6kkKMjgYZkpy4+sQ+shHcnb/JwOP5xqp58Hhq70dBWyQr00leEaIr1gMSX2RG+HEuhqytkIUPmR/RgF5tXJ9NtoVrkw=="},
}

// Each algorithm takes the signature that another program made, and refuses it with any bit of signature or body changed.
func TestAlgorithms(t *testing.T) {
	for _, a := range algorithms {
		t.Run(a.name+"/"+a.key, func(t *testing.T) {
			scheme := compile(t, `{algorithm: `+a.name+`, encoding: `+a.encoding+`, content: "`+a.content+`", signature: [{header: X-Sig}], key: {encoding: "`+a.key+`"}}`)
			active := keys(t, scheme, a.secret)
			c := verifyCase{header: header("X-Sig", a.signature)}
			if _, err := scheme.Verify(c.request(), active, 0); err != nil {
				t.Fatal(err)
			}
			decode, encode := hex.DecodeString, hex.EncodeToString
			if a.encoding == "base64" {
				decode, encode = base64.StdEncoding.DecodeString, base64.StdEncoding.EncodeToString
			}
			raw, err := decode(a.signature)
			if err != nil {
				t.Fatal(err)
			}
			for bit := range 8 * len(raw) {
				changed := bytes.Clone(raw)
				changed[bit/8] ^= 1 << (bit % 8)
				c.header = header("X-Sig", encode(changed))
				if _, err := scheme.Verify(c.request(), active, 0); !errors.Is(err, signature.ErrMismatch) {
					t.Fatalf("bit %d of the signature changed: got %v, want ErrMismatch", bit, err)
				}
			}
			c.header = header("X-Sig", a.signature)
			for bit := range 8 * len(helloBody) {
				body := []byte(helloBody)
				body[bit/8] ^= 1 << (bit % 8)
				c.body = string(body)
				if _, err := scheme.Verify(c.request(), active, 0); !errors.Is(err, signature.ErrMismatch) {
					t.Fatalf("bit %d of the body changed: got %v, want ErrMismatch", bit, err)
				}
			}
			c.body = ""
			for _, short := range []string{encode(raw[:len(raw)-1]), encode(append(bytes.Clone(raw), 0)), encode(raw[:1])} {
				c.header = header("X-Sig", short)
				if _, err := scheme.Verify(c.request(), active, 0); !errors.Is(err, signature.ErrMalformed) && !errors.Is(err, signature.ErrMismatch) {
					t.Errorf("a signature of another length: got %v", err)
				}
			}
		})
	}
}

// A token or Basic credentials are taken whole or not at all.
func TestTokens(t *testing.T) {
	const (
		token = `{algorithm: token, signature: [{header: X-Token, prefix: "Bearer "}]}`
		basic = `{algorithm: basic, signature: [{header: Authorization}]}`
	)
	for _, c := range []verifyCase{
		{name: "token", scheme: token, header: header("X-Token", "Bearer a shared secret")},
		{name: "token, the second of two secrets", scheme: token, secrets: []string{"x", sharedSecret}, header: header("X-Token", "Bearer a shared secret"), want: signature.Match{Key: 1}},
		{name: "token, of several values one", scheme: token, header: header("X-Token", "Bearer no", "Bearer a shared secret")},
		{name: "a beginning of the token", scheme: token, header: header("X-Token", "Bearer a shared"), err: signature.ErrMismatch},
		{name: "the token and more", scheme: token, header: header("X-Token", "Bearer a shared secrets"), err: signature.ErrMismatch},
		{name: "the token in another case", scheme: token, header: header("X-Token", "Bearer A shared secret"), err: signature.ErrMismatch},
		{name: "the token and a NUL", scheme: token, header: header("X-Token", "Bearer a shared secret\x00"), err: signature.ErrMismatch},
		{name: "the token and a space", scheme: token, header: header("X-Token", "Bearer a shared secret "), err: signature.ErrMismatch},
		{name: "no token behind the prefix", scheme: token, header: header("X-Token", "Bearer "), err: signature.ErrMalformed},
		{name: "the prefix in another case", scheme: token, header: header("X-Token", "bearer a shared secret"), err: signature.ErrMalformed},
		{name: "an empty header", scheme: token, header: header("X-Token", ""), err: signature.ErrMissing},
		{name: "no header", scheme: token, err: signature.ErrMissing},
		{name: "a token longer than any", scheme: token, header: header("X-Token", "Bearer "+strings.Repeat("x", 5000)), err: signature.ErrMalformed},

		// printf 'user:pass word' | base64
		{name: "basic", scheme: basic, secrets: []string{"user:pass word"}, header: header("Authorization", "Basic dXNlcjpwYXNzIHdvcmQ=")},
		{name: "basic, unpadded and in another case", scheme: basic, secrets: []string{"user:pass word"}, header: header("Authorization", "bASIC  dXNlcjpwYXNzIHdvcmQ")},
		{name: "basic, another password", scheme: basic, secrets: []string{"user:pass words"}, header: header("Authorization", "Basic dXNlcjpwYXNzIHdvcmQ="), err: signature.ErrMismatch},
		{name: "basic, not base64", scheme: basic, secrets: []string{"user:pass word"}, header: header("Authorization", "Basic user:pass word"), err: signature.ErrMalformed},
		{name: "basic without credentials", scheme: basic, secrets: []string{"user:pass word"}, header: header("Authorization", "Basic "), err: signature.ErrMismatch},
		{name: "another scheme of HTTP", scheme: basic, secrets: []string{"user:pass word"}, header: header("Authorization", "Bearer dXNlcjpwYXNzIHdvcmQ="), err: signature.ErrMissing},
	} {
		t.Run(c.name, c.run)
	}
}
