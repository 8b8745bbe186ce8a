package auth

import (
	"context"
	"net/http"
)

// Request finds out who makes an HTTP request, by the same rules as for a call, and returns its context with the caller in it. That
// context is what counts for calls inside the process; nothing that the request carries does.
func (a *Authenticator) Request(r *http.Request) (context.Context, error) {
	ctx, _, err := a.begin(r.Context(), readCredential(r.Header.Values(authorizationKey), r.TLS))
	return ctx, err
}
