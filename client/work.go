package client

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// terms are when Subscribe ends: a handler's context ends before what was handled can't be acknowledged any more.
type terms struct {
	life     context.Context // of the stream, and of acknowledging
	handling context.Context // of handlers
}

// work hands the deliveries of a lane to handlers, one at a time, until no more is to be handled.
func (u *subscriber) work(l *lane, terms terms, stop context.CancelCauseFunc) {
	for {
		d := u.dispatcher.take(l)
		if d == nil {
			return
		}
		u.attend(d, terms, stop)
	}
}

// errExited is the failure of a handler that didn't return and didn't panic, as a test's FailNow doesn't.
var errExited = errors.New("the handler ended its goroutine")

// attend lets a delivery's handler run and concludes what it said, also when the handler, or OnFailure, ends the goroutine.
func (u *subscriber) attend(d *delivery, terms terms, stop context.CancelCauseFunc) {
	err := errExited
	defer func() { u.conclude(d, err, terms, stop) }()
	defer func() {
		if err != nil {
			u.client.contain("OnFailure", func() { u.failed(&d.event, err) })
		}
	}()
	defer u.dispatcher.done(d)
	err = u.call(terms.handling, d)
}

// conclude has a delivery acknowledged or given back.
func (u *subscriber) conclude(d *delivery, err error, terms terms, stop context.CancelCauseFunc) {
	if errors.Is(err, ErrStop) {
		stop(err)
		return
	}
	// A handler that gave up because it was cut off has not failed: its event goes to another member when the stream ends.
	if d.ackID == "" || terms.life.Err() != nil || err != nil && terms.handling.Err() != nil {
		return
	}
	if err != nil {
		u.rejections <- rejected{d, newRejection(d.ackID, err)}
	} else {
		u.acks <- d
	}
}

// most is how many of what may be n are gathered: of two kinds, less than the window together, which would be full of them otherwise.
func (u *subscriber) most(n int) int { return min(n, max(int(u.window.Load())/2, 1)) }

// batches gathers what comes in and sends it when there are n, and at the latest after a time, until there is no more to come. That time is
// short when hurry has come: then nothing is to wait for what may not come.
func batches[T any](in <-chan T, n func() int, every time.Duration, hurry <-chan struct{}, send func([]T)) {
	var batch []T
	timer := time.NewTimer(every)
	timer.Stop()
	for {
		select {
		case one, more := <-in:
			if !more {
				if len(batch) > 0 {
					send(batch)
				}
				return
			}
			if len(batch) == 0 {
				timer.Reset(every)
			}
			if batch = append(batch, one); len(batch) < n() {
				continue
			}
		case <-hurry:
			hurry, every = nil, min(every, defaultEvery)
			if len(batch) > 0 {
				timer.Reset(every)
			}
			continue
		case <-timer.C:
		}
		timer.Stop()
		if len(batch) > 0 {
			send(batch)
			// What was sent is not kept until as many have come again: events may be large.
			clear(batch)
			batch = batch[:0]
		}
	}
}

const (
	// ackTimeout bounds one try, ackPatience all of them. What was not settled by then comes again.
	ackTimeout  = 10 * time.Second
	ackPatience = 30 * time.Second
	// longestDrain is DrainTimeout for those who wait for ever.
	longestDrain = 100 * 365 * 24 * time.Hour
	// lastAcks is for how long acknowledging goes on after DrainTimeout.
	lastAcks = 2 * time.Second
)

// persistent tries a call about deliveries again until it succeeds, another try changes nothing, or patience ends.
func persistent[T any](u *subscriber, life context.Context, call func(context.Context) (T, error)) (T, error) {
	return backoff.Retry(life, func() (T, error) {
		ctx, cancel := context.WithTimeout(life, ackTimeout)
		defer cancel()
		response, err := call(ctx)
		// Who sent the deliveries knows the method: that nobody does is said by what is in between. So is Canceled, if not by our own end.
		if isPermanent(err) && status.Code(err) != codes.Unimplemented || u.client.isClosed() {
			err = backoff.Permanent(err)
		}
		return response, err
	}, backoff.WithBackOff(backoff.NewExponentialBackOff()), backoff.WithMaxElapsedTime(ackPatience))
}

// acknowledgeBatch acknowledges deliveries.
func (u *subscriber) acknowledgeBatch(life context.Context, batch []*delivery) {
	defer u.dispatcher.settled(batch)
	request := &hookbridgev1.AcknowledgeRequest{Subscription: u.request.Subscription, AckIds: make([]string, len(batch))}
	for n, d := range batch {
		request.AckIds[n] = d.ackID
	}
	response, err := persistent(u, life, func(ctx context.Context) (*hookbridgev1.AcknowledgeResponse, error) {
		return u.client.events.Acknowledge(ctx, request)
	})
	switch {
	case err != nil:
		u.client.log.Error("events were handled and could not be acknowledged; they come again", "events", len(batch), "error", err)
	case len(response.GetFailures()) > 0:
		u.client.log.Warn("events were handled too late to be acknowledged; they come again", "events", len(response.GetFailures()),
			"first", response.GetFailures()[0].GetReason())
	}
}
