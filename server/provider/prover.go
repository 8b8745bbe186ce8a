package provider

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// Prover is a scheme with keys that may have made a signature. It is for finding out why a delivery was refused; what it finds to be
// right is refused all the same.
type Prover struct {
	Scheme *signature.Scheme
	keys   []*signature.Key
	// positions are the keys' places in the list of secrets.
	positions []int
	// How says in which other way than the scheme's the secrets were read, or, of a scheme or secret that isn't taken, what it is; empty for
	// the source's own.
	How string
	// pack knows what of a body is the document, and when the scheme counts.
	pack *Pack
	when []condition
}

// Keys returns how many keys are tried.
func (p Prover) Keys() int { return len(p.keys) }

// Prove verifies a request without regard of the clock, but for the times in a token. Match.Key is the position of the secret, in a
// signature.AfterProof or signature.SomeRight, too. Errors are those of signature.Scheme.Verify.
func (p Prover) Prove(r *delivery.Request) (signature.Match, error) {
	match, err := p.Scheme.Verify(p.reading(r), p.keys, 0)
	if err == nil {
		match.Key = p.position(match.Key)
		return match, nil
	}
	if after, ok := errors.AsType[*signature.AfterProof](err); ok {
		after.Key = p.position(after.Key)
	}
	if some, ok := errors.AsType[*signature.SomeRight](err); ok {
		some.Key = p.position(some.Key)
	}
	return match, err
}

func (p Prover) position(key int) int {
	if key < len(p.positions) {
		return p.positions[key]
	}
	return key
}

// reading is the request with the document that the provider of the scheme has in its body.
func (p Prover) reading(r *delivery.Request) *delivery.Request {
	if !p.Scheme.ReadsDocument() && !slices.ContainsFunc(p.when, func(c condition) bool { return c.Place().InDocument() }) {
		return r
	}
	own := *r
	own.Document = nil
	if document, err := p.pack.Document(r.Header.Get("Content-Type"), r.Body); err == nil {
		own.Document = document
	}
	return &own
}

// Carried returns the first place of a request that holds something where the scheme has signatures, whatever it is.
func (p Prover) Carried(r *delivery.Request) (signature.Place, bool) {
	return p.Scheme.Carried(p.reading(r))
}

// Unmet returns what the request doesn't meet of the conditions under which the scheme is looked at; ok is false where it meets them.
func (p Prover) Unmet(r *delivery.Request) (condition signature.Condition, ok bool) {
	r = p.reading(r)
	document := signature.Readable(r.Document)
	for _, c := range p.when {
		if !c.Holds(r, document) {
			return c, true
		}
	}
	return signature.Condition{}, false
}

// Pack returns the source's pack.
func (s *Source) Pack() *Pack { return s.cfg.Pack }

// Provers returns the schemes that the source verifies with, in their order.
func (s *Source) Provers() []Prover {
	var list []Prover
	for _, a := range s.schemes {
		list = append(list, s.prover(a, a.keys, a.positions, ""))
	}
	return list
}

func (s *Source) prover(a active, keys []*signature.Key, positions []int, how string) Prover {
	return Prover{Scheme: a.scheme, keys: keys, positions: positions, How: how, pack: s.cfg.Pack, when: a.when}
}

// ProversUnder returns the schemes of the source with the secrets of another one, as far as they have the form.
func (s *Source) ProversUnder(other *Source) []Prover {
	var list []Prover
	for _, a := range s.schemes {
		if keys, positions := keysOf(a.scheme, other.cfg.Secrets); len(keys) > 0 {
			list = append(list, s.prover(a, keys, positions, ""))
		}
	}
	return list
}

// ProversBy returns the schemes of a pack with the source's secrets, as far as they have the form: of its own pack with other settings.
func (s *Source) ProversBy(pack *Pack) []Prover {
	var list []Prover
	for n, scheme := range pack.schemes {
		if keys, positions := keysOf(scheme, s.cfg.Secrets); len(keys) > 0 {
			list = append(list, Prover{Scheme: scheme, keys: keys, positions: positions, pack: pack, when: pack.when[n]})
		}
	}
	return list
}

// UnusedProvers returns the schemes of the pack that the source doesn't verify with, with whatever keys its secrets are for them, which
// may be none, read in every way.
func (s *Source) UnusedProvers() []Prover {
	var list []Prover
	for n, scheme := range s.cfg.Pack.schemes {
		if slices.ContainsFunc(s.schemes, func(a active) bool { return a.scheme == scheme }) {
			continue
		}
		p := Prover{Scheme: scheme, pack: s.cfg.Pack, when: s.cfg.Pack.when[n]}
		p.keys, p.positions = keysOf(scheme, s.cfg.Secrets)
		for n, secret := range s.cfg.Secrets {
			for _, reading := range scheme.Readings(secret) {
				p.keys, p.positions = append(p.keys, reading.Key), append(p.positions, n)
			}
		}
		list = append(list, p)
	}
	return list
}

// Fits reports whether a secret of the source has the form of a scheme's keys.
func (s *Source) Fits(scheme *signature.Scheme) bool {
	keys, _ := keysOf(scheme, s.cfg.Secrets)
	return len(keys) > 0
}

// Readings returns the schemes that the source verifies with, with its secrets read in other ways.
func (s *Source) Readings() []Prover {
	var list []Prover
	for _, a := range s.schemes {
		for n, secret := range s.cfg.Secrets {
			for _, reading := range a.scheme.Readings(secret) {
				list = append(list, s.prover(a, []*signature.Key{reading.Key}, []int{n}, reading.How))
			}
		}
	}
	return list
}

// UntakenProvers returns the provider's schemes that nothing is taken by, with the source's secrets; How is what to do about it.
func (s *Source) UntakenProvers() []Prover {
	var list []Prover
	for _, u := range s.cfg.Pack.untaken {
		p := Prover{Scheme: u.scheme, How: u.advice, pack: s.cfg.Pack, when: u.when}
		p.keys, p.positions = keysOf(u.scheme, s.cfg.Secrets)
		list = append(list, p)
	}
	return list
}

// PublicProvers returns the schemes that the source verifies with, with the secrets that everybody knows; How is what the provider signs with
// them.
func (s *Source) PublicProvers() []Prover {
	var list []Prover
	for _, a := range s.schemes {
		for _, public := range s.cfg.Pack.spec.GetPublicSecrets() {
			if keys, positions := keysOf(a.scheme, []string{public.GetSecret()}); len(keys) > 0 {
				list = append(list, s.prover(a, keys, positions, public.GetUse()))
			}
		}
	}
	return list
}

// SameSecrets reports whether two sources verify with the same secrets by the same pack.
func (s *Source) SameSecrets(other *Source) bool {
	return s.Provider() == other.Provider() && slices.Equal(s.cfg.Secrets, other.cfg.Secrets)
}

// keysOf are those secrets that have the form of a scheme's keys, and their positions.
func keysOf(scheme *signature.Scheme, secrets []string) (keys []*signature.Key, positions []int) {
	for n, secret := range secrets {
		if key, err := scheme.Key(secret); err == nil {
			keys, positions = append(keys, key), append(positions, n)
		}
	}
	return keys, positions
}

// Tolerance returns how far a scheme's timestamp may be from now at this source; 0 where it isn't checked.
func (s *Source) Tolerance(scheme *signature.Scheme) time.Duration {
	for _, a := range s.schemes {
		if a.scheme == scheme {
			return a.tolerance
		}
	}
	return 0
}

// Name returns the provider's own name.
func (p *Pack) Name() string { return p.spec.GetName() }

// Schemes returns the ways in which the provider's deliveries are proven, the strongest first.
func (p *Pack) Schemes() []*signature.Scheme { return slices.Clone(p.schemes) }

// AllSchemes returns, beside the schemes, those by which nothing is taken.
func (p *Pack) AllSchemes() []*signature.Scheme {
	all := p.Schemes()
	for _, u := range p.untaken {
		all = append(all, u.scheme)
	}
	return all
}

// PlaceSettings returns the names of the settings that say where a signature is.
func (p *Pack) PlaceSettings() []string {
	var names []string
	for _, scheme := range p.spec.GetSchemes() {
		for _, at := range scheme.GetSignature() {
			for _, found := range references.FindAllStringSubmatch(at.GetHeader()+at.GetQuery()+at.GetForm()+at.GetJson(), -1) {
				if !slices.Contains(names, found[1]) {
					names = append(names, found[1])
				}
			}
		}
	}
	return names
}

// Forged returns the source with one secret of the same form, which is as a key none of those that the source has. ErrCannotSign where
// no other has the form.
func (s *Source) Forged() (*Source, error) {
	for _, secret := range s.cfg.Secrets {
		for at := len(secret) / 2; at < len(secret); at++ {
			for _, letter := range []string{"1", "2"} {
				cfg := s.cfg
				if cfg.Secrets = []string{secret[:at] + letter + secret[at+1:]}; cfg.Secrets[0] == secret {
					continue
				}
				if forged, err := NewSource(cfg); err == nil && !s.HasSecret(cfg.Secrets[0]) {
					return forged, nil
				}
			}
		}
	}
	return nil, fmt.Errorf("source %q: %w with another secret", s.cfg.Name, ErrCannotSign)
}
