package provider

import (
	"errors"

	"github.com/hookbridge/hookbridge/server/signature"
)

// Errors of Receive that callers tell apart with errors.Is. Their text is fit for the sender.
var (
	ErrSignatureMissing   = signature.ErrMissing
	ErrSignatureMalformed = signature.ErrMalformed
	ErrSignatureMismatch  = signature.ErrMismatch
	ErrTimestamp          = signature.ErrStale
	// ErrKeyUnavailable means that nothing is known about the delivery, because the provider's public key could not be had in time. Its
	// text is not for the sender.
	ErrKeyUnavailable = signature.ErrKeyUnavailable
	// ErrHandshakeRefused means that a handshake asked for an answer that is not given.
	ErrHandshakeRefused = errors.New("handshake refused")
	// ErrHandshakeForbidden means that a handshake lacks what the pack requires of one. Nothing was computed.
	ErrHandshakeForbidden = errors.New("handshake forbidden")
	// ErrTooManyEvents means that a delivery carries more events than MaxEvents, or that they would be too large with what is around them. It is
	// verified, and no retry of it could be taken.
	ErrTooManyEvents = errors.New("too many events")
	// ErrMediaType means that the pack takes no body of this kind.
	ErrMediaType = errors.New("media type not taken")
	// ErrCannotSign means that no scheme of the source can sign with what it has.
	ErrCannotSign = signature.ErrCannotSign
	// ErrKeysFetched is an ErrCannotSign: what verifies is fetched from the provider and can't be given, so that nobody else ever signs.
	ErrKeysFetched = signature.ErrKeysFetched
)
