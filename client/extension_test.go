package client_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hookbridge/hookbridge/client"
	"github.com/hookbridge/hookbridge/client/clienttest"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// extensions notes the calls of ExtendDeadline: when, and for which events.
type extensions struct {
	start time.Time
	mu    sync.Mutex
	calls []string
}

func (x *extensions) option() client.DialOption {
	return client.WithGRPC(grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if r, ok := req.(*hookbridgev1.ExtendDeadlineRequest); ok {
			var sequences []string
			for _, id := range r.GetAckIds() {
				sequences = append(sequences, strings.Split(id, ":")[1])
			}
			x.mu.Lock()
			x.calls = append(x.calls, fmt.Sprintf("%v: %s by %v", time.Since(x.start), strings.Join(sequences, " "), r.GetExtension().AsDuration()))
			x.mu.Unlock()
		}
		return invoke(ctx, method, req, reply, cc, opts...)
	}))
}

// slowly subscribes with a handler that takes so long for the first event.
func slowly(t *testing.T, b *clienttest.Bridge, x *extensions, takes time.Duration, options ...client.Option) (*running, *ledger) {
	l := &ledger{}
	x.start = time.Now()
	r := against(t, b, b.Client(x.option()), "slow", append(options, strict, client.AckDeadline(10*time.Second), onUser(func(_ context.Context, id int64) error {
		l.begin(id)
		if id == 1 && len(l.begun) == 1 {
			time.Sleep(takes)
		}
		l.end(id)
		return nil
	}))...)
	return r, l
}

// What a handler works at and what waits behind it keeps its deadline by one call for all of it, before half of it has passed; none comes
// again.
func TestEverythingHeldIsExtended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t, clienttest.Patience(time.Hour))
		x := &extensions{}
		r, l := slowly(t, b, x, 28*time.Second)
		var all []*clienttest.Published
		for id := range int64(3) {
			all = append(all, user(b, id+1))
		}
		for _, e := range all {
			e.AwaitAcknowledged()
			if got := len(e.Records()); got != 7 {
				t.Errorf("%s: %d records, want one delivery, five extensions, one acknowledgement", e, got)
			}
		}
		if diff := cmp.Diff([]string{"5s: 1 2 3 by 10s", "10s: 1 2 3 by 10s", "15s: 1 2 3 by 10s", "20s: 1 2 3 by 10s", "25s: 1 2 3 by 10s"}, x.calls); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if diff := cmp.Diff([]int64{1, 2, 3}, l.begun); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		r.stop()
	})
}

// Nothing is extended for longer than MaxExtension says; then the event comes again, and what waited behind it is not begun with twice.
func TestMaxExtension(t *testing.T) {
	for _, tc := range []struct {
		max   time.Duration
		calls []string
		again time.Duration
	}{
		{12 * time.Second, []string{"5s: 1 2 by 10s", "10s: 1 2 by 10s"}, 20 * time.Second},
		{0, nil, 10 * time.Second},
	} {
		t.Run(tc.max.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := clienttest.New(t, clienttest.Patience(time.Hour))
				x := &extensions{}
				r, l := slowly(t, b, x, tc.again+time.Second, client.MaxExtension(tc.max))
				first, second := user(b, 1), user(b, 2)
				if got := first.AwaitDelivered(2); got.At.Sub(x.start) != tc.again || got.Reason != hookbridgev1.Delivery_REASON_DEADLINE {
					t.Errorf("it came again after %v, %s", got.At.Sub(x.start), got.Reason)
				}
				second.AwaitAcknowledged()
				first.AwaitStale(1)
				first.AwaitAcknowledged()
				if diff := cmp.Diff(tc.calls, x.calls); diff != "" {
					t.Errorf("calls (-want +got)\n%s", diff)
				}
				if diff := cmp.Diff([]int64{1, 1, 2}, l.begun); diff != "" {
					t.Errorf("handled (-want +got)\n%s", diff)
				}
				r.stop()
			})
		})
	}
}

// What the bridge has given to somebody else is not begun with, and a call that fails is made again in time.
func TestExtensionsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t, clienttest.Patience(time.Hour))
		x := &extensions{}
		b.FailNext(hookbridgev1.EventService_ExtendDeadline_FullMethodName, status.Error(codes.Unavailable, "not now"))
		r, l := slowly(t, b, x, 9*time.Second)
		first, second := user(b, 1), user(b, 2)
		second.AwaitDelivered(1)
		time.Sleep(time.Second)
		second.Redeliver()
		second.AwaitDelivered(2)
		first.AwaitAcknowledged()
		second.AwaitAcknowledged()
		if got := first.AwaitAcknowledged().Attempt; got != 1 {
			t.Errorf("the first was acknowledged at attempt %d", got)
		}
		// Both attempts at the second are asked for, until the bridge has said that the first is not with us any more.
		if diff := cmp.Diff([]string{"5s: 1 2 2 by 10s", "7.5s: 1 2 2 by 10s"}, x.calls); diff != "" {
			t.Errorf("calls (-want +got)\n%s", diff)
		}
		second.AwaitStale(1)
		if diff := cmp.Diff([]int64{1, 2}, l.begun); diff != "" {
			t.Errorf("handled (-want +got)\n%s", diff)
		}
		r.stop()
	})
}
