package provider

import (
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
	// How says in which other way than the scheme's the secrets were read; empty for the scheme's.
	How string
}

// Keys returns how many keys are tried.
func (p Prover) Keys() int { return len(p.keys) }

// Prove verifies a request without regard of the clock. Match.Key is the position of the secret. Errors are those of
// signature.Scheme.Verify.
func (p Prover) Prove(r *delivery.Request) (signature.Match, error) {
	match, err := p.Scheme.Verify(r, p.keys, 0)
	if err == nil {
		match.Key = p.positions[match.Key]
	}
	return match, err
}

// Pack returns the source's pack.
func (s *Source) Pack() *Pack { return s.cfg.Pack }

// Provers returns the schemes that the source verifies with, in their order.
func (s *Source) Provers() []Prover {
	var list []Prover
	for _, a := range s.schemes {
		list = append(list, Prover{Scheme: a.scheme, keys: a.keys, positions: a.positions})
	}
	return list
}

// ProversUnder returns the schemes of the source with the secrets of another one, as far as they have the form.
func (s *Source) ProversUnder(other *Source) []Prover {
	var list []Prover
	for _, a := range s.schemes {
		if p := proverOf(a.scheme, other.cfg.Secrets); len(p.keys) > 0 {
			list = append(list, p)
		}
	}
	return list
}

// UnusedProvers returns the schemes of the pack that the source doesn't verify with, with whatever keys its secrets are for them, which
// may be none.
func (s *Source) UnusedProvers() []Prover {
	var list []Prover
	for _, scheme := range s.cfg.Pack.schemes {
		if slices.ContainsFunc(s.schemes, func(a active) bool { return a.scheme == scheme }) {
			continue
		}
		p := proverOf(scheme, s.cfg.Secrets)
		for n, secret := range s.cfg.Secrets {
			for _, reading := range scheme.Readings(secret) {
				p.keys, p.positions = append(p.keys, reading.Key), append(p.positions, n)
			}
		}
		list = append(list, p)
	}
	return list
}

// Readings returns the schemes that the source verifies with, with its secrets read in other ways.
func (s *Source) Readings() []Prover {
	var list []Prover
	for _, a := range s.schemes {
		for n, secret := range s.cfg.Secrets {
			for _, reading := range a.scheme.Readings(secret) {
				list = append(list, Prover{Scheme: a.scheme, keys: []*signature.Key{reading.Key}, positions: []int{n}, How: reading.How})
			}
		}
	}
	return list
}

// SameSecrets reports whether two sources verify with the same secrets by the same pack.
func (s *Source) SameSecrets(other *Source) bool {
	return s.Provider() == other.Provider() && slices.Equal(s.cfg.Secrets, other.cfg.Secrets)
}

// proverOf is a scheme with those secrets that have the form of its keys.
func proverOf(scheme *signature.Scheme, secrets []string) Prover {
	p := Prover{Scheme: scheme}
	for n, secret := range secrets {
		if key, err := scheme.Key(secret); err == nil {
			p.keys, p.positions = append(p.keys, key), append(p.positions, n)
		}
	}
	return p
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
