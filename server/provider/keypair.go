package provider

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hookbridge/hookbridge/server/signature"
)

// NewPrivateKey makes a key that stands in for the one that only the provider has, for tests of one's own set-up. ErrCannotSign where a shared
// secret proves deliveries, ErrKeysFetched where no other pair than the provider's is taken.
func (p *Pack) NewPrivateKey() (crypto.Signer, error) {
	return pairing(p, "", (*signature.Scheme).NewPrivateKey)
}

// SignsWithSecret reports whether a source's secret signs, too, by one of the schemes.
func (p *Pack) SignsWithSecret() bool {
	return slices.ContainsFunc(p.schemes, (*signature.Scheme).SignsWithSecret)
}

// NeedsSecret reports whether a source needs a secret: where not, the provider publishes what it verifies with.
func (p *Pack) NeedsSecret() bool {
	return slices.ContainsFunc(p.schemes, func(s *signature.Scheme) bool { return !s.Keyless() })
}

// UsesURL reports whether a signature covers the URL that the provider calls, so that the configuration has to name it.
func (p *Pack) UsesURL() bool { return slices.ContainsFunc(p.schemes, (*signature.Scheme).UsesURL) }

// PublicSecret returns the public half of a pair as a secret of a source. Errors are those of NewPrivateKey, and signature.ErrKey for a key of
// another kind than the provider's.
func (p *Pack) PublicSecret(private crypto.Signer) (string, error) {
	return pairing(p, "", func(s *signature.Scheme) (string, error) {
		secret, _, err := s.Pair(private)
		return withoutNewline(secret), err
	})
}

// WithPair returns the source with a private key as its only one: what it signs is taken where secret, the public half, is one of the secrets.
// Errors are those of PublicSecret, for the scheme that the source is restricted to.
func (s *Source) WithPair(private crypto.Signer) (own *Source, secret string, err error) {
	_, err = pairing(s.cfg.Pack, s.cfg.Scheme, func(scheme *signature.Scheme) (string, error) {
		var key *signature.Key
		if secret, key, err = scheme.Pair(private); err != nil {
			return "", err
		}
		secret = withoutNewline(secret)
		cfg := s.cfg
		cfg.Secrets, cfg.Scheme, cfg.Captured = []string{secret}, scheme.Name(), false
		if own, err = NewSource(cfg); err != nil {
			return "", err
		}
		own.schemes[0].keys[0] = key
		return secret, nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("source %q: %w", s.cfg.Name, err)
	}
	return own, secret, nil
}

// withoutNewline writes a PEM block as it is read from a file with a secret.
func withoutNewline(secret string) string { return strings.TrimSuffix(secret, "\n") }

// HasSecret reports whether a text is, by any scheme, the same key as one of the source's secrets. Two texts can be one key: the last bits of
// base64 count for nothing, and a prefix may be left out. It is no check of what strangers send: how long it takes depends on the secrets.
func (s *Source) HasSecret(text string) bool {
	for _, scheme := range s.cfg.Pack.schemes {
		key := scheme.KeyBytes(text)
		for _, own := range s.cfg.Secrets {
			if key != nil && bytes.Equal(key, scheme.KeyBytes(own)) {
				return true
			}
		}
	}
	return false
}

// pairing does something with the pack's first scheme that a pair of keys proves, of all or of one by its name. The error is the one that says
// most of why there is none.
func pairing[T any](p *Pack, name string, do func(*signature.Scheme) (T, error)) (T, error) {
	var none T
	var why error
	for _, scheme := range p.schemes {
		if name != "" && name != scheme.Name() {
			continue
		}
		done, err := do(scheme)
		if err == nil {
			return done, nil
		}
		if why == nil || errors.Is(err, signature.ErrKey) || errors.Is(err, ErrKeysFetched) {
			why = err
		}
	}
	return none, why
}
