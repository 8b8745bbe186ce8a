package provider

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

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
	// places are all that decide what it yields, and ofDelivery that none of them is in the event itself.
	places     []signature.Place
	ofDelivery bool
}

type part struct {
	place    signature.Place
	literal  string
	optional bool
	// envelope says that the place is in the whole document instead of the event's element.
	envelope bool
	// key is for the first of the document's keys that matches.
	key *regexp.Regexp
}

type condition = signature.Condition

func newSelectors(field string, specs []*providerv1.Selector) ([]selector, error) {
	var list []selector
	var errs []error
	for n, spec := range specs {
		place := fmt.Sprintf("%s[%d].", field, n)
		when, err := newConditions("when", spec.GetWhen())
		errs = append(errs, within(place, err))
		s := selector{when: when}
		for m, spec := range spec.GetParts() {
			p, err := newSelectorPart(spec)
			errs = append(errs, within(fmt.Sprintf("%sparts[%d]: ", place, m), err))
			s.parts = append(s.parts, p)
		}
		list = append(list, s)
	}
	return list, errors.Join(errs...)
}

func newSelectorPart(spec *providerv1.Part) (part, error) {
	p := part{literal: spec.GetLiteral(), optional: spec.GetOptional()}
	var ok bool
	var err error
	switch {
	case p.literal != "":
		return p, nil
	case spec.GetKeyMatching() != "":
		p.place = signature.AnyKey()
		p.key, err = signature.WholeMatch(spec.GetKeyMatching())
		return p, err
	case spec.GetEnvelope() != "":
		p.envelope = true
		p.place, err = signature.PlaceNamed("json", spec.GetEnvelope())
		return p, err
	}
	if p.place, ok, err = signature.PlaceOf(spec); err == nil && !ok {
		err = errors.New("names no place")
	}
	return p, err
}

func newConditions(field string, specs []*providerv1.Condition) ([]condition, error) {
	var list []condition
	var errs []error
	for n, spec := range specs {
		c, err := signature.NewCondition(spec)
		errs = append(errs, within(fmt.Sprintf("%s[%d]: ", field, n), err))
		list = append(list, c)
	}
	return list, errors.Join(errs...)
}

// holds reports whether all conditions do.
func holds(conditions []condition, r *delivery.Request, document []byte) bool {
	for _, c := range conditions {
		if !c.Holds(r, document) {
			return false
		}
	}
	return true
}

// origin says where a value came from.
type origin struct {
	// places are all that the selector which yielded it looked at.
	places []signature.Place
	// skipped has, for each selector before that, the places for which it yielded nothing.
	skipped [][]signature.Place
	// ofDelivery says that nothing of it is read from the event itself.
	ofDelivery bool
}

// coveredBy reports whether nobody without the secret can have changed the value: neither what it is made of, nor that the selectors
// before it yield nothing.
func (o origin) coveredBy(scheme *signature.Scheme) bool {
	for _, p := range o.places {
		if !scheme.Covers(p) {
			return false
		}
	}
	return len(o.places) > 0 && o.passedBy(scheme)
}

// passedBy reports whether nobody without the secret can have brought about that the selectors before yield nothing.
func (o origin) passedBy(scheme *signature.Scheme) bool {
	return !slices.ContainsFunc(o.skipped, func(places []signature.Place) bool { return !slices.ContainsFunc(places, scheme.Covers) })
}

// value is what the first selector yields, and where it came from; "" where none does. With a batch the document is the event's
// element, and the envelope the whole; else they are the same.
func value(selectors []selector, r *delivery.Request, document, envelope []byte) (text string, from origin) {
	for _, s := range selectors {
		if holds(s.when, r, document) {
			if text, ok := s.join(r, document, envelope); ok {
				from.places, from.ofDelivery = s.places, s.ofDelivery
				return text, from
			}
		}
		from.skipped = append(from.skipped, s.failing(r, document, envelope))
	}
	return "", from
}

// failing are the places for which the selector yields nothing.
func (s selector) failing(r *delivery.Request, document, envelope []byte) []signature.Place {
	var places []signature.Place
	for _, c := range s.when {
		if !c.Holds(r, document) {
			places = append(places, s.inEvent(c.Place()))
		}
	}
	for _, p := range s.parts {
		if _, ok := p.lookup(r, document, envelope); !ok && p.literal == "" {
			places = append(places, s.of(p))
		}
	}
	return places
}

// settle completes a selector when it is known whether it reads one of several events.
func (s *selector) settle(batched bool) {
	s.batched, s.ofDelivery = batched, !slices.ContainsFunc(s.parts, part.ofEvent)
	for _, c := range s.when {
		s.places = append(s.places, s.inEvent(c.Place()))
	}
	for _, p := range s.parts {
		if p.literal == "" {
			s.places = append(s.places, s.of(p))
		}
	}
}

func (s selector) inEvent(p signature.Place) signature.Place {
	if s.batched {
		return p.InElement()
	}
	return p
}

func (s selector) of(p part) signature.Place {
	if p.envelope {
		return p.place
	}
	return s.inEvent(p.place)
}

// join puts the parts together with dots.
func (s selector) join(r *delivery.Request, document, envelope []byte) (string, bool) {
	if len(s.parts) == 1 {
		return s.parts[0].lookup(r, document, envelope)
	}
	var parts []string
	for _, p := range s.parts {
		text, ok := p.lookup(r, document, envelope)
		switch {
		case ok:
			parts = append(parts, text)
		case !p.optional:
			return "", false
		}
	}
	return strings.Join(parts, "."), len(parts) > 0
}

// ofEvent says that it is read from the event itself.
func (p part) ofEvent() bool { return p.literal == "" && !p.envelope && p.place.InDocument() }

func (p part) lookup(r *delivery.Request, document, envelope []byte) (text string, ok bool) {
	switch {
	case p.literal != "":
		return p.literal, !strings.Contains(p.literal, signature.Absent)
	case p.envelope:
		return p.place.Lookup(r, envelope)
	case p.key != nil:
		gjson.ParseBytes(document).ForEach(func(key, _ gjson.Result) bool {
			ok = key.Type == gjson.String && key.Str != "" && p.key.MatchString(key.Str)
			if ok {
				text = key.Str
			}
			return !ok
		})
		return text, ok
	}
	return p.place.Lookup(r, document)
}

// instant is a place that may hold a point in time.
type instant struct {
	place signature.Place
	unit  signature.Unit
}

func newInstants(specs []*providerv1.Instant) ([]instant, error) {
	var list []instant
	var errs []error
	for n, spec := range specs {
		place, ok, err := signature.PlaceOf(spec)
		if err == nil && !ok {
			err = errors.New("names no place")
		}
		unit, unknown := signature.ParseUnit(spec.GetUnit())
		errs = append(errs, within(fmt.Sprintf("occurred_at[%d]: ", n), errors.Join(err, unknown)))
		list = append(list, instant{place: place, unit: unit})
	}
	return list, errors.Join(errs...)
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
