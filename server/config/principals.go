package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	configv1 "github.com/hookbridge/hookbridge/gen/hookbridge/config/v1"
)

// Principal is a caller, by what it authenticates and what it may do.
type Principal struct {
	Name string
	// Tokens are SHA-256 digests of tokens. No two principals have one together.
	Tokens [][sha256.Size]byte
	// Certificates are SPIFFE ids and whole subjects. No two principals have one together.
	Certificates []string
	// Sources, Types and Subscriptions are what is granted, with "*" for any run of characters.
	Sources, Types, Subscriptions []string
	Manage                        bool
}

const (
	tokenRule = `want "sha256:" and 64 hex digits, as hookbridge token new prints them; got something else, which is not repeated here ` +
		"because it may be the token itself"
	certificateRule = "want a SPIFFE id like spiffe://example.org/billing, or a whole subject like CN=billing,O=Example; got %s"
)

var (
	spiffeID = regexp.MustCompile(`^spiffe://[a-z0-9._-]{1,255}(/[A-Za-z0-9._-]+)+$`)
	// A space after the comma is how people write a subject, and how no certificate would be found by it.
	subject      = regexp.MustCompile(`^[A-Za-z0-9.]+=.`)
	subjectSpace = regexp.MustCompile(`[^\\],\s`)
)

func (c *completion) principals(m *configv1.Auth, clientCertificates bool) []Principal {
	var principals []Principal
	names, tokens, certificates := map[string]int{}, map[string]int{}, map[string]int{}
	for i, p := range m.GetPrincipals() {
		path := fmt.Sprintf("auth.principals[%d]", i)
		c.unique("auth.principals", i, p.GetName(), names)
		principal := Principal{
			Name: p.GetName(), Sources: p.GetGrants().GetSources(), Types: p.GetGrants().GetTypes(),
			Subscriptions: p.GetGrants().GetSubscriptions(), Manage: p.GetGrants().GetManage(),
		}
		for n, text := range p.GetTokens() {
			element := fmt.Sprintf("%s.tokens[%d]", path, n)
			if digest, ok := c.token(element, text); ok && c.single(element, hex.EncodeToString(digest[:]), "token", i, tokens) {
				principal.Tokens = append(principal.Tokens, digest)
			}
		}
		for n, text := range p.GetMtls() {
			element := fmt.Sprintf("%s.mtls[%d]", path, n)
			if c.certificate(element, text) && c.single(element, text, "certificate", i, certificates) {
				principal.Certificates = append(principal.Certificates, text)
			}
		}
		switch {
		case len(p.GetTokens())+len(p.GetMtls()) == 0 && !c.At(path+".tokens") && !c.At(path+".mtls"):
			c.Add(path, "has neither tokens nor mtls, so that nobody could be it")
		case len(p.GetMtls()) > 0 && !clientCertificates && !c.At(path+".mtls"):
			c.Add(path+".mtls", "no listener looks at clients' certificates; want grpc.tls.client_ca or admin.tls.client_ca")
		}
		principals = append(principals, principal)
	}
	return principals
}

// token reads a digest.
func (c *completion) token(path, text string) (digest [sha256.Size]byte, ok bool) {
	if c.At(path) {
		return digest, false
	}
	encoded, prefixed := strings.CutPrefix(text, "sha256:")
	raw, err := hex.DecodeString(encoded)
	if !prefixed || err != nil || len(raw) != len(digest) {
		c.Add(path, tokenRule)
		return digest, false
	}
	return [sha256.Size]byte(raw), true
}

func (c *completion) certificate(path, text string) bool {
	if c.At(path) {
		return false
	}
	if spiffeID.MatchString(text) || !strings.HasPrefix(text, "spiffe:") && subject.MatchString(text) && !subjectSpace.MatchString(text) {
		return true
	}
	c.Add(path, certificateRule, c.Got(path))
	return false
}

// single reports what another principal, or the same one, has before.
func (c *completion) single(path, value, kind string, i int, first map[string]int) bool {
	if earlier, twice := first[value]; twice {
		c.Add(path, "is a %s of auth.principals[%d] already", kind, earlier)
		return false
	}
	first[value] = i
	return true
}

// exposed refuses a listener that strangers reach, unless they have to say who they are and nobody hears it.
func (c *completion) exposed(path string, l Listener, authenticated bool) {
	switch {
	case l.Insecure || c.At(path+".listen") || loopback(l.Listen):
	case !authenticated:
		c.Add(path+".listen", "%q is not a loopback address and nobody has to authenticate there; want a loopback address, or "+
			"auth and %s.tls, or %s.insecure: true where the network itself keeps strangers out", l.Listen, path, path)
	case l.TLS == nil:
		c.Add(path+".listen", "%q is not a loopback address and tokens would cross the network in plain text; want a loopback address, "+
			"or %s.tls, or %s.insecure: true where nobody can listen in", l.Listen, path, path)
	}
}
