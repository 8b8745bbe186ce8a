package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"google.golang.org/grpc"
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
	last := time.AfterFunc(u.drain+lastAcks, end)
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

// errSilent ends a stream on which nothing comes any more.
var errSilent = errors.New("the bridge fell silent")

const (
	// defaultHeartbeat is the bridge's, used until it has said which one applies; none is longer than longestHeartbeat.
	defaultHeartbeat = 15 * time.Second
	longestHeartbeat = time.Hour
)

// stream reads one stream to its end.
func (u *subscriber) stream(life context.Context, stopped <-chan struct{}, stands func()) error {
	ctx, cancel := context.WithCancelCause(life)
	defer cancel(nil)
	patience := 3 * defaultHeartbeat
	silence := time.AfterFunc(patience, func() { cancel(errSilent) })
	defer silence.Stop()
	stream, err := u.client.events.Subscribe(ctx, u.request, u.callOptions()...)
	s := &session{ctx: ctx}
	confirmed := false
	var extender sync.WaitGroup
	// The stream ends first, then what waits for its end.
	defer func() {
		cancel(nil)
		extender.Wait()
		u.dispatcher.over(s)
	}()
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
			if confirmed {
				break // once is enough
			}
			confirmed = true
			stands()
			u.request.MustExist = u.request.GetSubscription() != "" // from now on: one that is deleted meanwhile isn't made anew
			if s.deadline = m.Confirmed.GetAckDeadline().AsDuration(); s.deadline > 0 && u.request.GetSubscription() != "" {
				u.window.Store(int64(m.Confirmed.GetMaxOutstandingEvents()))
				u.dispatcher.widen(int(m.Confirmed.GetMaxOutstandingEvents()))
				extender.Go(func() { u.extend(s) })
			}
			if beat := m.Confirmed.GetHeartbeatInterval().AsDuration(); beat > 0 {
				patience = 3 * min(beat, longestHeartbeat)
			}
			u.resumeAt(m.Confirmed.GetPosition())
			u.known = max(u.known, m.Confirmed.GetJournalEnd())
			for _, name := range m.Confirmed.GetUnknownSources() {
				u.client.log.Warn("the bridge has no such source now; nothing comes from it until it has", "source", name)
			}
			u.client.contain("OnConnected", func() { u.connected(m.Confirmed) })
		case *hookbridgev1.SubscribeResponse_Delivery:
			if d := u.delivery(m.Delivery, s); u.dispatcher.push(d) {
				u.resumeAt(d.event.GetSequence() + 1)
				u.known = max(u.known, d.event.GetSequence()+1)
				continue
			}
			select {
			case <-stopped:
				// The stream stays open until what is being handled is acknowledged.
				<-life.Done()
				return nil
			case <-ctx.Done():
			}
		case *hookbridgev1.SubscribeResponse_Heartbeat:
			if u.isOther(m.Heartbeat.GetJournalEnd()) {
				err = errOther
				break
			}
			u.resumeAt(m.Heartbeat.GetPosition())
			u.known = max(u.known, m.Heartbeat.GetJournalEnd())
		case *hookbridgev1.SubscribeResponse_Gap:
			u.client.contain("OnGap", func() { u.gap(m.Gap) })
		}
	}
	if cause := context.Cause(ctx); cause != nil && life.Err() == nil {
		return cause
	}
	return err
}

// delivery is what came on a stream.
func (u *subscriber) delivery(m *hookbridgev1.Delivery, s *session) *delivery {
	d := &delivery{
		event: Event{Event: m.GetEvent(), Attempt: int(m.GetAttempt()), Reason: m.GetReason()}, ackID: m.GetAckId(), session: s, index: -1,
	}
	d.handler = u.router.route(&d.event)
	if s.deadline > 0 {
		d.came = time.Now()
		d.until = d.came.Add(s.deadline)
	}
	return d
}

// resumeAt is where an ephemeral subscription goes on after a disconnect. The bridge knows it of a durable one.
func (u *subscriber) resumeAt(sequence int64) {
	if u.request.Subscription == "" && sequence > 0 {
		u.request.Start = Sequence(sequence)
	}
}

// errOther ends the stream of an ephemeral subscription that stands behind the end of a journal which is not the one that it was in.
var errOther = errors.New("the bridge has another journal than before, which is read from its beginning")

// isOther says whether a journal is another one, because it ends before its end as it was known, and lets an ephemeral subscription begin with
// it. One that asked for what was still to come, by its sequence, waits for that as before. It is asked with a heartbeat, and not at once: where
// bridges share a journal they see its end some moments apart.
func (u *subscriber) isOther(end int64) bool {
	if u.request.Subscription != "" || end == 0 || end >= u.known || u.request.GetStart().GetSequence() > u.known {
		return false
	}
	u.request.Start, u.known = Beginning(), 0
	return true
}

// callOptions let events through that the caller wants larger than gRPC's clients take them.
func (u *subscriber) callOptions() []grpc.CallOption {
	const defaultLimit, envelope = 4 << 20, 1 << 20
	if size := int(u.maxEventBytes) + envelope; size > defaultLimit {
		return []grpc.CallOption{grpc.MaxCallRecvMsgSize(size)}
	}
	return nil
}
