package publickey_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/hookbridge/hookbridge/server/publickey"
)

func jwk(t *testing.T, key any, id, algorithm, use string) string {
	t.Helper()
	text, err := jose.JSONWebKey{Key: key, KeyID: id, Algorithm: algorithm, Use: use}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func pemOf(t *testing.T, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestParse(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	symmetric := `{"kty":"oct","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}`
	for _, tc := range []struct {
		name   string
		format publickey.Format
		data   string
		want   string
	}{
		{"a set", publickey.JWKS, `{"keys":[` + jwk(t, &rsaKey.PublicKey, "a", "RS256", "sig") + "," + jwk(t, &ecKey.PublicKey, "b", "", "") + `]}`, "a RS256 *rsa.PublicKey; b  *ecdsa.PublicKey"},
		{"what is for something else is passed over", publickey.JWKS, `{"keys":[` + symmetric + "," + jwk(t, &rsaKey.PublicKey, "enc", "", "enc") + "," + jwk(t, edKey, "private", "", "") + "," + jwk(t, &weak.PublicKey, "weak", "", "") + "," + jwk(t, edPublic, "c", "EdDSA", "") + `,{"kty":"new"}]}`, "c EdDSA ed25519.PublicKey"},
		{"a single key", publickey.JWKS, jwk(t, edPublic, "c", "", ""), "c  ed25519.PublicKey"},
		{"nothing usable", publickey.JWKS, `{"keys":[` + symmetric + `]}`, "no usable public key: the set has no public key for signatures"},
		{"an empty set", publickey.JWKS, `{"keys":[]}`, "no usable public key: the set has no public key for signatures"},
		{"no JSON", publickey.JWKS, `<html>`, "no usable public key: want a JSON Web Key Set"},
		{"too many", publickey.JWKS, `{"keys":[` + strings.TrimSuffix(strings.Repeat("{},", 101), ",") + `]}`, "no usable public key: the set has more than 100 keys"},
		{"nested", publickey.Nested, `{"key":` + jwk(t, &ecKey.PublicKey, "n", "ES256", "sig") + `,"request_id":"r"}`, "n ES256 *ecdsa.PublicKey"},
		{"nested and alive", publickey.Nested, `{"key":` + strings.Replace(jwk(t, &ecKey.PublicKey, "n", "ES256", "sig"), "{", `{"expired_at":null,`, 1) + `}`, "n ES256 *ecdsa.PublicKey"},
		{"nested and expired", publickey.Nested, `{"key":` + strings.Replace(jwk(t, &ecKey.PublicKey, "n", "ES256", "sig"), "{", `{"expired_at":1700000000,`, 1) + `}`, "no usable public key: the key has expired"},
		{"nested in nothing", publickey.Nested, `[]`, "no usable public key: want a JSON object with a key"},
		{"PEM", publickey.PEM, pemOf(t, &rsaKey.PublicKey) + pemOf(t, edPublic), "  *rsa.PublicKey;   ed25519.PublicKey"},
		{"PKCS 1", publickey.PEM, string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)})), "  *rsa.PublicKey"},
		{"PEM in base64", publickey.PEMBase64, base64.StdEncoding.EncodeToString([]byte(pemOf(t, edPublic))) + "\n", "  ed25519.PublicKey"},
		{"PEM in no base64", publickey.PEMBase64, "%", "no usable public key: want a PEM block in base64"},
		{"a weak key", publickey.PEM, pemOf(t, &weak.PublicKey), "no usable public key: want RSA of 2048 to 8192 bits"},
		{"a small curve", publickey.PEM, pemOf(t, &small.PublicKey), "no usable public key: want the curve P-256, P-384 or P-521"},
		{"a private key", publickey.PEM, string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)})), "no usable public key: want a PEM block PUBLIC KEY or CERTIFICATE"},
		{"a broken block", publickey.PEM, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no usable public key: the block can't be read"},
		{"a broken certificate", publickey.PEM, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no usable public key: a certificate can't be read"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			keys, err := publickey.Parse(tc.format, []byte(tc.data))
			got := ""
			if err != nil {
				if !errors.Is(err, publickey.ErrUnfit) || keys != nil {
					t.Fatalf("got %v, %v", keys, err)
				}
				got = err.Error()
			}
			for n, k := range keys {
				if n > 0 {
					got += "; "
				}
				got += fmt.Sprintf("%s %s %T", k.ID, k.Algorithm, k.Public)
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// A key is used with algorithms of its own kind only.
func TestFits(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	algorithms := []string{"HS256", "HS512", "RS256", "RS512", "PS384", "ES256", "ES384", "ES512", "EdDSA", "none", ""}
	for _, tc := range []struct {
		name string
		key  publickey.Key
		want string
	}{
		{"RSA", publickey.Key{Public: &rsaKey.PublicKey}, "RS256 RS512 PS384"},
		{"RSA for one algorithm", publickey.Key{Public: &rsaKey.PublicKey, Algorithm: "RS512"}, "RS512"},
		{"RSA for an algorithm of another kind", publickey.Key{Public: &rsaKey.PublicKey, Algorithm: "HS256"}, ""},
		{"P-384", publickey.Key{Public: &p384.PublicKey}, "ES384"},
		{"Ed25519", publickey.Key{Public: public}, "EdDSA"},
		{"nothing", publickey.Key{}, ""},
	} {
		var fits []string
		for _, a := range algorithms {
			if tc.key.Fits(a) {
				fits = append(fits, a)
			}
		}
		if got := strings.Join(fits, " "); got != tc.want {
			t.Errorf("%s: fits %q, want %q", tc.name, got, tc.want)
		}
	}
}

// Whatever a host answers: keys that are sound, or an error.
func FuzzParse(f *testing.F) {
	f.Add("jwks", []byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Add("jwks", []byte(`{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`))
	f.Add("nested-jwk", []byte(`{"key":{"kty":"OKP","crv":"Ed25519","x":"AA"}}`))
	f.Add("pem", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add("pem-base64", []byte("LS0t"))
	f.Fuzz(func(t *testing.T, format string, data []byte) {
		keys, err := publickey.Parse(publickey.Format(format), data)
		if (err == nil) == (len(keys) == 0) {
			t.Fatalf("got %d keys and %v", len(keys), err)
		}
		for _, k := range keys {
			if k.Public == nil || k.Fits("HS256") || k.Fits("none") {
				t.Fatalf("got the key %T", k.Public)
			}
		}
	})
}
