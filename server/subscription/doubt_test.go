package subscription

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/semaphore"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/journal/journalfake"
)

// A dead letter is stored although that fails, and its event is acknowledged before it is tried again: nothing more is buried, and the copy
// is removed all the same, so that nobody takes for given up what was acknowledged.
func TestADeadLetterThatIsStoredAllTheSameGoesWithItsEvent(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s := b.patient("a")
		b.fill(2, "push")
		ds := s.deliveries(2)
		b.unknown("a", ds[0])
		s.ack(ds[0])
		equal(t, "at first", len(b.buried("a")), 1)
		b.journal.FailReads(errFire)
		elapse(2 * time.Minute)
		equal(t, "while it can't be read", len(b.manager.burier.unsure), 1)
		b.journal.FailReads(nil)
		elapse(2 * time.Minute)
		equal(t, "dead letters", b.buried("a"), []dead(nil))
		equal(t, "in doubt", len(b.manager.burier.unsure), 0)
		s.rejects(forGood("no"), ds[1])
		equal(t, "then", b.buried("a"), []dead{{2, 2, 1, deadForGood, "no"}})
	})
}

// Somebody redrives such a copy before it is found to be one too many: it is needed now, and goes when its event is settled.
func TestADeadLetterInDoubtThatIsRedrivenStays(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s := b.patient("a")
		b.fill(1, "push")
		d := s.delivery()
		b.unknown("a", d)
		s.ack(d)
		equal(t, "redriven", b.resend("a", every()).GetRedriven(), int64(1))
		equal(t, "again", short(s.delivery()), run(1, 1, 1, reasonRedriven))
		s.close()
		elapse(time.Minute)
		equal(t, "in doubt", len(b.manager.burier.unsure), 0)
		s = b.patient("a")
		d = s.recv().GetDelivery()
		equal(t, "once more", short(d), run(1, 1, 2, reasonLost))
		s.ack(d)
		elapse(time.Minute)
		equal(t, "dead letters", b.buried("a"), []dead(nil))
	})
}

// The same, and a crash comes before it was sent: the copy that the record doesn't account for is the one that was redriven.
func TestADeadLetterInDoubtThatIsRedrivenStaysOverACrash(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s := b.patient("a")
		b.fill(1, "push")
		d := s.delivery()
		b.unknown("a", d)
		s.ack(d)
		must(t, b.manage.PauseSubscription, &hookbridgev1.PauseSubscriptionRequest{Name: "a"})
		equal(t, "redriven", b.resend("a", every()).GetRedriven(), int64(1))
		after := b.crash()
		must(t, after.manage.ResumeSubscription, &hookbridgev1.ResumeSubscriptionRequest{Name: "a"})
		s = after.patient("a")
		elapse(time.Second)
		d = s.recv().GetDelivery()
		equal(t, "then", short(d), run(1, 1, 1, reasonRedriven))
		s.ack(d)
		elapse(time.Minute)
		equal(t, "dead letters", after.buried("a"), []dead(nil))
		if err := after.stop(); err != nil {
			t.Error(err)
		}
	})
}

// A journal that answers nothing is asked for one event of those that are to be buried together, and not for each of them in turn, as long
// as that takes: whoever rejected any is told when the first was waited for.
func TestAJournalThatAnswersNothingIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := journalfake.New()
		j := &gated{Journal: fake, gate: semaphore.NewWeighted(1)}
		b := startOn(&bridge{t: t, journal: fake}, j, nil)
		s := b.patient("a")
		b.fill(5, "push")
		ds := s.deliveries(5)
		b.manager.tail.ring.reset(6)
		release := seize(t, j.gate)
		began := time.Now()
		out := b.rejecting(context.Background(), "a", forGood("no"), ids(ds)...)
		refused(t, (<-out).Err, unstorable)
		equal(t, "after", time.Since(began), putTimeout)
		again := b.rejecting(context.Background(), "a", forGood("no"), ds[4].GetAckId())
		refused(t, (<-again).Err, unstorable)
		equal(t, "the last, after", time.Since(began), putTimeout)
		release()
		elapse(2 * time.Minute)
		equal(t, "dead letters", len(b.buried("a")), 5)
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	})
}

// counting counts how often its dead letters are read.
type counting struct {
	journal.Journal
	reads atomic.Int64
}

// DeadLetters implements journal.Journal.
func (j *counting) DeadLetters() journal.SideLog { return countingLetters{j.Journal.DeadLetters(), j} }

type countingLetters struct {
	journal.SideLog
	of *counting
}

// Read implements journal.SideLog.
func (l countingLetters) Read(ctx context.Context, q journal.SideQuery) (journal.SidePage, error) {
	l.of.reads.Add(1)
	return l.SideLog.Read(ctx, q)
}

// Where the journal says that nothing of a dead letter is stored, nobody looks for it, and no erasure waits for what is found. Where it
// doesn't say so, it is looked for again and again.
func TestARefusalLeavesNoDoubt(t *testing.T) {
	for name, tc := range map[string]struct {
		fail    func(j *journalfake.Journal)
		doubted bool
	}{
		"there is no room":            {func(j *journalfake.Journal) { j.LimitDeadLetters(10) }, false},
		"it may have found some room": {func(j *journalfake.Journal) { j.FailDeadLetters(journal.ErrFull) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := journalfake.New()
				j := &counting{Journal: fake}
				b := startOn(&bridge{t: t, journal: fake}, j, nil)
				s := b.patient("a")
				b.fill(2, "push")
				ds := s.deliveries(2)
				before := j.reads.Load()
				tc.fail(fake)
				_, err := b.reject("a", forGood("no"), ds[0].GetAckId())
				refused(t, err, "Unavailable JOURNAL_FULL: there is no room for dead letters; redrive or purge some")
				elapse(10 * time.Minute)
				equal(t, "looked for it", j.reads.Load() > before+5, tc.doubted)
				equal(t, "looked at all", j.reads.Load() > before, tc.doubted)
				fake.LimitDeadLetters(0)
				fake.FailDeadLetters(nil)
				elapse(10 * time.Minute)
				equal(t, "stored when there is room", b.buried("a"), []dead{{1, 1, 1, deadForGood, "no"}})
				if err := b.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
