package subscription

import (
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

func TestAnUpdateChangesWhatTheMaskNames(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.establish(&hookbridgev1.Subscription{Name: "a", MaxAttempts: 3, AckDeadline: durationpb.New(5 * second)})
		next := &hookbridgev1.Subscription{
			Name: "a", Filter: &hookbridgev1.Filter{Sources: []string{"src"}, Types: []string{"push"}}, AckDeadline: durationpb.New(9 * second),
			Backoff: []*durationpb.Duration{durationpb.New(second)}, MaxAttempts: 8, Ordered: true, Paused: true,
		}
		want := b.show("a")
		for _, step := range []struct {
			path  string
			apply func()
		}{
			{"max_attempts", func() { want.MaxAttempts = 8 }},
			{"ack_deadline", func() { want.AckDeadline = durationpb.New(9 * second) }},
			{"backoff", func() { want.Backoff = next.GetBackoff() }},
			{"ordered", func() { want.Ordered = true }},
			{"filter", func() { want.Filter = next.GetFilter() }},
		} {
			step.apply()
			equal(t, step.path, b.update(next, step.path), want)
			b = b.crash()
			equal(t, step.path+" after a crash", b.show("a"), want)
		}
		defer b.stop()
		// What the mask names and the message doesn't have goes back to its default.
		b.update(&hookbridgev1.Subscription{Name: "a"}, "filter", "ack_deadline", "backoff", "max_attempts", "ordered")
		equal(t, "defaults", b.show("a"), &hookbridgev1.Subscription{Name: "a", CreatedAt: want.GetCreatedAt(), Status: want.GetStatus()})
		_, confirmed := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		equal(t, "ack deadline", confirmed.GetAckDeadline(), durationpb.New(30*second))
	})
}

func TestOrderedChangesOnlyWhileNobodyIsConnected(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		_, err := b.manage.UpdateSubscription(t.Context(), &hookbridgev1.UpdateSubscriptionRequest{
			Subscription: &hookbridgev1.Subscription{Name: "a", Ordered: true, MaxAttempts: 5}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"ordered", "max_attempts"}},
		})
		refused(t, err, `FailedPrecondition SUBSCRIPTION_CONFLICT: ordered can't be changed while members are connected; subscription "a" has 2`)
		equal(t, "nothing of it", b.show("a").GetMaxAttempts(), int32(0))
		s.quiet()
	})
}

// What was read ahead under the old filter is read again under the new one, for members that are connected; what was sent before stays
// theirs, and what the old filter left out before that stays out.
func TestAFilterChangesWhileMembersAreConnected(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		for range 100 {
			b.fill(1, "pull")
			b.fill(1, "push")
		}
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{
			Subscription: "a", Start: beginning(), Filter: &hookbridgev1.Filter{Types: []string{"push"}}, MaxOutstandingEvents: 3,
		})
		other, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "b", Filter: &hookbridgev1.Filter{Types: []string{"push"}}})
		ds := s.deliveries(3)
		equal(t, "pushes", short(ds...), []sent{{2, 1, reasonNew}, {4, 1, reasonNew}, {6, 1, reasonNew}})
		synctest.Wait()
		pull := &hookbridgev1.Filter{Types: []string{"pull"}}
		equal(t, "filter", b.update(&hookbridgev1.Subscription{Name: "a", Filter: pull}, "filter").GetFilter(), pull)
		s.ack(ds...)
		// 7 was left out by the old one, before what it read ahead.
		ds = s.deliveries(3)
		equal(t, "pulls", short(ds...), []sent{{9, 1, reasonNew}, {11, 1, reasonNew}, {13, 1, reasonNew}})
		for last := int64(13); last < 199; last += 2 {
			s.ack(ds[0])
			d := s.delivery()
			equal(t, "pulls", short(d), []sent{{last + 2, 1, reasonNew}})
			ds = append(ds[1:], d)
		}
		s.ack(ds...)
		// Caught up, the tail brings what the new filter wants, and to others what theirs does.
		b.fill(1, "push")
		b.fill(1, "pull")
		equal(t, "at the tail", short(s.delivery()), run(202, 202, 1, reasonNew))
		s.quiet()
		equal(t, "another subscription", short(other.delivery()), run(201, 201, 1, reasonNew))
		// An expression, and back to everything.
		b.update(&hookbridgev1.Subscription{Name: "a", Filter: &hookbridgev1.Filter{Expression: `event.id == "204"`}}, "filter")
		b.fill(3, "push")
		equal(t, "an expression", short(s.delivery()), run(204, 204, 1, reasonNew))
		b.update(&hookbridgev1.Subscription{Name: "a"}, "filter")
		b.fill(1, "push")
		equal(t, "everything", short(s.delivery()), run(206, 206, 1, reasonNew))
		s.quiet()
	})
}

// Its streams end, its dead letters and its record go, and its name can be given anew: to one that knows nothing of it.
func TestADeletedSubscriptionLeavesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(4, "push")
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning()})
		waiting, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		other, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "b", Start: beginning()})
		b.letter("a", 1)
		kept := b.letter("b", 1)
		synctest.Wait()
		var old []*hookbridgev1.Delivery
		for i, member := range b.show("a").GetStatus().GetMembers() {
			old = append(old, []*stream{s, waiting}[i].deliveries(int(member.GetOutstandingEvents()))...)
		}
		equal(t, "with the two", len(old), 4)
		b.remove("a")
		const deleted = `NotFound SUBSCRIPTION_DELETED: subscription "a" was deleted`
		refused(t, s.ended(), deleted)
		refused(t, waiting.ended(), deleted)
		equal(t, "records", b.journal.Keys(), []string{"subscription/b"})
		for range 2 {
			_, err := b.manage.DeleteSubscription(t.Context(), &hookbridgev1.DeleteSubscriptionRequest{Name: "a"})
			refused(t, err, `NotFound SUBSCRIPTION_NOT_FOUND: there is no subscription "a"`)
		}
		equal(t, "another one's", short(other.deliveries(4)...), run(1, 4, 1, reasonNew))
		letters, _ := b.left("b")
		equal(t, "another one's dead letters", letters, []int64{kept})

		b.establish(&hookbridgev1.Subscription{Name: "a"})
		letters, _ = b.left("a")
		equal(t, "dead letters", letters, []int64(nil))
		equal(t, "old ack_ids", len(b.ack("a", ids(old)...)), len(old))
		s, _ = b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		ds := s.deliveries(4)
		equal(t, "all of it again", short(ds...), run(1, 4, 1, reasonNew))
		for _, f := range b.ack("a", ids(old)...) {
			equal(t, f.GetAckId(), f.GetReason(), hookbridgev1.AckFailure_REASON_STALE)
		}
		s.ack(ds...)
		after := b.crash()
		defer after.stop()
		equal(t, "the new one is on disk", after.show("a").GetStatus().GetPosition(), int64(5))
	})
}

// While its record can't be written, a deleted subscription is neither there nor is its name free; when it can, both.
func TestDeletingWaitsForTheDisk(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.establish(&hookbridgev1.Subscription{Name: "a"})
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		b.journal.HoldRecords(true)
		done := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := b.manage.DeleteSubscription(t.Context(), &hookbridgev1.DeleteSubscriptionRequest{Name: "a"})
				done <- err
			}()
		}
		const deleted = `NotFound SUBSCRIPTION_DELETED: subscription "a" was deleted`
		refused(t, s.ended(), deleted)
		elapse(second)
		equal(t, "answered", len(done), 0)
		refused(t, b.open(&hookbridgev1.SubscribeRequest{Subscription: "a"}).ended(), deleted)
		_, err := b.manage.PauseSubscription(t.Context(), &hookbridgev1.PauseSubscriptionRequest{Name: "a"})
		refused(t, err, deleted)
		_, err = b.manage.CreateSubscription(t.Context(), &hookbridgev1.CreateSubscriptionRequest{Subscription: &hookbridgev1.Subscription{Name: "a"}})
		refused(t, err, `AlreadyExists SUBSCRIPTION_EXISTS: there is a subscription "a"`)
		b.journal.HoldRecords(false)
		first, second := <-done, <-done
		if first != nil {
			first, second = second, first
		}
		equal(t, "one of them deleted it", first, nil)
		refused(t, second, deleted) // the other changed nothing
		b.establish(&hookbridgev1.Subscription{Name: "a"})
	})
}
