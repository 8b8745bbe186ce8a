package client

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// work hands deliveries to handlers, one at a time, until working ends. Handlers get a context that ends with life.
func (u *subscriber) work(working, life context.Context, stop context.CancelCauseFunc) {
	for {
		var d delivery
		select {
		case <-working.Done():
			return
		case d = <-u.queue:
		}
		// What is settled by being sent is handled in any case; what comes again is left to that time.
		if d.ackID != "" && (d.stream.Err() != nil || time.Now().After(d.until)) {
			continue
		}
		err := u.router.handle(life, &d.event)
		if err != nil {
			u.failed(&d.event, err)
			if errors.Is(err, ErrStop) {
				stop(err)
			}
			continue
		}
		if d.ackID == "" {
			continue
		}
		select {
		case u.acks <- d.ackID:
		case <-life.Done():
			return
		}
	}
}

// acknowledge sends acknowledgements in batches until there are no more to come.
func (u *subscriber) acknowledge(life context.Context) {
	batch := make([]string, 0, u.batch)
	timer := time.NewTimer(u.every)
	timer.Stop()
	for {
		select {
		case id, more := <-u.acks:
			if !more {
				u.send(life, batch)
				return
			}
			if len(batch) == 0 {
				timer.Reset(u.every)
			}
			if batch = append(batch, id); len(batch) < u.batch {
				continue
			}
		case <-timer.C:
		}
		timer.Stop()
		u.send(life, batch)
		batch = batch[:0]
	}
}

const (
	// ackTimeout bounds one try, ackPatience all of them. What was not acknowledged by then comes again.
	ackTimeout  = 10 * time.Second
	ackPatience = 30 * time.Second
)

// send acknowledges one batch.
func (u *subscriber) send(life context.Context, batch []string) {
	if len(batch) == 0 {
		return
	}
	request := &hookbridgev1.AcknowledgeRequest{Subscription: u.request.Subscription, AckIds: batch}
	response, err := backoff.Retry(life, func() (*hookbridgev1.AcknowledgeResponse, error) {
		ctx, cancel := context.WithTimeout(life, ackTimeout)
		defer cancel()
		response, err := u.client.events.Acknowledge(ctx, request)
		if isPermanent(err) {
			err = backoff.Permanent(err)
		}
		return response, err
	}, backoff.WithBackOff(backoff.NewExponentialBackOff()), backoff.WithMaxElapsedTime(ackPatience))
	switch {
	case err != nil:
		u.client.log.Error("events were handled and could not be acknowledged; they come again", "events", len(batch), "error", err)
	case len(response.GetFailures()) > 0:
		u.client.log.Warn("events were handled too late to be acknowledged; they come again", "events", len(response.GetFailures()),
			"first", response.GetFailures()[0].GetReason())
	}
}
