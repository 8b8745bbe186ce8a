// Package edge is the HTTP listener for providers. There is nothing on it but /webhooks/{source}.
//
// For each request it finds the source, refuses what need not be read (method, media type, encoding, size), reads the body whole
// within the source's limit and the shared byte budget, lets the source verify the signature over the raw bytes, and only then
// hands the verified delivery on. What the sender is told is in package fault's table; nothing else is.
//
// What it promises: nothing unverified goes past it; a body is never cut off; the bytes of all bodies in flight stay within the
// budget; a 4xx is the sender's own fault; that a sender hangs up is no reason not to store what is verified. What it doesn't: an answer of 503
// doesn't mean that the event was not stored. The sender's retry finds out.
package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/provider"
	"github.com/hookbridge/hookbridge/server/requestid"
)

// prefix is where sources are.
const prefix = "/webhooks/"

// answerDeadline is how long a delivery may take from its last byte to the answer, where the provider names no deadline.
const answerDeadline = 8 * time.Second

// Next takes a verified delivery on and answers the request. A writer that is a delivery.Told it tells before that whether anything was
// new. After an error it has written nothing.
type Next func(ctx context.Context, w http.ResponseWriter, d *delivery.Delivery) error

// Capture keeps the secret that a handshake of a source brought, from now on and for good, or says why not. Only then the handshake is
// answered.
type Capture func(ctx context.Context, source, secret, peer string) error

// Refused is told of a delivery that was refused by the sender's own fault, when it has its answer. It must not block. It may keep
// what it is given for as long as it accounts for the memory: the budget of bodies in flight doesn't.
type Refused func(*delivery.Refusal)

// Config is what a Handler needs.
type Config struct {
	Next Next
	// Refused is nil where nobody wants to know.
	Refused Refused
	// Capture may be nil where no source asks for a secret that a handshake brings.
	Capture Capture
	// MaxInFlight bounds the bytes of bodies in memory.
	MaxInFlight int64
	// PublicURL is what providers call the listener; nil when it was not configured.
	PublicURL *url.URL
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	Logger         *slog.Logger
	Registerer     prometheus.Registerer
	// Now is the clock.
	Now func() time.Time
}

// Endpoint is a source with its rate.
type Endpoint struct {
	Source *provider.Source
	// Limiter counts verified deliveries only; nil for no limit.
	Limiter *rate.Limiter
	stored  *stored
}

// Handler serves the providers.
type Handler struct {
	cfg       Config
	budget    *budget
	endpoints atomic.Pointer[map[string]*Endpoint]
	running   *running
	metrics   *metrics
	refusals  *fault.Log
	pacing    pacing
	deadlines *deadlines
}

// New returns a handler without sources.
func New(cfg Config) (*Handler, error) {
	budget := newBudget(cfg.MaxInFlight)
	m, err := newMetrics(cfg.Registerer, budget)
	if err != nil {
		return nil, err
	}
	h := &Handler{
		cfg: cfg, budget: budget, metrics: m, running: newRunning(), refusals: fault.NewLog(cfg.Logger), pacing: newPacing(),
		deadlines: newDeadlines(),
	}
	h.endpoints.Store(&map[string]*Endpoint{})
	return h, nil
}

// SetSources replaces all sources at once. Requests that are running finish with those they began with.
func (h *Handler) SetSources(endpoints []*Endpoint) {
	byName := make(map[string]*Endpoint, len(endpoints))
	for _, e := range endpoints {
		e.stored = h.metrics.stored(e.Source.Name())
		byName[e.Source.Name()] = e
	}
	h.endpoints.Store(&byName)
}

// Endpoint returns a source by its name.
func (h *Handler) Endpoint(name string) (*Endpoint, bool) {
	e, ok := (*h.endpoints.Load())[name]
	return e, ok
}

// ServeHTTP answers one delivery.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := h.cfg.Now()
	id := requestid.New()
	w.Header().Set("X-Request-Id", id)
	ctx := requestid.With(r.Context(), id)

	endpoint, err := h.find(r)
	// Beside the request: the HTTP server tells by the type of its body whether the sender still waits for its 100 Continue.
	out, body := &recorder{ResponseWriter: w, running: h.running}, &watchedBody{ReadCloser: r.Body}
	switch {
	case err != nil:
	case !h.running.enter():
		err = fault.ErrShuttingDown
	default:
		defer h.running.leave()
		err = h.serve(ctx, out, r, body, endpoint, started)
	}
	if err == nil && out.status == http.StatusOK {
		endpoint.stored.observe(h.cfg.Now().Sub(started))
		return
	}
	source, override := "other", refusalFace{}
	if endpoint != nil {
		source = endpoint.Source.Name()
		if isSignature(err) {
			override = refusalFace{endpoint.Source.FailureStatus(), endpoint.Source.FailureEmpty()}
		}
	}
	if err != nil {
		if methods := new(methodError); errors.As(err, &methods) {
			w.Header().Set("Allow", methods.allow)
		}
		why := refusal{source: source, peer: peer(r, h.cfg.TrustedProxies), status: out.status, err: err, id: id}
		if out.status != 0 {
			h.refuse(ctx, out, r, body, endpoint, why)
		} else {
			defer h.answer(ctx, out, r, body, endpoint, why, override)()
		}
	}
	h.metrics.observe(source, out.status, err, h.cfg.Now().Sub(started))
}

// answer refuses a request that has no answer yet, and returns what is left to do when everything else is done.
func (h *Handler) answer(
	ctx context.Context, w *recorder, r *http.Request, body *watchedBody, e *Endpoint, why refusal, face refusalFace,
) (after func()) {
	pause := h.pacing.pause(why.err, h.cfg.Now())
	if pause > 0 {
		// What waits must not hold a body that nobody accounts for.
		why.status = face.of(why.err)
		h.note(ctx, r, body, e, why)
		body.whole = nil
		rest(ctx, pause)
	}
	patience := lingerTime
	if h.running.ending() {
		patience = lastLinger
	}
	after = linger(w, r, body, patience)
	face.write(w, why.err, why.id)
	if pause == 0 {
		why.status = w.status
		h.refuse(ctx, w, r, body, e, why)
	}
	return after
}

// find returns the endpoint that the path names.
func (h *Handler) find(r *http.Request) (*Endpoint, error) {
	name, ok := strings.CutPrefix(r.URL.Path, prefix)
	if !ok {
		return nil, fault.Detail(fault.ErrUnknownSource, "deliveries go to %s{source}", prefix)
	}
	endpoint, ok := (*h.endpoints.Load())[name]
	if !ok {
		return nil, fault.ErrUnknownSource
	}
	return endpoint, nil
}

// serve reads, verifies and hands on. A panic is a defect of this delivery and of no other.
func (h *Handler) serve(
	ctx context.Context, w http.ResponseWriter, r *http.Request, in *watchedBody, e *Endpoint, started time.Time,
) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if err := precheck(r, e.Source); err != nil {
		return err
	}
	body, release, err := h.read(w, r, in, e.Source, started)
	defer release()
	if err != nil {
		return err
	}
	in.whole = body
	outcome, err := e.Source.Receive(ctx, &delivery.Request{
		Method:     r.Method,
		Peer:       peer(r, h.cfg.TrustedProxies),
		URL:        h.publicURL(r),
		Header:     r.Header,
		Body:       body,
		StartedAt:  started,
		ReceivedAt: h.cfg.Now(),
	})
	if err != nil {
		return classify(err)
	}
	if outcome.Answer != nil {
		if outcome.Captured != "" {
			if err := h.capture(ctx, e.Source, outcome.Captured, peer(r, h.cfg.TrustedProxies)); err != nil {
				return err
			}
		}
		writeAnswer(w, outcome.Answer)
		return nil
	}
	if e.Limiter != nil && !e.Limiter.AllowN(h.cfg.Now(), 1) {
		return fault.RetryAfter(fault.ErrRate, retryAfter(e.Limiter))
	}
	// The sender may hang up: what is verified is stored all the same.
	ctx = h.deadlines.within(ctx, h.patience(e.Source, started))
	taken, ok := h.budget.events(ctx, len(outcome.Verified), cap(body), e.Source.HoldUntil(started).Sub(h.cfg.Now()))
	if !ok {
		return fault.ErrOverloaded
	}
	defer h.budget.release(taken)
	return h.next(ctx, w, e.Source, outcome)
}

// next hands a delivery on, and answers it as its provider wants it.
func (h *Handler) next(ctx context.Context, w http.ResponseWriter, s *provider.Source, outcome provider.Outcome) error {
	d := &delivery.Delivery{Source: s.Name(), Events: outcome.Verified, List: outcome.List}
	if outcome.Reply == nil {
		return h.cfg.Next(ctx, w, d)
	}
	reply := &replying{ResponseWriter: w, choose: outcome.Reply}
	if err := h.cfg.Next(ctx, reply, d); err != nil {
		return err
	}
	if reply.answer != nil {
		writeAnswer(w, reply.answer)
	}
	return nil
}

func (h *Handler) capture(ctx context.Context, s *provider.Source, secret, peer string) error {
	if h.cfg.Capture == nil || !s.Captures() {
		return fault.Detail(fault.ErrHandshakeForbidden, "this source takes no secret from a handshake")
	}
	return h.cfg.Capture(ctx, s.Name(), secret, peer)
}

// patience is how long a delivery may take from now on: less than its provider's deadline where that doesn't send it again, so that
// there is time for the refusal.
func (h *Handler) patience(s *provider.Source, started time.Time) time.Duration {
	most := s.Deadline()
	if hold := s.HoldUntil(started); !hold.IsZero() {
		most = hold.Sub(h.cfg.Now())
	} else if most == 0 {
		most = answerDeadline
	}
	return min(most, longestAnswer)
}

// publicURL is the URL as the provider called it: never taken from a header that the sender controls.
func (h *Handler) publicURL(r *http.Request) *url.URL {
	if h.cfg.PublicURL == nil {
		if r.URL.Host == "" && r.URL.Scheme == "" {
			return r.URL
		}
		return &url.URL{Path: r.URL.Path, RawQuery: r.URL.RawQuery}
	}
	return delivery.Called(h.cfg.PublicURL, r.URL.Path, r.URL.RawQuery)
}

// precheck refuses what can be told from the head of a request.
func precheck(r *http.Request, source *provider.Source) error {
	if !source.AcceptsMethod(r.Method) {
		return &methodError{allow: strings.Join(source.Methods(), ", ")}
	}
	for _, encoding := range r.Header["Content-Encoding"] {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return fault.Detail(fault.ErrMediaType, "the content encoding %q is not taken, send the body as it was signed", clip(encoding))
		}
	}
	if r.Method == http.MethodPost {
		if err := source.CheckMediaType(r.Header["Content-Type"]); err != nil {
			return fault.Detail(fault.ErrMediaType, "%s", err.Error())
		}
	}
	return nil
}

// methodError is ErrMethod with what the answer's Allow header must say.
type methodError struct{ allow string }

func (e *methodError) Error() string { return "method not allowed, want " + e.allow }
func (e *methodError) Unwrap() error { return fault.ErrMethod }

// retryAfter is how long the limiter needs for one more delivery.
func retryAfter(l *rate.Limiter) time.Duration {
	if l.Limit() <= 0 {
		return time.Second
	}
	return max(time.Second, time.Duration(float64(time.Second)/float64(l.Limit())))
}

// clip shortens what a sender wrote before it is repeated.
func clip(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
