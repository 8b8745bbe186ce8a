package signature

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/hookbridge/hookbridge/server/delivery"
)

// Sign returns the headers that prove r, which has method, URL, body and the headers that are signed. The id is used where the
// scheme signs one; the timestamp is at, in the precision that the scheme has. ErrCannotSign where the key only verifies, or where
// the signature is not in a header.
func (s *Scheme) Sign(r *delivery.Request, key *Key, id string, at time.Time) (http.Header, error) {
	if s.method != nil {
		signer, ok := s.method.(Signer)
		if !ok {
			return nil, fmt.Errorf("%w: only the provider can sign by %s", ErrCannotSign, s.name)
		}
		return signer.Sign(r, key, id, at)
	}
	place := s.places[0]
	if place.at.kind != inHeader {
		return nil, fmt.Errorf("%w: the signature is in %s", ErrCannotSign, place.at)
	}
	headers := http.Header{}
	if len(s.id) > 0 {
		if s.id[0].kind != inHeader {
			return nil, fmt.Errorf("%w: the id is in %s", ErrCannotSign, s.id[0])
		}
		headers.Set(s.id[0].name, id)
	}
	stamp := ""
	if s.stamp != nil {
		stamp = s.stamp.unit.Format(at)
	}
	if s.stamp != nil && !s.stamp.item {
		if place := s.stamp.at[0]; place.kind == inHeader {
			headers.Set(place.name, stamp)
		} else if !s.stampWithin() {
			return nil, fmt.Errorf("%w: the timestamp is in %s", ErrCannotSign, place)
		}
	}
	text, err := s.signature(r, headers, key, stamp)
	if err != nil {
		return nil, err
	}
	if s.list != nil {
		listed := ""
		if s.stamp != nil && s.stamp.item {
			listed = stamp
		}
		if text, err = s.list.join(text, listed); err != nil {
			return nil, err
		}
	}
	headers.Set(place.at.name, place.prefix+text)
	return headers, nil
}

// signature returns the text of one signature, without prefix and list.
func (s *Scheme) signature(r *delivery.Request, own http.Header, key *Key, stamp string) (string, error) {
	switch s.algorithm.family {
	case tokens:
		return string(key.raw), nil
	case basics:
		return "Basic " + base64.StdEncoding.EncodeToString(key.raw), nil
	case publicKeys:
		if key.private != nil {
			break
		}
		return "", fmt.Errorf("%w: %s needs the private key, and the secret is the public one", ErrCannotSign, s.algorithm.name)
	}
	signed := *r
	signed.Header = r.Header.Clone()
	if signed.Header == nil {
		signed.Header = http.Header{}
	}
	for name, values := range own {
		signed.Header[name] = values
	}
	v := &verification{}
	if err := s.resolve(&signed, v); err != nil {
		return "", fmt.Errorf("%w: %w", ErrCannotSign, err)
	}
	if key.private != nil {
		made, err := s.algorithm.signPrivately(key.private, s.message(nil, r.Body, v, stamp))
		return s.encoding.encode(made), err
	}
	m := key.mac()
	defer key.macs.Put(m)
	return s.encoding.encode(s.hashed(m, key, r.Body, v, stamp)), nil
}
