package provider_test

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/provider"
	"github.com/hookbridge/hookbridge/server/signature"
)

// paired are the providers for which a pair of keys can stand in, with how their public keys are written as a secret; fetched are those that
// are asymmetric, too, and take no keys but what is fetched.
var (
	paired = map[string]string{
		"constant_contact": "-----BEGIN PUBLIC KEY-----", "discord": "", "fireblocks": "-----BEGIN PUBLIC KEY-----",
		"fireblocks_v1": "-----BEGIN PUBLIC KEY-----", "fusionauth": "-----BEGIN PUBLIC KEY-----", "gcp_pubsub": "-----BEGIN PUBLIC KEY-----",
		"kinde": "-----BEGIN PUBLIC KEY-----", "lago_jwt": "-----BEGIN PUBLIC KEY-----", "sendgrid": "MFkwEwYHKoZIzj0", "standard_webhooks": "whpk_",
		"telnyx": "", "wise": "-----BEGIN PUBLIC KEY-----",
	}
	fetched = []string{"aws_sns", "paypal", "plaid"}
)

// sharedCode are the code schemes with a shared secret: their descriptions don't say which kind they are.
var sharedCode = []string{"adyen", "contentful", "jira_connect"}

// asymmetric says by a description alone whether there is a private key that only the provider has.
func asymmetric(spec *providerv1.Pack) bool {
	return slices.ContainsFunc(spec.GetSchemes(), func(s *providerv1.Scheme) bool {
		switch s.GetAlgorithm() {
		case "ed25519", "ecdsa-p256-sha256", "rsa-sha256", "rsa-sha512":
			return true
		case "jws":
			return slices.ContainsFunc(s.GetJws().GetAlgorithms(), func(a string) bool { return !strings.HasPrefix(a, "HS") })
		case "code":
			return !slices.Contains(sharedCode, s.GetCode())
		}
		return s.GetKeySource() != nil
	})
}

// Every provider with a private key is in one of the two lists, and no other is.
func TestKeyPairs(t *testing.T) {
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	var works, cannot []string
	for _, key := range catalogue.Keys() {
		pack, _ := catalogue.Get(key)
		private, err := pack.NewPrivateKey()
		switch {
		case err == nil:
			works = append(works, key)
			secret, err := pack.PublicSecret(private)
			if err != nil || !strings.HasPrefix(secret, paired[key]) {
				t.Errorf("%s: the public key is %q, %v", key, secret, err)
			}
		case errors.Is(err, provider.ErrKeysFetched):
			cannot = append(cannot, key)
		case !errors.Is(err, provider.ErrCannotSign) || !strings.HasSuffix(err.Error(), "shared secret, which needs no pair"):
			t.Errorf("%s: got %v", key, err)
		}
		if has := err == nil || errors.Is(err, provider.ErrKeysFetched); has != asymmetric(pack.Spec()) {
			t.Errorf("%s: in a list: %v, by its description: %v", key, has, asymmetric(pack.Spec()))
		}
	}
	if want := slices.Sorted(maps.Keys(paired)); !slices.Equal(works, want) {
		t.Errorf("pairs work for %v, want %v", works, want)
	}
	if !slices.Equal(cannot, fetched) {
		t.Errorf("keys are fetched for %v, want %v", cannot, fetched)
	}
}

// A pair signs in the place of the source's secrets; a private key of another kind is refused.
func TestSourceWithPair(t *testing.T) {
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	open := func(key, secret, scheme string) *provider.Source {
		pack, _ := catalogue.Get(key)
		s, err := provider.NewSource(provider.SourceConfig{Name: "hooks", Pack: pack, Secrets: []string{secret}, Scheme: scheme})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	keyOf := func(key string) string {
		pack, _ := catalogue.Get(key)
		private, err := pack.NewPrivateKey()
		if err != nil {
			t.Fatal(err)
		}
		secret, err := pack.PublicSecret(private)
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	discord, _ := catalogue.Get("discord")
	ed, err := discord.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	before := open("discord", keyOf("discord"), "")
	own, secret, err := before.WithPair(ed)
	if err != nil || before.HasSecret(secret) || !own.HasSecret(secret) {
		t.Fatalf("%v, %q", err, secret)
	}
	u := &url.URL{Scheme: "https", Host: "hooks.example.com", Path: "/webhooks/hooks"}
	if _, err := own.Deliver(u, []byte(`{"id":"1"}`), "", "1", time.Now()); err != nil {
		t.Error(err)
	}
	if _, err := before.Deliver(u, []byte(`{"id":"1"}`), "", "1", time.Now()); !errors.Is(err, provider.ErrCannotSign) {
		t.Errorf("with the public key: got %v", err)
	}
	for _, tc := range []struct {
		source *provider.Source
		want   error
		text   string
	}{
		{open("wise", keyOf("wise"), ""), signature.ErrKey, `source "hooks": unfit secret: want an RSA public key of 2048 to 8192 bits, as a PEM block`},
		{open("standard_webhooks", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "signature"), provider.ErrCannotSign,
			`source "hooks": cannot sign: signature is proven by a shared secret, which needs no pair`},
	} {
		if _, _, err := tc.source.WithPair(ed); !errors.Is(err, tc.want) || err.Error() != tc.text {
			t.Errorf("got %v, want %s", err, tc.text)
		}
	}
}

// A forged source has a key that is none of the source's.
func TestForged(t *testing.T) {
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		key     string
		secrets []string
	}{
		{"hmac", []string{"a"}},
		// The last letter's low bits are no part of the key, so that changing them forges nothing.
		{"standard_webhooks", []string{"whsec_MQ=="}},
		// What the first secret would become is the second one.
		{"hmac", []string{"abcd", "ab1d"}},
	} {
		pack, _ := catalogue.Get(tc.key)
		s, err := provider.NewSource(provider.SourceConfig{Name: "hooks", Pack: pack, Secrets: tc.secrets})
		if err != nil {
			t.Fatal(err)
		}
		forged, err := s.Forged()
		if err != nil {
			t.Errorf("%s: %v", tc.key, err)
			continue
		}
		for _, secret := range tc.secrets {
			if forged.HasSecret(secret) {
				t.Errorf("%s %v: what is forged has %q", tc.key, tc.secrets, secret)
			}
		}
	}
}
