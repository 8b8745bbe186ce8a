package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// watch sends the requests of one kind on, once they were answered.
func watch[T proto.Message](to chan<- T) client.DialOption {
	return client.WithGRPC(grpc.WithUnaryInterceptor(
		func(ctx context.Context, method string, req, resp any, cc *grpc.ClientConn, next grpc.UnaryInvoker, o ...grpc.CallOption) error {
			err := next(ctx, method, req, resp, cc, o...)
			if r, ok := req.(T); ok && err == nil {
				to <- r
			}
			return err
		}))
}

// What a handler says of its failure is what the bridge is asked for.
func TestWhatAFailureAsksFor(t *testing.T) {
	broken := errors.New("broken\nand a second line")
	for _, tc := range []struct {
		name string
		err  error
		want *hookbridgev1.Rejection
	}{
		{"nothing", broken, &hookbridgev1.Rejection{Error: "broken"}},
		{"again now", client.RetryNow(broken), &hookbridgev1.Rejection{Error: "broken", Action: &hookbridgev1.Rejection_RetryNow{RetryNow: &emptypb.Empty{}}}},
		{"again later", client.RetryAfter(time.Minute, broken), &hookbridgev1.Rejection{
			Error: "broken", Action: &hookbridgev1.Rejection_RetryAfter{RetryAfter: durationpb.New(time.Minute)},
		}},
		{"again too late", client.RetryAfter(48*time.Hour, broken), &hookbridgev1.Rejection{
			Error: "broken", Action: &hookbridgev1.Rejection_RetryAfter{RetryAfter: durationpb.New(24 * time.Hour)},
		}},
		{"never again", client.DeadLetter(broken), &hookbridgev1.Rejection{Error: "broken", Action: &hookbridgev1.Rejection_DeadLetter{DeadLetter: &emptypb.Empty{}}}},
		{"a long story", client.DeadLetter(errors.New(strings.Repeat("é", 2000))), &hookbridgev1.Rejection{
			Error: strings.Repeat("é", 500), Action: &hookbridgev1.Rejection_DeadLetter{DeadLetter: &emptypb.Empty{}},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := open(t)
			b.users(1, 1)
			asked := make(chan *hookbridgev1.RejectRequest, 10)
			r := subscribe(t, b.dial(watch(asked)), "failing", beginning, client.OnFailure(func(*client.Event, error) {}),
				client.Otherwise(func(_ context.Context, e *client.Event) error {
					if e.Attempt > 1 {
						return nil
					}
					return tc.err
				}))
			got := next(t, asked)
			if len(got.GetRejections()) != 1 || got.GetSubscription() != "failing" || got.GetRejections()[0].GetAckId() == "" {
				t.Fatalf("got %v", got)
			}
			got.Rejections[0].AckId = ""
			if diff := cmp.Diff(tc.want, got.GetRejections()[0], protocmp.Transform()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			r.stop()
		})
	}
	if client.RetryNow(nil) != nil || client.RetryAfter(0, nil) != nil || client.DeadLetter(nil) != nil {
		t.Error("no error has become one")
	}
	if !errors.Is(client.DeadLetter(broken), broken) {
		t.Error("the handler's own error is hidden")
	}
}

// A handler that takes longer than the ack deadline keeps its event, and those that wait behind it.
func TestRunningHandlersKeepTheirEvents(t *testing.T) {
	b := open(t)
	b.users(1, 3)
	extended := make(chan *hookbridgev1.ExtendDeadlineRequest, 100)
	calls := make(chan string, 10)
	r := subscribe(t, b.dial(watch(extended)), "slow", beginning, client.AckDeadline(time.Second), client.Window(3, 0),
		client.Otherwise(func(_ context.Context, e *client.Event) error {
			calls <- fmt.Sprint(e.GetId(), " attempt ", e.Attempt)
			if e.GetId() != "user-1" {
				return nil
			}
			// Each comes half a deadline after the one before, so two have passed by the fifth.
			for range 5 {
				<-extended
			}
			return nil
		}))
	for _, want := range []string{"user-1 attempt 1", "user-2 attempt 1", "user-3 attempt 1"} {
		if got := next(t, calls); got != want {
			t.Errorf("handled %s, want %s", got, want)
		}
	}
	b.users(4, 1)
	if got := next(t, calls); got != "user-4 attempt 1" {
		t.Errorf("what came next was %s: a slow one came again", got)
	}
	r.stop()
}
