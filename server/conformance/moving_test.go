package conformance

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// acknowledged makes a subscription whose n events are acknowledged, and returns its stream.
func (b *bridge) acknowledged(n int64) *member {
	b.t.Helper()
	m := b.join("a", nil)
	b.push(int(n))
	m.ack(m.gets(fresh(1, n)...)...)
	return m
}

func seekBeginning(b *bridge) {
	m := b.acknowledged(4)
	b.seek("a", beginning(), 1)
	m.gets(fresh(1, 4)...)
}

func seekTime(b *bridge) {
	m := b.acknowledged(3)
	at := time.Now()
	b.push(2)
	m.ack(m.gets(fresh(4, 5)...)...)
	b.seek("a", &hookbridgev1.Start{At: &hookbridgev1.Start_Time{Time: timestamppb.New(at)}}, 4)
	m.ack(m.gets(fresh(4, 5)...)...)
	m.quiet()
	b.seek("a", &hookbridgev1.Start{At: &hookbridgev1.Start_Time{Time: timestamppb.New(time.Now().Add(time.Hour))}}, 6)
	b.push(1)
	m.gets(fresh(6, 6)...)
}

func seekSequence(b *bridge) {
	m := b.acknowledged(4)
	b.seek("a", atSequence(3), 3)
	m.ack(m.gets(fresh(3, 4)...)...)
	// It is on disk when it is answered.
	m.leave()
	b.seek("a", atSequence(2), 2)
	b.restart()
	b.join("a", nil).gets(fresh(2, 4)...)
}

func seekEnd(b *bridge) {
	m := b.join("a", window(1, 0))
	b.push(5)
	ds := m.gets(fresh(1, 1)...)
	b.seek("a", atEnd(), 6)
	b.push(1)
	m.ack(ds...)
	m.ack(m.gets(fresh(6, 6)...)...)
	equal(b.t, "unsettled", b.status("a").GetLagEvents(), 0)
}

func seekLeases(b *bridge) {
	m := b.join("a", nil)
	b.push(4)
	ds := m.gets(fresh(1, 4)...)
	m.ack(ds[2])
	m.rejects(retryAfter(long), ds[3])
	b.seek("a", beginning(), 1)
	// What waited to be sent again is new; what is with a client stays there.
	m.ack(m.gets(fresh(3, 4)...)...)
	m.quiet()
	m.ack(ds[0])
	m.rejects(retryNow(), ds[1])
	m.ack(m.gets(sent{2, 2, reasonRejected})...)
	equal(b.t, "unsettled", b.status("a").GetLagEvents(), 0)
}

func pause(b *bridge) {
	m := b.join("a", nil)
	b.push(3)
	ds := m.gets(fresh(1, 3)...)
	for range 2 {
		must(b.t, b.manage.PauseSubscription, &hookbridgev1.PauseSubscriptionRequest{Name: "a"})
	}
	b.push(2)
	m.rejects(retryNow(), ds[0])
	m.ack(ds[1])
	m.quiet()
	// Also after a restart.
	b.restart()
	m = b.join("a", nil)
	m.quiet()
	equal(b.t, "unsettled", b.status("a").GetLagEvents(), 4)
	for range 2 {
		must(b.t, b.manage.ResumeSubscription, &hookbridgev1.ResumeSubscriptionRequest{Name: "a"})
	}
	got := brief(m.take(4)...)
	slices.SortFunc(got, func(a, b sent) int { return int(a.Seq - b.Seq) })
	equal(b.t, "deliveries", got, []sent{{1, 2, reasonRestart}, {3, 2, reasonRestart}, {4, 1, reasonNew}, {5, 1, reasonNew}})
}

func updateFilter(b *bridge) {
	m := b.join("a", nil)
	b.push(1)
	m.ack(m.gets(fresh(1, 1)...)...)
	must(b.t, b.manage.UpdateSubscription, &hookbridgev1.UpdateSubscriptionRequest{
		Subscription: &hookbridgev1.Subscription{Name: "a", Filter: &hookbridgev1.Filter{Sources: []string{"shop"}}},
		UpdateMask:   &fieldmaskpb.FieldMask{Paths: []string{"filter"}},
	})
	b.push(1)
	b.order("order.paid")
	m.gets(sent{3, 1, reasonNew})
	m.quiet()
}

func deleted(b *bridge) {
	m := b.join("a", nil)
	b.push(2)
	ds := m.gets(fresh(1, 2)...)
	m.rejects(forGood("no"), ds[0])
	must(b.t, b.manage.DeleteSubscription, &hookbridgev1.DeleteSubscriptionRequest{Name: "a"})
	refused(b.t, m.ended(), `NotFound SUBSCRIPTION_DELETED: subscription "a" was deleted`)
	_, err := b.manage.ListDeadLetters(b.t.Context(), &hookbridgev1.ListDeadLettersRequest{Subscription: "a"})
	refused(b.t, err, `NotFound SUBSCRIPTION_NOT_FOUND: there is no subscription "a"`)
	refused(b.t, b.attempt(b.events, "a", mustExist).ended(), `NotFound SUBSCRIPTION_NOT_FOUND: there is no subscription "a"`)
	// The next one of its name has nothing of it.
	m = b.join("a", nil)
	equal(b.t, "made", m.first.GetCreated(), true)
	m.gets(fresh(1, 2)...)
	b.dead("a")
	b.acks("a", []*hookbridgev1.AckFailure{{AckId: ds[1].GetAckId(), Reason: stale}}, ds[1])
}

func mustExist(req *hookbridgev1.SubscribeRequest) { req.MustExist = true }

// made is a subscription that is created before anybody reads it.
func made(b *bridge) {
	refused(b.t, b.attempt(b.events, "a", mustExist).ended(), `NotFound SUBSCRIPTION_NOT_FOUND: there is no subscription "a"`)
	b.create(&hookbridgev1.Subscription{Name: "a"})
	b.push(2)
	m := b.join("a", mustExist)
	equal(b.t, "made", m.first.GetCreated(), false)
	m.gets(fresh(1, 2)...)
}

func listed(b *bridge) {
	b.create(&hookbridgev1.Subscription{Name: "b"})
	m := b.join("a", func(req *hookbridgev1.SubscribeRequest) { req.ClientName = "billing-1" })
	b.push(5)
	ds := m.gets(fresh(1, 5)...)
	m.ack(ds[0])
	m.rejects(forGood("no"), ds[1])
	m.rejects(retryNow(), ds[2])
	m.gets(sent{3, 2, reasonRejected})
	list := must(b.t, b.manage.ListSubscriptions, &hookbridgev1.ListSubscriptionsRequest{}).GetSubscriptions()
	if len(list) != 2 || list[0].GetName() != "a" || list[1].GetName() != "b" {
		b.t.Fatalf("subscriptions are %v", list)
	}
	s := list[0].GetStatus()
	for what, n := range map[string][2]int64{
		"lag":           {s.GetLagEvents(), 3},
		"outstanding":   {s.GetOutstandingEvents(), 3},
		"sent":          {s.GetSentEvents(), 6},
		"redelivered":   {s.GetRedeliveredEvents(), 1},
		"position":      {s.GetPosition(), 6},
		"end":           {s.GetJournalEnd(), 6},
		"lag of b":      {list[1].GetStatus().GetLagEvents(), 5},
		"members of b":  {int64(len(list[1].GetStatus().GetMembers())), 0},
		"position of b": {list[1].GetStatus().GetPosition(), 1},
	} {
		equal(b.t, what, n[0], n[1])
	}
	// Counted in the store, now and then.
	eventually(b.t, "the dead letter is counted", func() bool { return b.status("a").GetDeadLetters() == 1 })
	if lag := s.GetLagTime(); lag == nil || lag.AsDuration() <= 0 {
		b.t.Fatalf("lag in seconds is %v, want more than none", lag)
	}
	members := s.GetMembers()
	if len(members) != 1 || members[0].GetClientName() != "billing-1" || members[0].GetOutstandingEvents() != 3 || !strings.HasPrefix(members[0].GetAddress(), "127.0.0.1:") {
		b.t.Fatalf("members are %v", members)
	}
}
