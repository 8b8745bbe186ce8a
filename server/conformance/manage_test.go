package conformance

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// must returns what a call that has to succeed answers.
func must[Req, Resp any](t testing.TB, call func(context.Context, Req, ...grpc.CallOption) (Resp, error), req Req) Resp {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	resp, err := call(ctx, req)
	if err != nil {
		t.Fatalf("%T: %v", req, err)
	}
	return resp
}

// create makes a subscription that begins with the journal.
func (b *bridge) create(s *hookbridgev1.Subscription) {
	b.t.Helper()
	must(b.t, b.manage.CreateSubscription, &hookbridgev1.CreateSubscriptionRequest{Subscription: s, Start: beginning()})
}

// status is how a subscription is doing.
func (b *bridge) status(name string) *hookbridgev1.SubscriptionStatus {
	b.t.Helper()
	return must(b.t, b.manage.GetSubscription, &hookbridgev1.GetSubscriptionRequest{Name: name}).GetSubscription().GetStatus()
}

// seek moves a subscription.
func (b *bridge) seek(name string, to *hookbridgev1.Start, position int64) {
	b.t.Helper()
	resp := must(b.t, b.manage.SeekSubscription, &hookbridgev1.SeekSubscriptionRequest{Name: name, Target: to})
	equal(b.t, "position after the seek", resp.GetPosition(), position)
}

func atSequence(seq int64) *hookbridgev1.Start {
	return &hookbridgev1.Start{At: &hookbridgev1.Start_Sequence{Sequence: seq}}
}

func atEnd() *hookbridgev1.Start {
	return &hookbridgev1.Start{At: &hookbridgev1.Start_Now{Now: &emptypb.Empty{}}}
}

func durations(ds ...time.Duration) (all []*durationpb.Duration) {
	for _, d := range ds {
		all = append(all, durationpb.New(d))
	}
	return all
}

// letter is a dead letter in short.
type letter struct {
	Seq      int64
	Attempts int32
	Reason   hookbridgev1.DeadLetter_Reason
	Error    string
	Redriven bool
}

const (
	deadRejected = hookbridgev1.DeadLetter_REASON_REJECTED
	deadAttempts = hookbridgev1.DeadLetter_REASON_MAX_ATTEMPTS
)

// letters are the dead letters of a subscription, through all pages, and how many were on each.
func (b *bridge) letters(name string) (all []*hookbridgev1.DeadLetter, pages []int) {
	b.t.Helper()
	req := &hookbridgev1.ListDeadLettersRequest{Subscription: name}
	for {
		resp := must(b.t, b.manage.ListDeadLetters, req)
		all, pages = append(all, resp.GetDeadLetters()...), append(pages, len(resp.GetDeadLetters()))
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
			return all, pages
		}
	}
}

// dead expects the dead letters of a subscription.
func (b *bridge) dead(name string, want ...letter) {
	b.t.Helper()
	all, _ := b.letters(name)
	var got []letter
	for _, d := range all {
		got = append(got, letter{d.GetEvent().GetSequence(), d.GetAttempts(), d.GetReason(), d.GetError(), d.GetRedriven()})
	}
	equal(b.t, "dead letters", got, want)
}

// left waits until a subscription has so many dead letters: what is acknowledged is removed just after the answer.
func (b *bridge) left(name string, n int) {
	b.t.Helper()
	eventually(b.t, "the dead letters of what was acknowledged are gone", func() bool {
		all, _ := b.letters(name)
		return len(all) == n
	})
}

func everything() *hookbridgev1.DeadLetterSelection {
	return &hookbridgev1.DeadLetterSelection{Which: &hookbridgev1.DeadLetterSelection_All{All: &emptypb.Empty{}}}
}

func these(ds ...*hookbridgev1.DeadLetter) *hookbridgev1.DeadLetterSelection {
	list := &hookbridgev1.DeadLetterSelection_Ids{}
	for _, d := range ds {
		list.Ids = append(list.Ids, d.GetId())
	}
	return &hookbridgev1.DeadLetterSelection{Which: &hookbridgev1.DeadLetterSelection_Ids_{Ids: list}}
}

func ofType(types ...string) *hookbridgev1.DeadLetterSelection {
	return &hookbridgev1.DeadLetterSelection{Which: &hookbridgev1.DeadLetterSelection_Filter{Filter: &hookbridgev1.Filter{Types: types}}}
}

// redrive sends dead letters again, as many as are wanted.
func (b *bridge) redrive(name string, which *hookbridgev1.DeadLetterSelection, want int64) {
	b.t.Helper()
	resp := must(b.t, b.manage.RedriveDeadLetters, &hookbridgev1.RedriveDeadLettersRequest{Subscription: name, Selection: which})
	equal(b.t, "redriven", resp, &hookbridgev1.RedriveDeadLettersResponse{Redriven: want})
}

// purge removes dead letters, as many as are wanted.
func (b *bridge) purge(name string, which *hookbridgev1.DeadLetterSelection, want int64) {
	b.t.Helper()
	resp := must(b.t, b.manage.PurgeDeadLetters, &hookbridgev1.PurgeDeadLettersRequest{Subscription: name, Selection: which})
	equal(b.t, "purged", resp.GetPurged(), want)
}
