package provider

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
)

// What a built-in provider signs its tests with can't be configured, in whatever spelling of it the scheme takes for the same key.
func TestPublicSecretsAreRefused(t *testing.T) {
	catalogue, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, key := range catalogue.Keys() {
		pack, _ := catalogue.Get(key)
		for _, public := range pack.spec.GetPublicSecrets() {
			seen++
			_, err := NewSource(SourceConfig{Name: "s", Pack: pack, PublicURL: true, Secrets: []string{public.GetSecret()}})
			want := `source "s": secrets[0]: unfit secret: everybody knows this one, which ` + pack.Name() + " uses for " + public.GetUse() + "; want one of your own"
			if err == nil || err.Error() != want {
				t.Errorf("%s: want %s, got %v", key, want, err)
			}
		}
	}
	if seen < 2 {
		t.Errorf("there are %d such secrets", seen)
	}
	pack, _ := catalogue.Get("standard_webhooks")
	if pack == nil {
		t.Fatal("there is no provider standard_webhooks")
	}
	spec := proto.CloneOf(pack.Spec())
	spec.PublicSecrets = []*providerv1.PublicSecret{{Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Use: "an example"}}
	own := *pack
	own.spec = spec
	for _, spelling := range []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"} {
		if _, err := NewSource(SourceConfig{Name: "s", Pack: &own, Secrets: []string{spelling}}); err == nil || !strings.Contains(err.Error(), "everybody knows this one") {
			t.Errorf("%s: got %v", spelling, err)
		}
	}
}

// What is only there to tell an operator what came is checked as everything else, and nothing is taken by it.
func TestUntakenAndPublicSecretsAreDescribed(t *testing.T) {
	const pack = `key: acme
name: Acme
docs_url: https://acme.example/webhooks
schemes: [{name: signature, algorithm: hmac-sha256, signature: [{header: X-Acme}], encoding: hex, content: "{body}"}]
type: [{parts: [{json: type}]}]
bodies: [{media_type: application/json}]
retries: true
proof: signer
evidence: ["a test"]
public_secrets: [{secret: known, use: "a test {of} it"}]
untaken: [{scheme: {name: old, algorithm: hmac-sha1, signature: [{header: X-Old}], encoding: hex, content: "{BODY}"}, advice: "It is old"}]
`
	right, err := Parse("acme.yaml", []byte(strings.Replace(pack, "{BODY}", "{body}", 1)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSource(SourceConfig{Name: "acme", Pack: right, Secrets: []string{"secret"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.Schemes(), " "); got != "signature" {
		t.Errorf("it verifies by %s", got)
	}
	untaken, public := s.UntakenProvers(), s.PublicProvers()
	if len(untaken) != 1 || untaken[0].Scheme.Name() != "old" || untaken[0].How != "It is old" || untaken[0].Keys() != 1 {
		t.Errorf("untaken: %v", untaken)
	}
	if len(public) != 1 || public[0].Scheme.Name() != "signature" || public[0].How != "a test {of} it" || public[0].Keys() != 1 {
		t.Errorf("public: %v", public)
	}
	_, err = NewSource(SourceConfig{Name: "acme", Pack: right, Secrets: []string{"secret", "known"}})
	const refused = `source "acme": secrets[1]: unfit secret: everybody knows this one, which Acme uses for a test {of} it; want one of your own`
	if secret, ok := errors.AsType[*SecretError](err); !ok || secret.Position != 1 || err.Error() != refused {
		t.Errorf("want %s, got %v", refused, err)
	}
	_, err = Parse("acme.yaml", []byte(pack))
	if want := `acme.yaml:11:108: untaken[0].scheme.content: unknown {BODY}`; err == nil || err.Error() != want {
		t.Errorf("want %s, got %v", want, err)
	}
}
