package clienttest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hookbridge/hookbridge/client"
	"github.com/hookbridge/hookbridge/client/clienttest"
	stripev1 "github.com/hookbridge/hookbridge/gen/hookbridge/stripe/v1"
)

// ledger is the service that is tested: it books invoices, each once.
type ledger struct {
	mu     sync.Mutex
	booked map[string]int64
	closed bool
}

func (l *ledger) book(_ context.Context, e *client.Event, m *stripev1.InvoiceEvent) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		l.closed = false
		return errors.New("the ledger is closed")
	}
	l.booked[e.GetId()] = m.GetData().GetObject().GetAmountPaid()
	return nil
}

func (l *ledger) run(ctx context.Context, c *client.Client) error {
	return c.Subscribe(ctx, "ledger", client.On(l.book), client.Otherwise(client.Skip), client.OnMismatched(client.Park), client.OnUndecodable(client.Park))
}

// A test of a subscriber: it gets events, fails at one, loses its connection in the middle, and books each once. In a test, t is the
// *testing.T, and there is nothing to end.
func Example() {
	t := &stage{}
	defer t.end()
	bridge := clienttest.New(t, clienttest.Backoff(time.Millisecond))
	l := &ledger{booked: map[string]int64{}, closed: true}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- l.run(ctx, bridge.Client()) }()
	bridge.AwaitSubscribed("ledger")

	invoice := &stripev1.Invoice{AmountPaid: proto.Int64(4200)}
	first := bridge.Publish("stripe", "invoice.paid", &stripev1.InvoiceEvent{Data: &stripev1.InvoiceEvent_Data{Object: invoice}}, clienttest.ID("evt_1"))
	fmt.Println(first.AwaitRejected().Rejection.GetError())
	fmt.Println("acknowledged at attempt", first.AwaitAcknowledged().Attempt)

	bridge.Restart()
	bridge.AwaitSubscribed("ledger")
	bridge.Publish("stripe", "invoice.paid", &stripev1.InvoiceEvent{}, clienttest.ID("evt_2")).AwaitAcknowledged()
	bridge.PublishJSON("stripe", "invoice.paid", `{"data": 1}`).AwaitDeadLettered()

	cancel()
	fmt.Println(<-done, l.booked)
	// Output:
	// the ledger is closed
	// acknowledged at attempt 2
	// <nil> map[evt_1:4200 evt_2:0]
}

// stage stands for the *testing.T.
type stage struct{ cleanups []func() }

func (*stage) Helper()                           {}
func (*stage) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }
func (s *stage) Cleanup(f func())                { s.cleanups = append([]func(){f}, s.cleanups...) }

func (s *stage) end() {
	for _, f := range s.cleanups {
		f()
	}
}
