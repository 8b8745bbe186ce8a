package subscription

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/auth"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

// Subscribe implements hookbridge.v1.EventService.
func (m *Manager) Subscribe(req *hookbridgev1.SubscribeRequest, stream grpc.ServerStreamingServer[hookbridgev1.SubscribeResponse]) error {
	ctx := stream.Context()
	mem, err := newMember(req)
	if err != nil {
		return err
	}
	mem.covers = func(f *filter) error { return auth.From(ctx).Covers(f.proto()) }
	mem.address, mem.principal, mem.since = addressOf(ctx), m.who(ctx), m.wall()
	if name := req.GetSubscription(); name != "" {
		// Before one of that name is made, and before anything is said of one that is there.
		if err := auth.From(ctx).MayUse(name); err != nil {
			return err
		}
	}
	var want *filter // nil: what the subscription has
	if req.GetFilter() != nil || req.GetSubscription() == "" {
		if want, err = m.granted(ctx, req.GetFilter()); err != nil {
			return err
		}
	}
	if err := m.serving(ctx); err != nil {
		return err
	}
	s, err := m.open(ctx, req, want)
	if err != nil {
		return err
	}
	if err := s.reckon(ctx, false, nil); err != nil {
		return err
	}
	if mem.id, err = m.enter(s); err != nil {
		return err
	}
	defer m.leave(s)
	saved, err := s.join(mem, want)
	if err != nil {
		return err
	}
	out := &sender{s: s, mem: mem, stream: stream, load: loader{m: m}}
	defer func() { s.leave(mem, out.sends[out.tried:]) }()
	if err := s.keep(ctx); err != nil {
		return err
	}
	if saved != nil {
		if err := saved.waitServing(ctx, m.draining); err != nil {
			return err
		}
	}
	m.log.Debug("stream opened", "subscription", s.name, "principal", auth.From(ctx).Name(), "client", mem.client, "member", mem.id)
	return out.run(ctx)
}

// open returns the subscription that a stream is for. A durable one is made on first use unless it must exist, an ephemeral one always.
func (m *Manager) open(ctx context.Context, req *hookbridgev1.SubscribeRequest, want *filter) (*subscription, error) {
	name := req.GetSubscription()
	if name != "" {
		s, err := m.find(name)
		if err == nil {
			return s, nil
		}
		if req.GetMustExist() {
			return nil, err
		}
	}
	position, err := m.startAt(ctx, "start", req.GetStart())
	if err != nil {
		return nil, err
	}
	if want == nil {
		if want, err = m.granted(ctx, nil); err != nil {
			return nil, err
		}
	}
	made, err := m.newSubscription(&record{
		name: name, filter: want, created: m.wall(), incarnation: rand.Uint64(), state: machine.State{Position: position},
	})
	if err != nil {
		return nil, err
	}
	made.fresh = true
	if name == "" {
		return made, nil
	}
	s, err := m.add(made)
	if err != nil {
		return nil, err
	}
	return s, nil // not the one that was made, when somebody was faster
}

// startAt returns the sequence that a field of a request stands for.
func (m *Manager) startAt(ctx context.Context, field string, start *hookbridgev1.Start) (int64, error) {
	bounds := m.journal.Bounds()
	switch at := start.GetAt().(type) {
	case nil, *hookbridgev1.Start_Now:
		return bounds.End, nil
	case *hookbridgev1.Start_Beginning:
		return bounds.First, nil
	case *hookbridgev1.Start_Sequence:
		if at.Sequence < 1 {
			return 0, invalid(field+".sequence", "want at least 1, got %d", at.Sequence)
		}
		return max(at.Sequence, bounds.First), nil
	case *hookbridgev1.Start_Time:
		if err := at.Time.CheckValid(); err != nil {
			return 0, invalid(field+".time", "%v", err)
		}
		seq, err := m.journal.SequenceAt(ctx, at.Time.AsTime())
		return seq, journalFault(err)
	default:
		return 0, invalid(field, "%T is not known", at)
	}
}

// How much a stream takes at a time, under one lock of its subscription.
const (
	takeEvents = 64
	takeBytes  = 256 << 10
)

// sender writes one stream.
type sender struct {
	s      *subscription
	mem    *member
	stream grpc.ServerStreamingServer[hookbridgev1.SubscribeResponse]
	load   loader
	// sends is what was taken last, of which the first so many had their attempt.
	sends  []machine.Send
	tried  int
	last   time.Duration // when something was sent
	frames framer
	replay string // the id of the replay that runs
	broken error  // why the subscription delivers nothing any more
}

// run sends until the stream ends; then it returns why.
func (w *sender) run(ctx context.Context) error {
	m := w.s.m
	if err := w.stream.Send(w.confirm()); err != nil {
		return err
	}
	w.last = m.now()
	beat := time.NewTimer(w.mem.heartbeat)
	defer beat.Stop()
	for {
		if m.isDraining() {
			return fault.ErrShuttingDown
		}
		gaps := w.take()
		for _, g := range gaps {
			if err := w.gap(g.From, g.To); err != nil {
				return err
			}
		}
		if w.broken != nil {
			return w.broken
		}
		for i := range w.sends {
			if err := w.send(ctx, i); err != nil {
				return err
			}
		}
		if len(gaps)+len(w.sends) > 0 {
			w.last = m.now()
			continue
		}
		w.load.reset()
		select {
		case <-w.mem.notify:
		case <-beat.C:
			if err := w.beat(beat); err != nil {
				return err
			}
		case <-m.draining:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take takes what is there for the member.
func (w *sender) take() []machine.Range {
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.m.now()
	clear(w.sends)
	w.tried = 0
	w.sends = s.machine.Take(now, w.mem.id, takeEvents, takeBytes, w.sends[:0])
	if len(w.sends) > 0 {
		s.progress()
	}
	s.after(now)
	gaps := w.mem.gaps
	w.mem.gaps, w.broken, w.replay = nil, s.broken, s.replay.GetId()
	if w.mem.refused != nil {
		w.broken = w.mem.refused
	}
	return gaps
}

// send sends the i-th of what was taken.
func (w *sender) send(ctx context.Context, i int) error {
	x := &w.sends[i]
	ev, err := w.load.event(ctx, w.sends[i:])
	if away := ctx.Err() != nil || passing(err); err == nil || !away {
		// It may have been sent also where that fails. What fails because of the event itself is an attempt too: it is given up at last, where
		// it would keep the stream from everything after it for ever.
		w.tried = i + 1
	}
	if err != nil {
		return err
	}
	if ev == nil {
		return w.gone(x)
	}
	if err := readable(ctx, ev); err != nil {
		return err
	}
	msg, err := w.frames.delivery(w, ev, x)
	if err != nil {
		return err
	}
	x.Payload = nil
	w.s.counters.sent(x.Reason)
	w.s.tally.count(x)
	return w.stream.SendMsg(msg)
}

// gone settles an event that is not in the journal any more, and tells the client.
func (w *sender) gone(x *machine.Send) error {
	s := w.s
	s.mu.Lock()
	now := s.m.now()
	gone := s.machine.Gone(now, x.Seq, x.Attempt, x.Epoch)
	s.after(now)
	s.mu.Unlock()
	if !gone && !s.ephemeral {
		return nil // settled by an acknowledgement, or with somebody else by now
	}
	s.counters.lost.Add(1)
	s.tally.missed.Add(1)
	s.m.log.Warn("retention overtook a subscription", "subscription", s.name, "from_sequence", x.Seq, "to_sequence", x.Seq+1)
	return w.gap(x.Seq, x.Seq+1)
}

func (w *sender) gap(from, to int64) error {
	return w.stream.Send(&hookbridgev1.SubscribeResponse{Message: &hookbridgev1.SubscribeResponse_Gap{
		Gap: &hookbridgev1.Gap{FromSequence: from, ToSequence: to},
	}})
}

// beat sends a heartbeat if nothing was sent for long enough, and sets the timer for the next.
func (w *sender) beat(timer *time.Timer) error {
	m := w.s.m
	if left := w.last + w.mem.heartbeat - m.now(); left > 0 {
		timer.Reset(left)
		return nil
	}
	timer.Reset(w.mem.heartbeat)
	w.last = m.now()
	w.s.mu.Lock()
	w.s.advance()
	position := w.s.machine.Position()
	w.s.mu.Unlock()
	return w.stream.Send(&hookbridgev1.SubscribeResponse{Message: &hookbridgev1.SubscribeResponse_Heartbeat{
		Heartbeat: &hookbridgev1.Heartbeat{Position: position, JournalEnd: m.journal.Bounds().End, Time: timestamppb.New(m.wall())},
	}})
}

func (w *sender) confirm() *hookbridgev1.SubscribeResponse {
	mem := w.mem
	return &hookbridgev1.SubscribeResponse{Message: &hookbridgev1.SubscribeResponse_Confirmed{Confirmed: &hookbridgev1.Confirmed{
		Subscription: w.s.name, Created: mem.confirmed.created && !w.s.ephemeral,
		Position: mem.confirmed.position, JournalEnd: w.s.m.journal.Bounds().End,
		MaxOutstandingEvents: int32(mem.want.WindowEvents), MaxOutstandingBytes: mem.want.WindowBytes,
		AckDeadline: durationpb.New(mem.want.AckDeadline), HeartbeatInterval: durationpb.New(mem.heartbeat),
		UnknownSources: mem.confirmed.unknown,
	}}}
}
