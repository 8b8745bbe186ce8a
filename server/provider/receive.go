package provider

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
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

// Outcome is what a request turned out to be: a delivery, or a handshake with an Answer.
type Outcome struct {
	// Verified are the events of a delivery, in their order; nil where it is none.
	Verified []*delivery.Verified
	// List says that the delivery carried a list of events, which may be empty. Without it there is one.
	List bool
	// Reply is what the delivery is answered with when all of it is stored, or, as duplicate says, nothing of it was new. It returns nil
	// for the receipt. Nil: always the receipt.
	Reply func(duplicate bool) *Answer

	Answer *Answer
	// Captured is the secret that the handshake brings. Answer must not be given before it is kept.
	Captured string
}

// Receive verifies a request and reads from it what the pack says. Errors: ErrSignatureMissing, ErrSignatureMalformed,
// ErrSignatureMismatch, ErrTimestamp, ErrKeyUnavailable, ErrHandshakeRefused, ErrHandshakeForbidden, ErrMediaType, ErrTooManyEvents. It waits for
// nothing but a provider's public key, and for that until shortly before the provider gives up.
func (s *Source) Receive(ctx context.Context, r *delivery.Request) (Outcome, error) {
	kind, err := s.cfg.Pack.bodyNamed(r.Header["Content-Type"])
	if err != nil && r.Method == http.MethodPost {
		return Outcome{}, err
	}
	if s.fetches() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.fetchUntil(startOf(r)).Sub(r.ReceivedAt))
		defer cancel()
	}
	content := &reading{kind: kind, request: r}
	outcome, err := s.handshake(r, content, false)
	if err != nil || outcome.Answer != nil {
		return outcome, err
	}
	proof, scheme, err := s.verify(ctx, r, content)
	if err != nil {
		return Outcome{}, err
	}
	if s.cfg.Pack.signedFor(r.Body) {
		return Outcome{}, fmt.Errorf("%w: the body is what anybody can have signed by the handshake of %s", ErrSignatureMismatch, s.cfg.Pack.spec.GetName())
	}
	if err := s.confirm(ctx, proof); err != nil {
		return Outcome{}, err
	}
	outcome, err = s.handshake(r, content, true)
	if err != nil || outcome.Answer != nil {
		return outcome, err
	}
	if r.Method != http.MethodPost {
		return Outcome{}, fmt.Errorf("%w: no handshake of this form is known", ErrHandshakeRefused)
	}
	return s.events(content, proof, scheme)
}

// events reads a verified delivery: one event, or those of the list that it carries.
func (s *Source) events(content *reading, proof signature.Match, scheme *signature.Scheme) (Outcome, error) {
	pack, r, document := s.cfg.Pack, content.request, content.document()
	outcome := Outcome{Reply: s.reply(r, document)}
	if pack.batch != nil {
		elements, isList, err := pack.batch.split(content)
		if err != nil {
			return Outcome{}, err
		}
		if isList {
			outcome.List, outcome.Verified = true, make([]*delivery.Verified, len(elements))
			common := s.common(r, proof, scheme)
			for n, element := range elements {
				v := common
				v.Body, v.Document, v.Index, v.Size = element.raw, element.raw, n, len(elements)
				s.describe(&v, r, element.readable, document, proof, scheme)
				outcome.Verified[n] = &v
			}
			return outcome, nil
		}
	}
	v := s.common(r, proof, scheme)
	v.Body, v.Document, v.NoDocument = r.Body, content.carried, content.lacking()
	s.describe(&v, r, document, document, proof, scheme)
	outcome.Verified = []*delivery.Verified{&v}
	return outcome, nil
}

// reply is what the pack answers a delivery with; nil for the receipt. What can't be filled in is answered with the receipt, too: the
// delivery is stored.
func (s *Source) reply(r *delivery.Request, document []byte) func(bool) *Answer {
	a := s.cfg.Pack.answers
	if a.success == nil && a.duplicate == nil {
		return nil
	}
	return func(duplicate bool) *Answer {
		respond := a.success
		if duplicate {
			respond = a.duplicate
		}
		if respond == nil {
			return nil
		}
		answer, err := respond.fill(s, r, document)
		if err != nil {
			return nil
		}
		return answer
	}
}

// verify asks the source's schemes in their order. The first whose signature is there decides. The document is only looked for where
// a scheme reads it.
func (s *Source) verify(ctx context.Context, r *delivery.Request, content *reading) (signature.Match, *signature.Scheme, error) {
	var document []byte
	if s.readsDocument {
		document = content.document()
	}
	var missing error
	for _, a := range s.schemes {
		if !holds(a.when, r, document) {
			continue
		}
		match, err := a.scheme.VerifyFetching(ctx, r, a.keys, a.tolerance, s.network)
		switch {
		case err == nil:
			if match.Key < len(a.positions) { // else it was a published one
				match.Key = a.positions[match.Key]
			}
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

// startOf is since when the sender waits.
func startOf(r *delivery.Request) time.Time {
	if r.StartedAt.IsZero() {
		return r.ReceivedAt
	}
	return r.StartedAt
}

// common is what all events of a verified delivery have in common.
func (s *Source) common(r *delivery.Request, proof signature.Match, scheme *signature.Scheme) delivery.Verified {
	started := startOf(r)
	return delivery.Verified{
		Source:       s.cfg.Name,
		Provider:     s.cfg.Pack.Key(),
		DedupeWindow: -1,
		ReceivedAt:   r.ReceivedAt,
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
}

// describe reads type, time, ordering key and id of an event from its document, as far as that can be read. The envelope is the whole document
// that it is in.
func (s *Source) describe(
	v *delivery.Verified, r *delivery.Request, document, envelope []byte, proof signature.Match, scheme *signature.Scheme,
) {
	pack := s.cfg.Pack
	v.OccurredAt = occurredAt(pack.occurred, r, document)
	typ, from := value(pack.typ, r, document, envelope)
	v.Type, v.Auth.TypeCovered = printable(typ, maxType), from.coveredBy(scheme)
	if v.Type == "" {
		v.Type = unknownType
	}
	ordering, _ := value(pack.ordering, r, document, envelope)
	v.OrderingKey = printable(ordering, maxType)
	s.identify(v, r, document, envelope, proof, scheme)
}

// identify gives the event its id: the provider's, the signed one, or one of the body. An id of the delivery is the id of each event
// of its list with the position behind it.
func (s *Source) identify(
	v *delivery.Verified, r *delivery.Request, document, envelope []byte, proof signature.Match, scheme *signature.Scheme,
) {
	id, from := value(s.cfg.Pack.id, r, document, envelope)
	ofDelivery := from.ofDelivery
	v.Auth.IDCovered = from.coveredBy(scheme)
	if id == "" {
		// Who can take the provider's id away has the event another one.
		id, ofDelivery = proof.ID, true
		v.Auth.IDCovered = scheme.CoversFirst(scheme.ID()) && from.passedBy(scheme)
	}
	switch {
	case id != "":
		if len(id) > maxID || printable(id, maxID) != id {
			// An id that can't be stored as it is still has to be the same each time.
			id = digest([]byte(id))
		}
		if v.ID = id; v.Size > 0 && ofDelivery {
			v.ID, v.Auth.IDCovered = numbered(id, v.Index), v.Auth.IDCovered && v.Auth.BodyCovered
		}
	case s.cfg.DigestWindow > 0:
		// Of a list it is that of the whole delivery: an element may say the same again, and mean another time that the delivery gives.
		v.ID, v.DedupeWindow, v.Auth.IDCovered = digest(r.Body), s.cfg.DigestWindow, v.Auth.BodyCovered && from.passedBy(scheme)
		if v.Size > 0 {
			v.ID = numbered(v.ID, v.Index)
		}
	default:
		v.ID, v.DedupeWindow, v.Auth.IDCovered = "delivery:"+rand.Text(), time.Duration(0), false
	}
}

// numbered is the id of the event at a position of a delivery's list.
func numbered(id string, index int) string {
	suffix := ":" + strconv.Itoa(index)
	if len(id)+len(suffix) > maxID {
		id = digest([]byte(id))
	}
	return id + suffix
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// keep returns the headers that the pack stores, and the trace that the delivery is part of, by their names.
func (s *Source) keep(h http.Header) []delivery.Field {
	var fields []delivery.Field
	for _, name := range s.cfg.Pack.stored {
		if name == traceParent {
			continue
		}
		for _, value := range h[name] {
			if fields == nil {
				fields = make([]delivery.Field, 0, len(s.cfg.Pack.stored))
			}
			fields = append(fields, delivery.Field{Name: name, Value: printable(value, 4<<10)})
		}
	}
	if trace := h[traceParent]; len(trace) == 1 && isTraceParent(trace[0]) {
		at, _ := slices.BinarySearchFunc(fields, traceParent, func(f delivery.Field, name string) int { return strings.Compare(f.Name, name) })
		fields = slices.Insert(fields, at, delivery.Field{Name: traceParent, Value: trace[0]})
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
