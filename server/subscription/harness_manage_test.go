package subscription

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/journal/journalfake"
)

const (
	reasonOfRedrive = hookbridgev1.Delivery_REASON_REDRIVEN
	reasonOfReplay  = hookbridgev1.Delivery_REASON_REPLAY
)

// must returns what a call that has to succeed answers.
func must[Req, Resp any](t testing.TB, call func(context.Context, Req, ...grpc.CallOption) (Resp, error), req Req) Resp {
	t.Helper()
	resp, err := call(t.Context(), req)
	if err != nil {
		t.Fatalf("%T: %v", req, err)
	}
	return resp
}

// establish makes a subscription that begins with the journal.
func (b *bridge) establish(sub *hookbridgev1.Subscription) *hookbridgev1.Subscription {
	b.t.Helper()
	return must(b.t, b.manage.CreateSubscription, &hookbridgev1.CreateSubscriptionRequest{Subscription: sub, Start: beginning()}).GetSubscription()
}

// update changes the settings that paths name.
func (b *bridge) update(sub *hookbridgev1.Subscription, paths ...string) *hookbridgev1.Subscription {
	b.t.Helper()
	return must(b.t, b.manage.UpdateSubscription, &hookbridgev1.UpdateSubscriptionRequest{
		Subscription: sub, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths},
	}).GetSubscription()
}

// show returns a subscription.
func (b *bridge) show(name string) *hookbridgev1.Subscription {
	b.t.Helper()
	return must(b.t, b.manage.GetSubscription, &hookbridgev1.GetSubscriptionRequest{Name: name}).GetSubscription()
}

// remove deletes a subscription.
func (b *bridge) remove(name string) {
	b.t.Helper()
	must(b.t, b.manage.DeleteSubscription, &hookbridgev1.DeleteSubscriptionRequest{Name: name})
}

func at(sequence int64) *hookbridgev1.Start {
	return &hookbridgev1.Start{At: &hookbridgev1.Start_Sequence{Sequence: sequence}}
}

// seek moves a subscription and returns where it stands then.
func (b *bridge) seek(name string, target *hookbridgev1.Start) int64 {
	b.t.Helper()
	return must(b.t, b.manage.SeekSubscription, &hookbridgev1.SeekSubscriptionRequest{Name: name, Target: target}).GetPosition()
}

// letter stores a dead letter of an event of the journal, as the bridge does, and returns its id.
func (b *bridge) letter(name string, sequence int64) int64 {
	b.t.Helper()
	ev, err := b.journal.Get(b.t.Context(), sequence)
	if err != nil {
		b.t.Fatal(err)
	}
	payload, err := proto.Marshal(&storagev1.StoredDeadLetter{
		Format: 1, Subscription: name, Sequence: sequence, StoredEvent: ev.Marshal(), Reason: hookbridgev1.DeadLetter_REASON_REJECTED,
		Attempts: 3, Error: "no such customer", DeadLetteredAt: timestamppb.New(ev.Time),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	ids, err := b.journal.DeadLetters().Add(b.t.Context(), journal.SideEntry{Owner: name, Payload: payload})
	if err != nil {
		b.t.Fatal(err)
	}
	return ids[0]
}

func every() *hookbridgev1.DeadLetterSelection {
	return &hookbridgev1.DeadLetterSelection{Which: &hookbridgev1.DeadLetterSelection_All{All: &emptypb.Empty{}}}
}

func these(ids ...int64) *hookbridgev1.DeadLetterSelection {
	return &hookbridgev1.DeadLetterSelection{Which: &hookbridgev1.DeadLetterSelection_Ids_{Ids: &hookbridgev1.DeadLetterSelection_Ids{Ids: ids}}}
}

func ofTypes(types ...string) *hookbridgev1.DeadLetterSelection {
	return &hookbridgev1.DeadLetterSelection{Which: &hookbridgev1.DeadLetterSelection_Filter{Filter: &hookbridgev1.Filter{Types: types}}}
}

// left are the ids of the dead letters of a subscription, and those of them that are redriven.
func (b *bridge) left(name string) (ids, redriven []int64) {
	b.t.Helper()
	resp := must(b.t, b.manage.ListDeadLetters, &hookbridgev1.ListDeadLettersRequest{Subscription: name})
	for _, d := range resp.GetDeadLetters() {
		ids = append(ids, d.GetId())
		if d.GetRedriven() {
			redriven = append(redriven, d.GetId())
		}
	}
	return ids, redriven
}

// auditLog is a log that keeps the audit.
type auditLog struct {
	slog.Handler
	mu    sync.Mutex
	lines []string
}

func (l *auditLog) Enabled(context.Context, slog.Level) bool { return true }

func (l *auditLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "audit" {
		return nil
	}
	var line []string
	r.Attrs(func(a slog.Attr) bool {
		line = append(line, a.String())
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, strings.Join(line, " "))
	return nil
}

// bubbleWith is bubble with another configuration.
func bubbleWith(t *testing.T, change func(*Config), test func(t *testing.T, b *bridge)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, journalfake.New(), change)
		test(t, b)
		if err := b.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}
