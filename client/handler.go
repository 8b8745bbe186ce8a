package client

import (
	"context"
	"errors"
	"fmt"
	"reflect"

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

	unreadable bool // to its handler
}

// handler takes one event message.
type handler struct {
	message protoreflect.MessageDescriptor
	call    func(context.Context, *Event) error
	// concurrency is 0 for a handler that shares the subscription's.
	concurrency int
	ordered     bool
	problem     error
}

// HandlerOption shapes one handler: Concurrency and OrderedByKey.
type HandlerOption interface{ applyToHandler(*handler) }

// SharedOption is for a subscription as a whole, or for one handler.
type SharedOption interface {
	Option
	HandlerOption
}

// shared is a SharedOption.
type shared struct {
	subscription func(*settings)
	handler      func(*handler)
}

func (o shared) apply(s *settings)         { o.subscription(s) }
func (o shared) applyToHandler(h *handler) { o.handler(h) }

// Concurrency is how many handlers may run at once. Default 1, which keeps the order. At a handler it gives it so many places of its own,
// beside those of the subscription, which the other handlers share: then a slow one holds up no other, until what waits for it fills the window;
// where it may fall that far behind, give it a subscription of its own. At most 100,000.
func Concurrency(n int) SharedOption {
	return shared{
		func(s *settings) { s.concurrency = n },
		func(h *handler) {
			h.concurrency = n
			if h.problem == nil {
				h.problem = checkConcurrency("Concurrency of the handler of "+string(h.message.FullName()), n)
			}
		},
	}
}

// mostConcurrent is the largest window: no more handlers than that ever have something to do.
const mostConcurrent = 100_000

func checkConcurrency(what string, n int) error {
	switch {
	case n < 1:
		return fmt.Errorf("%s: want at least 1, got %d", what, n)
	case n > mostConcurrent:
		return fmt.Errorf("%s: want at most %d, got %d", what, mostConcurrent, n)
	}
	return nil
}

// OrderedByKey hands events with the same ordering key, of one source, to one handler at a time, in the order in which they were received,
// whatever the Concurrency; keys are worked at side by side, and so are events without one. At the subscription it is for all handlers
// that have no Concurrency of their own. One key is kept in order across all handlers that are ordered.
//
// It is about this client. Whether the next event of a key waits while one is to come again, or is with another client, is up to the
// subscription: make it `ordered` at the bridge.
func OrderedByKey() SharedOption {
	return shared{func(s *settings) { s.ordered = true }, func(h *handler) { h.ordered = true }}
}

// On handles the events whose data is the message T, with its types as they are written on the message. Any other T than a generated message
// is an error of Subscribe: no type of Go says which message a dynamicpb.Message is.
func On[T proto.Message](handle func(context.Context, *Event, T) error, options ...HandlerOption) Option {
	kind := kindOf[T]()
	if kind == nil {
		problem := fmt.Errorf("On: want a generated message type, got %v; what this program has no type for goes to Otherwise, and Client.Messages reads it",
			reflect.TypeFor[T]())
		return option(func(s *settings) { s.handlers = append(s.handlers, &handler{problem: problem}) })
	}
	h := &handler{message: kind.Descriptor(), call: func(ctx context.Context, e *Event) error {
		message := kind.New().Interface()
		if err := e.GetData().UnmarshalTo(message); err != nil {
			return &unreadable{err}
		}
		typed, ok := message.(T)
		if !ok {
			return fmt.Errorf("data of event %d is a %T", e.GetSequence(), message)
		}
		return handle(ctx, e, typed)
	}}
	if handle == nil {
		h.problem = fmt.Errorf("the handler of %s is nil", h.message.FullName())
	}
	for _, o := range options {
		if o != nil {
			o.applyToHandler(h)
		}
	}
	return option(func(s *settings) { s.handlers = append(s.handlers, h) })
}

// kindOf is the message that T is; nil where a T can't say so, or is none of those that the message makes.
func kindOf[T proto.Message]() (kind protoreflect.MessageType) {
	// Without a value most other implementations can't answer.
	defer func() {
		if recover() != nil {
			kind = nil
		}
	}()
	var zero T
	kind = zero.ProtoReflect().Type()
	if _, made := kind.New().Interface().(T); !made {
		return nil
	}
	return kind
}

// unreadable says that the bytes of an event are not the message that they are said to be.
type unreadable struct{ cause error }

func (u *unreadable) Error() string { return u.cause.Error() }

// event is what is written on the handler's message.
func (h *handler) event() (*hookbridgev1.EventOptions, error) {
	options, _ := proto.GetExtension(h.message.Options(), hookbridgev1.E_Event).(*hookbridgev1.EventOptions)
	if len(options.GetTypes()) == 0 {
		return nil, fmt.Errorf("%s is no event: it has no option hookbridge.v1.event", h.message.FullName())
	}
	return options, nil
}

// claims says whether events of a provider and type are to have the handler's message.
func (h *handler) claims(e *Event) bool {
	options, err := h.event()
	return err == nil && options.GetProvider() == e.GetProvider() && overlap(options.GetTypes(), []string{e.GetType()})
}
