package keysource

import (
	"context"
	"fmt"
	"time"

	"github.com/hookbridge/hookbridge/server/publickey"
)

// Renewed returns the newest keys of an origin for who has tried those of Keys in vain, fetched anew unless that was less than a minute ago.
// ErrUnavailable, and the keys that are known beside it: they were fetched before since, so that the provider may have published others.
func (s *Store) Renewed(ctx context.Context, o publickey.Origin, since time.Time) ([]publickey.Key, error) {
	d, wait, err := s.renew(o, since)
	if err != nil {
		return nil, err
	}
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %s didn't answer in time", publickey.ErrUnavailable, host(o.URL))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case d.failures > 0:
		return d.keys, s.failed(d)
	case d.asked.Before(since):
		return d.keys, s.unknown(d, since)
	}
	return d.keys, nil
}

// renew returns the document, and what is closed when the fetch ends that runs; nil where none does.
func (s *Store) renew(o publickey.Origin, since time.Time) (*document, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.documents[identity(o)]
	if !ok || s.closed {
		return nil, nil, fmt.Errorf("%w: %s was not asked before", publickey.ErrUnavailable, host(o.URL))
	}
	now := s.cfg.Now()
	if d.running == nil && d.asked.Before(since) && now.Sub(d.attempted) >= refetch {
		s.start(d)
	}
	if d.running == nil {
		return d, nil, nil
	}
	return d, d.running, nil
}
