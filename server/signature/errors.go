package signature

import (
	"errors"
	"fmt"
)

// Errors that callers tell apart with errors.Is. Their wrapping text is fit for the sender.
var (
	// ErrMissing means that the delivery carries no signature of the scheme, or not what the signature is made over.
	ErrMissing = errors.New("signature missing")
	// ErrOtherKind comes with ErrMissing where something is in the place of the signature, and none of it is of the kind that the scheme takes: its
	// marks in front are others.
	ErrOtherKind = errors.New("holds none of this scheme")
	// ErrMalformed means that there is one which can't be read: wrong prefix, encoding, length or grammar, or ambiguous.
	ErrMalformed = errors.New("signature malformed")
	// ErrMismatch means that it matches under none of the keys.
	ErrMismatch = errors.New("signature mismatch")
	// ErrStale means that it matches and was made too long ago, or too far in the future.
	ErrStale = errors.New("timestamp out of tolerance")
	// ErrKeyUnavailable means that the provider's public key could not be had in time: nothing is known about the delivery. Its wrapping text
	// is not for the sender.
	ErrKeyUnavailable = errors.New("key unavailable")
	// ErrKey means that a secret does not have the form that the scheme's keys have.
	ErrKey = errors.New("unfit secret")
	// ErrCannotSign means that a scheme or a key can verify and not sign.
	ErrCannotSign = errors.New("cannot sign")
	// ErrKeysFetched is an ErrCannotSign: what verifies is fetched from the provider and can't be given, so that nobody else ever signs.
	ErrKeysFetched = fmt.Errorf("%w: the keys are fetched from the provider, and no other pair is taken", ErrCannotSign)
)
