package signature_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/signature"
)

// What a secret must look like, and which bytes it stands for: shown by a signature that only those bytes make.
func TestKeys(t *testing.T) {
	const (
		// python: hmac.new(bytes.fromhex("00ff10"), body, sha256), hmac.new(base64.b64decode("+/8QAA=="), body, sha256)
		by00ff10   = "5d27f2796207a45e8f9ce0d580d92d45db51108cb7b8efd2ece2c02f5ad2f24f"
		byfbff1000 = "7e5ad63cf52d935fbdb18431d1daa4faeea4f1c54a3edb9c91b3aca18f62c79c"
	)
	for _, tc := range []struct {
		name, algorithm, form, secret string
		signature                     string
		err                           string
	}{
		{name: "text", secret: sharedSecret, signature: helloHex},
		{name: "text, said so", form: "encoding: raw", secret: sharedSecret, signature: helloHex},
		{name: "empty", secret: "", err: `unfit secret: want a text`},
		{name: "a space", secret: " ", err: `unfit secret: there is white space around it`},
		{name: "a newline behind", secret: sharedSecret + "\n", err: `unfit secret: there is white space around it`},
		{name: "hex", form: "encoding: hex", secret: "00ff10", signature: by00ff10},
		{name: "hex in upper case", form: "encoding: hex", secret: "00FF10", signature: by00ff10},
		{name: "no hex", form: "encoding: hex", secret: "00ff1", err: `unfit secret: want hex`},
		{name: "hex of nothing", form: "encoding: hex", secret: "", err: `unfit secret: want hex`},
		{name: "base64", form: "encoding: base64", secret: "+/8QAA==", signature: byfbff1000},
		{name: "base64 without padding", form: "encoding: base64", secret: "+/8QAA", signature: byfbff1000},
		{name: "base64 with other last bits", form: "encoding: base64", secret: "+/8QAP==", signature: byfbff1000},
		{name: "base64 for URLs in its place", form: "encoding: base64", secret: "-_8QAA==", err: `unfit secret: want base64`},
		{name: "base64url", form: "encoding: base64url", secret: "-_8QAA", signature: byfbff1000},
		{name: "base64 with a newline inside", form: "encoding: base64", secret: "+/8Q\nAA==", err: `unfit secret: want base64`},
		{name: "prefix", form: "prefixes: [whsec_], encoding: base64", secret: "whsec_+/8QAA==", signature: byfbff1000},
		{name: "no prefix", form: "prefixes: [whsec_], encoding: base64", secret: "+/8QAA==", err: `unfit secret: want "whsec_" and base64`},
		{name: "an optional prefix", form: "prefixes: [whsec_], prefix_optional: true, encoding: base64", secret: "+/8QAA==", signature: byfbff1000},
		{name: "nothing behind the prefix", form: "prefixes: [whsec_], encoding: base64", secret: "whsec_", err: `unfit secret: want "whsec_" and base64`},
		{name: "nothing behind the prefix of a text", form: "prefixes: [x_]", secret: "x_", err: `unfit secret: want "x_" and a text`},
		{name: "the second prefix", form: "prefixes: [a_, b_], encoding: hex", secret: "b_00ff10", signature: by00ff10},
		{name: "an excluded prefix", form: "excluded_prefixes: [whpk_]", secret: "whpk_x", err: `unfit secret: want a text, not beginning with "whpk_"`},
		{name: "a prefix that is part of the text", secret: "whsec_x", signature: "2cec9fc3092212f58bb3fb5b1de78ba98197c4986db5917978891024388cb937"},

		{name: "PEM", algorithm: "rsa-sha256", form: "encoding: pem", secret: rsaPEM},
		{name: "PEM with something behind", algorithm: "rsa-sha256", form: "encoding: pem", secret: rsaPEM + rsaPEM, err: `unfit secret: want a PEM block`},
		{name: "no PEM", algorithm: "rsa-sha256", form: "encoding: pem", secret: "key", err: `unfit secret: want a PEM block`},
		{name: "RSA of 1024 bits", algorithm: "rsa-sha256", form: "encoding: base64", secret: rsa1024PKIX, err: `unfit secret: want an RSA public key of 2048 to 8192 bits, as base64`},
		{name: "a key of another kind", algorithm: "rsa-sha512", form: "encoding: base64", secret: p256PKIX, err: `unfit secret: want an RSA public key of 2048 to 8192 bits, as base64`},
		{name: "another curve", algorithm: "ecdsa-p256-sha256", form: "encoding: base64", secret: p384PKIX, err: `unfit secret: want a P-256 public key, as base64`},
		{name: "no key", algorithm: "ecdsa-p256-sha256", form: "encoding: base64", secret: "AAAA", err: `unfit secret: want a P-256 public key, as base64`},
		{name: "Ed25519, a byte less", algorithm: "ed25519", form: "encoding: hex", secret: ed25519Hex[2:], err: `unfit secret: want an Ed25519 public key, as hex`},

		{name: "credentials", algorithm: "basic", secret: "user:password"},
		{name: "credentials without a name", algorithm: "basic", secret: ":password"},
		{name: "credentials without a colon", algorithm: "basic", secret: "password", err: `unfit secret: want user:password`},
		{name: "credentials of nothing", algorithm: "basic", secret: ":", err: `unfit secret: want user:password`},
		{name: "an empty token", algorithm: "token", secret: "", err: `unfit secret: want a text`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			algorithm, encoding, content := tc.algorithm, "hex", "{body}"
			switch algorithm {
			case "":
				algorithm = "hmac-sha256"
			case "token", "basic":
				encoding, content = "", ""
			}
			scheme := compile(t, fmt.Sprintf(`{algorithm: %s, encoding: "%s", content: "%s", signature: [{header: X-Sig}], key: {%s}}`, algorithm, encoding, content, tc.form))
			key, err := scheme.Key(tc.secret)
			if tc.err != "" {
				if !errors.Is(err, signature.ErrKey) || err.Error() != tc.err || key != nil {
					t.Fatalf("got %v, want %s", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tc.signature == "" {
				return
			}
			c := verifyCase{header: header("X-Sig", tc.signature)}
			if _, err := scheme.Verify(c.request(), []*signature.Key{key}, 0); err != nil {
				t.Error(err)
			}
		})
	}
}

// A key prints as [redacted], however it is printed.
func TestKeyIsNotPrinted(t *testing.T) {
	for _, scheme := range []string{
		`{algorithm: token, signature: [{header: X-Token}]}`,
		`{algorithm: sha256, encoding: hex, content: "{secret}{body}", signature: [{header: X-Sig}]}`,
	} {
		key := keys(t, compile(t, scheme))[0]
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
			if got := fmt.Sprintf(verb, key); got != "[redacted]" {
				t.Errorf("%s: got %s", verb, got)
			}
			if got := fmt.Sprintf(verb, []*signature.Key{key}); strings.Contains(got, "shared") || strings.Contains(got, "736861726564") {
				t.Errorf("%s in a list: got %s", verb, got)
			}
		}
	}
}

// Without keys nothing is taken.
func TestNoKeys(t *testing.T) {
	for _, text := range []string{
		`{algorithm: hmac-sha256, encoding: hex, content: "{body}", signature: [{header: X-Sig}]}`,
		`{algorithm: token, signature: [{header: X-Sig}]}`,
	} {
		c := verifyCase{header: header("X-Sig", helloHex)}
		if _, err := compile(t, text).Verify(c.request(), nil, 0); !errors.Is(err, signature.ErrMismatch) {
			t.Errorf("got %v, want ErrMismatch", err)
		}
	}
}
