package clienttest

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// events is the bridge's EventService.
type events struct {
	hookbridgev1.UnsafeEventServiceServer
	b *Bridge
}

var _ hookbridgev1.EventServiceServer = (*events)(nil)

// stream is one open Subscribe. The bridge's lock guards it.
type stream struct {
	subscription *subscription
	request      *hookbridgev1.SubscribeRequest
	window       int
	deadline     time.Duration
	heartbeat    time.Duration
	out          int // what was sent and is not settled
	gaps         []*hookbridgev1.Gap
	ended        error
}

const (
	defaultWindow      = 1000
	defaultWindowBytes = 16 << 20
	// most is how many deliveries are chosen under one lock.
	most = 256
)

// Subscribe implements hookbridge.v1.EventService.
func (v *events) Subscribe(request *hookbridgev1.SubscribeRequest, to grpc.ServerStreamingServer[hookbridgev1.SubscribeResponse]) error {
	if err := check(request); err != nil {
		return err
	}
	b := v.b
	s := &stream{request: request, window: int(request.GetMaxOutstandingEvents()), deadline: b.settings.deadline, heartbeat: b.settings.heartbeat}
	if s.window == 0 {
		s.window = defaultWindow
	}
	if d := request.GetAckDeadline(); d != nil {
		s.deadline = d.AsDuration()
	}
	if d := request.GetHeartbeatInterval(); d != nil {
		s.heartbeat = d.AsDuration()
	}
	var confirmed *hookbridgev1.Confirmed
	var refused error
	b.change(func() {
		if refused = b.refuse(hookbridgev1.EventService_Subscribe_FullMethodName); refused != nil {
			return
		}
		var created bool
		if s.subscription, created = b.subscription(request); s.subscription == nil {
			refused = status.Errorf(codes.NotFound, "there is no subscription %q", request.GetSubscription())
			return
		}
		b.streams[s] = struct{}{}
		confirmed = &hookbridgev1.Confirmed{
			Subscription: request.GetSubscription(), Created: created && request.GetSubscription() != "", Position: s.subscription.next, JournalEnd: int64(len(b.events)) + 1,
			MaxOutstandingEvents: int32(s.window), MaxOutstandingBytes: request.GetMaxOutstandingBytes(),
			AckDeadline: durationpb.New(s.deadline), HeartbeatInterval: durationpb.New(s.heartbeat),
		}
		if confirmed.MaxOutstandingBytes == 0 {
			confirmed.MaxOutstandingBytes = defaultWindowBytes
		}
	})
	if refused != nil {
		return refused
	}
	defer b.change(func() { s.end(nil, hookbridgev1.Delivery_REASON_STREAM_LOST) })
	if err := to.Send(&hookbridgev1.SubscribeResponse{Message: &hookbridgev1.SubscribeResponse_Confirmed{Confirmed: confirmed}}); err != nil {
		return err
	}
	return s.serve(to)
}

// end lets a stream end, and what it holds come again.
func (s *stream) end(err error, reason hookbridgev1.Delivery_Reason) {
	b := s.subscription.b
	delete(b.streams, s)
	if s.ended == nil {
		s.ended = err
	}
	var held []*entry
	for _, e := range s.subscription.entries {
		if e.member == s {
			held = append(held, e)
		}
	}
	s.subscription.inOrder(held, func(e *entry) { s.subscription.again(e, reason, b.now()) })
}

// serve sends until the stream ends.
func (s *stream) serve(to grpc.ServerStreamingServer[hookbridgev1.SubscribeResponse]) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	beat := s.subscription.b.now().Add(s.heartbeat)
	for {
		messages, changed, wake, err := s.turn(&beat)
		if err != nil {
			return err
		}
		for _, m := range messages {
			if err := to.Send(m); err != nil {
				return err
			}
		}
		if len(messages) > 0 {
			continue
		}
		timer.Reset(time.Until(wake))
		select {
		case <-to.Context().Done():
			return to.Context().Err()
		case <-changed:
		case <-timer.C:
		}
	}
}

// turn chooses what is to be sent now, and says what to wait for when that is nothing.
func (s *stream) turn(beat *time.Time) (messages []*hookbridgev1.SubscribeResponse, changed <-chan struct{}, wake time.Time, err error) {
	b := s.subscription.b
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if s.ended != nil {
		return nil, nil, now, s.ended
	}
	if b.muted {
		return nil, b.changed, now.Add(s.heartbeat), nil
	}
	for _, g := range s.gaps {
		messages = append(messages, &hookbridgev1.SubscribeResponse{Message: &hookbridgev1.SubscribeResponse_Gap{Gap: g}})
	}
	s.gaps = nil
	taken := s.subscription.take(s, most)
	for _, d := range taken {
		messages = append(messages, &hookbridgev1.SubscribeResponse{Message: &hookbridgev1.SubscribeResponse_Delivery{Delivery: d}})
	}
	if len(messages) == 0 && !beat.After(now) {
		messages = append(messages, &hookbridgev1.SubscribeResponse{Message: &hookbridgev1.SubscribeResponse_Heartbeat{Heartbeat: &hookbridgev1.Heartbeat{
			Position: s.subscription.next, JournalEnd: int64(len(b.events)) + 1, Time: timestamppb.New(now),
		}}})
	}
	if len(taken) > 0 {
		// What was recorded is waited for.
		close(b.changed)
		b.changed = make(chan struct{})
	}
	if len(messages) > 0 {
		*beat = now.Add(s.heartbeat)
		return messages, nil, now, nil
	}
	wake = *beat
	// A full window wakes for nothing but an acknowledgement, or a deadline that passes.
	if at := s.subscription.wake(); !at.IsZero() && at.After(now) && at.Before(wake) {
		wake = at
	}
	return nil, b.changed, wake, nil
}

// visible is an event as this stream is to see it.
func (s *stream) visible(e *hookbridgev1.Event) *hookbridgev1.Event {
	limit := int(s.request.GetMaxEventBytes())
	if limit == 0 {
		limit = 3 << 20
	}
	whole := e
	if !s.request.GetIncludeContent() {
		whole = without(e, false)
	}
	if proto.Size(whole) <= limit {
		return whole
	}
	small := without(e, true)
	small.Omission = &hookbridgev1.Omission{DataBytes: int64(proto.Size(e.GetData())), BodyBytes: int64(len(e.GetContent().GetBody()))}
	return small
}

// without is the event without its content, and its data too if asked for. What is left is shared.
func without(e *hookbridgev1.Event, data bool) *hookbridgev1.Event {
	less := &hookbridgev1.Event{
		Id: e.GetId(), Source: e.GetSource(), Provider: e.GetProvider(), Type: e.GetType(), Sequence: e.GetSequence(), OccurredAt: e.GetOccurredAt(),
		ReceivedAt: e.GetReceivedAt(), OrderingKey: e.GetOrderingKey(), Data: e.GetData(), Decoding: e.GetDecoding(), Auth: e.GetAuth(),
	}
	if data {
		less.Data = nil
	}
	return less
}
