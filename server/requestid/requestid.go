// Package requestid gives every request one id, from the edge to the log line: it is in the X-Request-Id of the answer and in the
// text of an internal error. An id that the sender brings is never used.
package requestid

import (
	"context"
	"math/rand/v2"
	"strconv"
)

type key struct{}

// New returns a fresh id: 13 characters, unique for all practical purposes, not secret.
func New() string {
	const width = 13
	s := strconv.FormatUint(rand.Uint64(), 36)
	for len(s) < width {
		s = "0" + s
	}
	return s
}

// With returns a context that carries the id.
func With(ctx context.Context, id string) context.Context { return context.WithValue(ctx, key{}, id) }

// From returns the id that the context carries, or "".
func From(ctx context.Context) string {
	id, _ := ctx.Value(key{}).(string)
	return id
}
