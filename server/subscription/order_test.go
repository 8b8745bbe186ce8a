package subscription

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// keyed appends an event for each of some keys; "" is none.
func (b *bridge) keyed(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		b.append(encode(&hookbridgev1.Event{
			Id: fmt.Sprint(b.journal.Bounds().End), Source: "src", Type: "push", OrderingKey: key,
		}, &hookbridgev1.Content{}))
	}
}

func ordered() settings { return settings{ordered: true, backoff: []time.Duration{10 * second}} }

// Of one key one event is delivered at a time, however many members there are; other keys, and what has none, go on.
func TestEventsOfOneKeyComeOneAtATime(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.settle("a", ordered())
		req := &hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Minute)}
		first, _ := b.subscribe(req)
		b.keyed("x", "x", "y", "", "x", "y", "")
		ds := first.deliveries(4)
		equal(t, "one of each key", short(ds...), []sent{{1, 1, reasonNew}, {3, 1, reasonNew}, {4, 1, reasonNew}, {7, 1, reasonNew}})
		first.quiet()
		other, _ := b.subscribe(req)
		other.quiet()
		first.ack(ds[0])
		next := other.delivery() // who has the most room
		equal(t, "the next of its key", short(next), run(2, 2, 1, reasonNew))
		first.quiet()
		other.quiet()
		// In the order of the key through whatever happens to its first.
		other.rejects(retry(), next)
		first.quiet()
		other.quiet()
		next = first.delivery()
		equal(t, "rejected", short(next), run(2, 2, 2, reasonRejected))
		first.close()
		again := other.deliveries(4)
		slices.SortFunc(again, bySequence)
		equal(t, "what the lost stream had", short(again...), []sent{{2, 3, reasonLost}, {3, 2, reasonLost}, {4, 2, reasonLost}, {7, 2, reasonLost}})
		other.quiet()
		other.ack(again...)
		rest := other.deliveries(2)
		slices.SortFunc(rest, bySequence)
		equal(t, "rest", short(rest...), []sent{{5, 1, reasonNew}, {6, 1, reasonNew}})
		other.ack(rest...)
		other.quiet()
	})
}

func bySequence(a, b *hookbridgev1.Delivery) int {
	return int(a.GetEvent().GetSequence() - b.GetEvent().GetSequence())
}

// A key is held through a restart, and one that is too long to be kept is held all the same.
func TestOrderHoldsThroughARestart(t *testing.T) {
	for name, key := range map[string]string{"short": "x", "long": strings.Repeat("x", 255)} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				b.settle("a", ordered())
				req := &hookbridgev1.SubscribeRequest{Subscription: "a"}
				s, _ := b.subscribe(req)
				b.keyed(key, "y", key, "y")
				s.deliveries(2)
				after := b.restart()
				defer after.stop()
				s, _ = after.subscribe(req)
				ds := s.deliveries(2)
				equal(t, "after the restart", short(ds...), run(1, 2, 2, reasonRestart))
				s.quiet()
				s.ack(ds[1])
				ds = append(ds, s.delivery())
				equal(t, "next of y", ds[2].GetEvent().GetSequence(), int64(4))
				s.quiet()
				s.ack(ds[0])
				equal(t, "next of x", s.delivery().GetEvent().GetSequence(), int64(3))
			})
		})
	}
}

// A dead letter lets the next event of its key go, when it is stored and not before.
func TestADeadLetterLetsTheNextOfItsKeyGo(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.settle("a", ordered())
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		b.keyed("x", "x")
		d := s.delivery()
		b.journal.HoldDeadLetters(true)
		out := b.rejecting(t.Context(), "a", forGood(""), d.GetAckId())
		pending(t, "not stored", out)
		s.quiet()
		b.journal.HoldDeadLetters(false)
		equal(t, "next", short(s.delivery()), run(2, 2, 1, reasonNew))
		equal(t, "answer", <-out, answer{})
	})
}

// Without being told to, a subscription holds no key.
func TestASubscriptionIsNotOrderedUnlessItIsTold(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		b.keyed("x", "x", "x")
		equal(t, "all at once", short(s.deliveries(3)...), run(1, 3, 1, reasonNew))
	})
}

// Members come, die, reject and let deadlines pass; each key's events are acknowledged in their order all the same, every one.
func TestOrderHoldsAcrossMembersAndRedeliveries(t *testing.T) {
	const seed, events, keys = 7, 600, 9
	bubble(t, func(t *testing.T, b *bridge) {
		random := rand.New(rand.NewPCG(seed, 0))
		b.settle("a", ordered())
		for range events {
			b.keyed(fmt.Sprint("key", random.IntN(keys)))
		}
		req := &hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(20 * second), MaxOutstandingEvents: 4}
		var members []*stream
		done := map[string][]int64{}
		with := map[string]int64{} // what was sent of each key and is not settled
		acked := 0
		for rounds := 0; acked < events; rounds++ {
			if rounds > 100*events {
				t.Fatalf("seed %d: after %d rounds %d of %d events are acknowledged", seed, rounds, acked, events)
			}
			for len(members) < 3 {
				s, _ := b.subscribe(req)
				s.read()
				members = append(members, s)
			}
			synctest.Wait()
			at := random.IntN(len(members))
			s := members[at]
			if random.IntN(20) == 0 {
				s.close()
				members = slices.Delete(members, at, at+1)
				continue
			}
			select {
			case resp := <-s.got:
				d := resp.GetDelivery()
				if d == nil {
					continue
				}
				key, seq := d.GetEvent().GetOrderingKey(), d.GetEvent().GetSequence()
				if last := with[key]; last != 0 && last != seq {
					t.Fatalf("seed %d: %d of %s was sent while %d is not settled", seed, seq, key, last)
				}
				with[key] = seq
				switch random.IntN(4) {
				case 0:
					if _, err := b.reject("a", retry(), d.GetAckId()); err != nil {
						t.Fatal(err)
					}
				case 1: // its deadline passes
				default:
					if len(b.ack("a", d.GetAckId())) == 0 {
						done[key] = append(done[key], seq)
						with[key] = 0
						acked++
					}
				}
			default:
				elapse(second)
			}
		}
		for key, seqs := range done {
			if !slices.IsSorted(seqs) {
				t.Errorf("seed %d: %s was acknowledged as %v", seed, key, seqs)
			}
		}
		equal(t, "keys", len(done), keys)
	})
}
