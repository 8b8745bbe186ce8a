package subscription

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

func TestASubscriptionThatWasCreatedKeepsEventsBeforeAnybodySubscribes(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(3, "push")
		b.journal.HoldRecords(true)
		answered := make(chan error, 1)
		want := &hookbridgev1.Subscription{
			Name: "a", Filter: &hookbridgev1.Filter{Types: []string{"push"}}, AckDeadline: durationpb.New(5 * second),
			Backoff: []*durationpb.Duration{durationpb.New(0), durationpb.New(second)}, MaxAttempts: 7, Ordered: true, Paused: true,
			// What the bridge sets is ignored.
			CreatedAt: timestamppb.New(time.Unix(1, 0)), Status: &hookbridgev1.SubscriptionStatus{Position: 99},
		}
		var made *hookbridgev1.Subscription
		go func() {
			resp, err := b.manage.CreateSubscription(t.Context(), &hookbridgev1.CreateSubscriptionRequest{Subscription: want})
			made = resp.GetSubscription()
			answered <- err
		}()
		elapse(second)
		select {
		case err := <-answered:
			t.Fatalf("answered before it is on disk: %v", err)
		default:
		}
		created := time.Now().Add(-second)
		b.journal.HoldRecords(false)
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
		want.CreatedAt, want.Status = timestamppb.New(created), &hookbridgev1.SubscriptionStatus{Position: 4, JournalEnd: 4}
		equal(t, "made", made, want)
		b.fill(2, "push")

		after := b.crash()
		defer after.stop()
		got := after.show("a")
		want.Status = &hookbridgev1.SubscriptionStatus{
			Position: 4, JournalEnd: 6, LagEvents: 2, LagIsUpperBound: true, LagTime: durationpb.New(0),
		}
		equal(t, "after a crash", got, want)
		s, confirmed := after.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		equal(t, "created by the stream", confirmed.GetCreated(), false)
		equal(t, "ack deadline of the subscription", confirmed.GetAckDeadline(), durationpb.New(5*second))
		s.quiet() // it is paused
		must(t, after.manage.ResumeSubscription, &hookbridgev1.ResumeSubscriptionRequest{Name: "a"})
		equal(t, "kept", short(s.deliveries(2)...), run(4, 5, 1, reasonNew))
	})
}

// What a request must not have is refused by the path of the field, and a name that is not there or taken is told.
func TestManagingRefusesWhatItCannotDo(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.establish(&hookbridgev1.Subscription{Name: "a"})
		create := func(sub *hookbridgev1.Subscription) error {
			_, err := b.manage.CreateSubscription(t.Context(), &hookbridgev1.CreateSubscriptionRequest{Subscription: sub})
			return err
		}
		update := func(sub *hookbridgev1.Subscription, paths ...string) error {
			_, err := b.manage.UpdateSubscription(t.Context(), &hookbridgev1.UpdateSubscriptionRequest{
				Subscription: sub, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths},
			})
			return err
		}
		list := func(size int32, token string) error {
			_, err := b.manage.ListSubscriptions(t.Context(), &hookbridgev1.ListSubscriptionsRequest{PageSize: size, PageToken: token})
			return err
		}
		seek := func(name string, target *hookbridgev1.Start) error {
			_, err := b.manage.SeekSubscription(t.Context(), &hookbridgev1.SeekSubscriptionRequest{Name: name, Target: target})
			return err
		}
		letters := func(r *hookbridgev1.ListDeadLettersRequest) error {
			_, err := b.manage.ListDeadLetters(t.Context(), r)
			return err
		}
		redrive := func(name string, which *hookbridgev1.DeadLetterSelection) error {
			_, err := b.manage.RedriveDeadLetters(t.Context(), &hookbridgev1.RedriveDeadLettersRequest{Subscription: name, Selection: which})
			return err
		}
		purge := func(name string, which *hookbridgev1.DeadLetterSelection) error {
			_, err := b.manage.PurgeDeadLetters(t.Context(), &hookbridgev1.PurgeDeadLettersRequest{Subscription: name, Selection: which})
			return err
		}
		replay := func(r *hookbridgev1.StartReplayRequest) error {
			_, err := b.manage.StartReplay(t.Context(), r)
			return err
		}
		erase := func(r *hookbridgev1.EraseEventRequest) error {
			_, err := b.client.EraseEvent(t.Context(), r)
			return err
		}
		_, from := b.manage.PurgeDeadLetters(t.Context(), &hookbridgev1.PurgeDeadLettersRequest{Subscription: "a", Selection: every(), FromId: -1})
		_, gone := b.manage.GetSubscription(t.Context(), &hookbridgev1.GetSubscriptionRequest{Name: "b"})
		_, removed := b.manage.DeleteSubscription(t.Context(), &hookbridgev1.DeleteSubscriptionRequest{Name: "b"})
		_, paused := b.manage.PauseSubscription(t.Context(), &hookbridgev1.PauseSubscriptionRequest{Name: "b"})
		_, resumed := b.manage.ResumeSubscription(t.Context(), &hookbridgev1.ResumeSubscriptionRequest{Name: "B"})
		_, cancelled := b.manage.CancelReplay(t.Context(), &hookbridgev1.CancelReplayRequest{Subscription: "a"})
		const unknown = `NotFound SUBSCRIPTION_NOT_FOUND: there is no subscription "b"`
		const bad = `InvalidArgument INVALID_ARGUMENT: `
		noon := timestamppb.New(time.Unix(1000, 0))
		expression := &hookbridgev1.Filter{Expression: "event.typ == 'x'"}
		const undefined = bad + `filter.expression:1:7: undefined field 'typ' of hookbridge.v1.Event; did you mean type?`
		for _, tc := range []struct {
			name string
			err  error
			want string
		}{
			{"create: no name", create(nil), bad + `subscription.name: ` + fmt.Sprintf(nameRule, "")},
			{"create: taken", create(&hookbridgev1.Subscription{Name: "a"}), `AlreadyExists SUBSCRIPTION_EXISTS: there is a subscription "a"`},
			{"create: ack deadline", create(&hookbridgev1.Subscription{Name: "c", AckDeadline: durationpb.New(2 * time.Hour)}), bad + `subscription.ack_deadline: want 1s to 1h, got 2h0m0s`},
			{"create: backoff", create(&hookbridgev1.Subscription{Name: "c", Backoff: []*durationpb.Duration{durationpb.New(0), durationpb.New(-1)}}), bad + `subscription.backoff[1]: want 0s to 24h, got -1ns`},
			{"create: much backoff", create(&hookbridgev1.Subscription{Name: "c", Backoff: make([]*durationpb.Duration, 21)}), bad + `subscription.backoff: at most 20 elements, got 21`},
			{"create: attempts", create(&hookbridgev1.Subscription{Name: "c", MaxAttempts: 1001}), bad + `subscription.max_attempts: want 0 to 1000, got 1001`},
			{"create: filter", create(&hookbridgev1.Subscription{Name: "c", Filter: &hookbridgev1.Filter{Expression: "1"}}), bad + `filter.expression:1:1: want a bool, got int`},
			{"get: unknown", gone, unknown},
			{"update: no mask", update(&hookbridgev1.Subscription{Name: "a"}), bad + `update_mask: want at least one of filter, ack_deadline, backoff, max_attempts, ordered`},
			{"update: paused is no setting", update(&hookbridgev1.Subscription{Name: "a"}, "filter", "paused"), bad + `update_mask.paths[1]: want one of filter, ack_deadline, backoff, max_attempts, ordered, got "paused"`},
			{"update: unknown", update(&hookbridgev1.Subscription{Name: "b"}, "filter"), unknown},
			{"update: attempts", update(&hookbridgev1.Subscription{Name: "a", MaxAttempts: -1}, "max_attempts"), bad + `subscription.max_attempts: want 0 to 1000, got -1`},
			{"delete: unknown", removed, unknown},
			{"pause: unknown", paused, unknown},
			{"resume: name", resumed, bad + `name: ` + fmt.Sprintf(nameRule, "B")},
			{"list: size", list(1001, ""), bad + `page_size: want 0 to 1000, got 1001`},
			{"list: token", list(0, "AmEtLQ="), bad + `page_token: is not one that was returned as next_page_token`},
			{"seek: no target", seek("a", &hookbridgev1.Start{}), bad + `target: want beginning, now, time or sequence`},
			{"seek: sequence", seek("a", at(0)), bad + `target.sequence: want at least 1, got 0`},
			{"seek: unknown", seek("b", beginning()), unknown},
			{"dead letters: unknown", letters(&hookbridgev1.ListDeadLettersRequest{Subscription: "b"}), unknown},
			{"dead letters: size", letters(&hookbridgev1.ListDeadLettersRequest{Subscription: "a", PageSize: -1}), bad + `page_size: want 0 to 1000, got -1`},
			{"dead letters: expression", letters(&hookbridgev1.ListDeadLettersRequest{Subscription: "a", Filter: expression}), undefined},
			{"dead letters: token", letters(&hookbridgev1.ListDeadLettersRequest{Subscription: "a", PageToken: "AA"}), bad + `page_token: is not one that was returned as next_page_token`},
			{"redrive: nothing chosen", redrive("a", nil), bad + `selection: want all, ids or filter`},
			{"redrive: no ids", redrive("a", these()), bad + `selection.ids.ids: want 1 to 10000, got 0`},
			{"redrive: expression", redrive("a", byExpression(expression.GetExpression())), undefined},
			{"redrive: unknown", redrive("b", every()), unknown},
			{"purge: expression", purge("a", &hookbridgev1.DeadLetterSelection{Which: &hookbridgev1.DeadLetterSelection_Filter{Filter: expression}}), undefined},
			{"purge: from", from, bad + `from_id: want at least 0, got -1`},
			{"purge: unknown", purge("b", every()), unknown},
			{"replay: unknown", replay(&hookbridgev1.StartReplayRequest{Subscription: "b"}), unknown},
			{"replay: rate", replay(&hookbridgev1.StartReplayRequest{Subscription: "a", MaxEventsPerSecond: -1}), bad + `max_events_per_second: want 0 to 100000, got -1`},
			{"replay: times", replay(&hookbridgev1.StartReplayRequest{Subscription: "a", Since: noon, Until: noon}), bad + `until: want a time after since`},
			{"replay: filter", replay(&hookbridgev1.StartReplayRequest{Subscription: "a", Filter: &hookbridgev1.Filter{Sources: []string{"A"}}}), bad + `filter.sources[0]: want 1 to 64 of a-z, 0-9, '-' and '*', got "A"`},
			{"cancel: none", cancelled, `NotFound REPLAY_NOT_FOUND: subscription "a" has no replay`},
			{"erase: nothing", erase(&hookbridgev1.EraseEventRequest{}), bad + `event: want a sequence or a key`},
			{"erase: sequence", erase(&hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Sequence{}}), bad + `sequence: want at least 1, got 0`},
			{"erase: unknown", erase(&hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Sequence{Sequence: 5}}), `NotFound EVENT_NOT_FOUND: there is no such event, or none any more`},
		} {
			if refused(t, tc.err, tc.want); t.Failed() {
				t.Errorf("in the case %q", tc.name)
				break
			}
		}
		equal(t, "records", b.journal.Keys(), []string{"subscription/a"})
	})
}

func TestTheBridgeTakesSoManySubscriptions(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.manager.most = 2
		b.establish(&hookbridgev1.Subscription{Name: "a"})
		b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "b"})
		const full = "ResourceExhausted TOO_MANY_SUBSCRIPTIONS: there are 2 subscriptions, and the bridge takes no more; delete some that nobody uses"
		_, err := b.manage.CreateSubscription(t.Context(), &hookbridgev1.CreateSubscriptionRequest{Subscription: &hookbridgev1.Subscription{Name: "c"}})
		refused(t, err, full)
		refused(t, b.open(&hookbridgev1.SubscribeRequest{Subscription: "c"}).ended(), full)
		b.subscribe(&hookbridgev1.SubscribeRequest{}) // an ephemeral one takes up nothing
		b.remove("a")
		b.establish(&hookbridgev1.Subscription{Name: "c"})
	})
}

func TestSubscriptionsAreListedByNameInPages(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		for _, name := range []string{"b", "a-1", "c", "a"} {
			b.establish(&hookbridgev1.Subscription{Name: name})
		}
		var pages [][]string
		for token, more := "", true; more; more = token != "" {
			resp := must(t, b.manage.ListSubscriptions, &hookbridgev1.ListSubscriptionsRequest{PageSize: 2, PageToken: token})
			var names []string
			for _, s := range resp.GetSubscriptions() {
				names = append(names, s.GetName())
			}
			pages, token = append(pages, names), resp.GetNextPageToken()
		}
		equal(t, "pages", pages, [][]string{{"a", "a-1"}, {"b", "c"}})
	})
}

// Every change is logged once, with who made it.
func TestChangesAreAudited(t *testing.T) {
	log := &auditLog{Handler: slog.DiscardHandler}
	bubbleWith(t, func(cfg *Config) {
		cfg.Logger, cfg.Principal = slog.New(log), func(context.Context) string { return "ops" }
	}, func(t *testing.T, b *bridge) {
		b.fill(3, "push")
		b.establish(&hookbridgev1.Subscription{Name: "a", MaxAttempts: 2})
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		s.ack(s.deliveries(3)...)
		b.letter("a", 1)
		b.update(&hookbridgev1.Subscription{Name: "a", Filter: &hookbridgev1.Filter{Types: []string{"push"}}}, "filter", "max_attempts")
		must(t, b.manage.PauseSubscription, &hookbridgev1.PauseSubscriptionRequest{Name: "a"})
		must(t, b.manage.ResumeSubscription, &hookbridgev1.ResumeSubscriptionRequest{Name: "a"})
		must(t, b.manage.PurgeDeadLetters, &hookbridgev1.PurgeDeadLettersRequest{Subscription: "a", Selection: every()})
		must(t, b.manage.RedriveDeadLetters, &hookbridgev1.RedriveDeadLettersRequest{Subscription: "a", Selection: these(1)})
		b.seek("a", beginning())
		must(t, b.client.EraseEvent, &hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Sequence{Sequence: 3}})
		replay := must(t, b.manage.StartReplay, &hookbridgev1.StartReplayRequest{Subscription: "a"}).GetReplay()
		equal(t, "started by", replay.GetStartedBy(), "ops")
		must(t, b.manage.CancelReplay, &hookbridgev1.CancelReplayRequest{Subscription: "a"})
		_, err := b.manage.PauseSubscription(t.Context(), &hookbridgev1.PauseSubscriptionRequest{Name: "b"})
		refused(t, err, `NotFound SUBSCRIPTION_NOT_FOUND: there is no subscription "b"`)
		equal(t, "member", b.show("a").GetStatus().GetMembers()[0].GetPrincipal(), "ops")
		b.remove("a")
		const who, all = " subscription=a principal=ops", ` filter=sources=[] types=[]`
		equal(t, "audit", strings.ReplaceAll(strings.Join(log.lines, "\n"), replay.GetId(), "ID"), strings.Join([]string{
			"action=create subscription" + who + " position=1" + all,
			"action=update subscription" + who + ` changed=filter,max_attempts filter=sources=[] types=["push"] settings=ack_deadline=30s backoff=[1s 5s 30s 2m0s 10m0s] max_attempts=0 ordered=false paused=false`,
			"action=pause subscription" + who,
			"action=resume subscription" + who,
			"action=purge dead letters" + who + " selection=all purged=1",
			"action=redrive dead letters" + who + " selection=1 ids redriven=0 more=false",
			"action=seek subscription" + who + " from=4 to=1",
			"action=erase event subscription= principal=ops sequence=3 dead_letters=0",
			"action=start replay" + who + " replay=ID from_sequence=1 to_sequence=4" + all + " max_events_per_second=100",
			"action=cancel replay" + who + " replay=ID events=0",
			"action=delete subscription" + who + " dead_letters=0 members=1",
		}, "\n"))
	})
}

// A page token of names that was not made here is refused; one that was is read as what it was made of.
func FuzzNameToken(f *testing.F) {
	f.Add(nameToken("a-1"))
	f.Add("AmEtLQ=")
	f.Fuzz(func(t *testing.T, token string) {
		if name, err := parseNameToken(token); err == nil && token != "" && nameToken(name) != token {
			t.Errorf("%q is read as %q", token, name)
		}
	})
}
