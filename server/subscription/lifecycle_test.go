package subscription

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/journal/journalfake"
)

func TestConfirmedSaysWhatApplies(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(3, "push")
		_, got := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning()})
		equal(t, "defaults", got, &hookbridgev1.Confirmed{
			Subscription: "a", Created: true, Position: 1, JournalEnd: 4, MaxOutstandingEvents: 1000, MaxOutstandingBytes: 16 << 20,
			AckDeadline: durationpb.New(30 * second), HeartbeatInterval: durationpb.New(15 * second),
		})
		_, got = b.subscribe(&hookbridgev1.SubscribeRequest{
			MaxOutstandingEvents: 5, MaxOutstandingBytes: 6, AckDeadline: durationpb.New(2 * second), HeartbeatInterval: durationpb.New(3 * second),
		})
		equal(t, "asked for", got, &hookbridgev1.Confirmed{
			Position: 4, JournalEnd: 4, MaxOutstandingEvents: 5, MaxOutstandingBytes: 6,
			AckDeadline: durationpb.New(2 * second), HeartbeatInterval: durationpb.New(3 * second),
		})
	})
}

func TestASubscriptionBeginsWhereItAsksTo(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(3, "push")
		elapse(time.Minute)
		noon := time.Now()
		elapse(second)
		b.fill(3, "push")
		b.journal.Trim(2)
		for i, tc := range []struct {
			start *hookbridgev1.Start
			want  int64
		}{
			{nil, 7},
			{&hookbridgev1.Start{}, 7},
			{&hookbridgev1.Start{At: &hookbridgev1.Start_Now{}}, 7},
			{beginning(), 2},
			{&hookbridgev1.Start{At: &hookbridgev1.Start_Sequence{Sequence: 1}}, 2},
			{&hookbridgev1.Start{At: &hookbridgev1.Start_Sequence{Sequence: 5}}, 5},
			{&hookbridgev1.Start{At: &hookbridgev1.Start_Sequence{Sequence: 9}}, 9},
			{&hookbridgev1.Start{At: &hookbridgev1.Start_Time{Time: timestamppb.New(noon)}}, 4},
			{&hookbridgev1.Start{At: &hookbridgev1.Start_Time{Time: timestamppb.New(noon.Add(time.Hour))}}, 7},
		} {
			for _, name := range []string{"", fmt.Sprintf("s%d", i)} {
				s, confirmed := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: name, Start: tc.start})
				equal(t, fmt.Sprintf("%v: position", tc.start), confirmed.GetPosition(), tc.want)
				if tc.want < 7 {
					equal(t, fmt.Sprintf("%v: first", tc.start), short(s.delivery()), run(tc.want, tc.want, 1, reasonNew))
				}
				s.close()
			}
		}
		late, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "s6"}) // from 9 on
		other, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "s0"})
		b.fill(4, "push")
		equal(t, "from 9 on", short(late.deliveries(2)...), run(9, 10, 1, reasonNew))
		equal(t, "another", short(other.deliveries(4)...), run(7, 10, 1, reasonNew))
		// It goes on where it stood, whatever start says.
		late.close()
		_, confirmed := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "s6", Start: beginning()})
		equal(t, "created", confirmed.GetCreated(), false)
		equal(t, "position", confirmed.GetPosition(), int64(11))
	})
}

func TestAnEphemeralSubscriptionLivesAsLongAsItsStream(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(5000, "push")
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Start: beginning(), MaxOutstandingEvents: 10, AckDeadline: durationpb.New(second)})
		ds := s.deliveries(5000)
		equal(t, "all", short(ds...), run(1, 5000, 1, reasonNew))
		equal(t, "ack_id", ds[0].GetAckId(), "")
		elapse(10 * second)
		b.fill(1, "push")
		equal(t, "none again", short(s.delivery()), run(5001, 5001, 1, reasonNew))
		equal(t, "holds", b.journal.Holds(), journal.Holds{})
		s.close()
		equal(t, "records", b.journal.Keys(), []string(nil))
		equal(t, "left", len(b.manager.everyone()), 0)
		_, err := b.client.Acknowledge(t.Context(), &hookbridgev1.AcknowledgeRequest{AckIds: []string{"x"}})
		refused(t, err, `InvalidArgument INVALID_ARGUMENT: subscription: `+fmt.Sprintf(nameRule, ""))
	})
}

func TestADurableSubscriptionStandsOnDiskBeforeItIsConfirmed(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.journal.HoldRecords(true)
		s := b.open(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		s.quiet()
		b.journal.HoldRecords(false)
		equal(t, "created", s.recv().GetConfirmed().GetCreated(), true)
		b.fill(3, "push")
		after := b.crash()
		defer after.stop()
		s, confirmed := after.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		equal(t, "position", confirmed.GetPosition(), int64(1))
		equal(t, "events", short(s.deliveries(3)...), run(1, 3, 1, reasonNew))
	})
}

func TestFiltersChooseBySourceAndType(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		streams := map[string]*stream{}
		for name, f := range map[string]*hookbridgev1.Filter{
			"all": nil, "exact": {Types: []string{"push"}}, "pattern": {Types: []string{"pull_request.*"}},
			"source": {Sources: []string{"s*c"}, Types: []string{"push", "x"}}, "none": {Sources: []string{"other"}},
		} {
			streams[name], _ = b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: name, Filter: f})
		}
		for range 2 {
			for _, typ := range []string{"push", "pull_request.opened", "issue"} {
				b.fill(1, typ)
			}
		}
		for name, want := range map[string][]int64{"all": {1, 2, 3, 4, 5, 6}, "exact": {1, 4}, "pattern": {2, 5}, "source": {1, 4}, "none": nil} {
			var got []int64
			for range want {
				got = append(got, streams[name].delivery().GetEvent().GetSequence())
			}
			equal(t, name, got, want)
			streams[name].quiet()
		}
	})
}

func TestADurableSubscriptionKeepsItsFilter(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		subscribe := func(types ...string) *stream {
			req := &hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour)}
			if types != nil {
				req.Filter = &hookbridgev1.Filter{Types: types}
			}
			return b.open(req)
		}
		first := subscribe("push", "issue")
		first.recv()
		b.fill(1, "push")
		b.fill(1, "star")
		equal(t, "first", short(first.delivery()), run(1, 1, 1, reasonNew))
		for _, same := range [][]string{nil, {"issue", "push", "push"}} {
			s := subscribe(same...)
			equal(t, "the same filter", s.recv().GetConfirmed().GetSubscription(), "a")
			s.close()
		}
		refused(t, subscribe("star").ended(),
			`FailedPrecondition SUBSCRIPTION_CONFLICT: 1 other member of subscription "a" is connected with another filter`)
		first.close()
		// Alone it replaces the filter. What was outstanding comes all the same.
		b.fill(1, "star")
		second := subscribe("star")
		second.recv()
		equal(t, "second", short(second.deliveries(2)...), []sent{{1, 2, reasonLost}, {3, 1, reasonNew}})
		// And it is on disk.
		after := b.crash()
		defer after.stop()
		after.fill(1, "push")
		after.fill(1, "star")
		third, _ := after.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		third.delivery()
		// Whether 3 was known to be outstanding depends on whether a commit came between its sending and the crash.
		var sequences []int64
		for _, d := range third.deliveries(2) {
			sequences = append(sequences, d.GetEvent().GetSequence())
		}
		equal(t, "third", sequences, []int64{3, 5})
	})
}

func TestAnIdleStreamSaysThatItLives(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{
			Subscription: "a", HeartbeatInterval: durationpb.New(4 * second), Filter: &hookbridgev1.Filter{Types: []string{"push"}},
		})
		b.fill(3, "star")
		at := time.Now()
		heartbeat := func(position int64) {
			t.Helper()
			equal(t, "heartbeat", s.recv().GetHeartbeat(), &hookbridgev1.Heartbeat{
				Position: position, JournalEnd: position, Time: timestamppb.New(at),
			})
		}
		at = at.Add(4 * second)
		heartbeat(4)
		elapse(3 * second)
		b.fill(1, "push")
		equal(t, "event", short(s.delivery()), run(4, 4, 1, reasonNew))
		at = time.Now().Add(4 * second) // counted from the event
		heartbeat(5)
		at = at.Add(4 * second)
		heartbeat(5)
	})
}

func TestShutdownEndsStreamsAndKeepsPositions(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", Filter: &hookbridgev1.Filter{Types: []string{"push"}}})
		b.fill(2, "push")
		b.fill(5, "star")
		ds := s.deliveries(2)
		s.ack(ds[0])
		elapse(0)
		const gone = "Unavailable SHUTTING_DOWN: the bridge is shutting down; send it again"
		if err := b.manager.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		refused(t, s.ended(), gone)
		refused(t, b.open(&hookbridgev1.SubscribeRequest{Subscription: "a"}).ended(), gone)
		s.ack(ds[1]) // still taken
		if err := b.stop(); err != nil {
			t.Fatal(err)
		}
		if _, err := b.manager.Acknowledge(t.Context(), &hookbridgev1.AcknowledgeRequest{Subscription: "a", AckIds: ids(ds)}); err != nil {
			t.Errorf("acknowledging what is on disk: %v", err)
		}
		after := start(t, b.journal.Crash(), nil)
		defer after.stop()
		s, confirmed := after.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		equal(t, "position", confirmed.GetPosition(), int64(8))
		s.quiet()
	})
}

func TestShutdownDoesNotWaitForAClientThatReadsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		for range 20 {
			b.append(entry(int(b.journal.Bounds().End), "push", 1<<20))
		}
		b.open(&hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning(), IncludeContent: true})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 3*second)
		defer cancel()
		at := time.Now()
		err := b.manager.Shutdown(ctx)
		if want := "1 streams did not end: context deadline exceeded"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		equal(t, "took", time.Since(at), 3*second)
	})
}

func TestALastCommitThatFailsIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, journalfake.New(), nil)
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		b.fill(1, "push")
		s.delivery()
		b.journal.FailRecords(journal.ErrUnavailable)
		if err := b.stop(); !errors.Is(err, journal.ErrUnavailable) {
			t.Errorf("got %v, want %v", err, journal.ErrUnavailable)
		}
	})
}

func TestAJournalThatCannotBeReadStopsNothingForGood(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(10, "push")
		live, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "live"})
		synctest.Wait()
		b.journal.FailReads(journal.ErrUnavailable)
		b.fill(1, "push")
		behind, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "behind", Start: beginning()})
		elapse(time.Minute)
		b.journal.FailReads(nil)
		equal(t, "behind", short(behind.deliveries(11)...), run(1, 11, 1, reasonNew))
		equal(t, "live", short(live.delivery()), run(11, 11, 1, reasonNew))
	})
}
