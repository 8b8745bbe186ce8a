package signature

import (
	"context"
	"fmt"
	"net/http"
	"time"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/publickey"
)

// Method is a way of proving a delivery that isn't a digest or signature of a content in the notation of a Scheme: a JSON Web
// Signature, or the bridge's own code for one provider. It is safe for concurrent use, and its errors are those of Scheme.Verify.
type Method interface {
	// Verify checks a delivery. It waits for nothing but the fetcher, and for that no longer than ctx says.
	Verify(ctx context.Context, c Check) (Match, error)
	// Covers reports whether nobody without the secret can change the value at a place.
	Covers(p Place) bool
	// Traits says what else is known of it.
	Traits() Traits
}

// Signer is a Method that can sign; see Scheme.Sign.
type Signer interface {
	Sign(r *delivery.Request, key *Key, id string, at time.Time) (http.Header, error)
}

// BodySigner is a Method that signs inside of the body, which is a JSON document; see Scheme.Sign. It returns the body as it is sent.
type BodySigner interface {
	SignBody(r *delivery.Request, key *Key) ([]byte, error)
}

// Check is a delivery that a Method is to check.
type Check struct {
	Request *delivery.Request
	// Keys are the source's secrets, all active. Empty for a method that fetches keys, unless the operator gave one.
	Keys []*Key
	// Tolerance is as in Scheme.Verify.
	Tolerance time.Duration
	// Fetcher brings public keys; never nil.
	Fetcher Fetcher
}

// Traits are what is known of a Method before any delivery.
type Traits struct {
	// Keyless: it needs no secret, because the provider publishes its keys.
	Keyless bool
	// Fetched: it verifies with what is fetched from the provider, and with nothing that a source could be given instead.
	Fetched bool
	// Body says that the proof covers the body's bytes, URL that it covers the URL.
	Body, URL bool
	// Stamped says that a time of sending is signed, which may be Tolerance from now by the provider's word; 0: it gives none.
	Stamped   bool
	Tolerance time.Duration
	// ID are the places of the id that is signed.
	ID []Place
	// Confirms says, for people, which requests are confirmed by a visit to a link that is signed, and when; empty: none are. See Match.Confirm.
	Confirms string
	// Credentials are headers that hold what proves a delivery and can be used again.
	Credentials []string
}

// Methods are the methods of the bridge's own code, by the name that a pack calls them with. Each makes a Method for a scheme, or
// says which field of it is wrong.
type Methods map[string]func(*providerv1.Scheme) (Method, error)

// compileMethod makes what is neither digest nor signature of a content.
func (s *Scheme) compileMethod(spec *providerv1.Scheme, methods []Methods) error {
	var err error
	switch s.algorithm.family {
	case tokensOfJOSE:
		s.method, err = newJWS(s, spec)
	case codes:
		for _, table := range methods {
			if build, ok := table[spec.GetCode()]; ok {
				s.method, err = build(spec)
				return err
			}
		}
		err = fmt.Errorf("code: there is no method %q", spec.GetCode())
	}
	return err
}

// VerifyFetching is Verify for schemes whose keys are fetched; for others it is the same. Further errors: ErrKeyUnavailable. A nil fetcher has no
// keys.
func (s *Scheme) VerifyFetching(
	ctx context.Context, r *delivery.Request, keys []*Key, tolerance time.Duration, f Fetcher,
) (Match, error) {
	if f == nil {
		f = nothing{}
	}
	switch {
	case s.method == nil && len(keys) == 0 && s.origin.URL != "":
		return s.verifyFetched(ctx, r, tolerance, f)
	case s.method == nil:
		return s.Verify(r, keys, tolerance)
	}
	return s.method.Verify(ctx, Check{Request: r, Keys: keys, Tolerance: tolerance, Fetcher: f})
}

// Keyless reports whether the scheme needs no secret, because the provider publishes its keys. A secret that is given is used instead of
// those.
func (s *Scheme) Keyless() bool {
	return s.origin.URL != "" || s.method != nil && s.method.Traits().Keyless
}

// Fetches reports whether verifying may have to wait for what the provider publishes.
func (s *Scheme) Fetches() bool { return s.Keyless() || s.method != nil && s.method.Traits().Fetched }

// Confirms says which requests are confirmed by a visit to a link, and when; empty: none are.
func (s *Scheme) Confirms() string {
	if s.method == nil {
		return ""
	}
	return s.method.Traits().Confirms
}

// Origins returns the fixed places that the scheme's keys are fetched from.
func (s *Scheme) Origins() []publickey.Origin {
	if s.origin.URL != "" {
		return []publickey.Origin{s.origin}
	}
	return nil
}

// compileKeySource says where the keys are published that signatures are checked with.
func (s *Scheme) compileKeySource(spec *providerv1.Scheme) error {
	k := spec.GetKeySource()
	switch {
	case k == nil:
		return nil
	case s.algorithm.family != publicKeys && s.algorithm.family != tokensOfJOSE:
		return fmt.Errorf("key_source: a published key is public, and %s needs a secret one", s.algorithm.name)
	}
	s.origin = publickey.Origin{URL: k.GetUrl(), Format: publickey.Format(k.GetFormat())}
	return nil
}

// nothing is the Fetcher of who has none.
type nothing struct{}

func (nothing) Keys(context.Context, publickey.Origin, string) ([]publickey.Key, error) {
	return nil, fmt.Errorf("%w: nothing is fetched here", publickey.ErrUnavailable)
}

func (nothing) Renewed(context.Context, publickey.Origin, time.Time) ([]publickey.Key, error) {
	return nil, fmt.Errorf("%w: nothing is fetched here", publickey.ErrUnavailable)
}

// Fresh compares a signed time with the clock as Scheme.Verify does. Error: ErrStale.
func Fresh(at, now time.Time, tolerance time.Duration) error {
	switch age := now.Sub(at); {
	case age > tolerance:
		return fmt.Errorf("%w: signed %v ago, which is more than %v", ErrStale, age.Round(time.Second), tolerance)
	case age < -tolerance:
		return fmt.Errorf("%w: signed %v in the future, which is more than %v", ErrStale, -age.Round(time.Second), tolerance)
	}
	return nil
}
