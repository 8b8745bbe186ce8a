package signature

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// AfterProof is in the error of a delivery whose signature is right under one of the keys, and which is refused for what is signed. It is for
// finding out what is wrong, and not for the sender: who has no secret never comes here, and nobody else is told what would have been taken.
type AfterProof struct {
	// Key is the position of the key, as in Match; 0 for a published one.
	Key int
	// What is what is wrong, for example "the claim aud".
	What string
	// Got is, for people, what it is, where it is a text or a URL; the query of a URL is left out. Empty where it is a digest.
	Got string
	// Absent says that it is not there.
	Absent bool
	// Want is what it has to be, for example `"netlify"` or "the SHA-256 of the body". No key is in it.
	Want string
	// Body and URL say that the body or the URL decides what it has to be.
	Body, URL bool
	// At is, for a token out of its time, when it still was, or already is, in it. Zero for everything else.
	At    time.Time
	cause error
}

// Error is the text of the error that it is in, which is fit for the sender.
func (e *AfterProof) Error() string { return e.cause.Error() }

// Unwrap returns the error that it is about: ErrMismatch, ErrMalformed or ErrStale.
func (e *AfterProof) Unwrap() error { return e.cause }

// ProvenBy gives an AfterProof the position of its key. Other errors, and nil, stay what they are.
func ProvenBy(key int, err error) error {
	if after, ok := errors.AsType[*AfterProof](err); ok {
		after.Key = key
	}
	return err
}

// SomeRight is in the error of a delivery of which each part has a proof of its own, where some parts are right and others not.
type SomeRight struct {
	// Key is the position of a key under which some are right.
	Key int
	// Right is how many are, of Total.
	Right, Total int
	// Wrong are the first parts that aren't, as paths in the body; Absent, how many parts have no proof at all.
	Wrong  []string
	Absent int
	cause  error
}

// NewSomeRight wraps an error about parts.
func NewSomeRight(cause error, key, right, total int, wrong []string) *SomeRight {
	return &SomeRight{Key: key, Right: right, Total: total, Wrong: wrong, cause: cause}
}

// Error is the text of the error that it is in, which is fit for the sender.
func (e *SomeRight) Error() string { return e.cause.Error() }

// Unwrap returns the error that it is about.
func (e *SomeRight) Unwrap() error { return e.cause }

// Mismatched makes an AfterProof of a method's own: what is wrong, what it has to be, and whether the URL decides that.
func Mismatched(cause error, what, want string, url bool) *AfterProof {
	return &AfterProof{What: what, Want: want, URL: url, cause: cause}
}

// BareURL is a URL as it may be shown: there may be credentials in its query and its user part.
func BareURL(u *url.URL) string {
	if u == nil {
		return "no URL"
	}
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if u.RawQuery != "" {
		return bare.String() + " with its query"
	}
	return bare.String()
}

// bareText is a value of a proven claim as it may be shown.
func bareText(text string) string {
	const most = 200
	query := ""
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		if u.RawQuery != "" {
			query = " with a query"
		}
		text = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	}
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return strconv.QuoteToGraphic(text) + query
}
