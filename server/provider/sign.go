package provider

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// Signed is a delivery as its provider would send it.
type Signed struct {
	// URL is what the provider calls, with whatever of the proof is in the query; nil where none was given.
	URL    *url.URL
	Header http.Header
	// Body is the document in the form that the provider sends first, with whatever of the proof is in it.
	Body []byte
}

// Deliver makes of a JSON document what the provider would send at a time: the body in its form, the signature, and id and type where
// they are in headers. Where the provider's bodies carry no document it is the body as it is. The form is the first of the pack's that can be signed by
// the source's schemes. u is the URL by which the provider calls. ErrCannotSign where the source's secrets only verify.
func (s *Source) Deliver(u *url.URL, document []byte, typ, id string, at time.Time) (Signed, error) {
	signed, err := s.deliver(s.cfg.Pack.bodies[0], u, document, typ, id, at)
	if !errors.Is(err, ErrCannotSign) {
		return signed, err
	}
	for _, kind := range s.cfg.Pack.bodies[1:] {
		if kind.format == "opaque" {
			continue // which would take anything for what the provider sends
		}
		if signed, other := s.deliver(kind, u, document, typ, id, at); other == nil {
			return signed, nil
		}
	}
	return Signed{}, err
}

// deliver is Deliver in one form.
func (s *Source) deliver(kind body, u *url.URL, document []byte, typ, id string, at time.Time) (Signed, error) {
	raw, contentType, err := kind.wrap(document)
	if err != nil {
		return Signed{}, fmt.Errorf("source %q: %w", s.cfg.Name, err)
	}
	carried := document
	if kind.lacks(contentType, raw) {
		carried = nil
	}
	return s.sign(&delivery.Request{
		Method: http.MethodPost, URL: u, Header: http.Header{"Content-Type": {contentType}}, Body: raw, Document: carried, ReceivedAt: at,
	}, kind, typ, id)
}

// Resign is Deliver for a body as it was sent once, of some content type; empty for the provider's usual one.
func (s *Source) Resign(u *url.URL, contentType string, body []byte, typ, id string, at time.Time) (Signed, error) {
	kind, err := s.cfg.Pack.bodyOf(contentType)
	if err != nil {
		return Signed{}, fmt.Errorf("source %q: %w", s.cfg.Name, err)
	}
	if contentType == "" {
		contentType = kind.mediaType
	}
	return s.sign(&delivery.Request{
		Method: http.MethodPost, URL: u, Header: http.Header{"Content-Type": {contentType}}, Body: body,
		Document: kind.document(contentType, body), ReceivedAt: at,
	}, kind, typ, id)
}

// Sign returns the headers of a body as it is. ErrCannotSign also where headers alone don't prove it.
func (s *Source) Sign(u *url.URL, body []byte, typ, id string, at time.Time) (http.Header, error) {
	signed, err := s.Resign(u, "", body, typ, id, at)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(signed.Body, body) || u != nil && *signed.URL != *u {
		return nil, fmt.Errorf("source %q: %w with headers alone", s.cfg.Name, ErrCannotSign)
	}
	return signed.Header, nil
}

func (s *Source) sign(r *delivery.Request, kind body, typ, id string) (Signed, error) {
	s.cfg.Pack.announce(r, typ, id)
	var errs []error
	for _, a := range s.schemes {
		for _, key := range a.keys {
			signed, err := a.sign(r, kind, key, id, r.ReceivedAt)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			return signed, nil
		}
	}
	if len(errs) == 0 {
		return Signed{}, fmt.Errorf("source %q: %w: only its provider has the key", s.cfg.Name, ErrCannotSign)
	}
	return Signed{}, fmt.Errorf("source %q: %w", s.cfg.Name, errors.Join(errs...))
}

// sign signs by one scheme, under the conditions that it has: what they want to the letter is put there, and where another doesn't hold nothing is
// signed, because it would be refused. Where that reads the document and doesn't sign the bytes around it, the document is signed first and then
// put into its form. Where the signature is the body, it is made of the document.
func (a active) sign(r *delivery.Request, kind body, key *signature.Key, id string, at time.Time) (Signed, error) {
	if a.scheme.Wraps() {
		wrapped, err := a.scheme.Wrap(r.Document, key)
		return Signed{URL: r.URL, Header: r.Header, Body: wrapped}, err
	}
	inside := a.scheme.ReadsDocument() && !a.scheme.CoversBody() && !bytes.Equal(r.Body, r.Document)
	if inside {
		own := *r
		own.Body, r = r.Document, &own
	}
	fulfilled, err := signature.Fulfil(r, a.when)
	if err != nil {
		return Signed{}, err
	}
	signed, err := a.scheme.Sign(fulfilled, key, id, at)
	if err != nil {
		return Signed{}, err
	}
	for _, c := range a.when {
		if !c.Holds(signed, signed.Document) {
			return Signed{}, fmt.Errorf("%w: %s is for deliveries where %s", ErrCannotSign, a.scheme.Name(), c)
		}
	}
	if inside {
		var contentType string
		if signed.Body, contentType, err = kind.wrap(signed.Document); err != nil {
			return Signed{}, err
		}
		signed.Header.Set("Content-Type", contentType)
	}
	return Signed{URL: signed.URL, Header: signed.Header, Body: signed.Body}, nil
}

// idPath is where a document has the delivery's id, in gjson's notation; empty where the pack doesn't look for it in one member of it alone,
// or in a header first.
func (p *Pack) idPath() string {
	if p.batch != nil {
		return ""
	}
	for _, s := range p.id {
		if len(s.parts) != 1 {
			return ""
		}
		switch place := s.parts[0].place; {
		case place.InDocument():
			return place.GJSONPath()
		case place.Header() != "":
			return "" // announce writes it
		}
	}
	return ""
}

// announce puts id and type where the pack looks for them in headers first. A type whose second part is in the body is cut
// at its first dot.
func (p *Pack) announce(r *delivery.Request, typ, id string) {
	for _, s := range p.id {
		if slices.ContainsFunc(s.parts, func(part part) bool { return part.place.Header() == "" }) {
			continue
		}
		for n, part := range s.parts {
			value := id
			if n > 0 {
				value = "1" // mostly a number of a message, in what the first part names
			}
			r.Header.Set(part.place.Header(), value)
		}
		break
	}
	for _, s := range p.typ {
		name := s.parts[0].place.Header()
		if name == "" {
			continue
		}
		if len(s.parts) > 1 {
			rest := selector{parts: s.parts[1:]}
			if text, ok := rest.join(r, r.Document, r.Document); ok && len(typ) > len(text)+1 && typ[len(typ)-len(text)-1:] == "."+text {
				typ = typ[:len(typ)-len(text)-1]
			}
		}
		r.Header.Set(name, typ)
		break
	}
}
