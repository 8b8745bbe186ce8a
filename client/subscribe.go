package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Subscribe hands the events of a subscription to its handlers until the context ends (then it returns nil), a handler stops it, or
// the bridge refuses it for good. The name is that of a durable subscription, made on first use, or empty for an ephemeral one. It has 1 to 63 of
// a-z, 0-9, ".", "_" and "-", and begins with a letter.
func (c *Client) Subscribe(ctx context.Context, name string, options ...Option) error {
	s, err := c.settle(options)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	router, types, err := newRouter(s)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if ctx.Err() != nil {
		// No stream, which would make a subscription.
		return nil
	}
	u := &subscriber{
		settings: s, client: c, router: router, request: s.request(name, types),
		acks: make(chan *delivery, s.batch), rejections: make(chan rejected, s.batch),
		tracing: c.tracing.of(name),
	}
	return u.run(ctx)
}

// subscriber is one running Subscribe.
//
//	receive (one stream after the other) ──dispatcher──▶ work (a lane's workers) ──acks───────▶ acknowledge (batches)
//	   └─ extend (what the dispatcher holds)                                     ──rejections──▶ reject (batches)
//
// What the handlers don't take waits in the dispatcher, within the window; the rest of it holds no more than a batch.
type subscriber struct {
	*settings
	client     *Client
	router     *router
	request    *hookbridgev1.SubscribeRequest
	dispatcher *dispatcher
	tracing    *tracing

	// known is the journal's end, as far as it was told. Only receive has it.
	known int64

	// window is how many events may be sent and not be settled, as the stream that stood last was told.
	window atomic.Int64

	acks       chan *delivery
	rejections chan rejected
}

func (u *subscriber) run(ctx context.Context) error {
	// What runs outlives ctx until it is drained: the stream must stand until everything that was handled is acknowledged.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	handling, cutOff := context.WithCancel(life)
	defer cutOff()
	working, stopWorking := context.WithCancelCause(ctx)
	defer stopWorking(nil)

	u.dispatcher = newDispatcher(working, u.router, u.concurrency)
	var workers, settlers, receiver sync.WaitGroup
	u.dispatcher.every(func(l *lane) {
		for range l.workers {
			employ(&workers, func() { u.work(l, terms{life: life, handling: handling}, stopWorking) })
		}
	})
	settlers.Go(func() {
		batches(u.acks, func() int { return u.most(u.batch) }, u.every, working.Done(), func(batch []*delivery) { u.acknowledgeBatch(life, batch) })
	})
	settlers.Go(func() {
		batches(u.rejections, func() int { return u.most(min(u.batch, maxRejected)) }, u.every, working.Done(), func(batch []rejected) { u.rejectBatch(life, batch) })
	})
	receiver.Go(func() {
		err := errGone
		defer func() {
			if err != nil {
				stopWorking(err)
			}
		}()
		err = u.receive(life, working.Done())
	})

	<-working.Done()
	u.dispatcher.stop()
	cause := context.Cause(working)
	late := time.AfterFunc(u.drain, cutOff)
	defer late.Stop()
	last := time.AfterFunc(min(u.drain, longestDrain)+lastAcks, end)
	defer last.Stop()
	workers.Wait()
	close(u.acks)
	close(u.rejections)
	settlers.Wait()
	end()
	receiver.Wait()
	if ctx.Err() != nil && !errors.Is(cause, ErrStop) {
		return nil
	}
	return cause
}

// employ runs work to its end, in another goroutine if a handler ends the one that it is in.
func employ(workers *sync.WaitGroup, work func()) {
	workers.Go(func() {
		returned := false
		defer func() {
			if !returned {
				employ(workers, work)
			}
		}()
		work()
		returned = true
	})
}

// errGone ends what would otherwise wait for a stream that nobody reads.
var errGone = errors.New("subscribe: a callback ended the goroutine that it was called in")

// receive keeps a stream open until life ends. It returns an error that another try doesn't change.
func (u *subscriber) receive(life context.Context, stopped <-chan struct{}) error {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = firstPause, longestPause
	var pause time.Duration
	everStood := false
	for {
		var since time.Time
		err := u.stream(life, stopped, func() { since = time.Now() })
		stood := !since.IsZero()
		everStood = everStood || stood
		// A stream that stood for less long than was waited for it is as good as none: it may be what ends it that comes again.
		if stood && time.Since(since) >= pause {
			pauses.Reset()
		}
		if life.Err() != nil {
			return nil
		}
		if u.client.isClosed() {
			return errClosed
		}
		// A stream that stood and is not known any more was opened with a token that was replaced meanwhile: with the one of now it
		// may stand again.
		replaced := stood && status.Code(err) == codes.Unauthenticated
		// What is being deleted when this one comes is free before long; only who stood on it, or wants no new one, is told that it is gone.
		elsewhere := !u.request.GetMustExist() && status.Code(err) == codes.NotFound
		// Who has served the method once knows it: that nobody does is said by what is in between.
		between := everStood && status.Code(err) == codes.Unimplemented
		if isPermanent(err) && !replaced && !elsewhere && !between {
			return fmt.Errorf("subscribe: %w", err)
		}
		pause = pauses.NextBackOff()
		u.client.contain("OnDisconnected", func() { u.disconnected(err, pause) })
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-stopped:
			// Nothing more is to be handled, and without a stream there is nothing to hold open.
			timer.Stop()
			return nil
		}
	}
}

func (c *Client) isClosed() bool { return c.conn.GetState() == connectivity.Shutdown }

// errClosed ends what still uses a client that was closed.
var errClosed = errors.New("subscribe: the client was closed")

// isPermanent says whether the bridge would answer the same again.
func isPermanent(err error) bool {
	switch status.Code(err) {
	// NotFound: the subscription was deleted. The next Subscribe would make another one, with other settings and from its start on.
	case codes.InvalidArgument, codes.NotFound, codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition, codes.Unimplemented,
		codes.OutOfRange:
		return true
	}
	return false
}
