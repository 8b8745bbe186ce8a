package subscription

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/journal/journalfake"
)

// A dead letter is a whole copy of its event, with why and when it was given up.
func TestADeadLetterIsAWholeCopy(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		b.append(entry(1, "push", 1000))
		elapse(5 * second)
		s.rejects(retryNow(), s.delivery())
		s.rejects(forGood("no such customer"), s.delivery())
		stored, err := b.journal.Get(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		letters, _ := deadLetters(t, b.journal, "a")
		equal(t, "dead letters", letters, []*storagev1.StoredDeadLetter{{
			Format: 1, Subscription: "a", Sequence: 1, StoredEvent: stored.Marshal(), Reason: deadForGood, Attempts: 2,
			Error: "no such customer", DeadLetteredAt: timestamppb.Now(), Incarnation: b.incarnation("a"),
		}})
		s.quiet()
	})
}

// Reject answers when the dead letter is stored and its event settled on disk, and not before; nothing is settled before it is stored.
func TestADeadLetterIsOnDiskWhenRejectAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		b.fill(2, "push")
		ds := s.deliveries(2)
		b.journal.HoldDeadLetters(true)
		b.journal.HoldRecords(true)
		out := b.rejecting(t.Context(), "a", forGood(""), ids(ds[:1])...)
		again := b.rejecting(t.Context(), "a", forGood(""), ids(ds[:1])...)
		pending(t, "nothing is stored", out)
		b.journal.HoldRecords(false)
		synctest.Wait()
		held := func() (n int) {
			b.with("a", func(s *subscription, _ time.Duration) { n = s.machine.Held() })
			return n
		}
		equal(t, "held until it is stored", held(), 2)
		b.journal.HoldRecords(true)
		b.journal.HoldDeadLetters(false)
		equal(t, "stored", b.buried("a"), []dead{{1, 1, 1, deadForGood, ""}})
		pending(t, "its event is not settled on disk", out)
		pending(t, "nor for who asks twice", again)
		b.journal.HoldRecords(false)
		equal(t, "first", <-out, answer{})
		equal(t, "second", <-again, answer{})
		equal(t, "held", held(), 1)
		equal(t, "once", b.buried("a"), []dead{{1, 1, 1, deadForGood, ""}})
		after := b.crash()
		defer after.stop()
		s, _ = after.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		equal(t, "after a crash", short(s.delivery()), run(2, 2, 2, reasonRestart))
		s.quiet()
	})
}

func TestRejectWaitsNoLongerThanItsCaller(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		b.fill(1, "push")
		d := s.delivery()
		b.journal.HoldDeadLetters(true)
		ctx, cancel := context.WithTimeout(t.Context(), 2*second)
		defer cancel()
		at := time.Now()
		got := <-b.rejecting(ctx, "a", forGood(""), d.GetAckId())
		equal(t, "took", time.Since(at), 2*second)
		equal(t, "answer", status.Code(got.Err), codes.DeadlineExceeded)
		// It is done all the same.
		b.journal.HoldDeadLetters(false)
		equal(t, "stored", b.buried("a"), []dead{{1, 1, 1, deadForGood, ""}})
	})
}

// While dead letters can't be stored nothing is lost, settled, or sent to anybody.
func TestTroubleWhileBuryingLosesNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		fail, heal func(j *journalfake.Journal)
		want       string
	}{
		"the store can't write": {
			func(j *journalfake.Journal) { j.FailDeadLetters(errFire) }, func(j *journalfake.Journal) { j.FailDeadLetters(nil) }, unstorable,
		},
		"the event can't be read": {
			func(j *journalfake.Journal) { j.FailReads(errFire) }, func(j *journalfake.Journal) { j.FailReads(nil) }, unstorable,
		},
		"there is no room": {
			func(j *journalfake.Journal) { j.LimitDeadLetters(10) }, func(j *journalfake.Journal) { j.LimitDeadLetters(0) },
			"Unavailable JOURNAL_FULL: there is no room for dead letters; redrive or purge some",
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				req := &hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour), HeartbeatInterval: durationpb.New(5 * time.Minute)}
				s, _ := b.subscribe(req)
				b.fill(3, "push")
				ds := s.deliveries(3)
				s.close() // what is in memory is forgotten when nobody is connected: it has to be read
				b.manager.tail.ring.reset(4)
				tc.fail(b.journal)
				_, err := b.reject("a", forGood("no"), ids(ds[:2])...)
				refused(t, err, tc.want)
				// The bridge tries again after a second, and then less and less often.
				elapse(10 * second)
				if n := b.metric("dead_letter_failures_total", "a"); n < 6 || n > 8 {
					t.Errorf("tried %v times in 10 s, want each of 2 three or four times", n)
				}
				_, err = b.reject("a", forGood("no"), ids(ds[:1])...)
				refused(t, err, unstorable)
				tc.heal(b.journal)
				s, _ = b.subscribe(req)
				equal(t, "only the other", short(s.delivery()), run(3, 3, 2, reasonLost))
				elapse(time.Minute)
				equal(t, "stored in the end", len(b.buried("a")), 2)
				for i, d := range b.buried("a") {
					d.Seq -= d.ID // in whatever order they were tried
					equal(t, "dead letter", d, dead{int64(i + 1), d.Seq, 1, deadForGood, "no"})
				}
				s.quiet()
				equal(t, "held", b.metric("outstanding_events", "a"), 1.0)
			})
		})
	}
}

// After max_attempts sends an event becomes a dead letter, however the last of them ended.
func TestTooManyAttemptsMakeADeadLetter(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(b *bridge, s *stream, d *hookbridgev1.Delivery) *bridge
		want string
	}{
		"rejected": {
			func(b *bridge, s *stream, d *hookbridgev1.Delivery) *bridge {
				s.rejects(&hookbridgev1.Rejection{Action: retryNow().GetAction(), Error: "third"}, d)
				return b
			}, "third",
		},
		"its deadline passed": {
			func(b *bridge, _ *stream, _ *hookbridgev1.Delivery) *bridge {
				elapse(30 * second)
				return b
			}, "second",
		},
		"its stream was lost": {
			func(b *bridge, s *stream, _ *hookbridgev1.Delivery) *bridge {
				s.close()
				return b
			}, "second",
		},
		"the bridge was killed": {
			func(b *bridge, _ *stream, _ *hookbridgev1.Delivery) *bridge {
				elapse(16 * second) // by now the attempts are on disk
				return b.crash()
			}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				b.settle("a", settings{maxAttempts: 3})
				s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
				b.fill(1, "push")
				s.rejects(retryNow(), s.delivery())
				s.rejects(&hookbridgev1.Rejection{Action: retryNow().GetAction(), Error: "second"}, s.delivery())
				d := s.delivery()
				equal(t, "last", short(d), run(1, 1, 3, reasonRejected))
				equal(t, "not yet", b.buried("a"), []dead(nil))
				after := tc.end(b, s, d)
				equal(t, "dead letters", after.buried("a"), []dead{{1, 1, 3, deadAttempts, tc.want}})
				equal(t, "counted", after.metric("dead_lettered_total", "a", "reason=max_attempts"), 1.0)
				s, _ = after.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
				s.quiet()
				if after != b {
					_ = after.stop()
				}
			})
		})
	}
}

// An acknowledgement that comes before the dead letter is stored wins, and what was stored for nothing is removed.
func TestAnAcknowledgementComesBeforeADeadLetter(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		b.fill(1, "push")
		d := s.delivery()
		b.journal.HoldDeadLetters(true)
		out := b.rejecting(t.Context(), "a", forGood(""), d.GetAckId())
		pending(t, "not stored", out)
		s.ack(d)
		b.journal.HoldDeadLetters(false)
		equal(t, "rejection", <-out, answer{Failures: []*hookbridgev1.AckFailure{failure(d.GetAckId(), stale)}})
		equal(t, "dead letters", b.buried("a"), []dead(nil))
		equal(t, "counted", b.metric("dead_lettered_total", "a", "reason=rejected"), 0.0)
	})
}

func TestAnEventThatIsGoneBecomesNoDeadLetter(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		b.fill(1, "push")
		d := s.delivery()
		b.manager.tail.ring.reset(2)
		b.journal.Trim(2)
		equal(t, "rejection", <-b.rejecting(t.Context(), "a", forGood(""), d.GetAckId()),
			answer{Failures: []*hookbridgev1.AckFailure{failure(d.GetAckId(), stale)}})
		equal(t, "dead letters", b.buried("a"), []dead(nil))
		equal(t, "held", b.metric("outstanding_events", "a"), 0.0)
		equal(t, "missed", b.metric("missed_sequences_total", "a"), 1.0)
	})
}

// Many are stored together, those of different subscriptions too, and one with many keeps nobody waiting.
func TestDeadLettersAreStoredTogether(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(1000, "push")
		var outs []<-chan answer
		var streams []*stream
		for _, name := range []string{"many", "b", "c"} {
			s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: name, Start: beginning(), AckDeadline: durationpb.New(time.Hour)})
			streams = append(streams, s)
		}
		b.journal.HoldDeadLetters(true)
		for i, s := range streams {
			n := 1
			if i == 0 {
				n = 1000
			}
			outs = append(outs, b.rejecting(t.Context(), s.name, forGood(""), ids(s.deliveries(n))...))
			synctest.Wait()
		}
		b.journal.HoldDeadLetters(false)
		for i, out := range outs {
			equal(t, streams[i].name, <-out, answer{})
		}
		var all []dead
		for seq := range int64(1000) {
			all = append(all, dead{0, seq + 1, 1, deadForGood, ""})
		}
		got := b.buried("many")
		for i := range got {
			got[i].ID = 0
		}
		equal(t, "many", got, all)
		// A first group was on its way; b and c are in the next one, after a turn of the one with many.
		equal(t, "b", b.buried("b"), []dead{{graveEvents + graveTurn + 1, 1, 1, deadForGood, ""}})
		equal(t, "c", b.buried("c"), []dead{{graveEvents + graveTurn + 2, 1, 1, deadForGood, ""}})
	})
}

// What is deleted buries nothing any more: what is being stored then is removed again.
func TestAnAbandonedSubscriptionLeavesNoDeadLetters(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		b.fill(200, "push")
		ds := s.deliveries(200)
		b.journal.HoldDeadLetters(true)
		out := b.rejecting(t.Context(), "a", forGood(""), ids(ds)...)
		pending(t, "not stored", out)
		b.with("a", func(s *subscription, _ time.Duration) { s.abandon() })
		b.journal.HoldDeadLetters(false)
		equal(t, "failures", len((<-out).Failures), 200)
		equal(t, "dead letters", b.buried("a"), []dead(nil))
	})
}

// A copy that would be too large goes without its data, which is made again when it is read.
func TestADeadLetterOfTheLargestEvent(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		event := &hookbridgev1.Event{Id: "1", Source: "src", Type: "push", Data: &anypb.Any{Value: make([]byte, 16<<20-150)}}
		content := &hookbridgev1.Content{Body: make([]byte, 16<<20-150), ContentType: "application/json"}
		b.append(encode(event, content))
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning()})
		s.rejects(forGood("large"), s.delivery())
		letter, err := b.manager.copied(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "dropped", letter.DataDropped, true)
		got, err := b.manager.event(letter, true, 64<<20)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "data", got.GetData().GetTypeUrl(), "type.googleapis.com/again.push")
		equal(t, "body", len(got.GetContent().GetBody()), 16<<20-150)
	})
}

func TestADamagedDeadLetterIsAnError(t *testing.T) {
	for payload, want := range map[string]string{
		"\xff":     "dead letter 1: proto: cannot parse invalid wire-format data",
		"\x08\x02": "dead letter 1: format 2, want 1: it was written by another version",
		"\x08\x01": "dead letter 1: event 0: stored in format 0; this version reads 1 to 1",
	} {
		if _, _, err := decodeDeadLetter(journal.SideEntry{ID: 1, Payload: []byte(payload)}); err == nil || clean(err) != want {
			t.Errorf("%q\n got %v\nwant %s", payload, err, want)
		}
	}
}

// clean is the text of an error with the spaces that protobuf varies.
func clean(err error) string { return strings.ReplaceAll(err.Error(), "\u00a0", " ") }
