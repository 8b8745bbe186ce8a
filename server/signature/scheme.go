package signature

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/publickey"
)

// Scheme is one way of proving a delivery, compiled. It is safe for concurrent use.
type Scheme struct {
	name      string
	algorithm algorithm
	places    []signaturePlace
	every     *every // of a token that stands in every element of a list; there is no other place then
	list      *list  // nil: a value is one signature
	encoding  encoding
	content   content
	id        []Place
	stamp     *stamp // nil: no timestamp
	key       keyForm
	// bodyDigests are part of what is signed; urlForms are the forms of the URL that are tried, none: as it is.
	bodyDigests []bodyDigest
	urlForms    []string
	// most is how many signatures of one request are tried.
	most int
	// origin is where the provider publishes its keys; without a URL, nowhere.
	origin publickey.Origin
	// method proves what is neither digest nor signature of a content; nil for everything else.
	method Method
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

// Compile checks a scheme and makes it ready. An error names the field that is wrong; several are joined. A scheme that is code is looked for
// in methods.
func Compile(spec *providerv1.Scheme, methods ...Methods) (*Scheme, error) {
	s := &Scheme{name: spec.GetName()}
	// Of the steps in a row none needs another; all need those in the rows before.
	for _, row := range [][]func(*providerv1.Scheme) error{
		{s.compileAlgorithm},
		{s.compileTimestamp, s.compilePlaces, s.compileKeySource},
		{s.compileContent},
		{s.compileBodyDigests, func(spec *providerv1.Scheme) error { return s.compileMethod(spec, methods) }},
	} {
		var errs []error
		for _, step := range row {
			if err := step(spec); err != nil {
				errs = append(errs, fmt.Errorf("scheme %q: %w", spec.GetName(), err))
			}
		}
		if len(errs) > 0 {
			return nil, errors.Join(errs...)
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
		if spec.GetEncoding() == "hex-or-base64" {
			s.encoding, err = newEitherEncoding(s.algorithm.size)
		} else {
			s.encoding, err = newEncoding(spec.GetEncoding(), true)
		}
		if err != nil {
			return fmt.Errorf("encoding: %w", err)
		}
	} else if signsNothing(spec, s.algorithm.family) {
		return fmt.Errorf("%s has no encoding, content, timestamp or id: it signs nothing", s.algorithm.name)
	}
	s.key, err = newKeyForm(spec.GetKey())
	if err == nil && s.key.hashed && s.algorithm.family != hmacs && s.algorithm.family != digests {
		return fmt.Errorf("key: digest is for HMACs and digests, not for %s", s.algorithm.name)
	}
	return err
}

// signsNothing reports what only an algorithm that signs can have; it is false where nothing of it is there.
func signsNothing(spec *providerv1.Scheme, f family) bool {
	return spec.GetEncoding() != "" || spec.GetContent() != "" || f != tokensOfJOSE && (spec.GetTimestamp() != nil || len(spec.GetId()) > 0) ||
		len(spec.GetContentParts()) > 0 || len(spec.GetBodyDigests()) > 0 || len(spec.GetUrlForms()) > 0
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
	s.most = maxSignatures
	for _, at := range spec.GetSignature() {
		if err := s.compilePlace(at); err != nil {
			return fmt.Errorf("signature: %w", err)
		}
	}
	if len(s.places) == 0 && s.algorithm.family != codes {
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

func (s *Scheme) compilePlace(at *providerv1.SignaturePlace) error {
	p, ok, err := PlaceOf(at)
	switch {
	case err != nil || !ok:
		return errors.Join(errors.New("a place is wanted"), err)
	case strings.Contains(at.GetPrefix(), Absent):
		p = Place{kind: nowhere}
	case at.GetCount() > 0:
		return s.compileNumbered(at)
	case s.every != nil:
		return errors.New("where every element has a token, there is no other place")
	}
	if at.GetJson() != "" && s.algorithm.family == tokens {
		if s.every, err = newEvery(at.GetJson()); err != nil {
			return err
		}
		if s.every != nil && (len(s.places) > 0 || at.GetPrefix() != "" || s.list != nil) {
			return errors.New("where every element has a token, there is no other place, no prefix and no list")
		}
	}
	s.places = append(s.places, signaturePlace{at: p, prefix: at.GetPrefix()})
	return nil
}

// compileNumbered makes a place of every header of a numbered row. They are for what is cheap to compare: there may be many.
func (s *Scheme) compileNumbered(at *providerv1.SignaturePlace) error {
	if at.GetHeader() == "" || s.algorithm.family != hmacs && s.algorithm.family != digests {
		return errors.New("count is for headers, with HMACs and digests")
	}
	for n := range int(at.GetCount()) {
		p := signaturePlace{at: header(at.GetHeader() + strconv.Itoa(n+1)), prefix: at.GetPrefix()}
		s.places = append(s.places, p)
	}
	s.most = max(s.most, int(at.GetCount()))
	return nil
}

func (s *Scheme) compileContent(spec *providerv1.Scheme) error {
	if !s.algorithm.signs() {
		return nil
	}
	var err error
	if len(spec.GetContentParts()) > 0 {
		s.content, err = newContentOf(spec.GetContentParts())
	} else {
		s.content, err = newContent(spec.GetContent())
	}
	if err != nil {
		return err
	}
	if s.urlForms = spec.GetUrlForms(); len(s.urlForms) > 0 && !s.content.usesURL() {
		return errors.New("url_forms: the URL is not signed")
	}
	switch {
	case !s.content.varies():
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
func (s *Scheme) KeyForm() string {
	j, ok := s.method.(*jws)
	switch {
	case !ok:
		return s.key.String()
	case !slices.ContainsFunc(j.algorithms, isShared):
		return "a public key as a PEM block or a JSON Web Key"
	case slices.ContainsFunc(j.algorithms, func(a string) bool { return !isShared(a) }):
		return s.key.String() + ", or a public key as a PEM block or a JSON Web Key"
	}
	return s.key.String()
}

// Tolerance returns how far a timestamp may be from now by the provider's word: 0 where it gives none. ok is false where the
// scheme has no timestamp.
func (s *Scheme) Tolerance() (tolerance time.Duration, ok bool) {
	if s.method != nil {
		t := s.method.Traits()
		return t.Tolerance, t.Stamped
	}
	if s.stamp == nil {
		return 0, false
	}
	return s.stamp.tolerance, true
}

// UsesURL reports whether the URL is signed.
func (s *Scheme) UsesURL() bool {
	if s.method != nil {
		return s.method.Traits().URL
	}
	return s.content.usesURL()
}

// ReadsDocument reports whether Verify reads Request.Document.
func (s *Scheme) ReadsDocument() bool {
	inDocument := func(p Place) bool { return p.kind == inJSON }
	return slices.ContainsFunc(s.places, func(p signaturePlace) bool { return p.at.kind == inJSON }) ||
		slices.ContainsFunc(s.id, inDocument) || s.stamp != nil && slices.ContainsFunc(s.stamp.at, inDocument) ||
		slices.ContainsFunc(s.content, func(p part) bool { return p.at.kind == inJSON })
}

// ID returns the places of the id that is signed; none where the scheme signs no id.
func (s *Scheme) ID() []Place {
	if s.method != nil {
		return s.method.Traits().ID
	}
	return slices.Clone(s.id)
}

// Credentials returns the headers that carry the secret itself, in canonical form.
func (s *Scheme) Credentials() []string {
	if s.method != nil {
		return s.method.Traits().Credentials
	}
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
	case tokensOfJOSE:
		form = strings.ReplaceAll(form, "<signature>", "<JSON Web Signature>")
	case codes:
	default:
		form = strings.ReplaceAll(form, "<signature>", "<"+s.encoding.name+">")
	}
	if s.every != nil {
		return s.every.String() + " as " + form
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
