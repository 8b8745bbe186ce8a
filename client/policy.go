package client

import (
	"context"
	"errors"
	"fmt"
	"strings"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Policy decides about an event that no handler can take. It is a handler like any other: nil acknowledges the event, an error gives it back.
// Skip, Retry, Park and Stop are ready-made ones. On a subscription without a name there is nothing to give back: what Retry and Park get is
// gone there.
type Policy = func(context.Context, *Event) error

// Otherwise handles what no handler claims: events of other types, of other providers, and, where there are no handlers at all, every
// event.
func Otherwise(policy Policy) Option { return option(func(s *settings) { s.otherwise = policy }) }

// OnMismatched handles events that a handler claims and whose body doesn't fit its message (the provider changed something), or that the
// bridge has no message for. Their data is a google.protobuf.Struct, and e.GetDecoding() says what didn't fit.
func OnMismatched(policy Policy) Option {
	return option(func(s *settings) { s.mismatched = policy })
}

// OnUndecodable handles events that a handler claims and that have no data which can be read: the body is no JSON object, or the event was too
// large to be sent with it (e.GetOmission() isn't nil; Client.Content gets the body), or this program's message can't read its bytes.
func OnUndecodable(policy Policy) Option {
	return option(func(s *settings) { s.undecodable = policy })
}

// Skip acknowledges an event unseen.
func Skip(context.Context, *Event) error { return nil }

// Retry gives an event back: it comes again after the subscription's backoff, for a client that can take it, and is a dead letter after the
// subscription's last attempt.
func Retry(_ context.Context, e *Event) error { return errors.New(unfit(e)) }

// Park makes an event a dead letter: it stays with the bridge until somebody redrives or purges it.
func Park(_ context.Context, e *Event) error { return DeadLetter(errors.New(unfit(e))) }

// Stop ends Subscribe with an error that names the event.
func Stop(_ context.Context, e *Event) error { return fmt.Errorf("%w: %s", ErrStop, unfit(e)) }

// unfit says why a handler can't take an event, with no value out of it.
func unfit(e *Event) string {
	name := fmt.Sprintf("event %d, %s of %s", e.GetSequence(), e.GetType(), e.GetSource())
	switch state := e.GetDecoding().GetState(); {
	case e.unreadable:
		return name + ", has data that is not its handler's message"
	case e.GetOmission() != nil:
		return name + ", was too large to be sent with its data"
	case state == hookbridgev1.Decoding_STATE_MISMATCH:
		var fields []string
		for _, v := range e.GetDecoding().GetViolations() {
			if v.GetField() != "" {
				fields = append(fields, v.GetField())
			}
		}
		return strings.TrimSuffix(name+", doesn't fit its message: "+strings.Join(fields, ", "), ": ")
	case state == hookbridgev1.Decoding_STATE_UNDECODABLE:
		return name + ", has no data that can be decoded"
	default:
		return fmt.Sprintf("no handler takes %s (%s)", name, state)
	}
}
