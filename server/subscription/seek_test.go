package subscription

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

func TestASeekGoesWithinTheJournal(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(3, "push")
		elapse(time.Minute)
		noon := time.Now()
		b.fill(3, "push")
		b.establish(&hookbridgev1.Subscription{Name: "a"})
		b.journal.Trim(2)
		for _, tc := range []struct {
			target *hookbridgev1.Start
			want   int64
		}{
			{beginning(), 2},
			{at(5), 5},
			{&hookbridgev1.Start{At: &hookbridgev1.Start_Time{Time: timestamppb.New(noon)}}, 4},
			{&hookbridgev1.Start{At: &hookbridgev1.Start_Now{Now: &emptypb.Empty{}}}, 7},
			{at(1), 2},
			{at(99), 7},
			{&hookbridgev1.Start{At: &hookbridgev1.Start_Time{Time: timestamppb.New(noon.Add(time.Hour))}}, 7},
		} {
			equal(t, tc.target.String(), b.seek("a", tc.target), tc.want)
			equal(t, tc.target.String(), b.show("a").GetStatus().GetPosition(), tc.want)
			s, confirmed := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
			equal(t, tc.target.String(), confirmed.GetPosition(), tc.want)
			if tc.want < 7 {
				equal(t, tc.target.String(), s.delivery().GetEvent().GetSequence(), tc.want)
			}
			s.close()
		}
	})
}

// A seek backwards brings again what was acknowledged, but nothing that is with a client; that stays valid, and comes again only if it
// is not settled.
func TestASeekBackwardsLeavesWhatIsWithAClient(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(6, "push")
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning()})
		first := s.deliveries(6)
		s.ack(first[0], first[1], first[2])
		equal(t, "position", b.seek("a", beginning()), int64(1))
		// 4 to 6 are with the client.
		equal(t, "again", short(s.deliveries(3)...), run(1, 3, 1, reasonNew))
		s.quiet()
		s.ack(first[3])
		equal(t, "an old ack_id of what is brought again", b.ack("a", first[0].GetAckId()), []*hookbridgev1.AckFailure{
			{AckId: first[0].GetAckId(), Reason: hookbridgev1.AckFailure_REASON_STALE},
		})
		elapse(31 * second)
		equal(t, "not settled", short(s.deliveries(5)...), []sent{
			{1, 2, reasonDeadline}, {2, 2, reasonDeadline}, {3, 2, reasonDeadline}, {5, 2, reasonDeadline}, {6, 2, reasonDeadline},
		})
	})
}

// A seek forwards drops what waits, and skips what was not read.
func TestASeekForwardsDropsWhatWaits(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(2000, "push")
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning(), MaxOutstandingEvents: 10})
		held := s.deliveries(10)
		synctest.Wait()
		equal(t, "position", b.seek("a", at(1999)), int64(1999))
		s.ack(held[:9]...)
		equal(t, "from the target", short(s.deliveries(2)...), run(1999, 2000, 1, reasonNew))
		s.close()
		equal(t, "waiting", b.show("a").GetStatus().GetWaitingEvents(), int64(3))
		b.seek("a", at(2001))
		equal(t, "dropped", b.show("a").GetStatus(), &hookbridgev1.SubscriptionStatus{
			Position: 2001, JournalEnd: 2001, SentEvents: 12,
		})
		b.fill(1, "push")
		s, _ = b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		equal(t, "what is new", short(s.delivery()), run(2001, 2001, 1, reasonNew))
	})
}

func TestAnAnsweredSeekIsOnDisk(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(4, "push")
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning()})
		s.ack(s.deliveries(4)...)
		s.close()
		b.seek("a", at(3))
		after := b.crash()
		defer after.stop()
		s, confirmed := after.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		equal(t, "position", confirmed.GetPosition(), int64(3))
		equal(t, "after a crash", short(s.deliveries(2)...), run(3, 4, 1, reasonNew))
	})
}

func TestASeekToWhatIsGoneTellsTheGap(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(6, "push")
		b.journal.Trim(4)
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		equal(t, "position", b.seek("a", at(2)), int64(4))
		equal(t, "gap", s.recv().GetGap(), &hookbridgev1.Gap{FromSequence: 2, ToSequence: 4})
		equal(t, "then", short(s.deliveries(3)...), run(4, 6, 1, reasonNew))
		equal(t, "missed", b.show("a").GetStatus().GetMissedEvents(), int64(2))
		// The beginning is where the journal begins: nobody asked for more.
		b.seek("a", beginning())
		s.quiet()
	})
}

// Twice is no error, streams stay open, what is outstanding can be settled, and a restart changes nothing.
func TestPausedSubscriptionsSendNothing(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(4, "push")
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning(), MaxOutstandingEvents: 2})
		ds := s.deliveries(2)
		for range 2 {
			must(t, b.manage.PauseSubscription, &hookbridgev1.PauseSubscriptionRequest{Name: "a"})
		}
		s.ack(ds[0])
		s.quiet()
		elapse(31 * second)
		equal(t, "the deadline passes", b.show("a").GetStatus().GetWaitingEvents(), int64(1))
		equal(t, "the stream lives", s.recv().GetHeartbeat() != nil, true)
		s.close()
		b = b.crash()
		defer b.stop()
		equal(t, "paused", b.show("a").GetPaused(), true)
		s, _ = b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		s.quiet()
		for range 2 {
			must(t, b.manage.ResumeSubscription, &hookbridgev1.ResumeSubscriptionRequest{Name: "a"})
		}
		equal(t, "goes on", short(s.deliveries(3)...), []sent{{2, 2, reasonRestart}, {3, 1, reasonNew}, {4, 1, reasonNew}})
	})
}
