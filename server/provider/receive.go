package provider

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

const (
	maxID   = 255
	maxType = 255
	// unknownType is the type of an event that names none.
	unknownType = "unknown"
)

// Outcome is what a request turned out to be: exactly one of the two is set.
type Outcome struct {
	Verified *delivery.Verified
	Answer   *Answer
}

// Receive verifies a request and reads from it what the pack says. Errors: ErrSignatureMissing, ErrSignatureMalformed,
// ErrSignatureMismatch, ErrTimestamp, ErrHandshakeRefused, ErrMediaType.
func (s *Source) Receive(r *delivery.Request) (Outcome, error) {
	kind, err := s.cfg.Pack.bodyOf(r.Header.Get("Content-Type"))
	if err != nil && r.Method == http.MethodPost {
		return Outcome{}, err
	}
	content := &reading{kind: kind, request: r}
	answer, err := s.cfg.Pack.answer(r, content, s.cfg.Settings, false)
	if err != nil || answer != nil {
		return Outcome{Answer: answer}, err
	}
	proof, scheme, err := s.verify(r, content)
	if err != nil {
		return Outcome{}, err
	}
	answer, err = s.cfg.Pack.answer(r, content, s.cfg.Settings, true)
	if err != nil || answer != nil {
		return Outcome{Answer: answer}, err
	}
	if r.Method != http.MethodPost {
		return Outcome{}, fmt.Errorf("%w: no handshake of this form is known", ErrHandshakeRefused)
	}
	return Outcome{Verified: s.event(r, content.document(), proof, scheme)}, nil
}

// verify asks the source's schemes in their order. The first whose signature is there decides. The document is only looked for where
// a scheme reads it.
func (s *Source) verify(r *delivery.Request, content *reading) (signature.Match, *signature.Scheme, error) {
	if s.readsDocument {
		content.document()
	}
	var missing error
	for _, a := range s.schemes {
		if !holds(a.when, r, r.Document) {
			continue
		}
		match, err := a.scheme.Verify(r, a.keys, a.tolerance)
		switch {
		case err == nil:
			match.Key = a.positions[match.Key]
			return match, a.scheme, nil
		case !errors.Is(err, signature.ErrMissing):
			return signature.Match{}, nil, err
		case missing == nil:
			missing = err
		}
	}
	if missing == nil {
		missing = ErrSignatureMissing // Without a scheme nothing is proven.
	}
	return signature.Match{}, nil, missing
}

// event reads a verified delivery.
func (s *Source) event(r *delivery.Request, document []byte, proof signature.Match, scheme *signature.Scheme) *delivery.Verified {
	started := r.StartedAt
	if started.IsZero() {
		started = r.ReceivedAt
	}
	v := &delivery.Verified{
		Source:       s.cfg.Name,
		Provider:     s.cfg.Pack.Key(),
		DedupeWindow: -1,
		OccurredAt:   occurredAt(s.cfg.Pack.occurred, r, document),
		ReceivedAt:   r.ReceivedAt,
		Body:         r.Body,
		Document:     document,
		ContentType:  printable(r.Header.Get("Content-Type"), maxType),
		Header:       s.keep(r.Header),
		Enforce:      s.cfg.Enforce,
		HoldUntil:    s.HoldUntil(started),
		Auth: delivery.Auth{
			Scheme:      scheme.Algorithm(),
			Secret:      proof.Key,
			BodyCovered: scheme.CoversBody(),
			TimeCovered: proof.TimeCovered,
		},
	}
	typ, from := value(s.cfg.Pack.typ, r, document, document)
	v.Type, v.Auth.TypeCovered = printable(typ, maxType), from.coveredBy(scheme)
	if v.Type == "" {
		v.Type = unknownType
	}
	ordering, _ := value(s.cfg.Pack.ordering, r, document, document)
	v.OrderingKey = printable(ordering, maxType)
	s.identify(v, r, proof, scheme)
	return v
}

// identify gives the event its id: the provider's, the signed one, or one of the body.
func (s *Source) identify(v *delivery.Verified, r *delivery.Request, proof signature.Match, scheme *signature.Scheme) {
	id, from := value(s.cfg.Pack.id, r, v.Document, v.Document)
	v.Auth.IDCovered = from.coveredBy(scheme)
	if id == "" {
		// Who can take the provider's id away has the event another one.
		id = proof.ID
		v.Auth.IDCovered = scheme.CoversFirst(scheme.ID()) && from.passedBy(scheme)
	}
	switch {
	case id != "" && len(id) <= maxID && printable(id, maxID) == id:
		v.ID = id
	case id != "":
		// An id that can't be stored as it is still has to be the same each time.
		v.ID = digest([]byte(id))
	case s.cfg.DigestWindow > 0:
		v.ID, v.DedupeWindow, v.Auth.IDCovered = digest(r.Body), s.cfg.DigestWindow, v.Auth.BodyCovered && from.passedBy(scheme)
	default:
		v.ID, v.DedupeWindow, v.Auth.IDCovered = "delivery:"+rand.Text(), time.Duration(0), false
	}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// keep returns the headers that the pack stores.
func (s *Source) keep(h http.Header) []delivery.Field {
	var fields []delivery.Field
	for _, name := range s.cfg.Pack.stored {
		for _, value := range h[name] {
			fields = append(fields, delivery.Field{Name: name, Value: printable(value, 4<<10)})
		}
	}
	return fields
}

// printable drops what is no printable text and shortens the rest to at most n bytes: these texts end in protobuf strings, subjects,
// logs and terminals.
func printable(text string, n int) string {
	clean := true
	for i := 0; i < len(text) && clean; i++ {
		clean = text[i] >= ' ' && text[i] < utf8.RuneSelf && text[i] != 0x7f
	}
	if !clean {
		text = strings.Map(func(r rune) rune {
			if r == utf8.RuneError || !unicode.IsPrint(r) {
				return -1
			}
			return r
		}, text)
	}
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
