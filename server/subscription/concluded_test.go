package subscription

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/semaphore"
	"google.golang.org/protobuf/types/known/durationpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/journal/journalfake"
)

// tripping is a journal whose dead letters can't be read from one on, once.
type tripping struct {
	journal.Journal
	mu   sync.Mutex
	from int64 // 0 for none
}

type trippingLog struct {
	journal.SideLog
	of *tripping
}

// DeadLetters implements journal.Journal.
func (j *tripping) DeadLetters() journal.SideLog { return trippingLog{j.Journal.DeadLetters(), j} }

// Read implements journal.SideLog.
func (l trippingLog) Read(ctx context.Context, q journal.SideQuery) (journal.SidePage, error) {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.of.from > 0 && q.From >= l.of.from {
		l.of.from = 0
		return journal.SidePage{Next: q.From}, errFire
	}
	return l.SideLog.Read(ctx, q)
}

func (j *tripping) trip(from int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.from = from
}

// tripped says that the read that was to fail did.
func (j *tripping) tripped() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.from == 0
}

// seize has everybody else wait for what one at a time may have, until the func that it returns is called.
func seize(t *testing.T, what *semaphore.Weighted) (release func()) {
	t.Helper()
	if err := what.Acquire(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	return func() { what.Release(1) }
}

// patient subscribes for as long as a test takes.
func (b *bridge) patient(name string) *stream {
	b.t.Helper()
	s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{
		Subscription: name, Start: beginning(), AckDeadline: durationpb.New(time.Hour), HeartbeatInterval: durationpb.New(5 * time.Minute),
	})
	return s
}

// unknown rejects an event for good, whose dead letter is stored although that fails. The machine asks for it again in about a second.
func (b *bridge) unknown(name string, d *hookbridgev1.Delivery) {
	b.t.Helper()
	b.journal.LoseDeadLetters(errFire)
	_, err := b.reject(name, forGood("no"), d.GetAckId())
	refused(b.t, err, unstorable)
	b.journal.LoseDeadLetters(nil)
}

// The copy that nobody knew of is found, which answers who waits for it, and then the reading of the others fails: the burial is over all
// the same, and has not failed once more.
func TestAFoundDeadLetterStaysFoundWhenReadingOnFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := journalfake.New()
		j := &tripping{Journal: fake}
		b := startOn(&bridge{t: t, journal: fake}, j, nil)
		s := b.patient("a")
		b.fill(2, "push")
		ds := s.deliveries(2)
		b.unknown("a", ds[0])
		release := seize(t, b.manager.burier.digging)
		elapse(2 * second)
		out := b.rejecting(t.Context(), "a", forGood("no"), ds[0].GetAckId())
		pending(t, "again", out)
		j.trip(2)
		release()
		equal(t, "again", <-out, answer{})
		synctest.Wait()
		equal(t, "the second read failed", j.tripped(), true)
		equal(t, "failures", b.metric("dead_letter_failures_total", "a"), 1.0)
		s.rejects(forGood("no"), ds[1])
		equal(t, "dead letters", b.buried("a"), []dead{{1, 1, 1, deadForGood, "no"}, {2, 2, 1, deadForGood, "no"}})
		equal(t, "held", b.metric("outstanding_events", "a"), 0.0)
		s.quiet()
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	})
}

// Of what is buried together, one subscription's can't be stored; another's copy was found before that, and its burial is over.
func TestAFoundDeadLetterStaysFoundWhenOthersOfItsGroupFail(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		for n := range 2 {
			e := entry(n+1, "push", 10)
			e.Event = append(e.Event, encode(&hookbridgev1.Event{OrderingKey: strings.Repeat("x", graveBytes*5/8)}, &hookbridgev1.Content{}).Event...)
			b.append(e)
		}
		first, large, small := b.patient("first"), b.patient("large"), b.patient("small")
		d, ds := first.deliveries(2)[0], large.deliveries(2)
		found := small.deliveries(2)[0]
		b.unknown("small", found)

		release := seize(t, b.manager.burier.digging)
		outs := map[string]<-chan answer{}
		outs["first"] = b.rejecting(t.Context(), "first", forGood("no"), d.GetAckId()) // is a group of its own
		synctest.Wait()
		outs["large"] = b.rejecting(t.Context(), "large", forGood("no"), ids(ds)...)
		elapse(2 * second)
		outs["small"] = b.rejecting(t.Context(), "small", forGood("no"), found.GetAckId())
		for name, out := range outs {
			pending(t, name, out)
		}
		b.journal.FailDeadLetters(errFire)
		release()
		refused(t, (<-outs["first"]).Err, unstorable)
		refused(t, (<-outs["large"]).Err, unstorable)
		equal(t, "small", <-outs["small"], answer{})
		synctest.Wait()
		equal(t, "failures", b.metric("dead_letter_failures_total", "small"), 1.0)
		b.journal.FailDeadLetters(nil)
		elapse(2 * time.Minute)
		equal(t, "of large", len(b.buried("large")), 2)
		equal(t, "of small", b.buried("small"), []dead{{1, 1, 1, deadForGood, "no"}})
	})
}

// A copy is found of what waits for its turn to be buried. Whoever ends the waiting ones then, ends that one no second time.
func TestAFoundDeadLetterStaysFoundWhenNothingMoreIsBuried(t *testing.T) {
	// The first event's copy is found while its burial waits behind the second's, which is being stored.
	found := func(t *testing.T, b *bridge) (second <-chan answer) {
		t.Helper()
		s := b.patient("a")
		b.fill(2, "push")
		ds := s.deliveries(2)
		b.unknown("a", ds[0])
		release := seize(t, b.manager.burier.digging)
		second = b.rejecting(t.Context(), "a", forGood("no"), ds[1].GetAckId())
		elapse(2 * time.Second)
		first := b.rejecting(t.Context(), "a", forGood("no"), ds[0].GetAckId())
		synctest.Wait()
		b.journal.HoldDeadLetters(true)
		release()
		equal(t, "the first", <-first, answer{})
		synctest.Wait()
		return second
	}
	t.Run("it is deleted", func(t *testing.T) {
		bubble(t, func(t *testing.T, b *bridge) {
			second := found(t, b)
			time.AfterFunc(time.Second, func() { b.journal.HoldDeadLetters(false) })
			b.remove("a")
			got := <-second
			equal(t, "the second", len(got.Failures), 1)
			equal(t, "its error", got.Err, nil)
			equal(t, "dead letters", b.buried("a"), []dead(nil))
		})
	})
	t.Run("the bridge ends", func(t *testing.T) {
		bubble(t, func(t *testing.T, b *bridge) {
			found(t, b)
			time.AfterFunc(time.Second, func() { b.journal.HoldDeadLetters(false) })
			if err := b.stop(); err != nil {
				t.Error(err)
			}
			after := start(t, b.journal.Crash(), nil)
			defer after.stop()
			equal(t, "dead letters", after.buried("a"), []dead{{1, 1, 1, deadForGood, "no"}, {2, 2, 1, deadForGood, "no"}})
			after.patient("a").quiet()
		})
	})
}

// gated is a journal in which getting an event waits while the gate is held.
type gated struct {
	journal.Journal
	gate *semaphore.Weighted
}

// Get implements journal.Journal.
func (j *gated) Get(ctx context.Context, sequence int64) (*journal.Stored, error) {
	if err := j.gate.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer j.gate.Release(1)
	return j.Journal.Get(ctx, sequence)
}

// An event that is being buried is acknowledged, its earlier dead letter is redriven and rejected for good once more: the first burial has
// nothing to say of the second, also where it comes only then to find the event gone from the journal.
func TestABurialThatCameTooLateEndsNoOther(t *testing.T) {
	for name, what := range map[string]func(b *bridge, j *gated) *semaphore.Weighted{
		"before its turn":            func(b *bridge, _ *gated) *semaphore.Weighted { return b.manager.burier.digging },
		"while its event is fetched": func(_ *bridge, j *gated) *semaphore.Weighted { return j.gate },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := journalfake.New()
				j := &gated{Journal: fake, gate: semaphore.NewWeighted(1)}
				b := startOn(&bridge{t: t, journal: fake}, j, nil)
				s := b.patient("a")
				b.fill(2, "push")
				d := s.deliveries(2)[0]
				b.letter("a", 1)
				b.manager.tail.ring.reset(3)
				release := seize(t, what(b, j))
				early := b.rejecting(t.Context(), "a", forGood("early"), d.GetAckId())
				pending(t, "early", early)
				s.ack(d)
				equal(t, "redriven", b.resend("a", every()).GetRedriven(), int64(1))
				again := s.delivery()
				equal(t, "again", short(again), run(1, 1, 1, reasonRedriven))
				late := b.rejecting(t.Context(), "a", forGood("late"), again.GetAckId())
				pending(t, "late", late)
				b.journal.Trim(2)
				release()
				equal(t, "early", <-early, answer{Failures: []*hookbridgev1.AckFailure{failure(d.GetAckId(), stale)}})
				equal(t, "late", <-late, answer{})
				equal(t, "dead letters", b.buried("a"), []dead{{2, 1, 1, deadForGood, "late"}})
				equal(t, "missed", b.metric("missed_sequences_total", "a"), 0.0)
				if err := b.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
