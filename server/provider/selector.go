package provider

import (
	"crypto/subtle"
	"fmt"
	"strings"
	"time"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// selector makes one value out of parts of a delivery.
type selector struct {
	when  []condition
	parts []part
	// batched says that what it reads is one of the events of a delivery.
	batched bool
}

type part struct {
	place    signature.Place
	literal  string
	optional bool
	// envelope says that the place is in the whole document instead of the event's element.
	envelope bool
}

type condition struct {
	place  signature.Place
	equals *string
}

func newSelectors(field string, specs []*providerv1.Selector) ([]selector, error) {
	var list []selector
	for n, spec := range specs {
		s := selector{}
		var err error
		if s.when, err = newConditions(spec.GetWhen()); err != nil {
			return nil, fmt.Errorf("%s[%d].%w", field, n, err)
		}
		for m, p := range spec.GetParts() {
			place, ok, err := signature.PlaceOf(p)
			if p.GetEnvelope() != "" {
				place, err = signature.PlaceNamed("json", p.GetEnvelope())
				ok = true
			}
			if err != nil {
				return nil, fmt.Errorf("%s[%d].parts[%d]: %w", field, n, m, err)
			}
			if !ok && p.GetLiteral() == "" {
				return nil, fmt.Errorf("%s[%d].parts[%d]: names no place", field, n, m)
			}
			s.parts = append(s.parts, part{place: place, literal: p.GetLiteral(), optional: p.GetOptional(), envelope: p.GetEnvelope() != ""})
		}
		list = append(list, s)
	}
	return list, nil
}

func newConditions(specs []*providerv1.Condition) ([]condition, error) {
	var list []condition
	for n, spec := range specs {
		place, ok, err := signature.PlaceOf(spec)
		if err != nil {
			return nil, fmt.Errorf("when[%d]: %w", n, err)
		}
		if !ok {
			return nil, fmt.Errorf("when[%d]: names no place", n)
		}
		list = append(list, condition{place: place, equals: spec.Equals})
	}
	return list, nil
}

// holds reports whether all conditions do.
func holds(conditions []condition, r *delivery.Request, document []byte) bool {
	for _, c := range conditions {
		value, ok := c.place.Lookup(r, document)
		// A token that was chosen with the provider may be what is compared.
		if !ok || c.equals != nil && subtle.ConstantTimeCompare([]byte(value), []byte(*c.equals)) != 1 {
			return false
		}
	}
	return true
}

// value is what the first selector yields, and the places it came from; "" where none does. With a batch the document is the event's
// element, and the envelope the whole; else they are the same.
func value(selectors []selector, r *delivery.Request, document, envelope []byte) (text string, places []signature.Place) {
	for _, s := range selectors {
		if !holds(s.when, r, document) {
			continue
		}
		if text, ok := s.join(r, document, envelope); ok {
			return text, s.places()
		}
	}
	return "", nil
}

// places are all that decide what the selector yields.
func (s selector) places() []signature.Place {
	var places []signature.Place
	add := func(p signature.Place) {
		if s.batched {
			p = p.InElement()
		}
		places = append(places, p)
	}
	for _, c := range s.when {
		add(c.place)
	}
	for _, p := range s.parts {
		switch {
		case p.literal != "":
		case p.envelope:
			places = append(places, p.place)
		default:
			add(p.place)
		}
	}
	return places
}

// join puts the parts together with dots.
func (s selector) join(r *delivery.Request, document, envelope []byte) (string, bool) {
	var parts []string
	for _, p := range s.parts {
		if p.literal != "" {
			parts = append(parts, p.literal)
			continue
		}
		from := document
		if p.envelope {
			from = envelope
		}
		text, ok := p.place.Lookup(r, from)
		switch {
		case ok:
			parts = append(parts, text)
		case !p.optional:
			return "", false
		}
	}
	return strings.Join(parts, "."), len(parts) > 0
}

// instant is a place that may hold a point in time.
type instant struct {
	place signature.Place
	unit  signature.Unit
}

func newInstants(specs []*providerv1.Instant) ([]instant, error) {
	var list []instant
	for n, spec := range specs {
		place, ok, err := signature.PlaceOf(spec)
		if err != nil || !ok {
			return nil, fmt.Errorf("occurred_at[%d]: names no place: %w", n, err)
		}
		unit, err := signature.ParseUnit(spec.GetUnit())
		if err != nil {
			return nil, fmt.Errorf("occurred_at[%d]: %w", n, err)
		}
		list = append(list, instant{place: place, unit: unit})
	}
	return list, nil
}

// occurredAt is the first instant that is there and can be read, and that protobuf can hold; zero where there is none.
func occurredAt(instants []instant, r *delivery.Request, document []byte) time.Time {
	for _, i := range instants {
		text, ok := i.place.Lookup(r, document)
		if !ok {
			continue
		}
		if t, ok := i.unit.Parse(text); ok && t.Year() >= 1 && t.Year() <= 9999 {
			return t
		}
	}
	return time.Time{}
}
