package clienttest

import (
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// shutdown is what the bridge says when it goes away.
var shutdown = status.Error(codes.Unavailable, "the bridge is shutting down")

// Disconnect ends all streams, with an error of package status or, for nil, Unavailable. What they held comes again, to whoever subscribes.
func (b *Bridge) Disconnect(err error) {
	if err == nil {
		err = shutdown
	}
	b.change(func() {
		for s := range b.streams {
			s.end(err, hookbridgev1.Delivery_REASON_STREAM_LOST)
		}
	})
}

// Down makes the bridge unreachable: streams end, what is called is Unavailable, and nobody new connects (but with Loopback), until Up.
func (b *Bridge) Down() {
	b.change(func() {
		b.down = shutdown
		b.lose()
	})
}

// Up ends Down: the bridge was restarted.
func (b *Bridge) Up() { b.change(func() { b.down = nil }) }

// Restart is Down and Up at once.
func (b *Bridge) Restart() { b.change(b.lose) }

// lose forgets what a bridge doesn't know any more after a restart.
func (b *Bridge) lose() {
	b.epoch++
	for s := range b.streams {
		s.end(shutdown, hookbridgev1.Delivery_REASON_RESTART)
	}
	for _, s := range b.subscriptions {
		for _, e := range s.waiting {
			// A time to wait that was asked for outlives the bridge.
			if now := b.now(); !e.due.After(now) {
				e.reason, e.due = hookbridgev1.Delivery_REASON_RESTART, now
			}
		}
	}
}

// Gap removes the events with sequences from from up to, without, to, published or not, and tells all streams that retention did so. What is
// published next comes behind it. At most a million at a time.
func (b *Bridge) Gap(from, to int64) {
	b.t.Helper()
	const most = 1_000_000
	if from < 1 || to <= from || to-from > most {
		b.t.Fatalf("clienttest: a gap from %d to %d: want from 1 to %d sequences, the first at least 1", from, to, most)
	}
	b.change(func() {
		if ahead := int64(len(b.events)) + 1; from > ahead {
			b.t.Fatalf("clienttest: a gap from %d to %d: the journal ends at %d", from, to, ahead)
		}
		for sequence := from; sequence < to; sequence++ {
			if sequence > int64(len(b.events)) {
				b.events = append(b.events, nil)
			}
			b.events[sequence-1] = nil
		}
		for s := range b.streams {
			s.gaps = append(s.gaps, &hookbridgev1.Gap{FromSequence: from, ToSequence: to})
			if s.subscription.next >= from {
				s.subscription.next = max(s.subscription.next, to)
			}
		}
	})
}

// Mute stops heartbeats and deliveries, for good or until it is called with false, without closing a stream, like a network that drops
// everything.
func (b *Bridge) Mute(muted bool) { b.change(func() { b.muted = muted }) }

// FailNext lets the next calls of a method fail, one for each error of package status. The method's name is one of the constants of the
// generated code, for example hookbridgev1.EventService_Acknowledge_FullMethodName. They change nothing in the bridge.
func (b *Bridge) FailNext(method string, errs ...error) {
	b.change(func() { b.fails[method] = append(b.fails[method], errs...) })
}

// refuse returns the error that a call has to end with. The lock is held.
func (b *Bridge) refuse(method string) error {
	if b.down != nil {
		return b.down
	}
	if errs := b.fails[method]; len(errs) > 0 {
		b.fails[method] = errs[1:]
		return errs[0]
	}
	return nil
}

// Redeliver sends an event again to all subscriptions in which it is outstanding, as if its deadline had passed: once it was sent again, what
// was said of the earlier attempt is stale.
func (p *Published) Redeliver() {
	p.b.t.Helper()
	found := false
	p.b.change(func() {
		for _, s := range p.b.all() {
			if e := s.entries[p.GetSequence()]; e != nil && e.member != nil {
				s.again(e, hookbridgev1.Delivery_REASON_DEADLINE, p.b.now())
				found = true
			}
		}
	})
	if !found {
		p.b.t.Fatalf("clienttest: %s is outstanding in no subscription, so it can't be sent again%s", p, p.b.story(p.GetSequence()))
	}
}

// all are the subscriptions, also those without a name.
func (b *Bridge) all() []*subscription {
	var all []*subscription
	for _, s := range b.subscriptions {
		all = append(all, s)
	}
	for s := range b.streams {
		if !slices.Contains(all, s.subscription) {
			all = append(all, s.subscription)
		}
	}
	return all
}
