package subscription

import (
	"bytes"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// An attempt is a send to a client: what a stream took and could not be sent, because the journal can't be read or the stream ended
// before, has had none. While the journal is away, clients that come back again and again use up no attempts.
func TestWhatWasTakenAndNotSentIsNoAttempt(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.establish(&hookbridgev1.Subscription{Name: "a", MaxAttempts: 2})
		b.fill(3, "push")
		s := b.patient("a")
		equal(t, "sent", short(s.deliveries(3)...), run(1, 3, 1, reasonNew))
		s.close()
		b.manager.tail.ring.reset(4)
		b.journal.FailReads(errFire)
		for range 5 {
			s := b.patient("a")
			refused(t, s.ended(), noJournal)
		}
		b.journal.FailReads(nil)
		s = b.patient("a")
		equal(t, "then", short(s.deliveries(3)...), run(1, 3, 2, reasonLost))
		equal(t, "dead letters", b.buried("a"), []dead(nil))
		s.close()
		equal(t, "after two", len(b.buried("a")), 3)
	})
}

// What can't be sent because of what it is itself has its attempts, and is given up at last: it keeps nobody from what comes after it, which
// has none meanwhile.
func TestAnEventThatCannotBeSentIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.establish(&hookbridgev1.Subscription{Name: "a", MaxAttempts: 2})
		damaged := entry(1, "push", 10)
		damaged.Event = bytes.Repeat([]byte{0xff}, 2<<10)
		b.append(damaged)
		b.fill(1, "push")
		open := func() *stream {
			s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", MaxEventBytes: 1 << 10})
			return s
		}
		for range 2 {
			equal(t, "ended with", status.Code(open().ended()), codes.Internal)
		}
		equal(t, "dead letters", b.buried("a"), []dead{{1, 1, 2, deadAttempts, ""}})
		equal(t, "what comes after it", short(open().delivery()), run(2, 2, 1, reasonLost))
	})
}
