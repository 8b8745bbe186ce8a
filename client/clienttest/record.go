package clienttest

import (
	"fmt"
	"strings"
	"time"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Kind is what happened to an event in a subscription.
type Kind string

// What can happen.
const (
	Delivered    Kind = "delivered"
	Acknowledged Kind = "acknowledged"
	Rejected     Kind = "rejected"
	Extended     Kind = "extended"
	DeadLettered Kind = "dead-lettered"
	// Stale is an Acknowledge, Reject or ExtendDeadline that came too late and changed nothing.
	Stale Kind = "stale"
)

// Record is one thing that happened to an event in a subscription.
type Record struct {
	Kind         Kind
	Subscription string // empty for an ephemeral one
	Sequence     int64
	Attempt      int
	AckID        string
	At           time.Time

	Reason    hookbridgev1.Delivery_Reason // of Delivered
	Rejection *hookbridgev1.Rejection      // of Rejected, and of DeadLettered if one was the cause
	Extension time.Duration                // of Extended
	Method    string                       // of Stale: the full name of the method that was called
}

// record notes what happened. The lock is held; the result is valid until the next call.
func (s *subscription) record(kind Kind, e *entry, ackID string) *Record {
	s.b.records = append(s.b.records, Record{
		Kind: kind, Subscription: s.name, Sequence: e.event.GetSequence(), Attempt: int(e.attempt), AckID: ackID, At: s.b.now(),
	})
	return &s.b.records[len(s.b.records)-1]
}

// Records is everything that happened so far, in its order.
func (b *Bridge) Records() []Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Record(nil), b.records...)
}

// Await waits for something to happen, or to have happened, and returns the first record that matches. Otherwise the test fails, and says
// that it waited for what.
func (b *Bridge) Await(what string, matches func(Record) bool) Record {
	b.t.Helper()
	var found Record
	seen := 0
	ok := b.wait(func() bool {
		for ; seen < len(b.records); seen++ {
			if matches(b.records[seen]) {
				found = b.records[seen]
				return true
			}
		}
		return false
	})
	if !ok {
		b.t.Fatalf("clienttest: want %s, which did not come within %v", what, b.settings.patience)
	}
	return found
}

// AwaitSubscribed waits until a stream is open under a name, or without one for "", and returns what it asked for.
func (b *Bridge) AwaitSubscribed(subscription string) *hookbridgev1.SubscribeRequest {
	b.t.Helper()
	var found *hookbridgev1.SubscribeRequest
	ok := b.wait(func() bool {
		for s := range b.streams {
			if s.request.GetSubscription() == subscription {
				found = s.request
			}
		}
		return found != nil
	})
	if !ok {
		b.t.Fatalf("clienttest: want a stream of the subscription %q, which did not come within %v", subscription, b.settings.patience)
	}
	return found
}

// wait returns true when a condition, which is asked under the lock, holds, and false when patience has ended.
func (b *Bridge) wait(holds func() bool) bool {
	timeout := time.NewTimer(b.settings.patience)
	defer timeout.Stop()
	for {
		b.mu.Lock()
		ok, changed := holds(), b.changed
		b.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-timeout.C:
			return false
		}
	}
}

// Records is what happened to the event so far, in its order.
func (p *Published) Records() []Record {
	var own []Record
	for _, r := range p.b.Records() {
		if r.Sequence == p.GetSequence() {
			own = append(own, r)
		}
	}
	return own
}

// AwaitDelivered waits until the event was sent that many times, counted from 1.
func (p *Published) AwaitDelivered(attempt int) Record {
	p.b.t.Helper()
	return p.await(fmt.Sprintf("delivered, attempt %d", attempt), func(r Record) bool { return r.Kind == Delivered && r.Attempt == attempt })
}

// AwaitAcknowledged waits until a subscription has acknowledged the event. The test fails if it became a dead letter.
func (p *Published) AwaitAcknowledged() Record {
	p.b.t.Helper()
	r := p.await("acknowledged", func(r Record) bool { return r.Kind == Acknowledged || r.Kind == DeadLettered })
	if r.Kind == DeadLettered {
		p.b.t.Fatalf("clienttest: want %s acknowledged, it became a dead letter%s", p, p.b.story(p.GetSequence()))
	}
	return r
}

// AwaitRejected waits until the event was given back for the first time. The test fails if it was acknowledged instead.
func (p *Published) AwaitRejected() Record {
	p.b.t.Helper()
	r := p.await("rejected", func(r Record) bool { return r.Kind == Rejected || r.Kind == Acknowledged })
	if r.Kind == Acknowledged {
		p.b.t.Fatalf("clienttest: want %s rejected, it was acknowledged%s", p, p.b.story(p.GetSequence()))
	}
	return r
}

// AwaitDeadLettered waits until the event is a dead letter. The test fails if it was acknowledged instead.
func (p *Published) AwaitDeadLettered() Record {
	p.b.t.Helper()
	r := p.await("dead-lettered", func(r Record) bool { return r.Kind == DeadLettered || r.Kind == Acknowledged })
	if r.Kind == Acknowledged {
		p.b.t.Fatalf("clienttest: want %s dead-lettered, it was acknowledged%s", p, p.b.story(p.GetSequence()))
	}
	return r
}

// AwaitExtended waits until the event's deadline was extended for the first time.
func (p *Published) AwaitExtended() Record {
	p.b.t.Helper()
	return p.await("extended", func(r Record) bool { return r.Kind == Extended })
}

// AwaitStale waits until something was said too late about an attempt at the event.
func (p *Published) AwaitStale(attempt int) Record {
	p.b.t.Helper()
	return p.await(fmt.Sprintf("a stale ack_id of attempt %d", attempt), func(r Record) bool { return r.Kind == Stale && r.Attempt == attempt })
}

func (p *Published) await(what string, matches func(Record) bool) Record {
	p.b.t.Helper()
	var found Record
	seen := 0
	ok := p.b.wait(func() bool {
		for ; seen < len(p.b.records); seen++ {
			if r := p.b.records[seen]; r.Sequence == p.GetSequence() && matches(r) {
				found = r
				return true
			}
		}
		return false
	})
	if !ok {
		p.b.t.Fatalf("clienttest: want %s %s within %v%s", p, what, p.b.settings.patience, p.b.story(p.GetSequence()))
	}
	return found
}

// story tells what happened to an event, for the text of a failure.
func (b *Bridge) story(sequence int64) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var lines strings.Builder
	for _, r := range b.records {
		if r.Sequence != sequence {
			continue
		}
		fmt.Fprintf(&lines, "\n  %s, attempt %d of %q", r.Kind, r.Attempt, r.Subscription)
		if r.Rejection.GetError() != "" {
			fmt.Fprintf(&lines, ": %s", r.Rejection.GetError())
		}
	}
	if lines.Len() > 0 {
		return "; what happened to it:" + lines.String()
	}
	if len(b.subscriptions)+len(b.streams) == 0 {
		return "; nobody has subscribed"
	}
	return "; it was sent to nobody: a subscription begins behind what was published before it, and takes the types and sources that it asks for"
}
