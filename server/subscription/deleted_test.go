package subscription

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/journal/journalfake"
)

// mortal is a journal that can be told when to die: after so many further writes that a deletion makes, nothing is written any more. Just
// behind the first removal of dead letters it stores late, which is a dead letter that was on its way.
type mortal struct {
	*journal.Store
	late journal.SideEntry

	mu    sync.Mutex
	armed bool
	left  int
	dead  chan struct{}
}

// write says whether one more is written.
func (j *mortal) write() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.armed {
		return nil
	}
	if j.left > 0 {
		j.left--
		return nil
	}
	select {
	case <-j.dead:
	default:
		close(j.dead)
	}
	return errFire
}

// PutRecords implements journal.Journal.
func (j *mortal) PutRecords(ctx context.Context, records map[string][]byte) error {
	if err := j.write(); err != nil {
		return err
	}
	return j.Store.PutRecords(ctx, records)
}

// DeadLetters implements journal.Journal.
func (j *mortal) DeadLetters() journal.SideLog { return mortalLetters{j.Store.DeadLetters(), j} }

type mortalLetters struct {
	journal.SideLog
	of *mortal
}

// Purge implements journal.SideLog.
func (l mortalLetters) Purge(ctx context.Context, owner string) (int, error) {
	if err := l.of.write(); err != nil {
		return 0, err
	}
	n, err := l.SideLog.Purge(ctx, owner)
	if late := l.of.late; err == nil && late.Owner != "" {
		l.of.late = journal.SideEntry{}
		_, err = l.Add(ctx, late)
	}
	return n, err
}

// Remove implements journal.SideLog.
func (l mortalLetters) Remove(ctx context.Context, owner string, ids ...int64) (int, error) {
	if err := l.of.write(); err != nil {
		return 0, err
	}
	return l.SideLog.Remove(ctx, owner, ids...)
}

// Wherever a deletion is cut off, on the real journal: either the subscription is there, with the dead letter that was on its way, or
// nothing is left of it, and the next one of its name has none of its dead letters and keeps its own.
func TestADeletionThatIsCutOffLeavesNobodyDeadLetters(t *testing.T) {
	for name, tc := range map[string]struct {
		writes int // the dead letters, the mark, the record, the dead letters again, the mark
		there  bool
	}{
		"before it is marked":                   {1, true},
		"before the record goes":                {2, true},
		"before what was on its way is removed": {3, false},
		"before the mark goes":                  {4, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			serve := func() (*bridge, *mortal, func()) {
				store, err := journal.Open(t.Context(), journal.Config{Dir: dir, MinFree: -1, MaxBytes: 64 << 20, DeadLetterBytes: 16 << 20})
				if err != nil {
					t.Fatal(err)
				}
				j := &mortal{Store: store, dead: make(chan struct{})}
				b := startOn(&bridge{t: t}, j, nil)
				return b, j, func() {
					j.mu.Lock()
					unsaved := j.armed && tc.there // the deletion of the record is in the last commit
					j.mu.Unlock()
					if err := b.stop(); (err != nil) != unsaved {
						t.Errorf("stop: %v", err)
					}
					if err := store.Close(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
			}
			patient := &hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning(), AckDeadline: durationpb.New(time.Hour)}
			b, j, stop := serve()
			s, _ := b.subscribe(patient)
			for n := range 2 {
				if _, err := j.Append(t.Context(), entry(n+1, "push", 10)); err != nil {
					t.Fatal(err)
				}
			}
			s.rejects(forGood("first"), s.deliveries(2)[0])
			letters, _ := deadLetters(t, j, "a")
			late := letters[0]
			late.Sequence, late.Error = 2, "late"
			payload, err := proto.Marshal(late)
			if err != nil {
				t.Fatal(err)
			}
			j.late = journal.SideEntry{Owner: "a", Payload: payload}
			j.mu.Lock()
			j.armed, j.left = true, tc.writes
			j.mu.Unlock()
			answered := make(chan error, 1)
			go func() {
				_, err := NewService(b.manager).DeleteSubscription(context.Background(), &hookbridgev1.DeleteSubscriptionRequest{Name: "a"})
				answered <- err
			}()
			<-j.dead
			stop()
			refused(t, fault.Status(<-answered, "").Err(), "Unavailable SHUTTING_DOWN: the bridge is shutting down; send it again")

			b, j, stop = serve()
			records, err := j.Records(t.Context())
			if err != nil || (records[recordPrefix+"a"] != nil) != tc.there || records[deletedPrefix+"a"] != nil {
				t.Errorf("the subscription's record is %q, the mark %q, %v; want it there: %v, and no mark",
					records[recordPrefix+"a"], records[deletedPrefix+"a"], err, tc.there)
			}
			if tc.there {
				_, got := deadLetters(t, j, "a")
				equal(t, "as before", got, []dead{{2, 2, 1, deadForGood, "late"}})
				b.remove("a")
			}
			_, got := deadLetters(t, j, "a")
			equal(t, "none left", got, []dead(nil))
			s, confirmed := b.subscribe(patient)
			equal(t, "made anew", confirmed.GetCreated(), true)
			s.rejects(forGood("own"), s.deliveries(2)[1])
			stop()

			b, j, stop = serve()
			defer stop()
			_, got = deadLetters(t, j, "a")
			equal(t, "its own", got, []dead{{3, 2, 1, deadForGood, "own"}})
			s, confirmed = b.subscribe(patient)
			equal(t, "still there", confirmed.GetCreated(), false)
			equal(t, "outstanding", s.delivery().GetEvent().GetSequence(), int64(1))
		})
	}
}

// A mark that can't be read stops the start: what it says nobody knows.
func TestMarksOfDeletions(t *testing.T) {
	mark := func(format int32, name string) []byte {
		value, err := proto.Marshal(&storagev1.DeletedSubscription{Format: format, Name: name})
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	for _, tc := range []struct {
		value []byte
		want  string
	}{
		{mark(2, "a"), `record "deleted/a": format 2, want 1: it was written by another version`},
		{mark(1, "b"), `record "deleted/a": is of the subscription "b"`},
	} {
		j := journalfake.New()
		if err := j.PutRecords(t.Context(), map[string][]byte{deletedPrefix + "a": tc.value}); err != nil {
			t.Fatal(err)
		}
		if _, err := New(t.Context(), testConfig(j)); err == nil || err.Error() != tc.want {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
}

// A name isn't free before what takes long to store is there, and removed.
func TestANameIsFreeWhenNothingIsOnItsWay(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour)})
		b.fill(1, "push")
		d := s.delivery()
		b.journal.HoldDeadLetters(true)
		out := b.rejecting(t.Context(), "a", forGood("no"), d.GetAckId())
		elapse(putTimeout)
		refused(t, (<-out).Err, unstorable)
		done := make(chan error, 1)
		go func() {
			_, err := b.manage.DeleteSubscription(t.Context(), &hookbridgev1.DeleteSubscriptionRequest{Name: "a"})
			done <- err
		}()
		elapse(10 * time.Minute)
		equal(t, "answered", len(done), 0)
		_, err := b.manage.CreateSubscription(t.Context(), &hookbridgev1.CreateSubscriptionRequest{Subscription: &hookbridgev1.Subscription{Name: "a"}})
		refused(t, err, `AlreadyExists SUBSCRIPTION_EXISTS: there is a subscription "a"`)
		b.journal.HoldDeadLetters(false)
		equal(t, "deleted", <-done, nil)
		equal(t, "dead letters", b.buried("a"), []dead(nil))
		equal(t, "records", b.journal.Keys(), []string(nil))
		b.establish(&hookbridgev1.Subscription{Name: "a"})
	})
}

// What was stored of a deleted subscription although that failed keeps no erasure incomplete.
func TestADeletionLeavesNothingUnsure(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour)})
		b.fill(2, "push")
		d := s.delivery()
		b.journal.LoseDeadLetters(errFire)
		_, err := b.reject("a", forGood("no"), d.GetAckId())
		refused(t, err, unstorable)
		b.journal.LoseDeadLetters(nil)
		must(t, b.client.EraseEvent, &hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Sequence{Sequence: 2}})
		equal(t, "records", b.journal.Keys(), []string{erasedKey, "subscription/a"})
		b.remove("a")
		synctest.Wait()
		equal(t, "records in the end", b.journal.Keys(), []string(nil))
	})
}
