package subscription

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/journal/journalfake"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

// letters makes dead letters of the first n events.
func (b *bridge) letters(n int) *stream {
	b.t.Helper()
	s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", IncludeContent: true, HeartbeatInterval: durationpb.New(5 * time.Minute)})
	b.fill(n, "push")
	s.rejects(forGood("no"), s.deliveries(n)...)
	return s
}

// A redriven event is read from its dead letter, which goes when it is acknowledged and that is on disk.
func TestARedrivenEventComesFromItsDeadLetter(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s := b.letters(2)
		want, err := b.client.GetEvent(t.Context(), &hookbridgev1.GetEventRequest{
			Event: &hookbridgev1.GetEventRequest_Sequence{Sequence: 1}, IncludeContent: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		b.journal.Trim(3)
		b.redriveIDs("a", 1)
		d := s.delivery()
		equal(t, "again", short(d), run(1, 1, 1, reasonRedriven))
		equal(t, "event", d.GetEvent(), want.GetEvent())
		equal(t, "kept", len(b.buried("a")), 2)
		s.rejects(retryNow(), d)
		d = s.delivery()
		equal(t, "rejected", short(d), run(1, 1, 2, reasonRejected))
		equal(t, "event", d.GetEvent(), want.GetEvent())
		s.ack(d)
		equal(t, "left", b.buried("a"), []dead{{2, 2, 1, deadForGood, "no"}})
		s.quiet()
	})
}

// A redriven event that is given up again is one dead letter, a new one.
func TestARedrivenEventCanBeGivenUpAgain(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s := b.letters(1)
		b.journal.Trim(2)
		b.redriveIDs("a", 1)
		s.rejects(retryNow(), s.delivery())
		s.rejects(forGood("still not"), s.delivery())
		equal(t, "dead letters", b.buried("a"), []dead{{2, 1, 2, deadForGood, "still not"}})
		ev, err := b.manager.copied(t.Context(), 2)
		if err != nil || ev == nil {
			t.Fatalf("got %v, %v", ev, err)
		}
		equal(t, "its event", ev.ID, "1")
	})
}

// Until an acknowledgement is on disk the dead letter is kept; once it is, the dead letter goes, whatever happens meanwhile.
func TestTheDeadLetterOfAnAcknowledgedEventGoes(t *testing.T) {
	for name, tc := range map[string]struct {
		trouble func(b *bridge) *bridge
		left    int
		again   int64 // the sequence that comes again
	}{
		"at once": {func(b *bridge) *bridge { return b }, 0, 0},
		"after an outage of the dead letters": {func(b *bridge) *bridge {
			synctest.Wait()
			b.journal.FailDeadLetters(nil)
			elapse(2 * second)
			return b
		}, 0, 0},
		"after a crash": {func(b *bridge) *bridge { return b.crash() }, 0, 0},
		"after a restart": {func(b *bridge) *bridge {
			b.journal.FailDeadLetters(nil)
			if err := b.stop(); err != nil {
				b.t.Fatal(err)
			}
			equal(b.t, "dead letters at the end", len(b.buried("a")), 0)
			return start(b.t, b.journal.Crash(), nil)
		}, 0, 0},
		"not when the acknowledgement was not stored": {func(b *bridge) *bridge {
			b.journal.HoldRecords(true)
			return b.crash()
		}, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				s := b.letters(1)
				b.redriveIDs("a", 1)
				d := s.delivery()
				switch {
				case tc.left > 0:
					b.journal.HoldRecords(true)
					go func() {
						_, _ = b.client.Acknowledge(t.Context(), &hookbridgev1.AcknowledgeRequest{Subscription: "a", AckIds: []string{d.GetAckId()}})
					}()
					synctest.Wait()
					sub, err := b.manager.find("a")
					if err != nil {
						t.Fatal(err)
					}
					b.manager.burier.remove(sub) // whatever else there is to remove
					equal(t, "kept", len(b.buried("a")), 1)
				case name != "at once":
					b.journal.FailDeadLetters(errFire)
					fallthrough
				default:
					s.ack(d)
				}
				after := tc.trouble(b)
				equal(t, "dead letters", len(after.buried("a")), tc.left)
				if after == b {
					return
				}
				s, _ = after.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
				if tc.again != 0 {
					// Whether its first attempt is on disk depends on when a commit came.
					equal(t, "again", s.delivery().GetEvent().GetSequence(), tc.again)
				}
				s.quiet()
				_ = after.stop()
			})
		})
	}
}

// A dead letter that is gone, because somebody's request removed it, can't be sent any more.
func TestARedrivenEventWhoseDeadLetterIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s := b.letters(1)
		s.close()
		b.redriveIDs("a", 1)
		if _, err := b.journal.DeadLetters().Purge(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		s, _ = b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		equal(t, "told", s.recv().GetGap(), &hookbridgev1.Gap{FromSequence: 1, ToSequence: 2})
		s.quiet()
		equal(t, "held", b.metric("outstanding_events", "a"), 0.0)
	})
}

// A replayed event says which replay it is part of, also when it is sent again; others say none.
func TestAReplayedEventNamesItsReplay(t *testing.T) {
	for name, size := range map[string]int{"copied": 10, "split": 100_000, "rebuilt": 4 << 20} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", IncludeContent: true})
				b.append(entry(1, "push", size))
				b.append(entry(2, "push", size))
				s.ack(s.deliveries(2)...)
				b.with("a", func(s *subscription, now time.Duration) {
					s.replay = &hookbridgev1.Replay{Id: "r-1"}
					s.machine.Inject(now, []machine.Event{{Seq: 1, Bytes: 10}})
				})
				d := s.delivery()
				equal(t, "first", short(d), run(1, 1, 1, reasonReplay))
				equal(t, "replay", d.GetReplay(), "r-1")
				s.rejects(retryNow(), d)
				d = s.delivery()
				equal(t, "again", short(d), run(1, 1, 2, reasonRejected))
				equal(t, "replay", d.GetReplay(), "r-1")
				s.ack(d)
				b.append(entry(3, "push", size))
				d = s.delivery()
				equal(t, "another", short(d), run(3, 3, 1, reasonNew))
				equal(t, "replay", d.GetReplay(), "")
			})
		})
	}
}

// What is read for a dead letter among others that are sent again is the dead letter's.
func TestRedrivenAndOtherEventsAreReadApart(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s := b.letters(20)
		b.fill(20, "push")
		s.deliveries(20)
		s.close()
		b.manager.tail.ring.reset(41)
		for id := range int64(20) {
			b.redriveIDs("a", id+1)
		}
		b.journal.Trim(21)
		s, _ = b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		seen := map[int64]hookbridgev1.Delivery_Reason{}
		for _, d := range s.deliveries(40) {
			seen[d.GetEvent().GetSequence()] = d.GetReason()
		}
		want := map[int64]hookbridgev1.Delivery_Reason{}
		for seq := range int64(20) {
			want[seq+1], want[seq+21] = reasonRedriven, reasonLost
		}
		equal(t, "events", seen, want)
		s.quiet()
	})
}

// The counts of a subscription's life: what was given back, given up, sent again and why.
func TestMetricsOfRejectionsAndDeadLetters(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s := b.letters(3)
		elapse(6 * second)
		equal(t, "dead letters", b.metric("dead_letters", "a"), 3.0)
		b.redriveIDs("a", 1)
		d := s.delivery()
		for _, how := range []*hookbridgev1.Rejection{retryNow(), retry(), retryAfter(second)} {
			s.rejects(how, d)
			d = s.delivery()
		}
		s.ack(d)
		elapse(6 * second)
		for _, tc := range []struct {
			name   string
			labels []string
			want   float64
		}{
			{"dead_letters", nil, 2},
			{"dead_lettered_total", []string{"reason=rejected"}, 3},
			{"dead_lettered_total", []string{"reason=max_attempts"}, 0},
			{"dead_letter_failures_total", nil, 0},
			{"rejected_total", []string{"action=dead_letter"}, 3},
			{"rejected_total", []string{"action=retry"}, 1},
			{"rejected_total", []string{"action=retry_now"}, 1},
			{"rejected_total", []string{"action=retry_after"}, 1},
			{"redelivered_total", []string{"reason=redriven"}, 1},
			{"redelivered_total", []string{"reason=rejected"}, 3},
			{"redelivered_total", []string{"reason=replay"}, 0},
			{"delivered_total", nil, 7},
			{"acknowledged_total", nil, 1},
		} {
			equal(t, tc.name, b.metric(tc.name, "a", tc.labels...), tc.want)
		}
	})
}

// Dead letters are counted by the owner, from the start on; those of a subscription that is not there are removed.
func TestDeadLettersAreCountedAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := journalfake.New()
		before := start(t, j, nil)
		before.settle("a", settings{})
		_ = before.stop()
		if _, err := j.DeadLetters().Add(t.Context(), journal.SideEntry{Owner: "a", Payload: []byte{8, 1}}, journal.SideEntry{Owner: "b", Payload: []byte{8, 1}}); err != nil {
			t.Fatal(err)
		}
		b := start(t, j, nil)
		b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		synctest.Wait()
		equal(t, "dead letters", b.metric("dead_letters", "a"), 1.0)
		_ = b.stop()
	})
}
