package provider

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/hookbridge/hookbridge/server/delivery"
)

// Sign returns the headers with which the provider would deliver a JSON body at a time: the signature, and id and type where they are
// in headers. u is the URL that it is sent to. ErrCannotSign where the source's secrets only verify.
func (s *Source) Sign(u *url.URL, body []byte, typ, id string, at time.Time) (http.Header, error) {
	headers := http.Header{"Content-Type": {s.cfg.Pack.bodies[0].mediaType}}
	r := &delivery.Request{Method: http.MethodPost, URL: u, Header: headers, Body: body, ReceivedAt: at}
	s.cfg.Pack.announce(r, typ, id)
	var errs []error
	for _, a := range s.schemes {
		for _, key := range a.keys {
			signed, err := a.scheme.Sign(r, key, id, at)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			for name, values := range signed {
				headers[name] = values
			}
			return headers, nil
		}
	}
	return nil, fmt.Errorf("source %q: %w", s.cfg.Name, errors.Join(errs...))
}

// announce puts id and type where the pack looks for them in headers first. A type whose second part is in the body is cut
// at its first dot.
func (p *Pack) announce(r *delivery.Request, typ, id string) {
	for _, s := range p.id {
		if len(s.parts) == 1 && s.parts[0].place.Header() != "" {
			r.Header.Set(s.parts[0].place.Header(), id)
			break
		}
	}
	for _, s := range p.typ {
		name := s.parts[0].place.Header()
		if name == "" {
			continue
		}
		if len(s.parts) > 1 {
			rest := selector{parts: s.parts[1:]}
			if text, ok := rest.join(r, r.Body, r.Body); ok && len(typ) > len(text)+1 && typ[len(typ)-len(text)-1:] == "."+text {
				typ = typ[:len(typ)-len(text)-1]
			}
		}
		r.Header.Set(name, typ)
		break
	}
}
