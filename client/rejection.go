package client

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// rejection is an error of a handler that says what is to become of its event.
type rejection struct {
	cause error
	apply func(*hookbridgev1.Rejection)
}

func (r *rejection) Error() string { return r.cause.Error() }

// Unwrap returns the handler's own error.
func (r *rejection) Unwrap() error { return r.cause }

// RetryNow gives the event of a failed handler to another member, or to this one, at once. It returns nil for nil.
func RetryNow(err error) error {
	return reject(err, func(r *hookbridgev1.Rejection) {
		r.Action = &hookbridgev1.Rejection_RetryNow{RetryNow: &emptypb.Empty{}}
	})
}

// RetryAfter lets the event of a failed handler come again after a time of at most 24 hours. It returns nil for nil.
func RetryAfter(d time.Duration, err error) error {
	const longest = 24 * time.Hour
	return reject(err, func(r *hookbridgev1.Rejection) {
		r.Action = &hookbridgev1.Rejection_RetryAfter{RetryAfter: durationpb.New(min(max(d, 0), longest))}
	})
}

// DeadLetter gives the event of a failed handler up: it becomes a dead letter, with the error's text. It returns nil for nil.
func DeadLetter(err error) error {
	return reject(err, func(r *hookbridgev1.Rejection) {
		r.Action = &hookbridgev1.Rejection_DeadLetter{DeadLetter: &emptypb.Empty{}}
	})
}

func reject(err error, apply func(*hookbridgev1.Rejection)) error {
	if err == nil {
		return nil
	}
	return &rejection{err, apply}
}

// newRejection is what the bridge is told about a failed handler. Without a word of the handler's the subscription's backoff applies.
func newRejection(ackID string, err error) *hookbridgev1.Rejection {
	r := &hookbridgev1.Rejection{AckId: ackID, Error: firstLine(err.Error())}
	if chosen, ok := errors.AsType[*rejection](err); ok {
		chosen.apply(r)
	}
	return r
}

// firstLine is what the bridge takes of an error's text. The stack of a panic is only in the log.
func firstLine(text string) string {
	const most = 1000
	text, _, _ = strings.Cut(strings.ToValidUTF8(text, "?"), "\n")
	if len(text) <= most {
		return text
	}
	text = text[:most]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text
}

// rejected is a delivery that is given back.
type rejected struct {
	delivery  *delivery
	rejection *hookbridgev1.Rejection
}

// maxRejected is how many are given back in one call: with their errors they are larger than acknowledgements, and a call may have 4 MiB.
const maxRejected = 2000

// rejectBatch gives deliveries back.
func (u *subscriber) rejectBatch(life context.Context, batch []rejected) {
	request := &hookbridgev1.RejectRequest{Subscription: u.request.Subscription}
	deliveries := make([]*delivery, 0, len(batch))
	for _, r := range batch {
		request.Rejections = append(request.Rejections, r.rejection)
		deliveries = append(deliveries, r.delivery)
	}
	defer u.dispatcher.settled(deliveries)
	response, err := persistent(u, life, func(ctx context.Context) (*hookbridgev1.RejectResponse, error) {
		return u.client.events.Reject(ctx, request)
	})
	switch {
	case err != nil:
		u.client.log.Error("events could not be given back; they come again after their deadline", "events", len(batch), "error", err)
	case len(response.GetFailures()) > 0:
		u.client.log.Warn("events were given back too late; they are with somebody else", "events", len(response.GetFailures()))
	}
}
