package auth

import (
	"fmt"
	"strings"
	"testing"
)

func TestNewToken(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		token := NewToken()
		digest, ok := parseAuthorization("Bearer " + token)
		if len(token) != 47 || seen[token] || !ok || digest != DigestOf(token) {
			t.Fatalf("token %d of %d characters: read back %v", len(seen), len(token), ok)
		}
		seen[token] = true
	}
}

// The digest is that of sha256sum.
func TestDigest(t *testing.T) {
	if got, want := DigestOf("hbt_abc").String(), "sha256:f72a3874ceb9adc3742c6c85a50d6a42dd37535665a1683ab55b017bb197d059"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

const someToken = "hbt_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

func TestParseAuthorization(t *testing.T) {
	for _, tc := range []struct {
		value string
		want  bool
	}{
		{"Bearer " + someToken, true},
		{"bearer " + someToken, true},
		{"BEARER " + someToken, true},
		{"", false},
		{"Bearer", false},
		{"Bearer ", false},
		{someToken, false},
		{"Bearer  " + someToken, false},
		{" Bearer " + someToken, false},
		{"Bearer " + someToken + " ", false},
		{"Bearer " + someToken + "\n", false},
		{"Bearer\t" + someToken, false},
		{"Basic " + someToken, false},
		{"Bearer " + someToken[4:], false},
		{"Bearer HBT_" + someToken[4:], false},
		{"Bearer " + someToken[:46], false},
		{"Bearer " + someToken + "A", false},
		{"Bearer " + someToken[:46] + "=", false},
		{"Bearer " + someToken[:46] + "9", false}, // the last character has two bits too many
		{"Bearer " + someToken[:45] + "\n8", false},
		{"Bearer " + someToken[:45] + "+8", false},
		{"Bearer " + someToken[:45] + "/8", false},
		{"Bearer " + someToken + ", Bearer " + someToken, false},
	} {
		digest, ok := parseAuthorization(tc.value)
		if ok != tc.want {
			t.Errorf("%q: read %v, want %v", tc.value, ok, tc.want)
		}
		want := Digest{}
		if tc.want {
			want = DigestOf(someToken)
		}
		if digest != want {
			t.Errorf("%q: read as %s", tc.value, digest)
		}
	}
}

// Whatever a stranger sends: what is taken is a scheme, a space and a token in its one spelling.
func FuzzAuthorization(f *testing.F) {
	f.Add("Bearer " + someToken)
	f.Add("bearer " + someToken[:46] + "9")
	f.Add("Basic dXNlcjpwYXNz")
	f.Fuzz(func(t *testing.T, value string) {
		digest, ok := parseAuthorization(value)
		if !ok {
			if digest != (Digest{}) {
				t.Errorf("%q is refused and has a digest", value)
			}
			return
		}
		scheme, token := value[:6], value[7:]
		raw, err := tokenEncoding.DecodeString(token[len(tokenPrefix):])
		if !strings.EqualFold(scheme, "bearer") || value[6] != ' ' || err != nil || fmt.Sprint(tokenPrefix, tokenEncoding.EncodeToString(raw)) != token ||
			digest != DigestOf(token) {
			t.Errorf("%q is taken", value)
		}
	})
}
