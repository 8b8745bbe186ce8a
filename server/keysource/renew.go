package keysource

import (
	"context"
	"fmt"

	"github.com/hookbridge/hookbridge/server/publickey"
)

// Renewed fetches an origin anew, at most once a minute, and returns all of its keys. ErrUnknown: it was fetched less than a minute ago.
func (s *Store) Renewed(ctx context.Context, o publickey.Origin) ([]publickey.Key, error) {
	d, wait, err := s.renew(o)
	if err != nil {
		return nil, err
	}
	select {
	case <-wait:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %s didn't answer in time", publickey.ErrUnavailable, host(o.URL))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.failures > 0 {
		return nil, s.failed(d)
	}
	return d.keys, nil
}

func (s *Store) renew(o publickey.Origin) (*document, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.documents[identity(o)]
	now := s.cfg.Now()
	switch {
	case !ok || s.closed:
		return nil, nil, fmt.Errorf("%w: %s was not asked before", publickey.ErrUnavailable, host(o.URL))
	case d.running != nil:
	case d.failures > 0 && now.Sub(d.attempted) < refetch:
		return nil, nil, s.failed(d)
	case now.Sub(d.attempted) < refetch:
		return nil, nil, fmt.Errorf("%w: %s publishes no others", publickey.ErrUnknown, host(o.URL))
	default:
		s.start(d)
	}
	return d, d.running, nil
}
