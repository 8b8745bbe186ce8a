package signature

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
)

// Scheme is one way of proving a delivery, compiled. It is safe for concurrent use.
type Scheme struct {
	name      string
	algorithm algorithm
	places    []signaturePlace
	list      *list // nil: a value is one signature
	encoding  encoding
	content   content
	id        []Place
	stamp     *stamp // nil: no timestamp
	key       keyForm
	// want says where a signature is expected and in which form.
	want string
	pool sync.Pool // of *verification
}

type signaturePlace struct {
	at     Place
	prefix string
}

// stamp is the timestamp of a scheme.
type stamp struct {
	// at are the places apart from the list; item says that the list holds one too.
	at        []Place
	item      bool
	unit      Unit
	tolerance time.Duration
}

// Compile checks a scheme and makes it ready. An error names the field that is wrong.
func Compile(spec *providerv1.Scheme) (*Scheme, error) {
	s := &Scheme{name: spec.GetName()}
	for _, step := range []func(*providerv1.Scheme) error{
		s.compileAlgorithm, s.compileTimestamp, s.compilePlaces, s.compileContent,
	} {
		if err := step(spec); err != nil {
			return nil, fmt.Errorf("scheme %q: %w", spec.GetName(), err)
		}
	}
	s.want = s.describe()
	return s, nil
}

func (s *Scheme) compileAlgorithm(spec *providerv1.Scheme) error {
	var err error
	if s.algorithm, err = newAlgorithm(spec.GetAlgorithm()); err != nil {
		return err
	}
	if s.algorithm.signs() {
		if s.encoding, err = newEncoding(spec.GetEncoding(), true); err != nil {
			return err
		}
	} else if spec.GetEncoding() != "" || spec.GetContent() != "" || spec.GetTimestamp() != nil || len(spec.GetId()) > 0 {
		return fmt.Errorf("%s has no encoding, content, timestamp or id: it signs nothing", s.algorithm.name)
	}
	s.key, err = newKeyForm(spec.GetKey())
	return err
}

func (s *Scheme) compileTimestamp(spec *providerv1.Scheme) error {
	item := ""
	if t := spec.GetTimestamp(); t != nil {
		unit, err := ParseUnit(t.GetUnit())
		if err != nil {
			return fmt.Errorf("timestamp: %w", err)
		}
		s.stamp = &stamp{unit: unit, tolerance: t.GetTolerance().AsDuration()}
		if s.stamp.tolerance < 0 {
			return errors.New("timestamp: tolerance is negative")
		}
		for _, at := range t.GetAt() {
			if at.GetItem() != "" {
				if item != "" || spec.GetList() == nil {
					return errors.New("timestamp: an item is in a list, and only one")
				}
				item, s.stamp.item = at.GetItem(), true
				continue
			}
			p, ok, err := PlaceOf(at)
			if err != nil || !ok {
				return errors.Join(errors.New("timestamp: a place is wanted"), err)
			}
			s.stamp.at = append(s.stamp.at, p)
		}
		if item == "" && len(s.stamp.at) == 0 {
			return errors.New("timestamp: it is nowhere")
		}
	}
	var err error
	if spec.GetList() != nil {
		s.list, err = newList(spec.GetList(), item)
	}
	return err
}

func (s *Scheme) compilePlaces(spec *providerv1.Scheme) error {
	for _, at := range spec.GetSignature() {
		p, ok, err := PlaceOf(at)
		if err != nil || !ok {
			return errors.Join(errors.New("signature: a place is wanted"), err)
		}
		s.places = append(s.places, signaturePlace{at: p, prefix: at.GetPrefix()})
	}
	if len(s.places) == 0 {
		return errors.New("signature: it is nowhere")
	}
	for _, at := range spec.GetId() {
		p, ok, err := PlaceOf(at)
		if err != nil || !ok {
			return errors.Join(errors.New("id: a place is wanted"), err)
		}
		s.id = append(s.id, p)
	}
	return nil
}

func (s *Scheme) compileContent(spec *providerv1.Scheme) error {
	if !s.algorithm.signs() {
		return nil
	}
	var err error
	if s.content, err = newContent(spec.GetContent()); err != nil {
		return err
	}
	varies := slices.ContainsFunc(s.content, func(p part) bool { return p.kind != literal && p.kind != secretPart })
	switch {
	case !varies:
		return errors.New("content: nothing of the delivery is signed")
	case s.content.has(idPart) != (len(s.id) > 0):
		return errors.New("content: {id} and id go together")
	case s.content.has(stampPart) && s.stamp == nil:
		return errors.New("content: {ts} needs a timestamp")
	case s.content.has(secretPart) != (s.algorithm.family == digests):
		return errors.New("content: {secret} is for digests, and they need it")
	case s.stamp != nil && !s.coversTime():
		return errors.New("timestamp: it is not signed, so it proves nothing")
	}
	return nil
}

func (s *Scheme) coversTime() bool {
	return s.content.has(stampPart) || (!s.stamp.item && !slices.ContainsFunc(s.stamp.at, func(p Place) bool { return !s.Covers(p) }))
}

// Name returns the scheme's name in its pack.
func (s *Scheme) Name() string { return s.name }

// Algorithm returns the name of the algorithm, for example "hmac-sha256".
func (s *Scheme) Algorithm() string { return s.algorithm.name }

// KeyForm says, for people, what a secret of the scheme must look like.
func (s *Scheme) KeyForm() string { return s.key.String() }

// Tolerance returns how far a timestamp may be from now by the provider's word: 0 where it gives none. ok is false where the
// scheme has no timestamp.
func (s *Scheme) Tolerance() (tolerance time.Duration, ok bool) {
	if s.stamp == nil {
		return 0, false
	}
	return s.stamp.tolerance, true
}

// UsesURL reports whether the URL is signed.
func (s *Scheme) UsesURL() bool { return s.content.has(urlPart) }

// ID returns the places of the id that is signed; none where the scheme signs no id.
func (s *Scheme) ID() []Place { return slices.Clone(s.id) }

// Credentials returns the headers that carry the secret itself, in canonical form.
func (s *Scheme) Credentials() []string {
	var names []string
	if s.algorithm.signs() {
		return names
	}
	for _, p := range s.places {
		if name := p.at.Header(); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// CoversBody reports whether the proof covers the body's bytes.
func (s *Scheme) CoversBody() bool { return s.content.has(bodyPart) }

// Covers reports whether nobody without the secret can change the value at a place.
func (s *Scheme) Covers(p Place) bool {
	switch p.kind {
	case inElement:
		return s.CoversBody()
	case inForm, inJSON:
		return s.CoversBody() || s.content.names(p)
	case inQuery:
		return s.UsesURL() || s.content.names(p)
	case inHeader:
		isID := s.content.has(idPart) && len(s.id) == 1 && s.id[0] == p
		isStamp := s.content.has(stampPart) && !s.stamp.item && len(s.stamp.at) == 1 && s.stamp.at[0] == p
		return isID || isStamp || s.content.names(p)
	}
	return false
}

// CoversFirst reports whether nobody without the secret can change which value is the first at any of the places.
func (s *Scheme) CoversFirst(places []Place) bool {
	if n := len(s.id); n > 0 && len(places) >= n && slices.Equal(places[:n], s.id) {
		return true // the signed id is always there, and looked up in the same order
	}
	return len(places) > 0 && !slices.ContainsFunc(places, func(p Place) bool { return !s.Covers(p) })
}

// describe says where a signature is expected and in which form.
func (s *Scheme) describe() string {
	form := "<signature>"
	if s.list != nil {
		form = s.list.String()
	}
	switch s.algorithm.family {
	case tokens:
		form = strings.ReplaceAll(form, "<signature>", "<token>")
	case basics:
		form = "Basic <credentials>"
	default:
		form = strings.ReplaceAll(form, "<signature>", "<"+s.encoding.name+">")
	}
	texts := make([]string, len(s.places))
	for i, p := range s.places {
		texts[i] = p.at.String() + " as " + p.prefix + form
	}
	return orList(texts)
}

func either(places []Place) string {
	texts := make([]string, len(places))
	for i, p := range places {
		texts[i] = p.String()
	}
	return orList(texts)
}

// orList joins the first few.
func orList(texts []string) string {
	if len(texts) > 4 {
		texts = append(slices.Clone(texts[:3]), fmt.Sprintf("%d more", len(texts)-3))
	}
	return strings.Join(texts, " or ")
}
