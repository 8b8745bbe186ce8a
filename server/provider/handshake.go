package provider

import (
	"errors"
	"fmt"
	"slices"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// handshake is a request with which a provider checks the endpoint.
type handshake struct {
	method        string
	when, require []condition
	signed        bool
	respond       response
	// signs says that the answer holds what is computed with the source's key, for whoever asks.
	signs bool
	// captures is where the secret is that the handshake brings; nowhere where it brings none.
	captures signature.Place
}

// newHandshake compiles a handshake. Its error joins what is wrong, each behind its field.
func newHandshake(spec *providerv1.Handshake, settings []*providerv1.Setting) (handshake, error) {
	h := handshake{method: spec.GetMethod(), signed: spec.GetSigned()}
	var when, require, respond, captures error
	h.when, when = newConditions("when", spec.GetWhen())
	h.require, require = newConditions("require", spec.GetRequire())
	h.respond, respond = newResponse(spec.GetRespond(), settings)
	h.signs = !h.signed && slices.ContainsFunc(h.respond.values, func(c computed) bool { return c.keyed })
	if h.signs && !slices.ContainsFunc(spec.GetRequire(), func(c *providerv1.Condition) bool { return c.GetMatches() != "" }) {
		require = errors.New("require: an unsigned handshake that computes with the key says by `matches` what of, so that no delivery is like it")
	}
	if spec.GetCaptures() != nil {
		h.captures, _, captures = signature.PlaceOf(spec.GetCaptures())
		if captures == nil && h.signed {
			captures = errors.New("a handshake that brings the secret can't be signed with it")
		}
	}
	return h, errors.Join(when, require, within("respond.", respond), within("captures: ", captures))
}

// handshake returns the answer of the first handshake that matches; the outcome has none where none does. The body is looked at only
// for handshakes of this method that are signed, or aren't, as signed says.
func (s *Source) handshake(r *delivery.Request, content *reading, signed bool) (Outcome, error) {
	for _, h := range s.cfg.Pack.handshakes {
		if h.signed != signed || h.method != r.Method {
			continue
		}
		document := content.document()
		if !holds(h.when, r, document) {
			continue
		}
		return s.shake(h, r, document)
	}
	return Outcome{}, nil
}

// signedFor reports whether a body is what an unsigned handshake would have the key compute of, for whoever asks. A signature over it
// proves nothing.
func (p *Pack) signedFor(body []byte) bool {
	for _, h := range p.handshakes {
		if h.signs && slices.ContainsFunc(h.require, func(c condition) bool { return c.Fits(body) }) {
			return true
		}
	}
	return false
}

// shake answers a handshake. Nothing is computed before what is required of it was found to hold.
func (s *Source) shake(h handshake, r *delivery.Request, document []byte) (Outcome, error) {
	if !holds(h.require, r, document) {
		return Outcome{}, fmt.Errorf("%w: it lacks what this provider's handshakes have, or has another token than the source", ErrHandshakeForbidden)
	}
	var captured string
	if h.captures != (signature.Place{}) {
		var ok bool
		var err error
		switch captured, ok, err = h.captures.Single(r, document); {
		case err != nil:
			return Outcome{}, fmt.Errorf("%w: %w", ErrHandshakeRefused, err)
		case !ok || printable(captured, maxAnswer) != captured:
			return Outcome{}, fmt.Errorf("%w: %s has no secret of at most %d printable bytes", ErrHandshakeRefused, h.captures, maxAnswer)
		}
	}
	answer, err := h.respond.fill(s, r, document)
	return Outcome{Answer: answer, Captured: captured}, err
}

// Captures reports whether a handshake of the pack brings the source's secret.
func (p *Pack) Captures() bool {
	for _, h := range p.handshakes {
		if h.captures != (signature.Place{}) {
			return true
		}
	}
	return false
}
