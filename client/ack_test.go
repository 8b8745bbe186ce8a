package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hookbridge/hookbridge/client"
	"github.com/hookbridge/hookbridge/client/clienttest"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// An acknowledgement that fails for a reason that passes is sent again, and one that a proxy made up too: the event comes once.
func TestAcknowledgementsAreSentAgain(t *testing.T) {
	for _, code := range []codes.Code{codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Unimplemented, codes.Internal, codes.Unknown, codes.ResourceExhausted, 99} {
		t.Run(code.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := clienttest.New(t)
				passing := status.Error(code, "not now")
				b.FailNext(hookbridgev1.EventService_Acknowledge_FullMethodName, passing, passing)
				b.FailNext(hookbridgev1.EventService_Reject_FullMethodName, passing, passing)
				r := against(t, b, b.Client(), "again", strict, onUser(func(_ context.Context, id int64) error {
					if id == 2 {
						return client.DeadLetter(errors.New("never"))
					}
					return nil
				}))
				handled, given := user(b, 1), user(b, 2)
				if got := handled.AwaitAcknowledged().Attempt; got != 1 {
					t.Errorf("acknowledged at attempt %d", got)
				}
				if got := given.AwaitDeadLettered().Attempt; got != 1 {
					t.Errorf("given back at attempt %d", got)
				}
				r.stop()
			})
		})
	}
}

// A stream that stood comes back, whatever is between it and the bridge for a while; one that never did may be at the wrong address.
func TestAProxyThatKnowsNoBridge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t)
		notFound := status.Error(codes.Unimplemented, "unexpected HTTP status code received from server: 404 (Not Found)")
		b.FailNext(hookbridgev1.EventService_Subscribe_FullMethodName, notFound)
		if err := subscribe(t, b.Client(), "behind", client.Otherwise(client.Skip)).wait(); status.Code(errors.Unwrap(err)) != codes.Unimplemented {
			t.Errorf("want Unimplemented, got %v", err)
		}
		r := against(t, b, b.Client(), "behind", client.Otherwise(client.Skip))
		b.FailNext(hookbridgev1.EventService_Subscribe_FullMethodName, notFound, notFound)
		b.Disconnect(nil)
		user(b, 1).AwaitAcknowledged()
		r.stop()
	})
}

// Many events that are given back with long errors are no larger than what the bridge takes in one call.
func TestManyRejections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t, clienttest.Patience(time.Minute))
		long := errors.New(strings.Repeat("x", 2000))
		r := against(t, b, b.Client(), "many", strict, client.Window(10_000, 0), client.AckBatch(10_000, time.Second), client.OnFailure(func(*client.Event, error) {}),
			onUser(func(context.Context, int64) error { return client.DeadLetter(long) }))
		var last *clienttest.Published
		for id := range int64(10_000) { // half a window of them is more than a call may have
			last = user(b, id)
		}
		if got := last.AwaitDeadLettered(); got.Attempt != 1 || len(got.Rejection.GetError()) != 1000 {
			t.Errorf("attempt %d, an error of %d bytes", got.Attempt, len(got.Rejection.GetError()))
		}
		r.stop()
	})
}

// When the context ends, what was handled is acknowledged soon, though a batch was to wait for longer, and what a handler finishes when it is
// told to end counts; what it gives up goes to another member.
func TestDrainAcknowledges(t *testing.T) {
	for _, tc := range []struct {
		name  string
		every time.Duration
		ends  error // of the handler that runs when DrainTimeout has passed
		want  []string
	}{
		{"batches that wait", time.Hour, context.Canceled, []string{"1 acknowledged after 10ms"}},
		{"a handler that finishes", time.Millisecond, nil, []string{"1 acknowledged after 0s", "2 acknowledged after 5s"}},
		{"a handler that gives up", time.Millisecond, context.Canceled, []string{"1 acknowledged after 0s"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := clienttest.New(t)
				begun := make(chan struct{})
				r := against(t, b, b.Client(), "drain", strict, client.AckBatch(1000, tc.every), client.DrainTimeout(5*time.Second),
					onUser(func(ctx context.Context, id int64) error {
						if id == 2 {
							close(begun)
							<-ctx.Done()
							return tc.ends
						}
						return nil
					}))
				user(b, 1)
				user(b, 2)
				<-begun
				if tc.every < time.Second {
					time.Sleep(tc.every)
				}
				synctest.Wait()
				end := time.Now()
				r.stop()
				if took := time.Since(end); took > 5*time.Second+time.Millisecond {
					t.Errorf("Subscribe returned after %v", took)
				}
				var got []string
				for _, record := range b.Records() {
					if record.Kind == clienttest.Acknowledged || record.Kind == clienttest.Rejected {
						got = append(got, fmt.Sprintf("%d %s after %v", record.Sequence, record.Kind, record.At.Sub(end)))
					}
				}
				if fmt.Sprint(got) != fmt.Sprint(tc.want) {
					t.Errorf("want %q\ngot  %q", tc.want, got)
				}
			})
		})
	}
}

// A bridge that answers nothing any more holds Subscribe up no longer than DrainTimeout and what is allowed for the last acknowledgements.
func TestDrainEndsWithoutABridge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t)
		r := against(t, b, b.Client(), "gone", strict, client.DrainTimeout(5*time.Second), onUser(func(context.Context, int64) error { return nil }))
		for range 100 {
			b.FailNext(hookbridgev1.EventService_Acknowledge_FullMethodName, status.Error(codes.Unavailable, "not now"))
		}
		user(b, 1).AwaitDelivered(1)
		time.Sleep(time.Second)
		start := time.Now()
		r.stop()
		if took := time.Since(start); took != 7*time.Second {
			t.Errorf("Subscribe returned after %v, want 7s", took)
		}
	})
}

// What is gathered for one call never fills the window, in which nothing more would come until the time for it is over.
func TestBatchesLeaveTheWindowOpen(t *testing.T) {
	for _, window := range []int{1, 2, 3, 10} {
		t.Run(fmt.Sprint(window), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := clienttest.New(t, clienttest.Patience(time.Minute))
				r := against(t, b, b.Client(), "window", strict, client.Window(window, 0), client.AckBatch(500, time.Hour), client.OnFailure(func(*client.Event, error) {}),
					onUser(func(_ context.Context, id int64) error {
						if id%2 == 0 {
							return client.DeadLetter(errors.New("never"))
						}
						return nil
					}))
				start := time.Now()
				var all []*clienttest.Published
				for id := range int64(100) {
					all = append(all, user(b, id))
				}
				for id, e := range all[:len(all)-window] {
					if id%2 == 0 {
						e.AwaitDeadLettered()
					} else {
						e.AwaitAcknowledged()
					}
				}
				if took := time.Since(start); took > time.Second {
					t.Errorf("100 events took %v", took)
				}
				r.stop()
			})
		})
	}
}

// A stream that ends as soon as it stands is not opened ten times a second.
func TestAStreamThatNeverLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t)
		stood := 0
		r := subscribe(t, b.Client(), "short", client.Otherwise(client.Skip), client.OnConnected(func(*hookbridgev1.Confirmed) {
			stood++
			b.Disconnect(nil)
		}))
		time.Sleep(10 * time.Minute)
		r.stop()
		// At 15 s, and half of that with jitter, there would be 80 at most, beside the first ones.
		if stood < 30 || stood > 100 {
			t.Errorf("%d streams in ten minutes", stood)
		}
	})
}

// Who is to end before it has begun leaves nothing at the bridge.
func TestSubscribeThatIsOverAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t)
		called := false
		c := b.Client(client.WithTokenSource(func(context.Context) (string, error) { called = true; return "a-token", nil }))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Subscribe(ctx, "none", client.Otherwise(client.Skip)); err != nil || called {
			t.Errorf("called: %v, %v", called, err)
		}
	})
}
