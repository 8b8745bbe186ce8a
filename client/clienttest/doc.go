// Package clienttest is a bridge for the unit tests of subscribers: in memory, in the test's own process, and told what to do by the test.
//
//	bridge := clienttest.New(t)
//	go func() { done <- billing.Run(ctx, bridge.Client()) }()
//	bridge.AwaitSubscribed("billing")
//	paid := bridge.Publish("stripe", "invoice.paid", &stripev1.InvoiceEvent{...})
//	paid.AwaitAcknowledged()
//
// # What is like the real bridge
//
// A named subscription keeps its position for as long as the Bridge lives, and clients with the same name share its events. Attempts are
// counted, deadlines pass, rejected events come again after the backoff or become dead letters, what a lost stream held comes again,
// ack_ids of earlier attempts are stale. The window is kept to in events. Sources and types filter. An event without a name for its
// subscription is settled by being sent. A new subscription begins with what is published after it, unless client.From says otherwise: publish
// after AwaitSubscribed. What the bridge refuses of a subscriber's options by their bounds is refused here, in the same words.
//
// # What is not
//
// Nothing is on disk, nobody is authenticated, and the window is not counted in bytes. Expressions of filters are not evaluated: what matches
// sources and types counts as matching them, so publish what the bridge would let pass. Two clients with different filters are both
// served, each with the last filter. Subscriptions are not ordered by key. PublishJSON reads a body as protojson does; the bridge's own
// decoder knows more (validation rules, and where a body doesn't fit). There is no SubscriptionService and no SchemaService.
//
// # Time
//
// Everything in it runs by the clock of package time, and without Loopback nothing leaves the process: inside of testing/synctest an hour
// of backoff takes no time. Waiting for what doesn't come fails the test after Patience, 10 seconds by that clock.
//
// # Concurrency
//
// A Bridge is safe for concurrent use, but what waits calls the test's Fatalf, so call it from the goroutine of the test.
package clienttest
