package client

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// ErrStop ends Subscribe when a handler returns it, or an error that wraps it. The event is not acknowledged.
var ErrStop = errors.New("stopped by a handler")

// Event is one delivery of an event.
type Event struct {
	*hookbridgev1.Event
	// Attempt is how often the event was sent to a client of this subscription, from 1.
	Attempt int
	// Reason says why it is sent.
	Reason hookbridgev1.Delivery_Reason
}

// handler takes one event message.
type handler struct {
	message protoreflect.MessageDescriptor
	call    func(context.Context, *Event) error
}

// On handles the events whose data is the message T, with its types as they are written on the message.
func On[T proto.Message](handle func(context.Context, *Event, T) error) Option {
	var zero T
	kind := zero.ProtoReflect().Type()
	return func(s *settings) {
		s.handlers = append(s.handlers, handler{message: kind.Descriptor(), call: func(ctx context.Context, e *Event) error {
			message := kind.New().Interface()
			if err := e.GetData().UnmarshalTo(message); err != nil {
				return fmt.Errorf("data of event %d: %w", e.GetSequence(), err)
			}
			typed, ok := message.(T)
			if !ok {
				return fmt.Errorf("data of event %d is a %T", e.GetSequence(), message)
			}
			return handle(ctx, e, typed)
		}})
	}
}

// Otherwise handles what no other handler takes. Skip and Stop are ready-made ones.
func Otherwise(handle func(context.Context, *Event) error) Option {
	return func(s *settings) { s.otherwise = handle }
}

// Skip acknowledges an event unseen.
func Skip(context.Context, *Event) error { return nil }

// Stop ends Subscribe with an error that names the event.
func Stop(_ context.Context, e *Event) error {
	return fmt.Errorf("%w: no handler takes event %d, %s of %s (%s)", ErrStop, e.GetSequence(), e.GetType(), e.GetSource(), e.GetDecoding().GetState())
}

// types are the event types that a handler's message claims.
func (h handler) types() ([]string, error) {
	options, _ := proto.GetExtension(h.message.Options(), hookbridgev1.E_Event).(*hookbridgev1.EventOptions)
	if len(options.GetTypes()) == 0 {
		return nil, fmt.Errorf("%s is no event: it has no option hookbridge.v1.event", h.message.FullName())
	}
	return options.GetTypes(), nil
}

// router finds the handler of an event.
type router struct {
	byMessage map[protoreflect.FullName]handler
	otherwise func(context.Context, *Event) error
}

// newRouter checks that the handlers make sense together and with the types that are asked for. Without such it returns those
// that the handlers take.
func newRouter(s *settings) (*router, []string, error) {
	r := &router{byMessage: map[protoreflect.FullName]handler{}, otherwise: s.otherwise}
	var errs []error
	var taken []string
	for _, h := range s.handlers {
		name := h.message.FullName()
		types, err := h.types()
		switch _, twice := r.byMessage[name]; {
		case err != nil:
			errs = append(errs, err)
		case twice:
			errs = append(errs, fmt.Errorf("%s has two handlers", name))
		case len(s.types) > 0 && !overlap(types, s.types):
			errs = append(errs, fmt.Errorf("the handler of %s would never be called: it takes %q, the subscription asks for %q", name, types, s.types))
		}
		r.byMessage[name] = h
		taken = append(taken, types...)
	}
	if s.otherwise == nil {
		errs = append(errs, errors.New("want Otherwise, which says what happens to events that no handler takes: Skip, Stop, or a function"))
	}
	if len(s.types) > 0 || len(s.handlers) == 0 {
		taken = s.types
	}
	slices.Sort(taken)
	return r, slices.Compact(taken), errors.Join(errs...)
}

// handle calls the handler of an event. A panic is an error.
func (r *router) handle(ctx context.Context, e *Event) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the handler: %v\n%s", p, debug.Stack())
		}
	}()
	if e.GetDecoding().GetState() == hookbridgev1.Decoding_STATE_TYPED && e.GetData() != nil {
		if h, ok := r.byMessage[e.GetData().MessageName()]; ok {
			return h.call(ctx, e)
		}
	}
	return r.otherwise(ctx, e)
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
