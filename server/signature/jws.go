package signature

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/publickey"
)

// maxTried bounds the keys that are tried for one token: a provider publishes a few, and a source has few secrets.
const maxTried = 16

// jws is a scheme whose signature is a JSON Web Signature.
type jws struct {
	scheme     *Scheme
	form       Form
	algorithms []string
	claims     []claim
	// whole says that the body is the token.
	whole bool
}

var (
	_ Method = (*jws)(nil)
	_ Signer = (*jws)(nil)
)

func newJWS(s *Scheme, spec *providerv1.Scheme) (*jws, error) {
	j := &jws{scheme: s, algorithms: spec.GetJws().GetAlgorithms()}
	switch spec.GetJws().GetForm() {
	case "", "compact":
	case "detached":
		j.form = Detached
	case "detached-unencoded":
		j.form = DetachedUnencoded
	default:
		return nil, fmt.Errorf("jws.form: unknown form %q", spec.GetJws().GetForm())
	}
	if len(j.algorithms) == 0 {
		return nil, errors.New("jws.algorithms: none is taken")
	}
	for n, c := range spec.GetJws().GetClaims() {
		claim, err := newClaim(c)
		if err != nil {
			return nil, fmt.Errorf("jws.claims[%d]: %w", n, err)
		}
		j.claims = append(j.claims, claim)
	}
	j.whole = slices.ContainsFunc(s.places, func(p signaturePlace) bool { return p.at.kind == inBody })
	switch inClaims := func(p Place) bool { return p.kind == inClaim }; {
	case j.whole && len(s.places) > 1:
		return nil, errors.New("signature: what is the body is nowhere else")
	case j.form != Compact && (j.whole || len(j.claims) > 0 || slices.ContainsFunc(s.id, inClaims) || s.stamp != nil && slices.ContainsFunc(s.stamp.at, inClaims)):
		return nil, errors.New("jws.form: the payload is the body, which is no token and has no claims")
	case slices.ContainsFunc(s.id, func(p Place) bool { return p.kind != inClaim && !j.Covers(p) }):
		return nil, errors.New("id: it is not signed")
	case s.stamp != nil && (s.stamp.item || slices.ContainsFunc(s.stamp.at, func(p Place) bool { return !j.Covers(p) })):
		return nil, errors.New("timestamp: it is not signed, so it proves nothing")
	}
	if s.origin.URL != "" && slices.ContainsFunc(j.algorithms, isShared) {
		return nil, errors.New("key_source: a published key is public, and the HS algorithms need a secret one")
	}
	return j, nil
}

func isShared(algorithm string) bool { return strings.HasPrefix(algorithm, "HS") }

// readPublic reads a secret that is public keys; nil where it is what both sides share. The one never serves as the other.
func (j *jws) readPublic(secret string) (*Key, error) {
	k := &Key{}
	if published, err := publickey.ParseText(secret); err == nil {
		k.published = slices.DeleteFunc(published, func(p publickey.Key) bool { return !slices.ContainsFunc(j.algorithms, p.Fits) })
		if len(k.published) == 0 {
			return nil, fmt.Errorf("%w: the public key is for none of %s", ErrKey, strings.Join(j.algorithms, ", "))
		}
		return k, nil
	}
	switch {
	case strings.HasPrefix(strings.TrimSpace(secret), "-----BEGIN"):
		return nil, fmt.Errorf("%w: the PEM block has no public key that can be used", ErrKey)
	case !slices.ContainsFunc(j.algorithms, isShared):
		return nil, fmt.Errorf("%w: want a public key as a PEM block or as a JSON Web Key", ErrKey)
	}
	return nil, nil
}

// Traits implements Method.
func (j *jws) Traits() Traits {
	t := Traits{
		Body: j.form != Compact || j.whole,
		ID:   slices.Clone(j.scheme.id),
	}
	for _, c := range j.claims {
		t.Body = t.Body || c.pins(wholeBody)
		t.URL = t.URL || c.pins(wholeURL)
	}
	if j.scheme.stamp != nil {
		t.Stamped, t.Tolerance = true, j.scheme.stamp.tolerance
	}
	// A token that says nothing of the body can be taken for another one until it expires.
	for _, p := range j.scheme.places {
		if name := p.at.Header(); name != "" && !t.Body {
			t.Credentials = append(t.Credentials, name)
		}
	}
	return t
}

// Covers implements Method.
func (j *jws) Covers(p Place) bool {
	switch p.kind {
	case inClaim, inJWSHeader:
		return true
	case inForm, inJSON:
		return j.Traits().Body || j.pins(p)
	case inQuery:
		return j.Traits().URL || j.pins(p)
	case inHeader:
		return j.pins(p)
	}
	return false
}

func (j *jws) pins(p Place) bool {
	return slices.ContainsFunc(j.claims, func(c claim) bool { return !c.optional && c.names(p) })
}

// Verify implements Method.
func (j *jws) Verify(ctx context.Context, c Check) (Match, error) {
	v := &verification{}
	if err := j.scheme.collect(c.Request, v); err != nil {
		return Match{}, err
	}
	var refused error
	for _, found := range v.candidates {
		m, err := j.verify(ctx, c, string(v.decoded[found.from:found.to]))
		if err == nil {
			return m, nil
		}
		if refused == nil || !errors.Is(err, ErrMalformed) {
			refused = err
		}
	}
	return Match{}, refused
}

func (j *jws) verify(ctx context.Context, c Check, text string) (Match, error) {
	t, err := ParseToken(text, j.form, c.Request.Body, j.algorithms)
	if err != nil {
		return Match{}, err
	}
	var m Match
	if m.Key, err = j.maker(ctx, c, t); err != nil {
		return Match{}, err
	}
	if j.form == Compact {
		if err := t.Timely(c.Request.ReceivedAt); err != nil {
			return Match{}, ProvenBy(m.Key, err)
		}
		for _, claim := range j.claims {
			if err := claim.check(t, c.Request); err != nil {
				return Match{}, ProvenBy(m.Key, err)
			}
		}
	}
	if err := j.read(t, c, &m); err != nil {
		return Match{}, err
	}
	return m, nil
}

// maker returns the position of the secret that made the token; 0 for one that the provider published.
func (j *jws) maker(ctx context.Context, c Check, t *Token) (int, error) {
	for n, key := range c.Keys {
		if key.raw != nil && t.Shared(key.raw) || tried(t, ofID(key.published, t.KeyID)) {
			return n, nil
		}
	}
	if len(c.Keys) > 0 || j.scheme.origin.URL == "" {
		return 0, fmt.Errorf("%w: the token matches under none of the secrets (%d)", ErrMismatch, len(c.Keys))
	}
	return 0, fetched(ctx, c.Fetcher, j.scheme.origin, t.KeyID, c.Request.ReceivedAt, func(keys []publickey.Key) bool {
		return tried(t, ofID(keys, t.KeyID))
	})
}

func tried(t *Token, keys []publickey.Key) bool {
	n := 0
	return slices.ContainsFunc(keys, func(k publickey.Key) bool {
		if !k.Fits(t.Algorithm) || n == maxTried {
			return false
		}
		n++
		return t.Public(k)
	})
}

// ofID leaves out keys of another id.
func ofID(keys []publickey.Key, id string) []publickey.Key {
	if id == "" {
		return keys
	}
	return slices.DeleteFunc(slices.Clone(keys), func(k publickey.Key) bool { return k.ID != id && k.ID != "" })
}

// read takes id and time from what is proven.
func (j *jws) read(t *Token, c Check, m *Match) error {
	for _, p := range j.scheme.id {
		text, ok, err := p.proven(t, c.Request)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		if ok {
			m.ID = text
			break
		}
	}
	if j.scheme.stamp == nil {
		return nil
	}
	for _, p := range j.scheme.stamp.at {
		text, ok, err := p.proven(t, c.Request)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		if !ok {
			continue
		}
		if p.kind == inClaim || p.kind == inJWSHeader {
			text, _, _ = strings.Cut(text, ".")
		}
		if m.Time, ok = j.scheme.stamp.unit.Parse(text); !ok {
			return fmt.Errorf("%w: the timestamp can't be read", ErrMalformed)
		}
		if c.Tolerance <= 0 {
			return nil
		}
		m.TimeCovered = true
		return Fresh(m.Time, c.Request.ReceivedAt, c.Tolerance)
	}
	return fmt.Errorf("%w: want %s, which is the time of sending", ErrMalformed, either(j.scheme.stamp.at))
}

// proven is single for places of which some are in a token.
func (p Place) proven(t *Token, r *delivery.Request) (value string, ok bool, err error) {
	switch p.kind {
	case inClaim:
		value, ok = scalar(gjson.GetBytes(t.payload, p.path))
	case inJWSHeader:
		value, ok = scalar(gjson.GetBytes(t.header, p.path))
	default:
		return p.single(r)
	}
	return value, ok, nil
}

// public returns the algorithm that a private key signs with here.
func (j *jws) public(key crypto.PublicKey) (algorithm string, ok bool) {
	k := publickey.Key{Public: key}
	n := slices.IndexFunc(j.algorithms, k.Fits)
	if n < 0 {
		return "", false
	}
	return j.algorithms[n], true
}

// shared returns the algorithm that a shared secret signs with here.
func (j *jws) shared() (algorithm string, ok bool) {
	n := slices.IndexFunc(j.algorithms, isShared)
	if n < 0 {
		return "", false
	}
	return j.algorithms[n], true
}

// life is for how long what the bridge signs itself is valid.
const life = 5 * time.Minute
