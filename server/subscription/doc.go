// Package subscription hands events out: who gets what, again until it is acknowledged. Its rules are a pure state machine, package
// machine; here are the streams, the shared reader of the journal's tail, the catching up, the grouped records, and the
// gRPC service. Delivery is at least once, in journal order until something is redelivered. An answered Acknowledge is on disk.
package subscription
