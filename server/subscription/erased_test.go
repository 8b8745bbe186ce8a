package subscription

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
)

// sly is a journal that stores dead letters late: it says that it can't, and does so when the bridge has ended.
type sly struct {
	*journal.Store
	on    atomic.Bool
	added chan []journal.SideEntry
}

type slyLetters struct {
	journal.SideLog
	sly *sly
}

func (s *sly) DeadLetters() journal.SideLog { return slyLetters{s.Store.DeadLetters(), s} }

func (l slyLetters) Add(ctx context.Context, entries ...journal.SideEntry) ([]int64, error) {
	if !l.sly.on.Load() {
		return l.SideLog.Add(ctx, entries...)
	}
	select {
	case l.sly.added <- entries:
	default: // the first attempt is enough
	}
	return nil, errors.Join(journal.ErrUnavailable, errFire)
}

// An erasure was answered while nobody knew whether a copy of the event was stored, and the bridge ended before anybody did. The copy is
// there at the next start, on the real journal: it is erased before anything is served, and no other copy is.
func TestAnErasureIsFinishedByTheNextStart(t *testing.T) {
	cfg := journal.Config{Dir: t.TempDir(), MinFree: -1, MaxBytes: 64 << 20, DeadLetterBytes: 16 << 20}
	serve := func() (*bridge, *sly) {
		store, err := journal.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		j := &sly{Store: store, added: make(chan []journal.SideEntry, 1)}
		return startOn(&bridge{t: t}, j, nil), j
	}
	b, j := serve()
	s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour)})
	for _, id := range []string{"first", "second"} {
		e := encode(&hookbridgev1.Event{Id: id, Source: "src", Type: "push"}, &hookbridgev1.Content{Body: []byte("secret of " + id)})
		if _, err := j.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	ds := s.deliveries(2)
	j.on.Store(true)
	_, err := b.reject("a", forGood("no"), ids(ds)...)
	refused(t, err, unstorable)
	erased := must(t, b.client.EraseEvent, &hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Sequence{Sequence: 1}})
	equal(t, "erased", erased, &hookbridgev1.EraseEventResponse{Sequence: 1})
	if records, err := j.Records(t.Context()); err != nil || records[erasedKey] == nil {
		t.Errorf("the erasure is not on disk: %v", err)
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	late := <-j.added
	if _, err := j.Store.DeadLetters().Add(t.Context(), late...); err != nil || len(late) != 2 {
		t.Fatalf("%d are stored late, %v", len(late), err)
	}
	if err := j.Close(context.Background()); err != nil {
		t.Fatal(err)
	}

	b, j = serve()
	_, got := deadLetters(t, j, "a")
	equal(t, "dead letters", got, []dead{{2, 2, 1, deadForGood, "no"}})
	if records, err := j.Records(t.Context()); err != nil || records[erasedKey] != nil {
		t.Errorf("the erasure is not complete: %q, %v", records[erasedKey], err)
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}
