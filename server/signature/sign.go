package signature

import (
	"encoding/base64"
	"fmt"
	"time"

	"github.com/hookbridge/hookbridge/server/delivery"
)

// Sign returns r, which has method, URL, body and what else is signed, as its sender would send it: mostly with more headers, and
// where signature, id or timestamp are in the query, in a form or in the JSON body, with another URL or body. r itself is not changed.
// The id is used where the scheme signs one, and for whatever else is signed and isn't there; the timestamp is at, in the precision
// that the scheme has. ErrCannotSign where the key only verifies, or where r can't hold what belongs into it.
func (s *Scheme) Sign(r *delivery.Request, key *Key, id string, at time.Time) (*delivery.Request, error) {
	d := newDraft(r)
	if s.method != nil {
		return s.signByMethod(d, key, id, at)
	}
	stamp, err := s.announce(d, id, at)
	if err != nil {
		return nil, err
	}
	if s.every != nil {
		return s.signEvery(d, string(key.raw))
	}
	place := s.places[0]
	if s.signsItself(place.at) {
		return nil, fmt.Errorf("%w: the signature in %s would be part of what is signed", ErrCannotSign, place.at)
	}
	text, err := s.signature(d.request, key, stamp)
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
	return d.request, d.set(place.at, place.prefix+text)
}

// signByMethod lets the scheme's method sign, which it does in headers or in the body.
func (s *Scheme) signByMethod(d *draft, key *Key, id string, at time.Time) (*delivery.Request, error) {
	if signer, ok := s.method.(BodySigner); ok {
		body, err := signer.SignBody(d.request, key)
		if err != nil {
			return nil, err
		}
		d.request.Body, d.request.Document = body, body
		return d.request, nil
	}
	signer, ok := s.method.(Signer)
	if !ok {
		return nil, fmt.Errorf("%w: only the provider can sign by %s", ErrCannotSign, s.name)
	}
	headers, err := signer.Sign(d.request, key, id, at)
	if err != nil {
		return nil, err
	}
	for name, values := range headers {
		d.request.Header[name] = values
	}
	return d.request, nil
}

// announce puts into a draft what is signed beside its own content, and returns the text of the timestamp.
func (s *Scheme) announce(d *draft, id string, at time.Time) (stamp string, err error) {
	if len(s.id) > 0 {
		if err := d.set(s.id[0], id); err != nil {
			return "", err
		}
	}
	if s.stamp != nil {
		stamp = s.stamp.unit.Format(at)
		if _, ok := s.stamp.unit.Parse(stamp); !ok {
			return "", fmt.Errorf("%w: nobody could read the time %s", ErrCannotSign, stamp)
		}
		if !s.stamp.item {
			if err := d.setTime(s.stamp.at[0], stamp, s.stamp.unit); err != nil {
				return "", err
			}
		}
	}
	for i := range s.content {
		p := &s.content[i]
		if p.kind != placePart || p.optional != 0 || id == "" {
			continue
		}
		if !p.at.holds(d.request, d.request.Document) {
			if err := d.set(p.at, id); err != nil {
				return "", err
			}
		}
	}
	for i := range s.bodyDigests {
		b := &s.bodyDigests[i]
		if err := d.set(b.at, b.text(d.request.Body)); err != nil {
			return "", err
		}
	}
	return stamp, nil
}

// signsItself reports whether the signature at a place would be part of what it signs.
func (s *Scheme) signsItself(at Place) bool {
	switch at.kind {
	case inForm:
		return s.CoversBody() || s.content.has(sortedFormPart)
	case inJSON, inBody:
		return s.CoversBody()
	case inQuery:
		return s.content.usesURL()
	}
	return false
}

// signEvery puts the token into every element.
func (s *Scheme) signEvery(d *draft, token string) (*delivery.Request, error) {
	paths, ok := s.every.paths(d.request.Document)
	if !ok {
		return nil, fmt.Errorf("%w: the body has no list for %s", ErrCannotSign, s.every)
	}
	for _, path := range paths {
		if err := d.setJSON(path, token); err != nil {
			return nil, err
		}
	}
	return d.request, nil
}

// signature returns the text of one signature, without prefix and list.
func (s *Scheme) signature(r *delivery.Request, key *Key, stamp string) (string, error) {
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
	v := &verification{}
	if err := s.resolve(r, v); err != nil {
		return "", fmt.Errorf("%w: %w", ErrCannotSign, err)
	}
	s.address(s.addresses(r.URL)[0], v)
	if key.private != nil {
		made, err := s.algorithm.signPrivately(key.private, s.message(nil, r.Body, v, stamp))
		return s.encoding.encode(made), err
	}
	m := key.mac()
	defer key.macs.Put(m)
	return s.encoding.encode(s.hashed(m, key, r.Body, v, stamp)), nil
}
