package subscription

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hookbridge/hookbridge/server/fault"
)

// The rules here are those of event_service.proto, which an interceptor of the server checks too. They are checked again
// because what is out of them would not be bounded, or would wait for something that can't come.

// invalid is the refusal of one field, by its path in the request.
func invalid(field, format string, args ...any) error {
	why := fmt.Sprintf(format, args...)
	return fault.Invalid(fault.ErrInvalidArgument, field+": "+why, fault.Violation{Field: field, Message: why})
}

const (
	maxName   = 63
	maxSource = 64
	maxText   = 255
	maxClient = 128
	maxToken  = 512
	maxAckID  = 256
	nameRule  = "want a letter and then at most 62 of a-z, 0-9, '.', '_' and '-', got %q"
)

// validName checks the name of a durable subscription.
func validName(name string) bool { return validWord(name, maxName, true, "._-") }

// validSource checks the name of a source.
func validSource(name string) bool { return validWord(name, maxName, true, "-") }

// validWord checks for small letters, digits and some others; whether it has to begin with a letter, too.
func validWord(s string, limit int, letter bool, others string) bool {
	if s == "" || len(s) > limit || (letter && (s[0] < 'a' || s[0] > 'z')) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return true
}

// validText checks the length, in characters, of what is free otherwise.
func validText(s string, least, most int) bool {
	n := utf8.RuneCountInString(s)
	return n >= least && n <= most
}
