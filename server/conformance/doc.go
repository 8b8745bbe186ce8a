// Package conformance holds the production bridge to what it promises of delivery, sentence by sentence: signed webhooks over HTTP
// go in, events come out over gRPC, and between them is a journal on disk, embedded or in a nats-server of its own.
//
// All of it is tests. The table of cases in cases_test.go is the list of what is promised; each case runs on a bridge of its own, on each
// of the journals. What can only be shown under a clock of the test's own, or with a crash at a chosen moment, is in package
// subscription.
package conformance
