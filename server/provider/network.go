package provider

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hookbridge/hookbridge/server/publickey"
	"github.com/hookbridge/hookbridge/server/signature"
)

// Network is what a source needs of the world outside. Package keysource has the real one.
type Network interface {
	signature.Fetcher
	// Visit asks for a URL, which must answer 200.
	Visit(ctx context.Context, url string) error
}

// WithNetwork returns a source like this one that fetches its provider's public keys with n. A source without a network refuses what needs
// one with ErrKeyUnavailable.
func (s *Source) WithNetwork(n Network) *Source {
	other := *s
	other.network = n
	return &other
}

// Origins returns the fixed places that the source's public keys are fetched from, where it has no secret that takes their place.
func (s *Source) Origins() []publickey.Origin {
	var all []publickey.Origin
	for _, a := range s.schemes {
		if len(a.keys) == 0 {
			all = append(all, a.scheme.Origins()...)
		}
	}
	return all
}

// usualDeadline is how long a provider waits for an answer that publishes no deadline.
const usualDeadline = 8 * time.Second

// fetches reports whether a delivery may have to wait for a public key, or for a confirmation.
func (s *Source) fetches() bool {
	return slices.ContainsFunc(s.schemes, func(a active) bool { return a.scheme.Fetches() })
}

// fetchUntil returns until when a delivery that began to arrive at a time may wait for a public key: there is time left then to store it, or to
// refuse it, before its provider gives up.
func (s *Source) fetchUntil(started time.Time) time.Time {
	deadline := s.Deadline()
	if deadline == 0 {
		deadline = usualDeadline
	}
	return started.Add(deadline - min(holdMargin, deadline/2))
}

// confirm does what the provider wants before it sends anything else, where it wants that.
func (s *Source) confirm(ctx context.Context, proof signature.Match) error {
	if proof.Confirm == "" {
		return nil
	}
	if s.network == nil {
		return fmt.Errorf("%w: there is no network to confirm with", ErrKeyUnavailable)
	}
	if err := s.network.Visit(ctx, proof.Confirm); err != nil {
		return fmt.Errorf("%w: the subscription could not be confirmed: %w", ErrKeyUnavailable, err)
	}
	return nil
}
