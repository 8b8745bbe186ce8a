// Package client subscribes a Go service to the events of a bridge.
//
//	c, err := client.Dial("bridge.internal:9090", client.WithTLS(&tls.Config{}), client.WithTokenSource(client.TokenFile("/run/secrets/bridge")))
//	err = c.Subscribe(ctx, "billing",
//		client.On(func(ctx context.Context, e *client.Event, invoice *stripev1.InvoiceEvent) error {
//			return book(ctx, e.GetId(), invoice)
//		}),
//		client.Otherwise(client.Skip),
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
// else. Unless Types says otherwise the subscription asks for the types that its handlers take, and for nothing more. Some events
// fit no handler all the same: one that the provider changed (mismatched), one that is no JSON (undecodable), one of the same type from
// another provider, one whose data was too large to be sent. What happens to those is chosen with Otherwise; Subscribe without it is
// an error, because to drop them and to stop on them are both wrong for somebody.
//
// The messages may be a team's own, which the bridge reads from an image of its configuration: On takes their generated Go types
// like those of this module. A program without them reads such events with Client.Messages.
//
// A handler that returns nil has settled the event. One that returns an error, or panics, gives it back: it comes again after the
// subscription's backoff, or as RetryNow, RetryAfter and DeadLetter say, and the first line of the error's text (at most 1,000 bytes)
// goes to the bridge, so it must hold no secret. An error that wraps ErrStop ends Subscribe. While a handler runs its event's ack
// deadline is extended, for at most an hour.
//
// # Delivery
//
// At least once. Acknowledgements are sent in batches (AckBatch) and are on the bridge's disk when they were answered; what was
// handled and not yet acknowledged when a connection or a process died comes again. Make handlers idempotent by e.GetId(), which is
// unique within e.GetSource().
//
// Events come in the order of the journal until something comes again. With Concurrency above 1 handlers run side by side, and
// nothing is said about order.
//
// Services that subscribe under the same name share its events. Without a name a subscription is ephemeral: it lives as long as
// Subscribe, every event counts as settled when it was handed over, and after a disconnect it goes on behind the last one received.
//
// # Failures
//
// Subscribe comes back by itself after any disconnect, with growing, jittered pauses, also when the bridge falls silent without
// closing the connection (three heartbeats). It gives up only on what another try doesn't change: a request that the bridge refuses as
// invalid or forbidden, or members that subscribed with another filter.
//
// # Stopping
//
// When the context ends, Subscribe starts no more handlers, lets those that run finish (for at most DrainTimeout, after which their
// context ends), sends what is left to acknowledge, and only then closes the stream, so that another member doesn't get what was
// already done. It returns nil then. A handler that ignores its context is waited for: Go can't end it.
package client
