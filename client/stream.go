package client

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

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
	short := 0 // heartbeats in a row that told of a journal which ends too early
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
			if u.endsTooEarly(m.Heartbeat.GetJournalEnd()) {
				if short++; short == surelyShort {
					u.request.Start, u.known = Beginning(), 0
					err = errOther
				}
				break
			}
			short = 0
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

// surelyShort is how many heartbeats in a row, on one stream, must tell of a journal that ends before its end as it was known until it is taken for
// another one. Fewer are no reason to see everything again: where bridges share a journal one may see its end a while later than another.
const surelyShort = 3

// endsTooEarly says whether a journal ends before its end as it was known, so that an ephemeral subscription waits behind it. One that asked for
// what was still to come, by its sequence, waits for that as before.
func (u *subscriber) endsTooEarly(end int64) bool {
	return u.request.Subscription == "" && end > 0 && end < u.known && u.request.GetStart().GetSequence() <= u.known
}

// callOptions let events through that the caller wants larger than gRPC's clients take them.
func (u *subscriber) callOptions() []grpc.CallOption {
	const defaultLimit, envelope = 4 << 20, 1 << 20
	if size := int(u.maxEventBytes) + envelope; size > defaultLimit {
		return []grpc.CallOption{grpc.MaxCallRecvMsgSize(size)}
	}
	return nil
}
