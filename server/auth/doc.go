// Package auth says who calls and what the caller may do.
//
//	a, err := auth.New(auth.Config{Entries: entries, Registerer: registry})
//	grpc.ChainUnaryInterceptor(..., a.Unary(), ...), grpc.ChainStreamInterceptor(..., a.Stream(), ...)
//	err = auth.From(ctx).MayUse("billing") // in a service
//
// A caller is a principal of the configuration. It proves that by a token (authorization: Bearer hbt_...), of which only the SHA-256
// is known here, or by a client certificate that the TLS handshake verified, with a SPIFFE id or a subject. A principal holds grants:
// sources and types that it may read, subscriptions that it may use, whether it may manage. What is not granted is refused: an empty
// list grants nothing, "*" everything.
//
// # What is guaranteed
//
// No method is reached without a rule that says what it asks of its caller; one without a rule is refused. A context that did not
// come through here has no grants. A stream holds what it depends on with Keep: when Replace has returned, nothing more is sent to a
// stream that is not granted any more, and its call ends within half a second, also when its client reads nothing.
//
// Every token takes the same time, known or not: its digest is compared with all digests there are, each in constant time. No
// error, log line or metric contains a token, or says more of a wrong one than that it is wrong.
//
// With no entries everybody may do everything, under the name "".
//
// # What cannot be assumed
//
// A unary call that has begun is finished under the grants that it began with. What was handed to the transport before a grant was
// withdrawn may still arrive. Whether a certificate has expired is looked at when a call begins, and which authority signed it when
// its connection was made: a stream outlives both. To end it, take its identity away from the principal.
package auth
