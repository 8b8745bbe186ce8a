package provider

import (
	"strings"
	"testing"
)

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
	_, err = Parse("acme.yaml", []byte(pack))
	if want := `acme.yaml:11:108: untaken[0].scheme.content: unknown {BODY}`; err == nil || err.Error() != want {
		t.Errorf("want %s, got %v", want, err)
	}
}
