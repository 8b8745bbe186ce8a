package client

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// router finds the handler of an event.
type router struct {
	byMessage   map[protoreflect.FullName]*handler
	otherwise   *handler
	mismatched  *handler
	undecodable *handler
}

// newRouter checks that the handlers make sense together and with the types that are asked for. Without such it returns those
// that the handlers take.
func newRouter(s *settings) (*router, []string, error) {
	r := &router{byMessage: map[protoreflect.FullName]*handler{}}
	var errs []error
	var taken []string
	for _, h := range s.handlers {
		if h.message == nil {
			errs = append(errs, h.problem)
			continue
		}
		name := h.message.FullName()
		event, err := h.event()
		switch _, twice := r.byMessage[name]; {
		case err != nil:
			errs = append(errs, err)
		case twice:
			errs = append(errs, fmt.Errorf("%s has two handlers", name))
		case len(s.types) > 0 && !overlap(event.GetTypes(), s.types):
			errs = append(errs, fmt.Errorf("the handler of %s would never be called: it takes %q, the subscription asks for %q", name, event.GetTypes(), s.types))
		}
		errs = append(errs, h.problem)
		// What shares the subscription's places shares its order. An option may be used again, so its handler stays as it is.
		own := *h
		own.ordered = h.ordered || s.ordered && h.concurrency == 0
		r.byMessage[name] = &own
		taken = append(taken, event.GetTypes()...)
	}
	errs = append(errs, r.choose(s)...)
	if len(s.types) > 0 || len(s.handlers) == 0 {
		taken = s.types
	}
	slices.Sort(taken)
	return r, slices.Compact(taken), errors.Join(errs...)
}

// choose takes over the policies. Each must be there that can be needed, because to drop an event and to stop on it are both wrong for
// somebody, and none that can't.
func (r *router) choose(s *settings) (errs []error) {
	for _, p := range []struct {
		to          **handler
		policy      Policy
		name        string
		ofHandlers  bool
		description string
	}{
		{&r.otherwise, s.otherwise, "Otherwise", false, "events that no handler claims"},
		{&r.mismatched, s.mismatched, "OnMismatched", true, "events whose body doesn't fit their handler's message"},
		{&r.undecodable, s.undecodable, "OnUndecodable", true, "events of a handler without data that can be read"},
	} {
		switch needed := !p.ofHandlers || len(s.handlers) > 0; {
		case p.policy == nil && needed:
			errs = append(errs, fmt.Errorf("want %s, which says what happens to %s: Skip, Retry, Park, Stop, or a function", p.name, p.description))
		case p.policy != nil && !needed:
			errs = append(errs, fmt.Errorf("%s would never be called: there are no handlers, so Otherwise gets every event", p.name))
		}
		*p.to = &handler{call: p.policy, ordered: s.ordered}
	}
	return errs
}

// route finds who takes an event.
func (r *router) route(e *Event) *handler {
	if e.GetDecoding().GetState() == hookbridgev1.Decoding_STATE_TYPED && e.GetData() != nil {
		if h, ok := r.byMessage[e.GetData().MessageName()]; ok {
			return h
		}
		return r.otherwise
	}
	claimed := false
	for _, h := range r.byMessage {
		claimed = claimed || h.claims(e)
	}
	switch {
	case !claimed:
		return r.otherwise
	case e.GetData() == nil:
		return r.undecodable
	}
	return r.mismatched
}

// handle calls the handler of an event. A panic is an error.
func (r *router) handle(ctx context.Context, h *handler, e *Event) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the handler: %v\n%s", p, debug.Stack())
		}
	}()
	err = h.call(ctx, e)
	if _, ok := err.(*unreadable); ok {
		e.unreadable = true
		err = r.undecodable.call(ctx, e)
	}
	ask(err)
	return err
}

// ask asks an error everything that it will be asked: one that can't answer, like a nil pointer that was returned as an error, panics here,
// where it is still the handler's panic.
func ask(err error) {
	if err != nil {
		_ = err.Error()
		_ = errors.Is(err, ErrStop)
		_, _ = errors.AsType[*rejection](err)
	}
}

// contain calls a function of the program, whose panic is logged and ends nothing.
func (c *Client) contain(name string, call func()) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("a callback panicked", "callback", name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	call()
}

// overlap says whether a type can match a pattern of both lists.
func overlap(a, b []string) bool {
	for _, p := range a {
		for _, q := range b {
			if intersects(p, q) {
				return true
			}
		}
	}
	return false
}

// intersects says whether a text can match both patterns, in which * stands for any run of characters.
func intersects(p, q string) bool {
	switch {
	case p == "" && q == "":
		return true
	case p != "" && p[0] == '*':
		return intersects(p[1:], q) || q != "" && intersects(p, q[1:])
	case q != "" && q[0] == '*':
		return intersects(q, p)
	}
	return p != "" && q != "" && p[0] == q[0] && intersects(p[1:], q[1:])
}
