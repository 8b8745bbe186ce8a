package subscription

import (
	"testing"
	"testing/synctest"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/auth"
)

// Who manages sees and changes what the grants say, and nobody is sent more because somebody changed a filter.
func TestManagingByGrants(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		boss, billing, ops := auth.NewToken(), auth.NewToken(), auth.NewToken()
		b.replace(
			of("boss", boss, auth.Grants{Sources: everything, Types: everything, Subscriptions: everything, Manage: true}),
			of("billing", billing, auth.Grants{Sources: []string{"stripe-eu"}, Types: everything, Subscriptions: []string{"billing"}}),
			of("ops", ops, auth.Grants{Sources: []string{"github"}, Types: everything, Subscriptions: everything, Manage: true}),
		)
		b.at("stripe-eu", "invoice.paid")
		b.at("github", "push")
		asBoss, asBilling, asOps := b.as(boss), b.as(billing), b.as(ops)
		asBoss.establish(&hookbridgev1.Subscription{Name: "billing", Filter: filterOf([]string{"stripe-eu"}, nil)})
		asBoss.establish(&hookbridgev1.Subscription{Name: "other"})

		listed := func(as *bridge) (names []string) {
			for _, s := range must(t, as.manage.ListSubscriptions, &hookbridgev1.ListSubscriptionsRequest{}).GetSubscriptions() {
				names = append(names, s.GetName())
			}
			return names
		}
		equal(t, "what the boss lists", listed(asBoss), []string{"billing", "other"})
		equal(t, "what billing lists", listed(asBilling), []string{"billing"})
		_, err := asBilling.manage.PauseSubscription(t.Context(), &hookbridgev1.PauseSubscriptionRequest{Name: "billing"})
		refused(t, err, `PermissionDenied PERMISSION_DENIED: principal "billing" lacks the grant manage`)

		b.letter("other", 1)
		b.letter("other", 2)
		letters := must(t, asOps.manage.ListDeadLetters, &hookbridgev1.ListDeadLettersRequest{Subscription: "other"}).GetDeadLetters()
		equal(t, "dead letters of what may be read", len(letters), 1)
		equal(t, "its source", letters[0].GetEvent().GetSource(), "github")

		_, err = asOps.client.EraseEvent(t.Context(), &hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Sequence{Sequence: 1}})
		refused(t, err, "NotFound EVENT_NOT_FOUND: there is no such event, or none any more")
		must(t, asOps.client.EraseEvent, &hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Sequence{Sequence: 2}})

		s := asBilling.open(&hookbridgev1.SubscribeRequest{Subscription: "billing"})
		defer s.close()
		if m, err := s.rpc.Recv(); err != nil || m.GetConfirmed() == nil {
			t.Fatalf("got %v, %v", m, err)
		}
		synctest.Wait()
		equal(t, "who is connected", asBoss.show("billing").GetStatus().GetMembers()[0].GetPrincipal(), "billing")
		asBoss.update(&hookbridgev1.Subscription{Name: "billing"}, "filter")
		for err = nil; err == nil; {
			var m *hookbridgev1.SubscribeResponse
			if m, err = s.rpc.Recv(); m.GetDelivery() != nil && m.GetDelivery().GetEvent().GetSource() != "stripe-eu" {
				t.Errorf("billing was sent %v", m)
			}
		}
		refused(t, err, `PermissionDenied PERMISSION_DENIED: principal "billing" lacks the grant sources: "*"`)
	})
}

// What was outstanding under a wider filter goes to nobody who may not see it.
func TestNobodyIsSentWhatTheyMayNotSee(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		wide, narrow := auth.NewToken(), auth.NewToken()
		b.replace(
			of("wide", wide, auth.Grants{Sources: everything, Types: everything, Subscriptions: everything, Manage: true}),
			of("narrow", narrow, auth.Grants{Sources: []string{"stripe-*"}, Types: everything, Subscriptions: everything}),
		)
		b.at("orders", "push")
		b.at("stripe-eu", "invoice.paid")
		first := b.as(wide).open(&hookbridgev1.SubscribeRequest{Subscription: "x", Start: beginning()})
		for n := 0; n < 2; {
			m, err := first.rpc.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if m.GetDelivery() != nil {
				n++
			}
		}
		first.close()
		synctest.Wait()
		ended := func(f *hookbridgev1.Filter) error {
			s := b.as(narrow).open(&hookbridgev1.SubscribeRequest{Subscription: "x", Filter: f})
			defer s.close()
			for {
				m, err := s.rpc.Recv()
				if err != nil {
					return err
				}
				if e := m.GetDelivery().GetEvent(); e.GetSource() == "orders" || m.GetHeartbeat() != nil {
					t.Errorf("narrow was sent %v", m)
					return nil
				}
			}
		}
		// It may not narrow the filter by itself; somebody who may has to.
		refused(t, ended(filterOf([]string{"stripe-*"}, nil)), `PermissionDenied PERMISSION_DENIED: to replace the filter of subscription "x" wants all that it lets pass granted: principal "narrow" lacks the grant sources: "*"`)
		b.as(wide).update(&hookbridgev1.Subscription{Name: "x", Filter: filterOf([]string{"stripe-*"}, nil)}, "filter")
		refused(t, ended(filterOf([]string{"stripe-*"}, nil)), `PermissionDenied PERMISSION_DENIED: principal "narrow" lacks the grant sources: "orders"`)
	})
}
