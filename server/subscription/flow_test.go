package subscription

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

func TestAWindowOfEventsIsNeverExceeded(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(100, "push")
		s, confirmed := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning(), MaxOutstandingEvents: 7})
		equal(t, "window", confirmed.GetMaxOutstandingEvents(), int32(7))
		ds := s.deliveries(7)
		equal(t, "first", short(ds...), run(1, 7, 1, reasonNew))
		s.quiet()
		s.ack(ds[3], ds[5])
		equal(t, "after two", short(s.deliveries(2)...), run(8, 9, 1, reasonNew))
		s.quiet()
	})
}

func TestAWindowOfBytesIsNeverExceededButOneEventIsAlwaysSent(t *testing.T) {
	for _, content := range []bool{false, true} {
		t.Run(fmt.Sprintf("content=%v", content), func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				size := int64(len(entry(1, "push", 1000).Event)) // the same for each: ids of one digit
				if content {
					size += 1000
				}
				for i := range 4 {
					b.append(entry(i, "push", 1000))
				}
				s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{
					Subscription: "a", Start: beginning(), MaxOutstandingBytes: 2*size + 1, IncludeContent: content,
				})
				ds := s.deliveries(2)
				s.quiet()
				s.ack(ds[0])
				s.delivery()
				s.quiet()
				one, _ := b.subscribe(&hookbridgev1.SubscribeRequest{
					Subscription: "b", Start: beginning(), MaxOutstandingBytes: 1, IncludeContent: content,
				})
				for seq := range int64(4) {
					d := one.delivery()
					equal(t, "one at a time", short(d), run(seq+1, seq+1, 1, reasonNew))
					one.quiet()
					one.ack(d)
				}
			})
		})
	}
}

// What was outstanding before a restart keeps its weight.
func TestAWindowOfBytesHoldsAfterARestart(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		size := int64(len(entry(1, "push", 1000).Event))
		for i := range 4 {
			b.append(entry(i, "push", 1000))
		}
		req := &hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning()}
		s, _ := b.subscribe(req)
		s.deliveries(4)
		if err := b.stop(); err != nil {
			t.Fatal(err)
		}
		after := start(t, b.journal.Crash(), nil)
		defer after.stop()
		req.MaxOutstandingBytes = 2 * size
		s, _ = after.subscribe(req)
		equal(t, "after", short(s.deliveries(2)...), run(1, 2, 2, reasonRestart))
		s.quiet()
	})
}

func TestMembersShareFairly(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		var members []*stream
		for range 4 {
			s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
			members = append(members, s)
		}
		synctest.Wait()
		b.fill(100, "push")
		synctest.Wait()
		seen := map[int64]int{}
		for i, s := range members {
			ds := s.deliveries(25)
			last := int64(0)
			for _, d := range ds {
				seq := d.GetEvent().GetSequence()
				if seen[seq]++; seq <= last {
					t.Errorf("member %d got %d after %d", i, seq, last)
				}
				last = seq
			}
			s.quiet()
		}
		equal(t, "distinct events", len(seen), 100)
	})
}

func TestASlowSubscriptionDelaysNoOther(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		// One that never reads, one that reads and never acknowledges, one that nobody is connected to.
		stuck := b.open(&hookbridgev1.SubscribeRequest{Subscription: "stuck", MaxOutstandingEvents: 100_000, MaxOutstandingBytes: 256 << 20})
		wedged, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "wedged", AckDeadline: durationpb.New(time.Hour)})
		gone, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "gone"})
		gone.close()
		good, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "good"})
		synctest.Wait()
		for round := range int64(40) {
			for range 100 {
				b.append(entry(int(b.journal.Bounds().End), "push", 10_000))
			}
			at := time.Now()
			ds := good.deliveries(100)
			equal(t, "round", short(ds...), run(round*100+1, round*100+100, 1, reasonNew))
			equal(t, "delay", time.Since(at), time.Duration(0))
			good.ack(ds...)
		}
		equal(t, "wedged", short(wedged.deliveries(1000)...), run(1, 1000, 1, reasonNew))
		wedged.quiet()
		for _, name := range []string{"stuck", "wedged", "gone"} {
			s, err := b.manager.find(name)
			if err != nil {
				t.Fatal(err)
			}
			s.mu.Lock()
			if n := s.machine.Buffered(); n > 1024 {
				t.Errorf("%s: %d events are buffered", name, n)
			}
			if s.attached.Load() {
				t.Errorf("%s: it is taken for caught up", name)
			}
			s.mu.Unlock()
		}
		// After a while nothing is kept for them.
		elapse(11 * second)
		for _, name := range []string{"stuck", "wedged", "gone"} {
			s, _ := b.manager.find(name)
			s.mu.Lock()
			equal(t, name+" buffered", s.machine.Buffered(), 0)
			s.mu.Unlock()
		}
		// They go on where they stood when they do something.
		equal(t, "stuck", stuck.recv().GetConfirmed().GetSubscription(), "stuck")
		var got []*hookbridgev1.Delivery
		for len(got) < 4000 {
			d := stuck.delivery()
			if len(got) > 0 && d.GetEvent().GetSequence() <= got[len(got)-1].GetEvent().GetSequence() {
				continue // sent again: its deadline passed while it was not read
			}
			got = append(got, d)
			stuck.ack(d)
		}
		equal(t, "last", got[3999].GetEvent().GetSequence(), int64(4000))
	})
}

func TestAMemberThatReadsNothingKeepsNothingFromTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		req := &hookbridgev1.SubscribeRequest{Subscription: "a", MaxOutstandingBytes: 256 << 20}
		b.open(req) // and never reads
		synctest.Wait()
		good, _ := b.subscribe(req)
		for range 100 {
			b.append(entry(int(b.journal.Bounds().End), "push", 100_000))
		}
		synctest.Wait()
		seen := map[int64]bool{}
		for deadline := time.Now().Add(5 * time.Minute); len(seen) < 100 && time.Now().Before(deadline); {
			select {
			case resp := <-good.got:
				if d := resp.GetDelivery(); d != nil {
					seen[d.GetEvent().GetSequence()] = true
					good.ack(d)
				}
			default:
				elapse(second)
			}
		}
		equal(t, "events", len(seen), 100)
	})
}

func TestASubscriptionThatFellBehindCatchesUpWithoutMissingOrDoubling(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		slow, _ := b.subscribe(&hookbridgev1.SubscribeRequest{
			Subscription: "slow", MaxOutstandingEvents: 50, Filter: &hookbridgev1.Filter{Types: []string{"even"}}, AckDeadline: durationpb.New(time.Hour),
		})
		next := int64(2)
		for range 60 {
			for range 50 {
				b.fill(1, "odd")
				b.fill(1, "even")
			}
			// It acknowledges about as fast as they come, a little behind.
			for range 45 {
				d := slow.delivery()
				equal(t, "sequence", short(d), run(next, next, 1, reasonNew))
				next += 2
				slow.ack(d)
			}
			elapse(second)
		}
		for next <= 6000 {
			d := slow.delivery()
			equal(t, "sequence", short(d), run(next, next, 1, reasonNew))
			next += 2
			slow.ack(d)
		}
		elapse(second)
		s, _ := b.manager.find("slow")
		equal(t, "attached", s.attached.Load(), true)
	})
}
