package server_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
)

// On a disk without a free byte nothing is erased or removed: the caller is told so, whether or not a write has found the disk full before,
// and the store, in which that would fail, stays open. When there is room it is done.
func TestErasingOnASpentDisk(t *testing.T) {
	for name, found := range map[string]bool{"before a delivery found it": false, "after a delivery found it": true} {
		t.Run(name, func(t *testing.T) {
			disk := smallDisk(t, "48m")
			b := open(t, fmt.Sprintf("journal: {dir: %s, min_free: \"0\"}\n%s", filepath.Join(disk, "journal"), oneSource), nil)
			for n := 1; n <= 3; n++ {
				b.mustStore("demo", "user_created", fmt.Sprint(n), filler(n, 50<<10))
			}
			b.giveUp("audit", 2)
			ballast := filepath.Join(disk, "ballast")
			if err := exec.Command("dd", "if=/dev/zero", "of="+ballast, "bs=4k").Run(); err == nil {
				t.Fatal("the disk took everything")
			}
			if found {
				b.fill(t, "while-full")
				b.reads(t, 3)
			}
			before := b.metric(t, "hookbridge_journal_reopens_total")
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			manage := hookbridgev1.NewSubscriptionServiceClient(b.conn)
			erase := func() error {
				_, err := b.client.EraseEvent(ctx, &hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Sequence{Sequence: 1}})
				return err
			}
			purge := func() error {
				_, err := manage.PurgeDeadLetters(ctx, &hookbridgev1.PurgeDeadLettersRequest{
					Subscription: "audit", Selection: &hookbridgev1.DeadLetterSelection{Which: &hookbridgev1.DeadLetterSelection_All{All: &emptypb.Empty{}}},
				})
				return err
			}
			remove := func() error {
				_, err := manage.DeleteSubscription(ctx, &hookbridgev1.DeleteSubscriptionRequest{Name: "audit"})
				return err
			}
			const want = "rpc error: code = Unavailable desc = the journal has no room to write; try again when it has"
			for what, err := range map[string]error{"erase": erase(), "purge": purge(), "delete": remove()} {
				if reason := reason(status.Convert(err)); err == nil || err.Error() != want || reason != "JOURNAL_FULL" {
					t.Errorf("%s: want %s, with the reason JOURNAL_FULL, got %v, %s", what, want, err, reason)
				}
			}
			b.reads(t, 3)
			b.wantLetters("audit", []int64{1, 2})
			if after := b.metric(t, "hookbridge_journal_reopens_total"); after != before {
				t.Errorf("the store was opened anew: %s times before, %s after", before, after)
			}
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			b.recovers(t, "after")
			if err := errors.Join(erase(), purge(), remove()); err != nil {
				t.Errorf("with room: %v", err)
			}
			b.stores(t, 0)
		})
	}
}

// reads waits until the first n events can be read.
func (b *bridge) reads(t *testing.T, n int) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		var page *hookbridgev1.ListEventsResponse
		if page, err = b.client.ListEvents(t.Context(), &hookbridgev1.ListEventsRequest{PageSize: int32(n)}); err == nil && len(page.GetEvents()) == n {
			return
		}
	}
	t.Fatalf("%d events can't be read: %v", n, err)
}

// metric is what a metric without labels stands at.
func (b *bridge) metric(t *testing.T, name string) string {
	t.Helper()
	for line := range strings.Lines(b.admin(t, "/metrics")) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("there is no metric %s", name)
	return ""
}

// giveUp makes dead letters of a new subscription's first n events.
func (b *bridge) giveUp(subscription string, n int) {
	b.t.Helper()
	next, leave := b.follow(&hookbridgev1.SubscribeRequest{Subscription: subscription})
	defer leave()
	for range n {
		resp, err := b.client.Reject(b.t.Context(), &hookbridgev1.RejectRequest{Subscription: subscription, Rejections: []*hookbridgev1.Rejection{
			{AckId: next().GetAckId(), Action: &hookbridgev1.Rejection_DeadLetter{DeadLetter: &emptypb.Empty{}}},
		}})
		if err != nil || len(resp.GetFailures()) > 0 {
			b.t.Fatalf("reject: %v %v", err, resp)
		}
	}
}

// letters are the ids of a subscription's dead letters.
func (b *bridge) letters(subscription string) ([]int64, error) {
	resp, err := hookbridgev1.NewSubscriptionServiceClient(b.conn).ListDeadLetters(b.t.Context(), &hookbridgev1.ListDeadLettersRequest{Subscription: subscription})
	var ids []int64
	for _, l := range resp.GetDeadLetters() {
		ids = append(ids, l.GetId())
	}
	return ids, err
}

// wantLetters says which dead letters a subscription must have, as they are listed and as they are counted.
func (b *bridge) wantLetters(subscription string, want []int64) {
	b.t.Helper()
	if got, err := b.letters(subscription); err != nil || !slices.Equal(got, want) {
		b.t.Errorf("the dead letters of %s: want %d, got %d, %v", subscription, want, got, err)
	}
	resp, err := hookbridgev1.NewSubscriptionServiceClient(b.conn).GetSubscription(b.t.Context(), &hookbridgev1.GetSubscriptionRequest{Name: subscription})
	if got := resp.GetSubscription().GetStatus().GetDeadLetters(); err != nil || got != int64(len(want)) {
		b.t.Errorf("the dead letters of %s: want %d, counted %d, %v", subscription, len(want), got, err)
	}
}

// wantDeleted says that a subscription, and what it had, must be seen by nobody.
func (b *bridge) wantDeleted(subscription string) {
	b.t.Helper()
	if got, err := b.letters(subscription); status.Code(err) != codes.NotFound {
		b.t.Errorf("the dead letters of %s, which was deleted: got %d, %v", subscription, got, err)
	}
	manage := hookbridgev1.NewSubscriptionServiceClient(b.conn)
	if got, err := manage.GetSubscription(b.t.Context(), &hookbridgev1.GetSubscriptionRequest{Name: subscription}); status.Code(err) != codes.NotFound {
		b.t.Errorf("%s, which was deleted: got %v, %v", subscription, got, err)
	}
	all, err := manage.ListSubscriptions(b.t.Context(), &hookbridgev1.ListSubscriptionsRequest{})
	if err != nil || slices.ContainsFunc(all.GetSubscriptions(), func(s *hookbridgev1.Subscription) bool { return s.GetName() == subscription }) {
		b.t.Errorf("%s was deleted, and is among %v, %v", subscription, all.GetSubscriptions(), err)
	}
}

// reopened opens a journal that no bridge has open.
func reopened(t *testing.T, folder string) *journal.Store {
	t.Helper()
	s, err := journal.Open(t.Context(), journal.Config{Dir: folder, MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeJournal(t *testing.T, s *journal.Store) {
	t.Helper()
	if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// leaveRecords stores records as a crash left them; nil deletes.
func leaveRecords(t *testing.T, folder string, records map[string]proto.Message) {
	t.Helper()
	if len(records) == 0 {
		return
	}
	values := map[string][]byte{}
	for key, m := range records {
		values[key] = nil
		if m == nil {
			continue
		}
		var err error
		if values[key], err = proto.Marshal(m); err != nil {
			t.Fatal(err)
		}
	}
	s := reopened(t, folder)
	if err := s.PutRecords(t.Context(), values); err != nil {
		t.Fatal(err)
	}
	closeJournal(t, s)
}

// wantFinished says which dead letters a journal that no bridge has open must have, all in all, and that nothing is left to be finished.
func wantFinished(t *testing.T, folder string, letters []int64) {
	t.Helper()
	s := reopened(t, folder)
	defer closeJournal(t, s)
	page, err := s.DeadLetters().Read(t.Context(), journal.SideQuery{From: 1})
	var ids []int64
	for _, e := range page.Entries {
		ids = append(ids, e.ID)
	}
	if err != nil || !slices.Equal(ids, letters) {
		t.Errorf("want the dead letters %d to be stored, got %d, %v", letters, ids, err)
	}
	records, err := s.Records(t.Context())
	if err != nil || records["erased"] != nil || records["deleted/gone"] != nil {
		t.Errorf("something is left to be finished: %q, %v", records, err)
	}
}

// stores waits until so many dead letters are stored, whoever may see them.
func (b *bridge) stores(t *testing.T, letters int) {
	t.Helper()
	for deadline := time.Now().Add(patience); b.metric(t, "hookbridge_journal_dead_letters") != fmt.Sprint(letters); {
		if time.Now().After(deadline) {
			t.Fatalf("want %d dead letters to be stored, got %s", letters, b.metric(t, "hookbridge_journal_dead_letters"))
		}
	}
}

// recreates makes a subscription of a name as soon as that is free. It must have no dead letters.
func (b *bridge) recreates(name string) {
	b.t.Helper()
	manage := hookbridgev1.NewSubscriptionServiceClient(b.conn)
	deadline, last := time.Now().Add(patience), error(nil)
	for time.Now().Before(deadline) {
		_, last = manage.CreateSubscription(b.t.Context(), &hookbridgev1.CreateSubscriptionRequest{Subscription: &hookbridgev1.Subscription{Name: name}})
		if last == nil {
			b.wantLetters(name, nil)
			return
		}
	}
	b.t.Fatalf("there is room, and the name is not free: %v", last)
}
