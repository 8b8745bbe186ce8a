package client_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/hookbridge/hookbridge/client"
	"github.com/hookbridge/hookbridge/client/clienttest"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// wire speaks to a bridge as the library does, and notes what it says.
type wire struct {
	t      *testing.T
	events hookbridgev1.EventServiceClient
	post   func(id string)
	// acks are the ack_ids of the deliveries so far, by "event attempt".
	acks map[string]string
}

// open opens a stream; what closes it is returned.
func (w *wire) open(name string, window int32, types ...string) (next func() string, end func()) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	stream, err := w.events.Subscribe(ctx, &hookbridgev1.SubscribeRequest{
		Subscription: name, Start: client.Beginning(), MaxOutstandingEvents: window, AckDeadline: durationpb.New(time.Minute),
		Filter: &hookbridgev1.Filter{Types: types},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(cancel)
	return func() string {
		w.t.Helper()
		for {
			m, err := stream.Recv()
			if err != nil {
				w.t.Fatal(err)
			}
			if c := m.GetConfirmed(); c != nil {
				return fmt.Sprintf("confirmed %q, created %v, window %d", c.GetSubscription(), c.GetCreated(), c.GetMaxOutstandingEvents())
			}
			if d := m.GetDelivery(); d != nil {
				w.acks[fmt.Sprint(d.GetEvent().GetId(), " ", d.GetAttempt())] = d.GetAckId()
				return fmt.Sprintf("%s attempt %d %s", d.GetEvent().GetId(), d.GetAttempt(), d.GetReason())
			}
		}
	}, cancel
}

// mustExist asks for a subscription that is there already, and returns why there is none.
func (w *wire) mustExist(name string) string {
	w.t.Helper()
	stream, err := w.events.Subscribe(w.t.Context(), &hookbridgev1.SubscribeRequest{Subscription: name, MustExist: true})
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.NotFound {
		w.t.Fatalf("want NotFound, got %v", err)
	}
	return status.Convert(err).Message()
}

// say makes a call about deliveries and returns what was not applied, or the error's code.
func (w *wire) say(what, subscription string, deliveries ...string) string {
	w.t.Helper()
	var ids []string
	names := map[string]string{}
	for _, d := range deliveries {
		id, ok := w.acks[d]
		if !ok {
			id = d
		}
		ids, names[id] = append(ids, id), d
	}
	var failures []*hookbridgev1.AckFailure
	var err error
	switch what {
	case "acknowledge":
		var r *hookbridgev1.AcknowledgeResponse
		r, err = w.events.Acknowledge(w.t.Context(), &hookbridgev1.AcknowledgeRequest{Subscription: subscription, AckIds: ids})
		failures = r.GetFailures()
	case "extend":
		var r *hookbridgev1.ExtendDeadlineResponse
		r, err = w.events.ExtendDeadline(w.t.Context(), &hookbridgev1.ExtendDeadlineRequest{Subscription: subscription, AckIds: ids})
		failures = r.GetFailures()
	default:
		request := &hookbridgev1.RejectRequest{Subscription: subscription}
		for _, id := range ids {
			one := &hookbridgev1.Rejection{AckId: id, Action: &hookbridgev1.Rejection_RetryNow{RetryNow: &emptypb.Empty{}}}
			if what == "bury" {
				one.Action = &hookbridgev1.Rejection_DeadLetter{DeadLetter: &emptypb.Empty{}}
			}
			request.Rejections = append(request.Rejections, one)
		}
		var r *hookbridgev1.RejectResponse
		r, err = w.events.Reject(w.t.Context(), request)
		failures = r.GetFailures()
	}
	if err != nil {
		return status.Code(err).String()
	}
	out := []string{}
	for _, f := range failures {
		out = append(out, names[f.GetAckId()]+" "+f.GetReason().String())
	}
	slices.Sort(out)
	return fmt.Sprint(out)
}

// The bridge in memory answers as the real one does: the same story, to the word, with both.
func TestTheBridgeInMemoryIsLikeTheRealOne(t *testing.T) {
	const ok = "[]"
	for name, bridge := range map[string]func(t *testing.T) *wire{
		"real": func(t *testing.T) *wire {
			b := open(t)
			return &wire{events: b.dial().Events(), post: func(id string) { b.post(id, `{"event":"user_created","user_id":1,"name":"`+id+`"}`) }}
		},
		"in memory": func(t *testing.T) *wire {
			b := clienttest.New(t)
			return &wire{events: b.Client().Events(), post: func(id string) { user(b, 1, clienttest.ID(id)) }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := bridge(t)
			w.t, w.acks = t, map[string]string{}
			step := 0
			want := func(got, want string) {
				t.Helper()
				if step++; got != want {
					t.Errorf("step %d: got %s, want %s", step, got, want)
				}
			}
			for _, id := range []string{"a", "b", "c"} {
				w.post(id)
			}
			want(w.mustExist("billing"), "there is no subscription \"billing\"")
			next, end := w.open("billing", 2)
			want(next(), `confirmed "billing", created true, window 2`)
			want(next(), "a attempt 1 REASON_NEW")
			want(next(), "b attempt 1 REASON_NEW")
			// The window is full until one is settled.
			want(w.say("acknowledge", "billing", "a 1"), ok)
			want(next(), "c attempt 1 REASON_NEW")
			want(w.say("acknowledge", "billing", "a 1"), ok)
			want(w.say("extend", "billing", "a 1", "b 1", "nonsense"), "[a 1 REASON_STALE nonsense REASON_INVALID]")
			want(w.say("reject", "billing", "a 1"), "[a 1 REASON_STALE]")
			want(w.say("reject", "billing", "b 1"), ok)
			want(next(), "b attempt 2 REASON_REJECTED")
			want(w.say("acknowledge", "billing", "b 1"), "[b 1 REASON_STALE]")
			want(w.say("reject", "billing", "b 1"), "[b 1 REASON_STALE]")
			want(w.say("bury", "billing", "c 1"), ok)
			end()
			next, end = w.open("billing", 0)
			want(next(), `confirmed "billing", created false, window 1000`)
			want(next(), "b attempt 3 REASON_STREAM_LOST")
			want(w.say("acknowledge", "billing", "b 2"), "[b 2 REASON_STALE]")
			want(w.say("acknowledge", "billing", "b 3", "c 1"), ok)
			w.post("d")
			want(next(), "d attempt 1 REASON_NEW")
			want(w.say("acknowledge", "nobody", "d 1"), codes.NotFound.String())
			end()
			// Without a name there is nothing to acknowledge, and everything is new.
			next, end = w.open("", 1, "user_*")
			want(next(), `confirmed "", created false, window 1`)
			for _, id := range []string{"a", "b", "c", "d"} {
				want(next(), id+" attempt 1 REASON_NEW")
				want(w.acks[id+" 1"], "")
			}
			end()
		})
	}
}

// What the real bridge refuses of a request, the one in memory refuses, in the same words: a subscriber's test is to find it.
func TestTheBridgeInMemoryRefusesWhatTheRealOneDoes(t *testing.T) {
	real, memory := open(t).dial().Events(), clienttest.New(t).Client().Events()
	for name, request := range map[string]*hookbridgev1.SubscribeRequest{
		"a name that is none":      {Subscription: "Billing"},
		"no window":                {Subscription: "billing", MaxOutstandingEvents: -1},
		"bytes":                    {Subscription: "billing", MaxOutstandingBytes: 1 << 40},
		"a deadline of no time":    {Subscription: "billing", AckDeadline: durationpb.New(time.Millisecond)},
		"a heartbeat of an age":    {Subscription: "billing", HeartbeatInterval: durationpb.New(time.Hour)},
		"events of no size":        {Subscription: "billing", MaxEventBytes: 1},
		"two things at once":       {Subscription: "billing", MaxEventBytes: 1, MaxOutstandingEvents: -1},
		"an ephemeral one of old":  {MustExist: true},
		"an empty type":            {Subscription: "billing", Filter: &hookbridgev1.Filter{Types: []string{""}}},
		"a name that is very long": {Subscription: "billing", ClientName: strings.Repeat("x", 129)},
	} {
		t.Run(name, func(t *testing.T) {
			answer := func(events hookbridgev1.EventServiceClient) string {
				stream, err := events.Subscribe(t.Context(), request)
				if err == nil {
					_, err = stream.Recv()
				}
				return status.Code(err).String() + ": " + status.Convert(err).Message()
			}
			want := answer(real)
			if !strings.HasPrefix(want, "InvalidArgument: ") {
				t.Fatalf("the real bridge says %s", want)
			}
			if got := answer(memory); got != want {
				t.Errorf("want %s\ngot  %s", want, got)
			}
		})
	}
}
