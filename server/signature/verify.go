package signature

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/hookbridge/hookbridge/server/delivery"
)

// Match says what was found to be true.
type Match struct {
	// Key is the position of the key that matched.
	Key int
	// ID is the id that was signed, or empty.
	ID string
	// Time is the signed timestamp; zero where the scheme has none.
	Time time.Time
	// TimeCovered says that Time was compared with the clock.
	TimeCovered bool
	// Confirm is a URL that the operator wants visited now that the delivery is proven, because the provider sends nothing else before. Empty for
	// nearly all deliveries. The method has seen to it that it leads to the provider.
	Confirm string
}

// verification is the memory of one Verify.
type verification struct {
	candidates []candidate
	// decoded has the bytes of all candidates; text and message are scratch.
	decoded, text, message []byte
	// values has the text of every part of the content that the request gives.
	values []string
	id     string
	items  int
	// absent are the groups of the content that are left out.
	absent uint32
	// present says that a place had a value, unfit what was wrong with the first one that could not be read.
	present Place
	unfit   error
}

const (
	// maxSignatureText is the longest text that is tried as a signature or token: RSA of 8192 bits in hex is half of it.
	maxSignatureText = 4096
	// keepScratch is how much memory is kept from one verification for the next.
	keepScratch = 64 << 10
)

// candidate is a signature to try: decoded[from:to], made at stamp.
type candidate struct {
	from, to int
	stamp    string
}

func (v *verification) reset() {
	if cap(v.message) > keepScratch {
		v.message = nil
	}
	clear(v.candidates) // they refer to the request
	clear(v.values)
	*v = verification{
		candidates: v.candidates[:0],
		decoded:    v.decoded[:0],
		text:       v.text[:0],
		message:    v.message[:0],
		values:     v.values[:0],
	}
}

// Verify checks a request against the keys, all of which are active. The clock is r.ReceivedAt; tolerance is how far the
// timestamp may be from it, either way, that far included; 0 means that it isn't checked. Errors: ErrMissing, ErrMalformed,
// ErrMismatch, ErrStale.
func (s *Scheme) Verify(r *delivery.Request, keys []*Key, tolerance time.Duration) (Match, error) {
	if s.every != nil {
		return s.every.verify(r, keys, s.want)
	}
	if s.method != nil {
		return s.VerifyFetching(context.Background(), r, keys, tolerance, nil)
	}
	v, ok := s.pool.Get().(*verification)
	if !ok {
		v = &verification{}
	}
	defer func() {
		v.reset()
		s.pool.Put(v)
	}()
	if err := s.collect(r, v); err != nil {
		return Match{}, err
	}
	if err := s.resolve(r, v); err != nil {
		return Match{}, err
	}
	shared, err := s.sharedStamp(r)
	if err != nil {
		return Match{}, err
	}
	if err := s.checkStamps(v, shared); err != nil {
		return Match{}, err
	}
	if !s.content.usesURL() {
		m, err := s.try(r, keys, v, tolerance)
		return m, v.orMismatch(err, len(keys))
	}
	var refused error
	for _, address := range s.addresses(r.URL) {
		s.address(address, v)
		m, err := s.try(r, keys, v, tolerance)
		if err == nil {
			return m, nil
		}
		if !errors.Is(err, errNoMatch) {
			refused = err
		}
	}
	return Match{}, v.orMismatch(cmp.Or(refused, errNoMatch), len(keys))
}

// errNoMatch means that none of the signatures is right.
var errNoMatch = errors.New("no match")

// orMismatch says for people that none of the signatures is right.
func (v *verification) orMismatch(err error, keys int) error {
	if !errors.Is(err, errNoMatch) {
		return err
	}
	return fmt.Errorf("%w: %s matches under none of the secrets (%d)", ErrMismatch, v.present, keys)
}

// try checks the signatures over one content against the keys.
func (s *Scheme) try(r *delivery.Request, keys []*Key, v *verification, tolerance time.Duration) (Match, error) {
	refused := errNoMatch
	for i, key := range keys {
		for c := range s.matching(r, key, v) {
			m, err := s.accept(r, c, v, tolerance)
			if err == nil {
				m.Key = i
				return m, nil
			}
			refused = ProvenBy(i, err)
		}
	}
	return Match{}, refused
}

// collect finds the signatures.
func (s *Scheme) collect(r *delivery.Request, v *verification) error {
	for i := range s.places {
		p := &s.places[i]
		if p.at.kind == inHeader {
			for _, value := range r.Header[p.at.name] {
				if err := s.collectValue(p, value, v); err != nil {
					return err
				}
			}
			continue
		}
		value, _, err := p.at.single(r)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		if err := s.collectValue(p, value, v); err != nil {
			return err
		}
	}
	switch {
	case len(v.candidates) > 0:
		return nil
	case v.unfit != nil:
		return fmt.Errorf("%w: %w; want %s", ErrMalformed, v.unfit, s.want)
	case v.present != Place{}:
		return fmt.Errorf("%w: %s %w; want %s", ErrMissing, v.present, ErrOtherKind, s.want)
	}
	return fmt.Errorf("%w: want %s", ErrMissing, s.want)
}

func (s *Scheme) collectValue(p *signaturePlace, value string, v *verification) error {
	if value == "" {
		return nil
	}
	if (v.present == Place{}) {
		v.present = p.at
	}
	rest, ok := strings.CutPrefix(value, p.prefix)
	if !ok {
		v.reject(fmt.Errorf("%s doesn't begin with %q", p.at, p.prefix))
		return nil
	}
	var err error
	if s.list != nil {
		err = s.list.split(s, p.at, rest, v)
	} else {
		err = v.add(s, p.at, rest)
	}
	if err != nil {
		return fmt.Errorf("%w: %s %w", ErrMalformed, p.at, err)
	}
	return nil
}

// add decodes a signature and keeps it as a candidate; one that can't be decoded is only noted, another may match.
func (v *verification) add(s *Scheme, place Place, text string) error {
	if len(v.candidates) == s.most {
		return errTooMany
	}
	if len(text) > maxSignatureText && !(s.algorithm.family == tokensOfJOSE && (len(text) <= maxToken || place.kind == inBody)) {
		v.reject(fmt.Errorf("%s is too long for %s", place, s.algorithm.name))
		return nil
	}
	from, ok := len(v.decoded), false
	if s.algorithm.family == basics && !isBasic(text) {
		return nil // other credentials, which are for another scheme
	}
	switch s.algorithm.family {
	case tokens:
		v.decoded, ok = appendDigest(v.decoded, []byte(text)), text != ""
	case basics:
		v.decoded, ok = appendBasic(v.decoded, text)
	case tokensOfJOSE:
		v.decoded, ok = append(v.decoded, text...), true
	default:
		v.decoded, v.text, ok = s.encoding.decode(v.decoded, v.text, text)
	}
	to := len(v.decoded)
	if !ok || to == from || (s.algorithm.size > 0 && to-from != s.algorithm.size) {
		v.decoded = v.decoded[:from]
		v.reject(fmt.Errorf("%s is no %s in this form", place, s.algorithm.name))
		return nil
	}
	v.candidates = append(v.candidates, candidate{from: from, to: to})
	return nil
}

func (v *verification) reject(why error) {
	if v.unfit == nil {
		v.unfit = why
	}
}

func appendDigest(dst, text []byte) []byte {
	sum := sha256.Sum256(text)
	return append(dst, sum[:]...)
}

const basicScheme = "Basic "

func isBasic(text string) bool {
	return len(text) >= len(basicScheme) && strings.EqualFold(text[:len(basicScheme)], basicScheme)
}

// appendBasic appends the digest of the user and password in an Authorization header.
func appendBasic(dst []byte, text string) ([]byte, bool) {
	base64, err := newEncoding("base64", true)
	if err != nil {
		return dst, false
	}
	credentials, _, ok := base64.decode(nil, nil, strings.TrimLeft(text[len(basicScheme):], " "))
	return appendDigest(dst, credentials), ok
}

// sharedStamp returns the timestamp that counts for signatures whose list has none of their own.
func (s *Scheme) sharedStamp(r *delivery.Request) (string, error) {
	if s.stamp == nil || len(s.stamp.at) == 0 || s.stampWithin() {
		return "", nil
	}
	text, err := s.first(r, s.stamp.at)
	if s.stamp.item && errors.Is(err, ErrMissing) {
		return "", nil
	}
	return text, err
}

// stampWithin says that the timestamp is inside of something else that is signed, and only read once that is proven.
func (s *Scheme) stampWithin() bool { return !s.content.has(stampPart) }

// checkStamps gives every candidate its timestamp and bounds how many different ones there are.
func (s *Scheme) checkStamps(v *verification, shared string) error {
	if s.stamp == nil || s.stampWithin() {
		return nil
	}
	different, last := 0, ""
	for i := range v.candidates {
		c := &v.candidates[i]
		if c.stamp == "" {
			c.stamp = shared
		}
		if c.stamp == "" {
			return fmt.Errorf("%w: a signature has no timestamp; want %s", ErrMissing, s.want)
		}
		if _, ok := s.stamp.unit.Parse(c.stamp); !ok {
			return fmt.Errorf("%w: the timestamp can't be read", ErrMalformed)
		}
		if i == 0 || c.stamp != last {
			different, last = different+1, c.stamp
		}
	}
	if different > maxStamps {
		return fmt.Errorf("%w: %s %w", ErrMalformed, v.present, errTooMany)
	}
	return nil
}

// matching yields the candidates that the key made.
func (s *Scheme) matching(r *delivery.Request, key *Key, v *verification) iter.Seq[candidate] {
	return func(yield func(candidate) bool) {
		var m *mac
		if s.algorithm.family == hmacs || s.algorithm.family == digests {
			m = key.mac()
			defer key.macs.Put(m)
		}
		expected := key.digest[:]
		for i, c := range v.candidates {
			if s.algorithm.signs() && (i == 0 || c.stamp != v.candidates[i-1].stamp) {
				if m != nil {
					expected = s.hashed(m, key, r.Body, v, c.stamp)
				} else {
					v.message = s.message(v.message[:0], r.Body, v, c.stamp)
				}
			}
			signature := v.decoded[c.from:c.to]
			ok := false
			if s.algorithm.family == publicKeys {
				ok = s.algorithm.verify(key.public, v.message, signature)
			} else {
				ok = subtle.ConstantTimeCompare(expected, signature) == 1
			}
			if ok && !yield(c) {
				return
			}
		}
	}
}

// accept finishes a verification whose signature is right: only now is the time looked at.
func (s *Scheme) accept(r *delivery.Request, c candidate, v *verification, tolerance time.Duration) (Match, error) {
	if err := s.checkBody(r); err != nil {
		return Match{}, err
	}
	m := Match{ID: v.id}
	if s.stamp == nil {
		return m, nil
	}
	text := c.stamp
	if s.stampWithin() {
		var err error
		if text, err = s.first(r, s.stamp.at); err != nil {
			return Match{}, err
		}
	}
	var ok bool
	if m.Time, ok = s.stamp.unit.Parse(text); !ok {
		return Match{}, fmt.Errorf("%w: the timestamp can't be read", ErrMalformed)
	}
	if tolerance <= 0 {
		return m, nil
	}
	m.TimeCovered = true
	if err := Fresh(m.Time, r.ReceivedAt, tolerance); err != nil {
		return Match{}, err
	}
	return m, nil
}
