package signature

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
)

// maxParts bounds the template of the signed content.
const maxParts = 32

type partKind uint8

const (
	literal partKind = iota + 1
	bodyPart
	bodyDigestPart
	stampPart
	idPart
	methodPart
	urlPart
	urlDigestPart
	pathPart
	placePart
	sortedFormPart
	secretPart
	absentPart
)

type part struct {
	kind partKind
	text string
	at   Place
	// lower says that the value is signed in lower case.
	lower bool
	// optional is the bit of the group that is left out as a whole when something in it is absent; 0: it is required.
	optional uint32
	// encoding is how a digest is written.
	encoding encoding
}

// content is what is signed.
type content []part

// newContent reads the template of a content that is signed as a whole.
func newContent(template string) (content, error) {
	segments, err := ParseTemplate(template)
	if err != nil {
		return nil, fmt.Errorf("content: %w", err)
	}
	if len(segments) > maxParts {
		return nil, fmt.Errorf("content: it has more than %d parts", maxParts)
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

// newContentOf reads a content in parts. What is optional is made of places only: everything else is always there, and a proof that
// sometimes covers a thing covers it never.
func newContentOf(parts []*providerv1.ContentPart) (content, error) {
	var all content
	for n, spec := range parts {
		c, err := newContent(spec.GetText())
		if err != nil {
			return nil, fmt.Errorf("content_parts[%d]: %w", n, err)
		}
		if spec.GetOptional() {
			if !slices.ContainsFunc(c, func(p part) bool { return p.kind == placePart || p.kind == absentPart }) ||
				slices.ContainsFunc(c, func(p part) bool { return p.kind != literal && p.kind != placePart && p.kind != absentPart }) {
				return nil, fmt.Errorf("content_parts[%d]: what is optional names headers, parameters or fields, and nothing else", n)
			}
			for i := range c {
				c[i].optional = 1 << n
			}
		}
		all = append(all, c...)
	}
	if len(all) > maxParts {
		return nil, fmt.Errorf("content_parts have more than %d parts", maxParts)
	}
	return all, nil
}

func newPart(s Segment) (part, error) {
	if s.Name == "" {
		if strings.Contains(s.Text, Absent) {
			return part{kind: absentPart}, nil
		}
		return part{kind: literal, text: s.Text}, nil
	}
	name, lowerName := strings.CutSuffix(s.Name, "|lower")
	args, lowerArgs := strings.CutSuffix(s.Args, "|lower")
	p, err := newNamedPart(name, args)
	if err != nil {
		return part{}, err
	}
	if p.lower = lowerName || lowerArgs; p.lower && slices.Contains([]partKind{bodyPart, bodyDigestPart, stampPart, idPart, secretPart}, p.kind) {
		return part{}, fmt.Errorf("{%s} is signed as it is, not in lower case", name)
	}
	return p, nil
}

func newNamedPart(name, args string) (part, error) {
	switch notation, digest := strings.CutPrefix(name, "sha256_"); {
	case digest:
		e, err := newEncoding(notation, true)
		if err != nil {
			return part{}, err
		}
		switch args {
		case "body":
			return part{kind: bodyDigestPart, encoding: e}, nil
		case "url":
			return part{kind: urlDigestPart, encoding: e}, nil
		}
		return part{}, fmt.Errorf("{%s:...} is a digest of body or url", name)
	case args != "":
		p, err := PlaceNamed(name, args)
		return part{kind: placePart, at: p}, err
	}
	switch name {
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
	case "path":
		return part{kind: pathPart}, nil
	case "form_sorted":
		return part{kind: sortedFormPart}, nil
	case "secret":
		return part{kind: secretPart}, nil
	}
	return part{}, fmt.Errorf("unknown {%s}", name)
}

func (c content) has(kind partKind) bool {
	return slices.ContainsFunc(c, func(p part) bool { return p.kind == kind })
}

// varies reports whether something that is always signed depends on the delivery.
func (c content) varies() bool {
	return slices.ContainsFunc(c, func(p part) bool {
		return p.optional == 0 && p.kind != literal && p.kind != secretPart && p.kind != absentPart
	})
}

// coversBody reports whether the body's bytes are signed, or a digest of them.
func (c content) coversBody() bool { return c.has(bodyPart) || c.has(bodyDigestPart) }

// usesURL reports whether the URL is signed, or a digest of it.
func (c content) usesURL() bool { return c.has(urlPart) || c.has(urlDigestPart) }

// names reports whether the value at a place is signed, to the letter. One that is left out together with another that is absent
// isn't signed then.
func (c content) names(at Place) bool {
	return slices.ContainsFunc(c, func(p part) bool {
		if p.kind != placePart || p.at != at || p.lower {
			return false
		}
		return p.optional == 0 || !slices.ContainsFunc(c, func(other part) bool {
			return other.optional == p.optional && other.kind != literal && other.at != at
		})
	})
}

var errNoSetting = errors.New("it needs a setting that the source doesn't have")

// resolve looks up, into v, what the content takes from the request.
func (s *Scheme) resolve(r *delivery.Request, v *verification) error {
	for i := range s.content {
		p := &s.content[i]
		var text string
		switch p.kind {
		case idPart:
			var err error
			if text, err = s.first(r, s.id); err != nil {
				return err
			}
			v.id = text
		case placePart:
			value, ok, err := p.at.single(r)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrMalformed, err)
			}
			if v.absent |= p.missing(ok); !ok && p.optional == 0 {
				return wanted([]Place{p.at})
			}
			text = value
		case absentPart:
			if v.absent |= p.missing(false); p.optional == 0 {
				return fmt.Errorf("%w: %w", ErrMissing, errNoSetting)
			}
		case methodPart:
			text = r.Method
		case pathPart:
			if r.URL != nil {
				text = r.URL.EscapedPath()
			}
		case bodyDigestPart:
			text = p.digest(r.Body)
		case sortedFormPart:
			form, err := sortedForm(nil, r.Body)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrMalformed, err)
			}
			text = string(form)
		}
		if p.lower {
			text = strings.ToLower(text)
		}
		v.values = append(v.values, text)
	}
	return nil
}

// missing is the group that is left out; 0 where it is not.
func (p *part) missing(found bool) uint32 {
	if found {
		return 0
	}
	return p.optional
}

// address puts a form of the URL into the values.
func (s *Scheme) address(url string, v *verification) {
	for i := range s.content {
		p := &s.content[i]
		switch p.kind {
		case urlPart:
			v.values[i] = url
		case urlDigestPart:
			v.values[i] = p.digest([]byte(url))
		default:
			continue
		}
		if p.lower {
			v.values[i] = strings.ToLower(v.values[i])
		}
	}
}

func (p *part) digest(data []byte) string { return p.encoding.encode(appendDigest(nil, data)) }

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
	return "", wanted(places)
}

func wanted(places []Place) error {
	return fmt.Errorf("%w: want %s, which is part of what is signed", ErrMissing, either(places))
}

// hashed writes the content into a MAC and returns its sum, which is valid until the MAC is used again.
func (s *Scheme) hashed(m *mac, key *Key, body []byte, v *verification, stamp string) []byte {
	m.hash.Reset()
	if m.text = m.text[:0]; cap(m.text) > keepScratch {
		m.text = nil
	}
	for i := range s.content {
		p := &s.content[i]
		switch {
		case p.optional&v.absent != 0:
		case p.kind == bodyPart:
			if len(m.text) > 0 {
				m.hash.Write(m.text)
				m.text = m.text[:0]
			}
			m.hash.Write(body)
		default:
			m.text = p.appendTo(m.text, v.values[i], key, stamp)
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
	for i := range s.content {
		p := &s.content[i]
		switch {
		case p.optional&v.absent != 0:
		case p.kind == bodyPart:
			dst = append(dst, body...)
		default:
			dst = p.appendTo(dst, v.values[i], nil, stamp)
		}
	}
	return dst
}

func (p *part) appendTo(dst []byte, value string, key *Key, stamp string) []byte {
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
