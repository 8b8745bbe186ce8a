package signature

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/publickey"
)

// Fetcher brings the public keys that providers publish. Package keysource has the real one.
type Fetcher interface {
	// Keys returns the keys of an id that an origin publishes, those without an id among them; for the empty id all. It waits no longer
	// than ctx says. Errors: publickey.ErrUnknown, publickey.ErrUnavailable.
	Keys(ctx context.Context, o publickey.Origin, id string) ([]publickey.Key, error)
	// Renewed returns all keys that an origin publishes, for who has tried those of Keys in vain. With publickey.ErrUnavailable they are those that
	// are known, and were fetched before since: the provider may have published others.
	Renewed(ctx context.Context, o publickey.Origin, since time.Time) ([]publickey.Key, error)
}

// fetched finds, among the keys that an origin publishes under an id or without one, one that a signature of a delivery was made with. A provider
// that gives its keys no ids may have published another one since they were fetched. ErrMismatch only where it hadn't when the delivery arrived;
// else ErrKeyUnavailable.
func fetched(
	ctx context.Context, f Fetcher, o publickey.Origin, id string, arrived time.Time, made func([]publickey.Key) bool,
) error {
	keys, err := f.Keys(ctx, o, id)
	if err == nil && !made(keys) {
		if final(keys, id) {
			err = publickey.ErrUnknown
		} else if keys, err = f.Renewed(ctx, o, arrived); made(keys) {
			err = nil
		} else if err == nil {
			err = publickey.ErrUnknown
		}
	}
	switch {
	case errors.Is(err, publickey.ErrUnknown):
		return fmt.Errorf("%w: it matches under none of the keys that the provider publishes", ErrMismatch)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrKeyUnavailable, err)
	}
	return nil
}

// final reports whether what was signed under an id can be by none but these keys: a key keeps its id.
func final(keys []publickey.Key, id string) bool {
	return id != "" && !slices.ContainsFunc(keys, func(k publickey.Key) bool { return k.ID != id })
}

// verifyFetched is Verify with the keys that the provider publishes. They are only asked for where there is a signature.
func (s *Scheme) verifyFetched(ctx context.Context, r *delivery.Request, tolerance time.Duration, f Fetcher) (Match, error) {
	m, result := s.Verify(r, nil, tolerance)
	if !errors.Is(result, ErrMismatch) {
		return m, result
	}
	err := fetched(ctx, f, s.origin, "", r.ReceivedAt, func(published []publickey.Key) bool {
		var keys []*Key
		for _, k := range published {
			if s.algorithm.takes(k.Public) && len(keys) < maxTried {
				keys = append(keys, &Key{public: k.Public})
			}
		}
		m, result = s.Verify(r, keys, tolerance)
		m.Key = 0 // it is none of the source's secrets
		return !errors.Is(result, ErrMismatch)
	})
	if err != nil {
		return Match{}, err
	}
	return m, result
}

// takes reports whether a public key is of the algorithm's kind.
func (a algorithm) takes(public crypto.PublicKey) bool {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return false
	}
	_, err = a.parse(der)
	return err == nil
}
