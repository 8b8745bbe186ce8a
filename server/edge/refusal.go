package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/provider"
)

// classify names a source's refusal as the sender is told it. The source's own texts say where and what was expected, never
// what would have been right.
func classify(err error) error {
	if errors.Is(err, provider.ErrKeyUnavailable) {
		// Why is for the log only.
		return fmt.Errorf("%w: %w", fault.ErrKeyUnavailable, err)
	}
	for _, c := range []struct{ from, to error }{
		{provider.ErrSignatureMissing, fault.ErrSignatureMissing},
		{provider.ErrSignatureMalformed, fault.ErrSignatureMalformed},
		{provider.ErrSignatureMismatch, fault.ErrSignatureMismatch},
		{provider.ErrTimestamp, fault.ErrTimestamp},
		{provider.ErrHandshakeRefused, fault.ErrHandshakeRefused},
		{provider.ErrHandshakeForbidden, fault.ErrHandshakeForbidden},
		{provider.ErrTooManyEvents, fault.ErrTooManyEvents},
		{provider.ErrMediaType, fault.ErrMediaType},
	} {
		if errors.Is(err, c.from) {
			// What is told is the first; the other one is for who looks into it.
			return errors.Join(fault.Detail(c.to, "%s", err.Error()), err)
		}
	}
	return fmt.Errorf("receive: %w", err)
}

// isSignature tells the refusals for which a provider may want a status of its own.
func isSignature(err error) bool {
	return errors.Is(err, fault.ErrSignatureMissing) || errors.Is(err, fault.ErrSignatureMalformed) ||
		errors.Is(err, fault.ErrSignatureMismatch) || errors.Is(err, fault.ErrTimestamp)
}

// refusal is one refused request, as the log has it.
type refusal struct {
	source, peer, id string
	status           int
	err              error
}

// refuse says that a request was refused, when its sender has the answer.
func (h *Handler) refuse(ctx context.Context, w http.ResponseWriter, r *http.Request, body *watchedBody, e *Endpoint, why refusal) {
	if h.cfg.Refused != nil && isSenders(why.err) {
		// The sender has its answer before anything is made of the refusal. It may be gone.
		_ = http.NewResponseController(w).Flush()
	}
	h.note(ctx, r, body, e, why)
}

// note says that a request was refused: to the log what is our trouble, to whoever wants to know what is the sender's.
func (h *Handler) note(ctx context.Context, r *http.Request, body *watchedBody, e *Endpoint, why refusal) {
	if !isSenders(why.err) {
		level := slog.LevelWarn
		if fault.Internal(why.err) {
			level = slog.LevelError
		}
		h.refusals.Write(ctx, level, fault.Refused{
			Source: why.source, Status: why.status, Reason: fault.Reason(why.err), Peer: why.peer, RequestID: why.id, Text: why.err.Error(),
		})
		return
	}
	h.tell(r, body, e, why)
}

// isSenders says that an error is the sender's own fault.
func isSenders(err error) bool {
	told, _, _ := fault.Told(err)
	return told >= 400 && told <= 499
}

// tell hands a refusal to whoever wants to know of it.
func (h *Handler) tell(r *http.Request, body *watchedBody, e *Endpoint, why refusal) {
	if h.cfg.Refused == nil {
		return
	}
	_, reason, text := fault.Told(why.err)
	source := ""
	if e != nil {
		source = e.Source.Name()
	}
	now := h.cfg.Now()
	h.cfg.Refused(&delivery.Refusal{
		RequestID: why.id, Time: now, Source: source, Peer: why.peer,
		Status: why.status, Reason: reason, Message: text, Cause: why.err,
		Request: &delivery.Request{
			Method: r.Method, Peer: why.peer, URL: h.publicURL(r), Header: r.Header, Body: body.whole, ReceivedAt: now,
		},
		BodyBytes: body.bytes, Host: r.Host,
	})
}
