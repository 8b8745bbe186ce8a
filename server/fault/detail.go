package fault

import (
	"fmt"
	"time"
)

// Violation is one field that was refused.
type Violation struct{ Field, Message string }

// String is the violation as a text. One of the whole request has no field.
func (v Violation) String() string {
	if v.Field == "" {
		return v.Message
	}
	return v.Field + ": " + v.Message
}

// detailed is an error with its own public face.
type detailed struct {
	error
	text       string
	violations []Violation
	retryAfter time.Duration
}

func (d *detailed) Unwrap() error { return d.error }

// Detail returns sentinel with a public text of its own. The text goes to the sender: no secret, no cause.
func Detail(sentinel error, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	return &detailed{error: fmt.Errorf("%w: %s", sentinel, text), text: text}
}

// Because returns a fault, a sentinel or one with Detail, whose private face is its cause's text alone: for causes that say the same in the words of
// their own room, which would be logged twice else.
func Because(fault, cause error) error { return &because{fault, cause} }

// because is a fault and its cause.
type because struct{ fault, cause error }

func (b *because) Error() string   { return b.cause.Error() }
func (b *because) Unwrap() []error { return []error{b.fault, b.cause} }

// Invalid returns sentinel with the fields that were refused, which the sender is shown.
func Invalid(sentinel error, text string, violations ...Violation) error {
	private := text
	for _, v := range violations {
		private += "; " + v.String()
	}
	return &detailed{error: fmt.Errorf("%w: %s", sentinel, private), text: text, violations: violations}
}

// RetryAfter returns err with another time after which the sender may try again.
func RetryAfter(err error, after time.Duration) error {
	return &detailed{error: err, retryAfter: after}
}
