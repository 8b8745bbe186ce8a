package subscription

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/journal/journalfake"
)

func TestEventsComeInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(3000, "push")
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning(), MaxOutstandingEvents: 10_000})
		equal(t, "stored", short(s.deliveries(3000)...), run(1, 3000, 1, reasonNew))
		b.fill(2000, "push")
		equal(t, "live", short(s.deliveries(2000)...), run(3001, 5000, 1, reasonNew))
		s.quiet()
	})
}

func TestASingleEventGoesOutAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		synctest.Wait()
		for seq := range int64(10) {
			at := time.Now()
			b.fill(1, "push")
			equal(t, "event", short(s.delivery()), run(seq+1, seq+1, 1, reasonNew))
			equal(t, "delay", time.Since(at), time.Duration(0))
		}
	})
}

func TestOnlyWhatIsCommittedIsSent(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		b.journal.HoldAppends(true)
		var appending sync.WaitGroup
		appending.Go(func() { _, _ = b.journal.Append(t.Context(), entry(1, "push", 1)) })
		s.quiet()
		b.journal.HoldAppends(false)
		appending.Wait()
		equal(t, "event", short(s.delivery()), run(1, 1, 1, reasonNew))
	})
}

func TestAnUnacknowledgedEventIsSentAgainAfterItsDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(7 * second)})
		b.fill(3, "push")
		first := s.deliveries(3)
		equal(t, "first", short(first...), run(1, 3, 1, reasonNew))
		s.ack(first[1])
		at := time.Now()
		again := s.deliveries(2)
		equal(t, "again", short(again...), []sent{{1, 2, reasonDeadline}, {3, 2, reasonDeadline}})
		equal(t, "after", time.Since(at), 7*second)
		s.ack(again...)
		elapse(20 * second)
		for {
			select {
			case resp := <-s.got:
				if resp.GetHeartbeat() == nil {
					t.Errorf("got %v, want nothing but heartbeats", resp)
				}
				continue
			default:
			}
			break
		}
	})
}

func TestWhatALostStreamHeldGoesToAnotherMemberAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		req := &hookbridgev1.SubscribeRequest{Subscription: "a"}
		first, _ := b.subscribe(req)
		b.fill(5, "push")
		equal(t, "first", short(first.deliveries(5)...), run(1, 5, 1, reasonNew))
		second, _ := b.subscribe(req)
		second.quiet()
		at := time.Now()
		first.close()
		equal(t, "second", short(second.deliveries(5)...), run(1, 5, 2, reasonLost))
		equal(t, "after", time.Since(at), time.Duration(0))
	})
}

func TestWhatALostStreamHeldWaitsForTheNextMember(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		req := &hookbridgev1.SubscribeRequest{Subscription: "a"}
		first, _ := b.subscribe(req)
		b.fill(5, "push")
		ds := first.deliveries(5)
		first.ack(ds[0], ds[2])
		first.close()
		b.fill(2, "push")
		elapse(time.Hour)
		second, confirmed := b.subscribe(req)
		equal(t, "position", confirmed.GetPosition(), int64(6))
		equal(t, "end", confirmed.GetJournalEnd(), int64(8))
		equal(t, "second", short(second.deliveries(5)...), []sent{
			{2, 2, reasonLost}, {4, 2, reasonLost}, {5, 2, reasonLost}, {6, 1, reasonNew}, {7, 1, reasonNew},
		})
		// The client that lost its stream may still acknowledge what nobody was sent since. Here they were.
		equal(t, "late", b.ack("a", ds[1].GetAckId(), ds[0].GetAckId()), []*hookbridgev1.AckFailure{
			failure(ds[1].GetAckId(), hookbridgev1.AckFailure_REASON_STALE),
		})
	})
}

func TestOutstandingEventsAreSentAgainAtOnceAfterACrash(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		req := &hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning()}
		b.fill(100, "push")
		s, _ := b.subscribe(req)
		ds := s.deliveries(100)
		for i, d := range ds {
			if i%3 == 0 {
				s.ack(d)
			}
		}
		after := b.crash()
		defer after.stop()
		s, confirmed := after.subscribe(req)
		equal(t, "created", confirmed.GetCreated(), false)
		var want []sent
		for seq := range int64(100) {
			if seq%3 != 0 {
				want = append(want, sent{seq + 1, 2, reasonRestart})
			}
		}
		equal(t, "after the crash", short(s.deliveries(66)...), want)
		after.fill(1, "push")
		equal(t, "new", short(s.delivery()), run(101, 101, 1, reasonNew))
		s.quiet()
	})
}

func TestAnAnsweredAcknowledgeIsOnDisk(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		req := &hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning()}
		b.fill(3, "push")
		s, _ := b.subscribe(req)
		ds := s.deliveries(3)
		s.ack(ds[0])
		b.journal.HoldRecords(true)
		answers := make(chan error, 2)
		for range 2 { // the second finds the event settled, and must wait all the same
			go func() {
				_, err := b.client.Acknowledge(t.Context(), &hookbridgev1.AcknowledgeRequest{Subscription: "a", AckIds: ids(ds[1:2])})
				answers <- err
			}()
			synctest.Wait()
		}
		if len(answers) > 0 {
			t.Fatalf("answered (%v) before it was on disk", <-answers)
		}
		after := b.crash()
		defer after.stop()
		for range 2 {
			if err := <-answers; err == nil {
				t.Error("answered, and it was not on disk")
			}
		}
		s, _ = after.subscribe(req)
		equal(t, "after the crash", short(s.deliveries(2)...), run(2, 3, 2, reasonRestart))
		s.quiet()
	})
}

func TestAcknowledgingTwiceIsNoError(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		b.fill(2, "push")
		ds := s.deliveries(2)
		s.ack(ds[0], ds[0])
		commits := b.journal.Commits()
		s.ack(ds[0])
		equal(t, "commits for nothing", b.journal.Commits()-commits, 0)
		// Also after a restart.
		s.ack(ds[1])
		after := b.crash()
		defer after.stop()
		equal(t, "failures", len(after.ack("a", ids(ds)...)), 0)
	})
}

func TestAStaleAckIDIsReportedAndNotApplied(t *testing.T) {
	const stale, invalid = hookbridgev1.AckFailure_REASON_STALE, hookbridgev1.AckFailure_REASON_INVALID
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		other, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "b"})
		b.fill(2, "push")
		old, foreign := s.deliveries(2), other.deliveries(2)
		again := s.deliveries(2)
		equal(t, "again", short(again...), run(1, 2, 2, reasonDeadline))
		equal(t, "failures", b.ack("a", old[0].GetAckId(), foreign[0].GetAckId(), "nonsense", old[1].GetAckId()+"A"),
			[]*hookbridgev1.AckFailure{
				failure(foreign[0].GetAckId(), invalid), failure("nonsense", invalid), failure(old[1].GetAckId()+"A", invalid),
				failure(old[0].GetAckId(), stale),
			})
		s.ack(again[1])
		equal(t, "still outstanding", short(s.delivery()), run(1, 1, 3, reasonDeadline))
		after := b.crash()
		defer after.stop()
		// Of the events of an earlier life the one that is settled is no failure.
		equal(t, "after a restart", after.ack("a", again[0].GetAckId(), again[1].GetAckId()), []*hookbridgev1.AckFailure{
			failure(again[0].GetAckId(), stale),
		})
	})
}

func TestAnAttemptCountsUntilTheEventIsSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		b.fill(2, "push")
		ds := s.deliveries(2)
		s.close()
		elapse(time.Hour) // nobody is there to be sent anything
		s.ack(ds...)
		s, _ = b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		s.quiet()
	})
}

func TestACommitThatFailsRefusesTheAcknowledgementAndIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		req := &hookbridgev1.SubscribeRequest{Subscription: "a"}
		s, _ := b.subscribe(req)
		b.fill(2, "push")
		ds := s.deliveries(2)
		b.journal.FailRecords(fmt.Errorf("%w: disk on fire", journal.ErrUnavailable))
		_, err := b.client.Acknowledge(t.Context(), &hookbridgev1.AcknowledgeRequest{Subscription: "a", AckIds: ids(ds[:1])})
		refused(t, err, "Unavailable JOURNAL_UNAVAILABLE: the journal can't be reached or can't write; try again")
		b.journal.FailRecords(nil)
		elapse(5 * second)
		after := b.crash()
		defer after.stop()
		s, _ = after.subscribe(req)
		equal(t, "after", short(s.delivery()), run(2, 2, 2, reasonRestart))
		s.quiet()
	})
}

func TestCommitsOfAllSubscriptionsAreGrouped(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		var streams []*stream
		for i := range 50 {
			s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: fmt.Sprintf("s%d", i)})
			streams = append(streams, s)
		}
		b.fill(1, "push")
		b.journal.HoldRecords(true)
		commits := b.journal.Commits()
		var acking sync.WaitGroup
		for i, s := range streams {
			d := s.delivery()
			acking.Go(func() { s.ack(d) })
			if i == 0 {
				synctest.Wait() // its commit has begun: the others come too late for it
			}
		}
		synctest.Wait()
		b.journal.HoldRecords(false)
		acking.Wait()
		equal(t, "commits", b.journal.Commits()-commits, 2)
	})
}

func TestADamagedRecordIsAnErrorAtStart(t *testing.T) {
	for value, want := range map[string]string{
		"\x08\x02":                              `record "subscription/a": format 2, want 1: it was written by another version`,
		"\x08\x01\x12\x01b":                     `record "subscription/a": is of the subscription "b"`,
		"\x08\x01\x12\x01a\x20\x05\x2a\x01\x02": `record "subscription/a": lists of different lengths: 1 sequences, 0 attempts, 0 and 0 sizes`,
		"\x08\x01\x12\x01a\x20\x05\x2a\x02\x04\x00\x42\x02\x01\x01\x4a\x02\x00\x00\x52\x02\x00\x00": `record "subscription/a": ` +
			`held {Seq:4 Attempts:1 Bytes:0 ContentBytes:0 Copy:0 Replayed:false Key: Due:0s}: want the sequence above 4, and nothing negative`,
	} {
		j := journalfake.New()
		if err := j.PutRecords(t.Context(), map[string][]byte{recordPrefix + "a": []byte(value), "other/x": []byte("?")}); err != nil {
			t.Fatal(err)
		}
		_, err := New(t.Context(), testConfig(j))
		if err == nil || err.Error() != want {
			t.Errorf("record %q\n got %v\nwant %s", value, err, want)
		}
	}
	j := journalfake.New()
	if err := j.PutRecords(t.Context(), map[string][]byte{recordPrefix + "a": []byte("\xff")}); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), testConfig(j)); err == nil || errors.Unwrap(err) == nil {
		t.Errorf("a record that is no message: %v", err)
	}
}
