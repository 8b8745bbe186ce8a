package signature

import (
	"fmt"
	"slices"

	"github.com/hookbridge/hookbridge/server/delivery"
)

// maxParts bounds the template of the signed content.
const maxParts = 32

type partKind uint8

const (
	literal partKind = iota + 1
	bodyPart
	stampPart
	idPart
	methodPart
	urlPart
	placePart
	sortedFormPart
	secretPart
)

type part struct {
	kind partKind
	text string
	at   Place
}

// content is what is signed.
type content []part

func newContent(template string) (content, error) {
	segments, err := ParseTemplate(template)
	if err != nil {
		return nil, err
	}
	if len(segments) > maxParts {
		return nil, fmt.Errorf("content has more than %d parts", maxParts)
	}
	var c content
	for _, s := range segments {
		p, err := newPart(s)
		if err != nil {
			return nil, fmt.Errorf("content: %w", err)
		}
		c = append(c, p)
	}
	return c, nil
}

func newPart(s Segment) (part, error) {
	if s.Name == "" {
		return part{kind: literal, text: s.Text}, nil
	}
	if s.Args != "" {
		p, err := PlaceNamed(s.Name, s.Args)
		return part{kind: placePart, at: p}, err
	}
	switch s.Name {
	case "body":
		return part{kind: bodyPart}, nil
	case "ts":
		return part{kind: stampPart}, nil
	case "id":
		return part{kind: idPart}, nil
	case "method":
		return part{kind: methodPart}, nil
	case "url":
		return part{kind: urlPart}, nil
	case "form_sorted":
		return part{kind: sortedFormPart}, nil
	case "secret":
		return part{kind: secretPart}, nil
	}
	return part{}, fmt.Errorf("unknown {%s}", s.Name)
}

func (c content) has(kind partKind) bool {
	return slices.ContainsFunc(c, func(p part) bool { return p.kind == kind })
}

func (c content) names(at Place) bool {
	return slices.ContainsFunc(c, func(p part) bool { return p.kind == placePart && p.at == at })
}

// resolve looks up, into v, what the content takes from outside the body.
func (s *Scheme) resolve(r *delivery.Request, v *verification) error {
	for _, p := range s.content {
		var text string
		switch p.kind {
		case idPart:
			var err error
			if text, err = s.first(r, s.id); err != nil {
				return err
			}
			v.id = text
		case placePart:
			var err error
			if text, err = s.first(r, []Place{p.at}); err != nil {
				return err
			}
		case methodPart:
			text = r.Method
		case urlPart:
			if r.URL != nil {
				text = r.URL.String()
			}
		case sortedFormPart:
			form, err := sortedForm(nil, r.Body)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrMalformed, err)
			}
			text = string(form)
		}
		v.values = append(v.values, text)
	}
	return nil
}

// first returns the value of the first place that has one.
func (s *Scheme) first(r *delivery.Request, places []Place) (string, error) {
	for _, p := range places {
		value, ok, err := p.single(r)
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		if ok {
			return value, nil
		}
	}
	return "", fmt.Errorf("%w: want %s, which is part of what is signed", ErrMissing, either(places))
}

// hashed writes the content into a MAC and returns its sum, which is valid until the MAC is used again.
func (s *Scheme) hashed(m *mac, key *Key, body []byte, v *verification, stamp string) []byte {
	m.hash.Reset()
	if m.text = m.text[:0]; cap(m.text) > keepScratch {
		m.text = nil
	}
	for i, p := range s.content {
		switch p.kind {
		case bodyPart:
			if len(m.text) > 0 {
				m.hash.Write(m.text)
				m.text = m.text[:0]
			}
			m.hash.Write(body)
		default:
			m.text = s.appendPart(m.text, p, v.values[i], key, stamp)
		}
	}
	if len(m.text) > 0 {
		m.hash.Write(m.text)
	}
	m.sum = m.hash.Sum(m.sum[:0])
	return m.sum
}

// message appends the content to dst, for algorithms that want it in one piece.
func (s *Scheme) message(dst, body []byte, v *verification, stamp string) []byte {
	for i, p := range s.content {
		if p.kind == bodyPart {
			dst = append(dst, body...)
		} else {
			dst = s.appendPart(dst, p, v.values[i], nil, stamp)
		}
	}
	return dst
}

func (s *Scheme) appendPart(dst []byte, p part, value string, key *Key, stamp string) []byte {
	switch p.kind {
	case literal:
		return append(dst, p.text...)
	case stampPart:
		return append(dst, stamp...)
	case secretPart:
		return append(dst, key.raw...)
	}
	return append(dst, value...)
}
