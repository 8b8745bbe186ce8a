package subscription

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/journal/journalfake"
)

// stray stores a dead letter as the bridge does just before a crash: it is on disk, and nothing else knows of it.
func (b *bridge) stray(name string, sequence, epoch int64, incarnation uint64) {
	b.t.Helper()
	ev, err := b.journal.Get(b.t.Context(), 1)
	if err != nil {
		b.t.Fatal(err)
	}
	payload, err := proto.Marshal(&storagev1.StoredDeadLetter{
		Format: 1, Subscription: name, Sequence: sequence, StoredEvent: ev.Marshal(), Reason: deadForGood, Attempts: 1, Error: "stray",
		DeadLetteredAt: timestamppb.Now(), Incarnation: incarnation, SeekEpoch: epoch,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.journal.DeadLetters().Add(b.t.Context(), journal.SideEntry{Owner: name, Payload: payload}); err != nil {
		b.t.Fatal(err)
	}
}

// A dead letter that was stored before a crash, and whose event the crash left unsettled, settles it: of one life of an event there is one
// dead letter, and it isn't sent again. Of an event that was settled otherwise the copy goes.
func TestADeadLetterFromBeforeACrashCounts(t *testing.T) {
	stray := dead{2, 0, 1, deadForGood, "stray"}
	of := func(d dead, sequence int64) dead { d.Seq = sequence; return d }
	first := dead{1, 1, 1, deadForGood, "first"}
	for name, tc := range map[string]struct {
		before     func(b *bridge) // events 1 to 3 are given up, acknowledged and outstanding; 4 was not read
		seq, epoch int64
		other      bool // of an earlier subscription of the name, whose record was lost
		want       []dead
		sent       []int64
	}{
		"of an outstanding event":          {nil, 3, 0, false, []dead{first, of(stray, 3)}, []int64{4}},
		"of an event that was read since":  {nil, 4, 0, false, []dead{first, of(stray, 4)}, []int64{3}},
		"of an acknowledged event":         {nil, 2, 0, false, []dead{first}, []int64{3, 4}},
		"of a dead letter":                 {nil, 1, 0, false, []dead{first}, []int64{3, 4}},
		"of one whose record was lost":     {nil, 3, 0, true, []dead{first, of(stray, 3)}, []int64{3, 4}},
		"of an event that a seek brings":   {func(b *bridge) { b.seek("a", at(1)) }, 2, 0, false, []dead{first}, []int64{1, 2, 3, 4}},
		"of an event that a seek brought":  {func(b *bridge) { b.seek("a", at(1)) }, 2, 1, false, []dead{first, of(stray, 2)}, []int64{1, 3, 4}},
		"of an event that a seek left out": {func(b *bridge) { b.seek("a", at(5)) }, 4, 0, false, []dead{first}, nil},
		"of a redriven event": {func(b *bridge) {
			must(b.t, b.manage.RedriveDeadLetters, &hookbridgev1.RedriveDeadLettersRequest{Subscription: "a", Selection: every()})
		}, 1, 1, false, []dead{of(stray, 1)}, []int64{3, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				b.settle("a", settings{})
				b.fill(3, "push")
				s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour)})
				ds := s.deliveries(3)
				s.rejects(forGood("first"), ds[0])
				s.ack(ds[1])
				s.close()
				b.fill(1, "push")
				if tc.before != nil {
					tc.before(b)
				}
				b.journal.HoldRecords(true)
				incarnation := b.incarnation("a")
				if tc.other {
					incarnation++
				}
				b.stray("a", tc.seq, tc.epoch, incarnation)
				after := b.crash()
				defer after.stop()
				s, _ = after.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour)})
				synctest.Wait()
				ds = s.deliveries(len(tc.sent))
				equal(t, "sent", slices.Sorted(slices.Values(sequences(ds))), tc.sent)
				s.quiet()
				if len(ds) > 0 {
					s.ack(ds...)
				}
				equal(t, "dead letters", after.buried("a"), tc.want)
				// And it is settled on disk.
				last := after.crash()
				defer last.stop()
				s, _ = last.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
				s.quiet()
				equal(t, "in the end", last.buried("a"), tc.want)
			})
		})
	}
}

// When storing a dead letter failed and it is stored all the same, that one counts.
func TestADeadLetterThatIsStoredAllTheSameIsTheOnlyOne(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour)})
		b.fill(3, "push")
		ds := s.deliveries(3)
		b.journal.LoseDeadLetters(errFire)
		_, err := b.reject("a", forGood("no"), ids(ds[:2])...)
		refused(t, err, unstorable)
		b.journal.LoseDeadLetters(nil)
		s.ack(ds[1]) // its copy is one too many
		elapse(2 * second)
		equal(t, "dead letters", b.buried("a"), []dead{{1, 1, 1, deadForGood, "no"}})
		s.rejects(forGood("no"), ds[2])
		equal(t, "one more", b.buried("a"), []dead{{1, 1, 1, deadForGood, "no"}, {3, 3, 1, deadForGood, "no"}})
		equal(t, "failures of the first", b.ack("a", ds[0].GetAckId()), []*hookbridgev1.AckFailure(nil))
		s.quiet()
	})
}

// Retention is no erasure: the copy that was stored although that failed stays when its event is gone from the journal.
func TestADeadLetterOutlivesItsEvent(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour)})
		b.fill(2, "push")
		d := s.deliveries(2)[0]
		b.journal.LoseDeadLetters(errFire)
		_, err := b.reject("a", forGood("no"), d.GetAckId())
		refused(t, err, unstorable)
		b.journal.LoseDeadLetters(nil)
		b.journal.Trim(2)
		elapse(2 * second)
		equal(t, "dead letters", b.buried("a"), []dead{{1, 1, 1, deadForGood, "no"}})
	})
}

// What takes longer to store than is waited for is stored all the same. It is the only dead letter of its event.
func TestADeadLetterThatTakesLongIsTheOnlyOne(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour)})
		b.fill(2, "push")
		ds := s.deliveries(2)
		b.journal.HoldDeadLetters(true)
		out := b.rejecting(t.Context(), "a", forGood("no"), ds[0].GetAckId())
		elapse(putTimeout)
		refused(t, (<-out).Err, unstorable)
		elapse(10 * time.Minute)
		b.journal.HoldDeadLetters(false)
		elapse(2 * time.Minute)
		equal(t, "dead letters", b.buried("a"), []dead{{1, 1, 1, deadForGood, "no"}})
		s.rejects(forGood("no"), ds[1])
		equal(t, "and the next one", b.buried("a"), []dead{{1, 1, 1, deadForGood, "no"}, {2, 2, 1, deadForGood, "no"}})
	})
}

// losing is a journal whose first commit of dead letters stores them and fails all the same.
type losing struct {
	journal.Journal
	lost atomic.Bool
}

type losingLog struct {
	journal.SideLog
	of *losing
}

// DeadLetters implements journal.Journal.
func (j *losing) DeadLetters() journal.SideLog { return losingLog{j.Journal.DeadLetters(), j} }

// Add implements journal.SideLog.
func (l losingLog) Add(ctx context.Context, entries ...journal.SideEntry) ([]int64, error) {
	stored, err := l.SideLog.Add(ctx, entries...)
	if err == nil && l.of.lost.CompareAndSwap(false, true) {
		return nil, errFire
	}
	return stored, err
}

// Of what is stored in several commits, what comes after one that failed waits until it is known what that has stored.
func TestDeadLettersOfSeveralCommitsAreTheOnlyOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := journalfake.New()
		b := startOn(&bridge{t: t, journal: fake}, &losing{Journal: fake}, nil)
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour)})
		for n := range 3 {
			e := entry(n+1, "push", 10)
			large := encode(&hookbridgev1.Event{OrderingKey: strings.Repeat("x", graveBytes*5/8)}, &hookbridgev1.Content{})
			e.Event = append(e.Event, large.Event...)
			b.append(e)
		}
		_, err := b.reject("a", forGood("no"), ids(s.deliveries(3))...)
		refused(t, err, unstorable)
		elapse(10 * time.Minute)
		count, err := b.journal.DeadLetters().Count(t.Context())
		if err != nil || count.Entries != 3 {
			t.Errorf("%d dead letters (%v), want 3", count.Entries, err)
		}
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	})
}

// No copy of an event is stored after its erasure was answered, whatever was on its way.
func TestAnErasedEventBecomesNoDeadLetter(t *testing.T) {
	one := &hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Sequence{Sequence: 1}}
	t.Run("its copy is being stored", func(t *testing.T) {
		bubble(t, func(t *testing.T, b *bridge) {
			s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour)})
			b.fill(2, "push")
			ds := s.deliveries(2)
			b.journal.HoldDeadLetters(true)
			out := b.rejecting(t.Context(), "a", forGood("no"), ds[0].GetAckId(), ds[1].GetAckId())
			pending(t, "reject", out)
			erased := make(chan *hookbridgev1.EraseEventResponse, 1)
			go func() {
				resp, err := b.client.EraseEvent(t.Context(), one)
				if err != nil {
					t.Errorf("erase: %v", err)
				}
				erased <- resp
			}()
			synctest.Wait()
			select {
			case resp := <-erased:
				t.Errorf("answered %v while a copy was on its way", resp)
				erased <- resp
			default:
			}
			b.journal.HoldDeadLetters(false)
			equal(t, "rejected", <-out, answer{})
			equal(t, "erased", <-erased, &hookbridgev1.EraseEventResponse{Sequence: 1, DeadLetters: 1})
			equal(t, "dead letters", b.buried("a"), []dead{{2, 2, 1, deadForGood, "no"}})
		})
	})
	t.Run("its copy takes longer to store than is waited for", func(t *testing.T) {
		bubble(t, func(t *testing.T, b *bridge) {
			s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour)})
			b.fill(2, "push")
			ds := s.deliveries(2)
			b.journal.HoldDeadLetters(true)
			out := b.rejecting(t.Context(), "a", forGood("no"), ids(ds)...)
			elapse(putTimeout)
			<-out
			time.AfterFunc(time.Hour, func() { b.journal.HoldDeadLetters(false) })
			equal(t, "erased", must(t, b.client.EraseEvent, one), &hookbridgev1.EraseEventResponse{Sequence: 1, DeadLetters: 1})
			elapse(2 * time.Minute)
			equal(t, "dead letters", b.buried("a"), []dead{{2, 2, 1, deadForGood, "no"}})
		})
	})
	t.Run("its copy is stored although that failed", func(t *testing.T) {
		bubble(t, func(t *testing.T, b *bridge) {
			s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour)})
			b.fill(2, "push")
			d := s.deliveries(2)[0]
			stored, err := b.journal.Get(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			b.journal.FailDeadLetters(errFire)
			_, err = b.reject("a", forGood("no"), d.GetAckId())
			refused(t, err, unstorable)
			b.journal.FailDeadLetters(nil)
			equal(t, "erased", must(t, b.client.EraseEvent, one), &hookbridgev1.EraseEventResponse{Sequence: 1})
			// The store was slow to do what it had answered it could not.
			payload, err := proto.Marshal(&storagev1.StoredDeadLetter{
				Format: 1, Subscription: "a", Sequence: 1, StoredEvent: stored.Marshal(), Reason: deadForGood, Incarnation: b.incarnation("a"),
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.journal.DeadLetters().Add(t.Context(), journal.SideEntry{Owner: "a", Payload: payload}); err != nil {
				t.Fatal(err)
			}
			elapse(2 * second)
			equal(t, "dead letters", b.buried("a"), []dead(nil))
			equal(t, "held", b.metric("outstanding_events", "a"), 1.0)
			records, err := b.journal.Records(t.Context())
			if err != nil || records[erasedKey] != nil {
				t.Errorf("the erasure is complete, and its record is %q, %v", records[erasedKey], err)
			}
		})
	})
}

// forgetful is a journal that can begin to lose its records, as a crash does.
type forgetful struct {
	journal.Journal
	lost atomic.Bool
}

// PutRecords implements journal.Journal.
func (j *forgetful) PutRecords(ctx context.Context, records map[string][]byte) error {
	if j.lost.Load() {
		return errFire
	}
	return j.Journal.PutRecords(ctx, records)
}

// On a journal on disk, too: a dead letter that was stored and not settled before the bridge ended is the only one.
func TestADeadLetterFromBeforeACrashCountsOnDisk(t *testing.T) {
	dir := t.TempDir()
	serve := func() (*bridge, *forgetful, func()) {
		opened, err := journal.Open(t.Context(), journal.Config{Dir: dir, MinFree: -1, MaxBytes: 64 << 20, DeadLetterBytes: 16 << 20})
		if err != nil {
			t.Fatal(err)
		}
		j := &forgetful{Journal: opened}
		b := startOn(&bridge{t: t}, j, nil)
		return b, j, func() {
			if err := b.stop(); (err != nil) != j.lost.Load() {
				t.Errorf("stop: %v", err)
			}
			if err := opened.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	b, j, stop := serve()
	s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour)})
	for n := range 3 {
		if _, err := j.Append(t.Context(), entry(n+1, "push", 10)); err != nil {
			t.Fatal(err)
		}
	}
	ds := s.deliveries(3)
	s.ack(ds[1])
	j.lost.Store(true)
	_, err := b.reject("a", forGood("no"), ds[0].GetAckId())
	refused(t, err, "Unavailable JOURNAL_UNAVAILABLE: the journal can't be reached or can't write; try again")
	stop()

	want := []dead{{1, 1, 1, deadForGood, "no"}}
	for range 2 {
		b, j, stop = serve()
		s, _ = b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour)})
		d := s.delivery()
		equal(t, "what comes again", d.GetEvent().GetSequence(), int64(3))
		_, got := deadLetters(t, j, "a")
		equal(t, "dead letters", got, want)
		stop()
	}
}
