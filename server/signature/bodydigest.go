package signature

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"strings"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
)

// bodyDigest is a digest of the body in a place that is signed.
type bodyDigest struct {
	at        Place
	algorithm string
	hash      func() hash.Hash
	encoding  encoding
	prefix    string
}

func (s *Scheme) compileBodyDigests(spec *providerv1.Scheme) error {
	for n, b := range spec.GetBodyDigests() {
		d := bodyDigest{algorithm: b.GetAlgorithm(), prefix: b.GetPrefix()}
		var err error
		if d.at, d.hash, err = placeAndHash(b); err != nil {
			return fmt.Errorf("body_digests[%d]: %w", n, err)
		}
		if d.encoding, err = newEncoding(b.GetEncoding(), true); err != nil {
			return fmt.Errorf("body_digests[%d]: %w", n, err)
		}
		// A URL that is signed with some of its escapes undone still has this value in it.
		if signed := s.Covers(d.at) || d.at.kind == inQuery && s.content.usesURL(); !signed && d.at.kind != nowhere {
			return fmt.Errorf("body_digests[%d]: %s is not signed, so it proves nothing", n, d.at)
		}
		s.bodyDigests = append(s.bodyDigests, d)
	}
	return nil
}

func placeAndHash(b *providerv1.BodyDigest) (p Place, newHash func() hash.Hash, err error) {
	switch {
	case strings.Contains(b.GetHeader()+b.GetQuery(), Absent):
		p = Place{kind: nowhere}
	case b.GetHeader() != "":
		p = header(b.GetHeader())
	case b.GetQuery() != "":
		p = Place{kind: inQuery, name: b.GetQuery()}
	default:
		return p, nil, errors.New("names no place")
	}
	switch b.GetAlgorithm() {
	case "sha1":
		return p, sha1.New, nil
	case "sha256":
		return p, sha256.New, nil
	case "sha512":
		return p, sha512.New, nil
	}
	return p, nil, fmt.Errorf("unknown algorithm %q", b.GetAlgorithm())
}

// checkBody compares the digests with the body. It is asked once the signature is right: then the digests are the sender's.
func (s *Scheme) checkBody(r *delivery.Request) error {
	for i := range s.bodyDigests {
		d := &s.bodyDigests[i]
		text, err := s.first(r, []Place{d.at})
		if err != nil {
			return err
		}
		rest, ok := strings.CutPrefix(text, d.prefix)
		if !ok {
			return fmt.Errorf("%w: %s doesn't begin with %q", ErrMalformed, d.at, d.prefix)
		}
		got, _, ok := d.encoding.decode(nil, nil, rest)
		if !ok {
			return fmt.Errorf("%w: %s is no %s", ErrMalformed, d.at, d.encoding.name)
		}
		if subtle.ConstantTimeCompare(got, d.sum(r.Body)) != 1 {
			cause := fmt.Errorf("%w: %s is not the %s of the body", ErrMismatch, d.at, d.algorithm)
			return &AfterProof{What: d.at.String(), Want: "the " + d.algorithm + " of the body", Body: true, cause: cause}
		}
	}
	return nil
}

func (d *bodyDigest) sum(body []byte) []byte {
	h := d.hash()
	h.Write(body)
	return h.Sum(nil)
}

// text is the digest as a sender writes it.
func (d *bodyDigest) text(body []byte) string { return d.prefix + d.encoding.encode(d.sum(body)) }
