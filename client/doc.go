// Package client subscribes a Go service to the events of a bridge.
//
//	c, err := client.Dial("bridge.internal:9090", client.WithTLS(&tls.Config{}), client.WithTokenSource(client.TokenFile("/run/secrets/bridge")))
//	err = c.Subscribe(ctx, "billing",
//		client.On(func(ctx context.Context, e *client.Event, invoice *stripev1.InvoiceEvent) error {
//			return book(ctx, e.GetId(), invoice)
//		}),
//		client.Otherwise(client.Skip), client.OnMismatched(client.Park), client.OnUndecodable(client.Park),
//	)
//
// # Who calls
//
// A bridge whose configuration has principals knows its callers by a token (WithToken, WithTokenSource, TokenFile) or by the client
// certificate of WithTLS. A token is never sent in plain text to another machine unless WithTokenInPlaintext says so. What isn't granted
// is refused, and ends Subscribe; a subscription that names no sources and types gets those that are granted. When a token is
// replaced, a stream that was opened with the old one is opened again with the new one.
//
// # Handlers
//
// A handler takes one event message; which event types that is, is written on the message (its hookbridge.v1.event option) and nowhere
// else. Unless Types says otherwise the subscription asks for the types that its handlers take, and for nothing more. Some events fit
// no handler all the same. Nothing is acknowledged unseen unless it is said so: each kind has a policy of its own, and one that is missing is
// an error at the start that names it, because to drop an event and to stop on it are both wrong for somebody.
//
//	OnMismatched   what a handler claims and doesn't fit its message, because the provider changed it
//	OnUndecodable  what a handler claims and has no data that can be read: no JSON object, or too large to be sent
//	Otherwise      what no handler claims; everything where there are no handlers
//
// Skip, Retry, Park and Stop are policies, and so is any function that takes an event.
//
// The messages may be a team's own, which the bridge reads from an image of its configuration: On takes their generated Go types
// like those of this module. A program without them reads such events with Client.Messages.
//
// A handler that returns nil has settled the event. One that returns an error, or panics, gives it back: it comes again after the
// subscription's backoff, or as RetryNow, RetryAfter and DeadLetter say, and the first line of the error's text (at most 1,000 bytes)
// goes to the bridge, so it must hold no secret. An error that wraps ErrStop ends Subscribe.
// Callbacks and token sources that panic end nothing either: that is logged, or fails the call that the token was for.
//
// # Concurrency and order
//
// One handler runs at a time. Concurrency lets more run; given to one On, that handler has places of its own and holds up no other
// while the window has room.
// OrderedByKey keeps events of one ordering key one at a time and in the order in which they came. Without it nothing is said about order
// when more than one handler can run. What Subscribe has received and not settled is bounded by the window (Window) for a named subscription,
// and by the number of places and 16 for one without a name.
//
// # Deadlines
//
// As long as Subscribe has an event its ack deadline is extended, whether a handler works at it or it waits behind one, for MaxExtension
// from when it came. One call does so for all, at most every quarter of the deadline. An event whose deadline passed all the same, or that
// the bridge has given to somebody else meanwhile, is dropped here if no handler has begun with it.
//
// # Delivery
//
// At least once. Acknowledgements are sent in batches (AckBatch) and are on the bridge's disk when they were answered; what was
// handled and not yet acknowledged when a connection or a process died comes again. Make handlers idempotent by e.GetId(), which is
// unique within e.GetSource().
//
// Events come in the order of the journal until something comes again.
//
// Services that subscribe under the same name share its events. Without a name a subscription is ephemeral: it lives as long as
// Subscribe, every event counts as settled when it was handed over, and after a disconnect it goes on behind the last one received. When the
// bridge comes back with another journal, which ends before that in three heartbeats in a row, it is read from its beginning.
//
// # Traces
//
// Where OpenTelemetry has a tracer provider (WithTracerProvider, else the global one), each handler runs in a span "hookbridge.process", which
// goes on with the trace of the delivery if that had a traceparent header and the content is asked for (Content). Without one spans
// cost nothing.
//
// # Testing
//
// Package clienttest is a bridge in memory for the tests of subscribers.
//
// # Failures
//
// Subscribe comes back by itself after any disconnect, with growing, jittered pauses, also when the bridge falls silent without
// closing the connection (three heartbeats). It gives up only on what another try doesn't change: a request that the bridge refuses as
// invalid or forbidden, or members that subscribed with another filter, or a client that was closed; and on a subscription that was deleted,
// because another try would make a new one, which begins where From says and has none of the old one's settings. Who had a stream once ends with
// NotFound, and so on a bridge that lost its journal; who starts later makes the subscription anew, unless MustExist says otherwise.
//
// # Stopping
//
// When the context ends, Subscribe starts no more handlers, lets those that run finish (for at most DrainTimeout, after which their
// context ends), sends what is left to acknowledge, until two seconds after DrainTimeout, and only then closes the stream, so that another
// member doesn't get what was already done. It returns nil then. A handler that ignores its context is waited for: Go can't end it.
package client
