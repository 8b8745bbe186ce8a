package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Subscribe hands the events of a subscription to its handlers until the context ends (then it returns nil), a handler stops it, or
// the bridge refuses it for good. The name is that of a durable subscription, made on first use, or empty for an ephemeral one.
func (c *Client) Subscribe(ctx context.Context, name string, options ...Option) error {
	s, err := c.settle(options)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	router, types, err := newRouter(s)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	u := &subscriber{
		settings: s, client: c, router: router, request: s.request(name, types),
		queue: make(chan delivery), acks: make(chan string, s.batch), rejections: make(chan *hookbridgev1.Rejection, s.batch),
	}
	return u.run(ctx)
}

// subscriber is one running Subscribe.
//
//	receive (one stream after the other) ──queue──▶ work (Concurrency) ──acks───────▶ acknowledge (batches)
//	                                                                   ──rejections──▶ reject (batches)
//
// Nothing in it is longer than a batch: what the handlers don't take stays with the bridge, within the window.
type subscriber struct {
	*settings
	client  *Client
	router  *router
	request *hookbridgev1.SubscribeRequest
	queue   chan delivery

	acks       chan string
	rejections chan *hookbridgev1.Rejection
}

// delivery is an event on its way to a handler.
type delivery struct {
	event Event
	ackID string
	// stream ends when the stream does that brought it: then the event comes again, by another stream.
	stream context.Context
	// until is when the bridge gives up waiting, unless it is told otherwise, and deadline how long that is from the beginning.
	until    time.Time
	deadline time.Duration
}

func (u *subscriber) run(ctx context.Context) error {
	// What runs outlives ctx until it is drained: the stream must stand until everything that was handled is acknowledged.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	working, stopWorking := context.WithCancelCause(ctx)
	defer stopWorking(nil)

	var workers, settlers, receiver sync.WaitGroup
	for range u.concurrency {
		workers.Go(func() { u.work(working, life, stopWorking) })
	}
	settlers.Go(func() {
		batches(u.acks, u.batch, u.every, func(batch []string) { u.acknowledgeBatch(life, batch) })
	})
	settlers.Go(func() {
		batches(u.rejections, u.batch, u.every, func(batch []*hookbridgev1.Rejection) { u.rejectBatch(life, batch) })
	})
	receiver.Go(func() {
		if err := u.receive(life, working.Done()); err != nil {
			stopWorking(err)
		}
	})

	<-working.Done()
	cause := context.Cause(working)
	late := time.AfterFunc(u.drain, end)
	defer late.Stop()
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

// receive keeps a stream open until life ends. It returns an error that another try doesn't change.
func (u *subscriber) receive(life context.Context, stopped <-chan struct{}) error {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = 100*time.Millisecond, 15*time.Second
	for {
		stood := false
		err := u.stream(life, stopped, func() {
			stood = true
			pauses.Reset()
		})
		if life.Err() != nil {
			return nil
		}
		if u.client.conn.GetState() == connectivity.Shutdown {
			return errClosed
		}
		// A stream that stood and is not known any more was opened with a token that was replaced meanwhile: with the one of now it
		// may stand again.
		replaced := stood && status.Code(err) == codes.Unauthenticated
		if isPermanent(err) && !replaced {
			return fmt.Errorf("subscribe: %w", err)
		}
		pause := pauses.NextBackOff()
		u.disconnected(err, pause)
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

// errClosed ends what still uses a client that was closed.
var errClosed = errors.New("subscribe: the client was closed")

// isPermanent says whether the bridge would answer the same again.
func isPermanent(err error) bool {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition, codes.Unimplemented, codes.OutOfRange:
		return true
	}
	return false
}

// errSilent ends a stream on which nothing comes any more.
var errSilent = errors.New("the bridge fell silent")

// defaultHeartbeat is the bridge's, used until it has said which one applies.
const defaultHeartbeat = 15 * time.Second

// stream reads one stream to its end.
func (u *subscriber) stream(life context.Context, stopped <-chan struct{}, stands func()) error {
	ctx, cancel := context.WithCancelCause(life)
	defer cancel(nil)
	patience := 3 * defaultHeartbeat
	silence := time.AfterFunc(patience, func() { cancel(errSilent) })
	defer silence.Stop()
	stream, err := u.client.events.Subscribe(ctx, u.request, u.callOptions()...)
	deadline := time.Duration(0)
	for err == nil {
		silence.Reset(patience)
		var m *hookbridgev1.SubscribeResponse
		if m, err = stream.Recv(); err != nil {
			break
		}
		// While a handler keeps us from receiving, silence is ours.
		silence.Stop()
		switch m := m.GetMessage().(type) {
		case *hookbridgev1.SubscribeResponse_Confirmed:
			stands()
			deadline = m.Confirmed.GetAckDeadline().AsDuration()
			patience = 3 * m.Confirmed.GetHeartbeatInterval().AsDuration()
			u.resumeAt(m.Confirmed.GetPosition())
			u.connected(m.Confirmed)
		case *hookbridgev1.SubscribeResponse_Delivery:
			d := delivery{
				event:  Event{Event: m.Delivery.GetEvent(), Attempt: int(m.Delivery.GetAttempt()), Reason: m.Delivery.GetReason()},
				ackID:  m.Delivery.GetAckId(),
				stream: ctx, until: time.Now().Add(deadline), deadline: deadline,
			}
			select {
			case u.queue <- d:
			case <-stopped:
				// The stream stays open until what is being handled is acknowledged.
				<-life.Done()
				return nil
			}
			u.resumeAt(d.event.GetSequence() + 1)
		case *hookbridgev1.SubscribeResponse_Heartbeat:
			u.resumeAt(m.Heartbeat.GetPosition())
		case *hookbridgev1.SubscribeResponse_Gap:
			u.gap(m.Gap)
		}
	}
	if cause := context.Cause(ctx); cause != nil && life.Err() == nil {
		return cause
	}
	return err
}

// resumeAt is where an ephemeral subscription goes on after a disconnect. The bridge knows it of a durable one.
func (u *subscriber) resumeAt(sequence int64) {
	if u.request.Subscription == "" && sequence > 0 {
		u.request.Start = Sequence(sequence)
	}
}

// callOptions let events through that the caller wants larger than gRPC's clients take them.
func (u *subscriber) callOptions() []grpc.CallOption {
	const defaultLimit, envelope = 4 << 20, 1 << 20
	if size := int(u.maxEventBytes) + envelope; size > defaultLimit {
		return []grpc.CallOption{grpc.MaxCallRecvMsgSize(size)}
	}
	return nil
}
