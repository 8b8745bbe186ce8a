package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hookbridge/hookbridge/client"
	"github.com/hookbridge/hookbridge/client/clienttest"
	githubv1 "github.com/hookbridge/hookbridge/gen/hookbridge/github/v1"
	stripev1 "github.com/hookbridge/hookbridge/gen/hookbridge/stripe/v1"
)

// stage is what an example has instead of a test: the bridge in memory wants one.
type stage struct{ cleanups []func() }

func (*stage) Helper()                           {}
func (*stage) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }
func (s *stage) Cleanup(f func())                { s.cleanups = append([]func(){f}, s.cleanups...) }

func (s *stage) end() {
	for _, f := range s.cleanups {
		f()
	}
}

func paid(id string, cents int64) *stripev1.InvoiceEvent {
	return &stripev1.InvoiceEvent{Data: &stripev1.InvoiceEvent_Data{Object: &stripev1.Invoice{Id: proto.String(id), AmountPaid: proto.Int64(cents)}}}
}

// One function for each message; the subscription asks for their types.
func ExampleClient_Subscribe() {
	s := &stage{}
	defer s.end()
	bridge := clienttest.New(s)

	// With a real bridge: client.Dial("bridge.internal:9090", client.WithTLS(&tls.Config{}))
	c := bridge.Client()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- c.Subscribe(ctx, "billing",
			client.On(func(_ context.Context, e *client.Event, invoice *stripev1.InvoiceEvent) error {
				fmt.Println(e.GetType(), invoice.GetData().GetObject().GetId())
				return nil
			}),
			client.On(func(_ context.Context, e *client.Event, pull *githubv1.PullRequestEvent) error {
				fmt.Println(e.GetType(), pull.GetNumber())
				return nil
			}),
			client.Otherwise(client.Skip),
			client.OnMismatched(client.Park),
			client.OnUndecodable(client.Park),
		)
	}()
	bridge.AwaitSubscribed("billing")
	bridge.Publish("stripe", "invoice.paid", paid("in_1", 4200)).AwaitAcknowledged()
	bridge.Publish("github", "pull_request.opened", &githubv1.PullRequestEvent{Number: proto.Int64(52)}).AwaitAcknowledged()

	cancel()
	fmt.Println(<-done)
	// Output:
	// invoice.paid in_1
	// pull_request.opened 52
	// <nil>
}

// Each kind of event that no handler can take has its own policy. Here what the provider changed is looked at by a person, and the rest of it
// ends the service.
func ExampleOnMismatched() {
	s := &stage{}
	defer s.end()
	bridge := clienttest.New(s)
	c := bridge.Client()
	go func() {
		_ = c.Subscribe(context.Background(), "billing",
			client.On(func(context.Context, *client.Event, *stripev1.InvoiceEvent) error { return nil }),
			client.OnMismatched(func(ctx context.Context, e *client.Event) error {
				fmt.Println(e.GetType(), "has changed:", e.GetDecoding().GetViolations()[0].GetField())
				return client.Park(ctx, e)
			}),
			client.OnUndecodable(client.Stop),
			client.Otherwise(client.Stop),
			client.OnFailure(func(_ *client.Event, err error) { fmt.Println(err) }),
		)
	}()
	bridge.AwaitSubscribed("billing")
	bridge.PublishJSON("stripe", "invoice.paid", `{"data":"moved elsewhere"}`).AwaitDeadLettered()
	// Output:
	// invoice.paid has changed: data
	// event 1, invoice.paid of stripe, doesn't fit its message: data
}

// What is slow gets places of its own, and what is about one customer is worked at in order.
func ExampleConcurrency() {
	s := &stage{}
	defer s.end()
	bridge := clienttest.New(s)
	c := bridge.Client()
	go func() {
		_ = c.Subscribe(context.Background(), "billing",
			client.On(func(_ context.Context, e *client.Event, invoice *stripev1.InvoiceEvent) error {
				fmt.Println(e.GetOrderingKey(), invoice.GetData().GetObject().GetId())
				return nil
			}, client.Concurrency(16), client.OrderedByKey()),
			client.Otherwise(client.Stop), client.OnMismatched(client.Stop), client.OnUndecodable(client.Stop),
		)
	}()
	bridge.AwaitSubscribed("billing")
	var last *clienttest.Published
	for _, id := range []string{"in_1", "in_2", "in_3"} {
		last = bridge.Publish("stripe", "invoice.paid", paid(id, 1), clienttest.OrderingKey("cus_1"))
	}
	last.AwaitAcknowledged()
	// Output:
	// cus_1 in_1
	// cus_1 in_2
	// cus_1 in_3
}

// A handler says of its failure when the event is to come again.
func ExampleRetryAfter() {
	s := &stage{}
	defer s.end()
	bridge := clienttest.New(s)
	c := bridge.Client()
	go func() {
		_ = c.Subscribe(context.Background(), "billing",
			client.Otherwise(func(_ context.Context, e *client.Event) error {
				fmt.Println("attempt", e.Attempt, e.Reason)
				if e.Attempt == 1 {
					return client.RetryAfter(20*time.Millisecond, errors.New("the ledger is closed"))
				}
				return nil
			}),
			client.OnFailure(func(_ *client.Event, err error) { fmt.Println(err) }),
		)
	}()
	bridge.AwaitSubscribed("billing")
	bridge.PublishJSON("stripe", "invoice.paid", `{}`).AwaitAcknowledged()
	// Output:
	// attempt 1 REASON_NEW
	// the ledger is closed
	// attempt 2 REASON_REJECTED
}
