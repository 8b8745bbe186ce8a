package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/hookbridge/hookbridge/client"
	githubv1 "github.com/hookbridge/hookbridge/gen/hookbridge/github/v1"
	hmacv1 "github.com/hookbridge/hookbridge/gen/hookbridge/hmac/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// users sends the user ids of user_created events on.
func users(to chan<- int64) client.Option {
	return client.Options(unfit, client.On(func(_ context.Context, _ *client.Event, m *hmacv1.UserCreated) error {
		to <- m.GetUserId()
		return nil
	}))
}

// unfit stops on what a handler claims and can't take.
var unfit = client.Options(client.OnMismatched(client.Stop), client.OnUndecodable(client.Stop))

var beginning = client.From(client.Beginning())

// Each message goes to its handler, with its fields; what has none goes where Otherwise says.
func TestHandlersByMessage(t *testing.T) {
	b := open(t)
	b.post("1", `{"event":"user_created","user_id":42}`)
	b.post("2", `{"event":"payment_succeeded","object_id":7}`)
	b.post("3", `{"event":"something_else"}`)
	b.post("4", `{"event":"payment_succeeded","object_id":{"not":"a number"}}`)
	got := make(chan string, 10)
	r := subscribe(t, b.dial(), "handlers", beginning, client.Types("*"),
		client.On(func(_ context.Context, e *client.Event, m *hmacv1.UserCreated) error {
			got <- fmt.Sprintf("%s: user %d, attempt %d", e.GetId(), m.GetUserId(), e.Attempt)
			return nil
		}),
		client.On(func(_ context.Context, e *client.Event, m *hmacv1.PaymentSucceeded) error {
			got <- fmt.Sprintf("%s: payment %d", e.GetId(), m.GetObjectId())
			return nil
		}),
		client.Otherwise(func(_ context.Context, e *client.Event) error {
			got <- fmt.Sprintf("%s: otherwise, %s", e.GetId(), e.GetDecoding().GetState())
			return nil
		}),
		client.OnMismatched(func(_ context.Context, e *client.Event) error {
			got <- fmt.Sprintf("%s: mismatched, %s", e.GetId(), e.GetDecoding().GetState())
			return nil
		}),
		client.OnUndecodable(client.Stop))
	for _, want := range []string{"1: user 42, attempt 1", "2: payment 7", "3: otherwise, STATE_UNTYPED", "4: mismatched, STATE_MISMATCH"} {
		if v := next(t, got); v != want {
			t.Errorf("want %q, got %q", want, v)
		}
	}
	r.stop()
}

// The types of the handlers' messages are the filter, unless others are given.
func TestTypesOfTheHandlers(t *testing.T) {
	b := open(t)
	b.post("1", `{"event":"something_else"}`)
	b.post("2", `{"event":"user_created","user_id":2}`)
	got := make(chan int64, 10)
	r := subscribe(t, b.dial(), "", beginning, users(got), client.Otherwise(client.Stop))
	if v := next(t, got); v != 2 {
		t.Errorf("want user 2, got %d", v)
	}
	r.stop()
}

// An expression decides beside the types of the handlers, and one that fits no message of theirs ends Subscribe.
func TestExpression(t *testing.T) {
	b := open(t)
	b.users(1, 5)
	got := make(chan int64, 10)
	r := subscribe(t, b.dial(), "", beginning, client.Expression("data.user_id % 2 == 0"), users(got), client.Otherwise(client.Stop))
	for _, want := range []int64{2, 4} {
		if v := next(t, got); v != want {
			t.Errorf("want user %d, got %d", want, v)
		}
	}
	r.stop()
	none(t, got)
	err := subscribe(t, b.dial(), "", client.Expression("data.user_ids == 1"), users(got), client.Otherwise(client.Stop)).wait()
	const want = "filter.expression:1:6: undefined field 'user_ids' of hookbridge.hmac.v1.UserCreated; did you mean user_id?"
	if s := status.Convert(errors.Unwrap(err)); s.Code() != codes.InvalidArgument || s.Message() != want {
		t.Errorf("want %s\ngot  %v", want, err)
	}
}

// What can't be meant is an error at the start.
func TestRefusedAtTheStart(t *testing.T) {
	c, err := client.Dial("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	got := make(chan int64)
	structs := client.Options(unfit, client.On(func(context.Context, *client.Event, *structpb.Struct) error { return nil }))
	stars := client.Options(unfit, client.On(func(context.Context, *client.Event, *githubv1.StarEvent) error { return nil }))
	for _, tc := range []struct {
		name    string
		options []client.Option
		want    string
	}{
		{"nothing said about the rest", []client.Option{users(got)},
			"subscribe: want Otherwise, which says what happens to events that no handler claims: Skip, Retry, Park, Stop, or a function"},
		{"nothing said about anything", []client.Option{client.On(func(context.Context, *client.Event, *githubv1.StarEvent) error { return nil })},
			"subscribe: want Otherwise, which says what happens to events that no handler claims: Skip, Retry, Park, Stop, or a function\n" +
				"want OnMismatched, which says what happens to events whose body doesn't fit their handler's message: Skip, Retry, Park, Stop, or a function\n" +
				"want OnUndecodable, which says what happens to events of a handler without data that can be read: Skip, Retry, Park, Stop, or a function"},
		{"policies for nothing", []client.Option{unfit, client.Otherwise(client.Skip)},
			"subscribe: OnMismatched would never be called: there are no handlers, so Otherwise gets every event\n" +
				"OnUndecodable would never be called: there are no handlers, so Otherwise gets every event"},
		{"a handler without a place", []client.Option{unfit, client.Otherwise(client.Skip),
			client.On(func(context.Context, *client.Event, *githubv1.StarEvent) error { return nil }, client.Concurrency(0))},
			"subscribe: Concurrency of the handler of hookbridge.github.v1.StarEvent: want at least 1, got 0"},
		{"less than no time", []client.Option{client.Otherwise(client.Skip), client.MaxExtension(-1)},
			"subscribe: MaxExtension: want at least 0s, got -1ns"},
		{"a message that is no event", []client.Option{structs, client.Otherwise(client.Skip)},
			"subscribe: google.protobuf.Struct is no event: it has no option hookbridge.v1.event"},
		{"twice the same", []client.Option{users(got), users(got), client.Otherwise(client.Skip)},
			"subscribe: hookbridge.hmac.v1.UserCreated has two handlers"},
		{"a handler that nothing reaches", []client.Option{stars, client.Types("pull_request.*"), client.Otherwise(client.Skip)},
			`subscribe: the handler of hookbridge.github.v1.StarEvent would never be called: it takes ["star.*"], the subscription asks for ["pull_request.*"]`},
		{"no concurrency", []client.Option{client.Otherwise(client.Skip), client.Concurrency(0)},
			"subscribe: Concurrency: want at least 1, got 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := c.Subscribe(t.Context(), "s", tc.options...); err == nil || err.Error() != tc.want {
				t.Errorf("want %q\ngot  %v", tc.want, err)
			}
		})
	}
}

func TestDialInPlainText(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:9090": "", "localhost:9090": "", "[::1]:9090": "",
		"bridge:9090": "dial bridge:9090: the bridge is on another machine: want WithTLS, or WithoutTLS for plain text",
	} {
		c, err := client.Dial(address)
		if got := fmt.Sprint(err); want == "" && err != nil || want != "" && got != want {
			t.Errorf("%s: want %q, got %q", address, want, got)
		}
		if c != nil {
			_ = c.Close()
		}
	}
}

// A handler that fails or panics sees its event again; the failure is told, and others are not touched.
func TestComesAgainAfterAFailure(t *testing.T) {
	b := open(t)
	b.users(1, 3)
	attempts, failures := make(chan string, 10), make(chan string, 10)
	r := subscribe(t, b.dial(), "failing", beginning, client.AckDeadline(time.Second), client.Otherwise(client.Stop), unfit,
		client.OnFailure(func(e *client.Event, err error) {
			line, _, _ := strings.Cut(err.Error(), "\n")
			failures <- e.GetId() + ": " + line
		}),
		client.On(func(_ context.Context, e *client.Event, m *hmacv1.UserCreated) error {
			attempts <- fmt.Sprintf("user %d, attempt %d, %s", m.GetUserId(), e.Attempt, e.Reason)
			switch {
			case e.Attempt == 1 && m.GetUserId() == 1:
				return errors.New("not today")
			case e.Attempt == 1 && m.GetUserId() == 2:
				panic("at the disco")
			}
			return nil
		}))
	for _, want := range []string{
		"user 1, attempt 1, REASON_NEW", "user 2, attempt 1, REASON_NEW", "user 3, attempt 1, REASON_NEW",
		"user 1, attempt 2, REASON_REJECTED", "user 2, attempt 2, REASON_REJECTED",
	} {
		if got := next(t, attempts); got != want {
			t.Errorf("want %q, got %q", want, got)
		}
	}
	for _, want := range []string{"user-1: not today", "user-2: panic in the handler: at the disco"} {
		if got := next(t, failures); got != want {
			t.Errorf("want %q, got %q", want, got)
		}
	}
	r.stop()
}

// Stop ends Subscribe, and says which event it was.
func TestStopOnWhatNoHandlerTakes(t *testing.T) {
	b := open(t)
	b.post("odd", `{"event":"something_else"}`)
	r := subscribe(t, b.dial(), "stopping", beginning, client.Types("*"), client.Otherwise(client.Stop))
	const want = "stopped by a handler: no handler takes event 1, something_else of demo (STATE_UNTYPED)"
	if err := r.wait(); !errors.Is(err, client.ErrStop) || err.Error() != want {
		t.Errorf("want %q, got %v", want, err)
	}
}

// A durable and an ephemeral subscription outlive a restart of the bridge: every event is handled once, in order.
func TestResume(t *testing.T) {
	for _, name := range []string{"durable", ""} {
		t.Run("subscription "+name, func(t *testing.T) {
			b := open(t)
			b.users(1, 20)
			got, down := make(chan int64, 100), make(chan error, 100)
			r := subscribe(t, b.dial(), name, beginning, users(got), client.Otherwise(client.Stop), client.AckBatch(1, time.Millisecond),
				client.OnDisconnected(func(err error, _ time.Duration) { down <- err }))
			for want := int64(1); want <= 20; want++ {
				if v := next(t, got); v != want {
					t.Fatalf("want user %d, got %d", want, v)
				}
			}
			b.stop()
			if err := next(t, down); status.Code(err) != codes.Unavailable {
				t.Errorf("want Unavailable, got %v", err)
			}
			b.start()
			b.users(21, 20)
			for want := int64(21); want <= 40; want++ {
				v := next(t, got)
				// The last acknowledgement may have been cut off by the restart: at least once.
				for name != "" && v < 21 {
					v = next(t, got)
				}
				if v != want {
					t.Fatalf("want user %d, got %d", want, v)
				}
			}
			r.stop()
			none(t, got)
		})
	}
}

// Acknowledgements go out in batches, and what was acknowledged doesn't come again.
func TestAcknowledgementsAreBatched(t *testing.T) {
	b := open(t)
	b.users(1, 100)
	var calls atomic.Int32
	c := b.dial(client.WithGRPC(grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if method == hookbridgev1.EventService_Acknowledge_FullMethodName {
			calls.Add(1)
		}
		return invoke(ctx, method, req, reply, cc, opts...)
	})))
	got := make(chan int64, 200)
	r := subscribe(t, c, "batches", beginning, users(got), client.Otherwise(client.Stop), client.AckBatch(40, time.Hour))
	for range 100 {
		next(t, got)
	}
	r.stop()
	if n := calls.Load(); n != 3 {
		t.Errorf("want 100 events acknowledged in 3 calls, of 40, 40 and 20, got %d", n)
	}
	b.users(101, 1)
	r = subscribe(t, c, "batches", users(got), client.Otherwise(client.Stop))
	if v := next(t, got); v != 101 {
		t.Errorf("want user 101 next, got %d", v)
	}
	r.stop()
}

// When the context ends, the handler that runs finishes and its event is acknowledged; no other is started.
func TestGracefulStop(t *testing.T) {
	b := open(t)
	b.users(1, 10)
	begun, finish := make(chan int64, 10), make(chan struct{})
	c := b.dial()
	r := subscribe(t, c, "graceful", beginning, client.Otherwise(client.Stop), unfit, client.Window(5, 0),
		client.On(func(ctx context.Context, _ *client.Event, m *hmacv1.UserCreated) error {
			begun <- m.GetUserId()
			<-finish
			return ctx.Err()
		}))
	next(t, begun)
	r.cancel()
	close(finish)
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	none(t, begun)
	got := make(chan int64, 20)
	r = subscribe(t, c, "graceful", users(got), client.Otherwise(client.Stop))
	// In any order: what the first stream held may come behind what it didn't.
	var rest []int64
	for range 9 {
		rest = append(rest, next(t, got))
	}
	slices.Sort(rest)
	if want := []int64{2, 3, 4, 5, 6, 7, 8, 9, 10}; !slices.Equal(rest, want) {
		t.Errorf("want users %v, got %v", want, rest)
	}
	r.stop()
	none(t, got)
}

// Two clients with the same name and other filters can't both be meant: the second is told, and does not try for ever.
func TestRefusedForGood(t *testing.T) {
	b := open(t)
	c := b.dial()
	up := make(chan struct{}, 1)
	first := subscribe(t, c, "taken", client.Types("user_created"), client.Otherwise(client.Skip), client.OnConnected(func(*hookbridgev1.Confirmed) { up <- struct{}{} }))
	next(t, up)
	second := subscribe(t, c, "taken", client.Types("payment_succeeded"), client.Otherwise(client.Skip))
	if err := second.wait(); status.Code(errors.Unwrap(err)) != codes.FailedPrecondition {
		t.Errorf("want FailedPrecondition, got %v", err)
	}
	first.stop()
}

// A body of any size comes back, for a client with default limits.
func TestContent(t *testing.T) {
	b := open(t)
	body := `{"event":"user_created","user_id":1,"note":"` + strings.Repeat("x", 20<<20) + `"}`
	b.post("large", body)
	c := b.dial()
	e, err := c.GetByID(t.Context(), "demo", "large", false)
	if err != nil {
		t.Fatal(err)
	}
	content, err := c.Content(t.Context(), e.GetSequence())
	if err != nil || string(content.GetBody()) != body || content.GetContentType() != "application/json" {
		t.Errorf("got %d bytes of %s, %v", len(content.GetBody()), content.GetContentType(), err)
	}
}

// List goes through all pages.
func TestList(t *testing.T) {
	b := open(t)
	b.users(1, 25)
	var ids []string
	for e, err := range b.dial().List(t.Context(), &hookbridgev1.ListEventsRequest{PageSize: 10}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.GetId())
	}
	if len(ids) != 25 || ids[0] != "user-1" || ids[24] != "user-25" {
		t.Errorf("got %d events: %v", len(ids), ids)
	}
}
