package subscription

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// What a subscription says of itself, while events come, are sent, are given back, are acknowledged, and are removed by retention.
func TestStatusSaysHowASubscriptionIsDoing(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(2, "push")
		b.establish(&hookbridgev1.Subscription{Name: "a"})
		is := func(what string, want *hookbridgev1.SubscriptionStatus) {
			t.Helper()
			synctest.Wait()
			equal(t, what, b.show("a").GetStatus(), want)
		}
		is("nobody", &hookbridgev1.SubscriptionStatus{Position: 1, JournalEnd: 3, LagEvents: 2, LagTime: durationpb.New(0)})
		elapse(10 * second)
		is("later", &hookbridgev1.SubscriptionStatus{Position: 1, JournalEnd: 3, LagEvents: 2, LagTime: durationpb.New(10 * second)})

		member := &hookbridgev1.SubscriptionMember{ClientName: "worker", Address: "bufconn", ConnectedAt: timestamppb.Now()}
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", ClientName: "worker", MaxOutstandingEvents: 1})
		first := s.delivery()
		size := b.size(1)
		member.OutstandingEvents, member.OutstandingBytes = 1, size
		is("one is out, one read ahead", &hookbridgev1.SubscriptionStatus{
			Position: 2, JournalEnd: 3, LagEvents: 2, LagTime: durationpb.New(10 * second), OutstandingEvents: 1, SentEvents: 1,
			Members: []*hookbridgev1.SubscriptionMember{member},
		})
		s.ack(first)
		second2 := s.delivery()
		s.ack(second2)
		member.OutstandingEvents, member.OutstandingBytes = 0, 0
		is("all is acknowledged", &hookbridgev1.SubscriptionStatus{
			Position: 3, JournalEnd: 3, SentEvents: 2, Members: []*hookbridgev1.SubscriptionMember{member},
		})
		b.fill(1, "push")
		s.deliveries(1)
		s.close()
		is("given back", &hookbridgev1.SubscriptionStatus{
			Position: 4, JournalEnd: 4, LagEvents: 1, LagTime: durationpb.New(0), WaitingEvents: 1, SentEvents: 3,
		})
		s, _ = b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		s.ack(s.deliveries(1)...)
		s.close()
		is("again", &hookbridgev1.SubscriptionStatus{Position: 4, JournalEnd: 4, SentEvents: 4, RedeliveredEvents: 1})
		b.fill(3, "push")
		b.journal.Trim(6)
		s, _ = b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		s.ack(s.deliveries(1)...)
		s.close()
		is("missed", &hookbridgev1.SubscriptionStatus{Position: 7, JournalEnd: 7, SentEvents: 5, RedeliveredEvents: 1, MissedEvents: 2})
		b.letter("a", 6)
		elapse(time.Minute)
		is("dead letters", &hookbridgev1.SubscriptionStatus{
			Position: 7, JournalEnd: 7, SentEvents: 5, RedeliveredEvents: 1, MissedEvents: 2, DeadLetters: 1,
		})
	})
}

// Redelivered is what was sent before: an event that a replay brings for the first time was not.
func TestAReplayIsNoRedelivery(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(3, "push")
		must(t, b.manage.CreateSubscription, &hookbridgev1.CreateSubscriptionRequest{Subscription: &hookbridgev1.Subscription{Name: "a"}})
		must(t, b.manage.StartReplay, &hookbridgev1.StartReplayRequest{Subscription: "a"})
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		ds := s.deliveries(3)
		equal(t, "sent", short(ds...), []sent{{1, 1, reasonOfReplay}, {2, 1, reasonOfReplay}, {3, 1, reasonOfReplay}})
		counts := func(what string, sent, again int64) {
			t.Helper()
			is := b.show("a").GetStatus()
			equal(t, what, [2]int64{is.GetSentEvents(), is.GetRedeliveredEvents()}, [2]int64{sent, again})
		}
		counts("replayed", 3, 0)
		s.ack(ds[:2]...)
		s.close()
		s, _ = b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		s.ack(s.deliveries(1)...)
		counts("one of them again", 4, 1)
		// Its dead letter says that it was sent.
		b.letter("a", 3)
		b.resend("a", every())
		s.ack(s.deliveries(1)...)
		counts("redriven", 5, 2)
		s.close()
	})
}

// A source that a filter names and that is not there is told, to the streams too; one may come later, so it is no error.
func TestSourcesThatAreNotThereAreTold(t *testing.T) {
	configured := atomic.Pointer[map[string]string]{}
	configured.Store(&map[string]string{"github": "github"})
	bubbleWith(t, func(cfg *Config) { cfg.Sources = func() map[string]string { return *configured.Load() } }, func(t *testing.T, b *bridge) {
		f := filterOf([]string{"nope", "github", "stripe-*", "later"}, nil)
		made := b.establish(&hookbridgev1.Subscription{Name: "a", Filter: f})
		equal(t, "created", made.GetStatus().GetUnknownSources(), []string{"later", "nope"})
		s, confirmed := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		equal(t, "confirmed", confirmed.GetUnknownSources(), []string{"later", "nope"})
		s.close()
		configured.Store(&map[string]string{"github": "github", "later": "hmac"})
		equal(t, "when one has come", b.show("a").GetStatus().GetUnknownSources(), []string{"nope"})
		b.update(&hookbridgev1.Subscription{Name: "a"}, "filter")
		equal(t, "with no source named", b.show("a").GetStatus().GetUnknownSources(), []string(nil))
	})
}

// With a filter, what was not examined may not match: lag says that it is an upper bound, until it was.
func TestLagWithAFilterIsAnUpperBoundUntilExamined(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		for range 5 {
			b.fill(1, "push")
			b.fill(1, "pull")
		}
		b.establish(&hookbridgev1.Subscription{Name: "a", Filter: &hookbridgev1.Filter{Expression: `event.type == "pull"`}})
		lag := func(what string, events int64, bound bool) {
			t.Helper()
			is := b.show("a").GetStatus()
			equal(t, what, []any{is.GetLagEvents(), is.GetLagIsUpperBound()}, []any{events, bound})
		}
		lag("not examined", 10, true)
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", MaxOutstandingEvents: 2})
		synctest.Wait()
		lag("examined", 5, false)
		s.ack(s.deliveries(2)...)
		synctest.Wait()
		lag("two less", 3, false)
		s.close()
		lag("what was read ahead is forgotten", 3, true)
	})
}

// size is what an event of the journal counts against a window.
func (b *bridge) size(sequence int64) int64 {
	b.t.Helper()
	ev, err := b.journal.Get(b.t.Context(), sequence)
	if err != nil {
		b.t.Fatal(err)
	}
	return (&subscription{}).weigh(ev).Bytes
}
