package provider

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// maxAnswer bounds the answer to a handshake in bytes.
const maxAnswer = 1 << 10

// Answer is what a handshake is answered with.
type Answer struct {
	Status      int
	ContentType string
	Header      http.Header
	Body        []byte
}

// handshake is a request with which a provider checks the endpoint.
type handshake struct {
	method      string
	when        []condition
	signed      bool
	status      int
	contentType string
	body        []segment
	headers     map[string][]segment
}

// segment is text, or a place or a setting whose value is inserted.
type segment struct {
	text    string
	place   signature.Place
	setting string
}

func newHandshake(spec *providerv1.Handshake) (handshake, error) {
	h := handshake{
		method:      spec.GetMethod(),
		signed:      spec.GetSigned(),
		status:      int(spec.GetRespond().GetStatus()),
		contentType: spec.GetRespond().GetContentType(),
		headers:     map[string][]segment{},
	}
	if h.status == 0 {
		h.status = http.StatusOK
	}
	var err error
	if h.when, err = newConditions(spec.GetWhen()); err != nil {
		return h, err
	}
	if h.body, err = newSegments(spec.GetRespond().GetBody()); err != nil {
		return h, fmt.Errorf("respond.body: %w", err)
	}
	for n, header := range spec.GetRespond().GetHeaders() {
		segments, err := newSegments(header.GetValue())
		if err != nil {
			return h, fmt.Errorf("respond.headers[%d]: %w", n, err)
		}
		h.headers[http.CanonicalHeaderKey(header.GetName())] = segments
	}
	return h, nil
}

func newSegments(template string) ([]segment, error) {
	parsed, err := signature.ParseTemplate(template)
	if err != nil {
		return nil, err
	}
	var list []segment
	for _, p := range parsed {
		s := segment{text: p.Text}
		switch p.Name {
		case "":
		case "setting":
			s.setting = p.Args
		default:
			if s.place, err = signature.PlaceNamed(p.Name, p.Args); err != nil {
				return nil, err
			}
		}
		list = append(list, s)
	}
	return list, nil
}

// answer returns the answer of the first handshake that matches, or nil. The body is looked at only for handshakes of this method
// that are signed, or aren't, as signed says.
func (p *Pack) answer(r *delivery.Request, content *reading, settings map[string]string, signed bool) (*Answer, error) {
	for _, h := range p.handshakes {
		if h.signed != signed || h.method != r.Method {
			continue
		}
		document := content.document()
		if !holds(h.when, r, document) {
			continue
		}
		body, err := render(h.body, r, document, settings, h.contentType == "application/json")
		if err != nil {
			return nil, err
		}
		a := &Answer{Status: h.status, ContentType: h.contentType, Header: http.Header{}, Body: []byte(body)}
		for name, segments := range h.headers {
			value, err := render(segments, r, document, settings, false)
			if err != nil {
				return nil, err
			}
			a.Header.Set(name, value)
		}
		return a, nil
	}
	return nil, nil
}

// render fills a template in. What a sender chose is repeated only as short, printable text.
func render(segments []segment, r *delivery.Request, document []byte, settings map[string]string, asJSON bool) (string, error) {
	var b strings.Builder
	for _, s := range segments {
		if s.text != "" {
			b.WriteString(s.text)
			continue
		}
		text, ok := settings[s.setting]
		switch {
		case s.setting != "" && !ok:
			return "", fmt.Errorf("%w: the source has no setting %s", ErrHandshakeRefused, s.setting)
		case s.setting == "":
			if text, ok = s.place.Lookup(r, document); !ok {
				return "", fmt.Errorf("%w: %s is absent", ErrHandshakeRefused, s.place)
			}
		}
		if printable(text, maxAnswer) != text {
			return "", fmt.Errorf("%w: %s is no printable text of at most %d bytes", ErrHandshakeRefused, s.place, maxAnswer)
		}
		if asJSON {
			quoted, err := json.Marshal(text)
			if err != nil {
				return "", fmt.Errorf("%w: %s is no text", ErrHandshakeRefused, s.place)
			}
			text = string(quoted[1 : len(quoted)-1])
		}
		b.WriteString(text)
	}
	if b.Len() > maxAnswer {
		return "", fmt.Errorf("%w: the answer would be longer than %d bytes", ErrHandshakeRefused, maxAnswer)
	}
	return b.String(), nil
}
