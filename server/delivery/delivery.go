// Package delivery has the two shapes that a webhook has on its way in: Request, as it came off the wire, and Verified, after
// its signature was checked over the raw bytes. Everything behind the edge takes a Verified and nothing else. Refusal is what is left
// of a webhook that went no further.
//
// Only package provider makes a Verified, and only after package signature said yes. The type can't enforce that; the import
// rules in server/repo_test.go do.
package delivery

import (
	"net/http"
	"net/url"
	"time"
)

// Request is an HTTP request of a provider with its body read whole. Its content is hostile until it is verified.
type Request struct {
	Method string
	// Peer is the address that it came from, as far as trusted proxies say. It proves nothing; empty: not known.
	Peer string
	// URL is the configured public URL joined with the request's path and query, see Called; never taken from a header.
	URL    *url.URL
	Header http.Header
	Body   []byte
	// Document is the JSON that the body carries: the same bytes, or what a field of a form holds. It is set before the verification
	// where that reads it; nil: there is none, or what stands in its place is no JSON.
	Document []byte
	// StartedAt is when its head had arrived: about since then the sender waits. Zero: not before ReceivedAt.
	StartedAt time.Time
	// ReceivedAt is when all of it had arrived, the clock that timestamps are compared with.
	ReceivedAt time.Time
}

// Delivery is a request whose sender is proven: the events that it carries.
type Delivery struct {
	// Source is the configured name.
	Source string
	// Events has one element, or, with List, those of the list in their order, which may be none.
	Events []*Verified
	// List says that the request carried a list of events. Each of them is stored by itself, and answered for with the others.
	List bool
}

// Told is a writer of an answer that is told, before the receipt is written to it, that the delivery is stored: duplicate says that
// all of it had been stored before.
type Told interface{ Stored(duplicate bool) }

// Verified is an event whose sender is proven.
type Verified struct {
	// Source is the configured name, Provider the catalogue key.
	Source, Provider string
	// ID is the idempotency key within the source; DedupeWindow says for how long (0: never, negative: the journal's window).
	ID           string
	DedupeWindow time.Duration
	// Type is the provider's name of the event, "unknown" where it names none.
	Type string
	// OccurredAt is zero where the delivery doesn't say.
	OccurredAt, ReceivedAt time.Time
	// OrderingKey is the entity it is about, or empty.
	OrderingKey string
	// Body is the raw bytes. Document is what of them is meant to be JSON, and may be none; nil where there is nothing like it. Of an event of
	// a list both are its own bytes.
	Body, Document []byte
	// NoDocument says that there is no document because the provider sends none with such a delivery.
	NoDocument  bool
	ContentType string
	// Header is what the pack's allow-list keeps, sorted by name, without credentials.
	Header []Field
	Auth   Auth
	// Enforce refuses what doesn't fit the schema.
	Enforce bool
	// Index is the position in the list that the delivery carried, and Size its length; Size is 0 where there was no list.
	Index, Size int
	// HoldUntil is until when a journal in trouble is waited for; zero for providers that retry by themselves.
	HoldUntil time.Time
}

// Field is one header.
type Field struct{ Name, Value string }

// Auth says what was proven. See hookbridge.v1.Authenticity.
type Auth struct {
	Scheme                                           string
	Secret                                           int
	BodyCovered, IDCovered, TypeCovered, TimeCovered bool
}

// Refusal is a delivery that was refused by its sender's own fault, after it was answered. Its request is as hostile as ever.
type Refusal struct {
	// RequestID is the one in the answer, Time when it was answered.
	RequestID string
	Time      time.Time
	// Source is the source's name, empty where the path named none that exists. Peer is the sender's address.
	Source, Peer string
	// Status, Reason and Message are what the sender was told.
	Status          int
	Reason, Message string
	// Cause is why, for who looks into it and not for the sender. What the source found out in proving the delivery is in its chain.
	Cause error
	// Request has no body where it was refused before all of it was read; BodyBytes is how much of it was. Host is what the sender called
	// the listener.
	Request   *Request
	BodyBytes int64
	Host      string
}
