package provider

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"testing"

	jose "github.com/go-jose/go-jose/v4"
)

// By the keys of its webhooks Kinde signs the tokens of its customers' users as well. A user's own token is no delivery.
func TestOtherTokensOfTheIssuerAreNoDeliveries(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "RS256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	pack, _ := catalogue.Get("kinde")
	source, err := NewSource(SourceConfig{Name: "test", Pack: pack, Settings: map[string]string{"domain": "acme.kinde.com"}})
	if err != nil {
		t.Fatal(err)
	}
	source = source.WithNetwork(publishedKeys(map[string]string{"https://acme.kinde.com/.well-known/jwks.json": string(jwks)}))
	for _, tc := range []struct{ name, payload, reason string }{
		{"an event", `{"type":"user.created","event_id":"event_1","data":{}}`, ""},
		{"an id token", `{"iss":"https://acme.kinde.com","sub":"kp_1","aud":["app"],"name":"Ann","exp":4102444800}`, "SIGNATURE_MISMATCH"},
		{"an access token with a type", `{"iss":"https://acme.kinde.com","sub":"kp_1","type":"access","exp":4102444800}`, "SIGNATURE_MISMATCH"},
	} {
		signed, err := signer.Sign([]byte(tc.payload))
		if err != nil {
			t.Fatal(err)
		}
		body, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		outcome, err := source.Receive(t.Context(), post(http.Header{"Content-Type": {"application/jwt"}}, []byte(body)))
		switch {
		case tc.reason != "" && (err == nil || reasonOf(err) != tc.reason):
			t.Errorf("%s: got %v, want %s", tc.name, err, tc.reason)
		case tc.reason == "" && (err != nil || outcome.Verified[0].ID != "event_1"):
			t.Errorf("%s: got %v", tc.name, err)
		}
	}
}
