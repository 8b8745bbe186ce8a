package provider

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strings"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// maxAnswer bounds the body of an answer in bytes, and each header of one.
const maxAnswer = 1 << 10

// Answer is what a handshake, or a delivery whose provider is particular about it, is answered with.
type Answer struct {
	Status int
	// ContentType is empty where there is no body.
	ContentType string
	Header      http.Header
	Body        []byte
}

// response is an answer with places to fill in.
type response struct {
	status      int
	contentType string
	body        []segment
	headers     map[string][]segment
	values      []computed
}

// answers are what deliveries are answered with; nil for the receipt.
type answers struct{ success, duplicate *response }

// segment is text, or what is inserted: the value of a place, one that is computed, a setting, or the URL.
type segment struct {
	text           string
	place          signature.Place
	value, setting string
	url            bool
}

// scope is what a template may name beside the places of the request.
type scope struct {
	values   map[string]bool
	settings map[string]bool
	url      bool
}

func newAnswers(spec *providerv1.Pack) (answers, error) {
	var a answers
	var success, duplicate error
	a.success, success = newAnswer(spec.GetAnswers().GetSuccess(), spec.GetSettings())
	a.duplicate, duplicate = newAnswer(spec.GetAnswers().GetDuplicate(), spec.GetSettings())
	if a.duplicate == nil {
		a.duplicate = a.success
	}
	return a, errors.Join(within("answers.success.", success), within("answers.duplicate.", duplicate))
}

func newAnswer(spec *providerv1.Response, settings []*providerv1.Setting) (*response, error) {
	if spec == nil {
		return nil, nil
	}
	r, err := newResponse(spec, settings)
	return &r, err
}

func newResponse(spec *providerv1.Response, settings []*providerv1.Setting) (response, error) {
	r := response{status: int(spec.GetStatus()), contentType: spec.GetContentType(), headers: map[string][]segment{}}
	if r.status == 0 {
		r.status = http.StatusOK
	}
	public, all := scope{values: map[string]bool{}, settings: map[string]bool{}}, scope{settings: map[string]bool{}, url: true}
	for _, s := range settings {
		all.settings[s.GetName()] = true
		public.settings[s.GetName()] = !s.GetSecret()
	}
	var errs []error
	for n, value := range spec.GetValues() {
		c, err := newComputed(value, all)
		if err == nil && public.values[c.name] {
			err = fmt.Errorf("there is another %s", c.name)
		}
		errs = append(errs, within(fmt.Sprintf("values[%d]: ", n), err))
		public.values[c.name] = true
		r.values = append(r.values, c)
	}
	var err error
	r.body, err = newSegments(spec.GetBody(), public)
	errs = append(errs, within("body: ", err))
	for n, header := range spec.GetHeaders() {
		segments, err := newSegments(header.GetValue(), public)
		errs = append(errs, within(fmt.Sprintf("headers[%d].value: ", n), err))
		r.headers[http.CanonicalHeaderKey(header.GetName())] = segments
	}
	return r, errors.Join(errs...)
}

func newSegments(template string, known scope) ([]segment, error) {
	parsed, err := signature.ParseTemplate(template)
	if err != nil {
		return nil, err
	}
	var list []segment
	for _, p := range parsed {
		s := segment{text: p.Text}
		switch {
		case p.Name == "":
		case p.Name == "value" && known.values[p.Args]:
			s.value = p.Args
		case p.Name == "setting" && known.settings[p.Args]:
			s.setting = p.Args
		case p.Name == "url" && p.Args == "" && known.url:
			s.url = true
		default:
			if s.place, err = signature.PlaceNamed(p.Name, p.Args); err != nil {
				return nil, err
			}
		}
		list = append(list, s)
	}
	return list, nil
}

// filling is what a template is filled in with.
type filling struct {
	source   *Source
	request  *delivery.Request
	document []byte
	values   map[string]string
}

// fill makes the answer for a request. Errors: ErrHandshakeRefused.
func (r *response) fill(s *Source, request *delivery.Request, document []byte) (*Answer, error) {
	with := filling{source: s, request: request, document: document}
	for _, c := range r.values {
		value, err := c.compute(with)
		if err != nil {
			return nil, err
		}
		if with.values == nil {
			with.values = map[string]string{}
		}
		with.values[c.name] = value
	}
	body, err := with.render(r.body, escapeFor(r.contentType))
	if err != nil {
		return nil, err
	}
	a := &Answer{Status: r.status, ContentType: r.contentType, Header: http.Header{}, Body: []byte(body)}
	for name, segments := range r.headers {
		value, err := with.render(segments, verbatim)
		if err != nil {
			return nil, err
		}
		a.Header.Set(name, value)
	}
	return a, nil
}

// render fills a template in. What a sender chose is repeated only as short, printable text.
func (f filling) render(segments []segment, escape func(string) (string, error)) (string, error) {
	var b strings.Builder
	for _, s := range segments {
		if s.text != "" {
			b.WriteString(s.text)
			continue
		}
		text, err := f.value(s)
		if err == nil {
			text, err = escape(text)
		}
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	if b.Len() > maxAnswer {
		return "", fmt.Errorf("%w: the answer would be longer than %d bytes", ErrHandshakeRefused, maxAnswer)
	}
	return b.String(), nil
}

// value is what is inserted for a segment.
func (f filling) value(s segment) (string, error) {
	switch {
	case s.value != "":
		return f.values[s.value], nil
	case s.url:
		return urlWithoutQuery(f.request), nil
	case s.setting != "":
		text := f.source.cfg.Settings[s.setting]
		if text == "" {
			return "", fmt.Errorf("%w: the source has no setting %s", ErrHandshakeRefused, s.setting)
		}
		return text, nil
	}
	text, ok, err := s.place.Single(f.request, f.document)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrHandshakeRefused, err)
	case !ok:
		return "", fmt.Errorf("%w: %s is absent", ErrHandshakeRefused, s.place)
	}
	if printable(text, maxAnswer) != text {
		return "", fmt.Errorf("%w: %s is no printable text of at most %d bytes", ErrHandshakeRefused, s.place, maxAnswer)
	}
	return text, nil
}

func urlWithoutQuery(r *delivery.Request) string {
	if r.URL == nil {
		return ""
	}
	u := *r.URL
	u.RawQuery, u.ForceQuery, u.Fragment = "", false, ""
	return u.String()
}

// escapeFor returns how what is inserted into a body of a media type is written, so that it stays a text in it.
func escapeFor(contentType string) func(string) (string, error) {
	switch contentType {
	case "application/json":
		return func(text string) (string, error) {
			quoted, err := json.Marshal(text)
			if err != nil {
				return "", fmt.Errorf("%w: what is to be inserted is no text", ErrHandshakeRefused)
			}
			return string(quoted[1 : len(quoted)-1]), nil
		}
	case "text/xml":
		return func(text string) (string, error) {
			var b strings.Builder
			if err := xml.EscapeText(&b, []byte(text)); err != nil {
				return "", fmt.Errorf("%w: what is to be inserted is no text", ErrHandshakeRefused)
			}
			return b.String(), nil
		}
	}
	return verbatim
}

func verbatim(text string) (string, error) { return text, nil }
