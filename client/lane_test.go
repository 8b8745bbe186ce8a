package client_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/hookbridge/client"
	"github.com/hookbridge/hookbridge/client/clienttest"
)

// ledger notes which events are in a handler's hands.
type ledger struct {
	mu      sync.Mutex
	begun   []int64
	running map[int64]bool
	most    int
}

func (l *ledger) begin(id int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running == nil {
		l.running = map[int64]bool{}
	}
	l.begun = append(l.begun, id)
	l.running[id] = true
	l.most = max(l.most, len(l.running))
}

func (l *ledger) end(id int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.running, id)
}

// takes is a handler that needs a second of the bubble's time.
func (l *ledger) takes(_ context.Context, id int64) error {
	l.begin(id)
	time.Sleep(time.Second)
	l.end(id)
	return nil
}

// A handler with a concurrency of its own runs that often at once, beside the places of the others, and holds none of them up.
func TestConcurrencyOfAHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t)
		var users, payments ledger
		r := against(t, b, b.Client(), "lanes", strict, onUser(users.takes, client.Concurrency(3)), onPayment(payments.takes, client.Concurrency(1)))
		start := time.Now()
		var last []*clienttest.Published
		for id := range int64(9) {
			last = append(last, user(b, id))
		}
		for id := range int64(2) {
			last = append(last, payment(b, id))
		}
		for _, e := range last {
			e.AwaitAcknowledged()
		}
		if took := time.Since(start); took != 3*time.Second+10*time.Millisecond {
			t.Errorf("9 of 3 and 2 of 1 at once took %v", took)
		}
		if users.most != 3 || payments.most != 1 || !slices.Equal(payments.begun, []int64{0, 1}) {
			t.Errorf("users %+v, payments %+v", &users, &payments)
		}
		r.stop()
	})
}

// Handlers without a concurrency of their own share that of the subscription.
func TestSharedConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t)
		var both ledger
		r := against(t, b, b.Client(), "lanes", strict, client.Concurrency(2), onUser(both.takes), onPayment(both.takes))
		start := time.Now()
		var all []*clienttest.Published
		for id := range int64(6) {
			if id%2 == 0 {
				all = append(all, user(b, id))
			} else {
				all = append(all, payment(b, id))
			}
		}
		for _, e := range all {
			e.AwaitAcknowledged()
		}
		if took := time.Since(start); both.most != 2 || took != 3*time.Second+10*time.Millisecond {
			t.Errorf("at most %d at once, %v", both.most, took)
		}
		r.stop()
	})
}

// Events of one key and source are handled one at a time in their order, across handlers; other keys, other sources and events without a
// key go on meanwhile.
func TestOrderedByKey(t *testing.T) {
	for name, options := range map[string]struct {
		subscription []client.Option
		handler      []client.HandlerOption
	}{
		"subscription": {subscription: []client.Option{client.Concurrency(8), client.OrderedByKey()}},
		"handlers":     {handler: []client.HandlerOption{client.Concurrency(8), client.OrderedByKey()}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := clienttest.New(t)
				var mu sync.Mutex
				starts := map[string][]string{}
				start := time.Now()
				handle := func(ctx context.Context, e *client.Event) error {
					mu.Lock()
					key := e.GetSource() + "/" + e.GetOrderingKey()
					starts[key] = append(starts[key], e.GetId()+" at "+time.Since(start).String())
					mu.Unlock()
					time.Sleep(time.Second)
					return nil
				}
				r := against(t, b, b.Client(), "ordered", append(options.subscription, strict,
					client.On(func(ctx context.Context, e *client.Event, _ *userCreated) error { return handle(ctx, e) }, options.handler...),
					client.On(func(ctx context.Context, e *client.Event, _ *paymentSucceeded) error { return handle(ctx, e) }, options.handler...))...)
				all := []*clienttest.Published{
					user(b, 1, clienttest.OrderingKey("a")), payment(b, 2, clienttest.OrderingKey("a")), user(b, 3, clienttest.OrderingKey("a")),
					user(b, 4, clienttest.OrderingKey("b")),
					user(b, 5), user(b, 6),
				}
				other := b.Publish("elsewhere", "user_created", &userCreated{UserId: 7}, clienttest.OrderingKey("a"))
				for _, e := range append(all, other) {
					e.AwaitAcknowledged()
				}
				slices.Sort(starts["demo/"])
				want := map[string][]string{
					"demo/a": {"event-1 at 0s", "event-2 at 1s", "event-3 at 2s"}, "demo/b": {"event-4 at 0s"},
					"demo/": {"event-5 at 0s", "event-6 at 0s"}, "elsewhere/a": {"event-7 at 0s"},
				}
				if diff := cmp.Diff(want, starts); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				r.stop()
			})
		})
	}
}

// What waits behind a key when the stream is lost is not handled, and comes again in order behind the one that runs.
func TestOrderedByKeyOverALostStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t)
		var users ledger
		finish := make(chan struct{})
		r := against(t, b, b.Client(), "ordered", strict, client.Concurrency(4), client.OrderedByKey(), onUser(func(_ context.Context, id int64) error {
			users.begin(id)
			defer users.end(id)
			<-finish
			return nil
		}))
		var all []*clienttest.Published
		for id := range int64(3) {
			all = append(all, user(b, id, clienttest.OrderingKey("a")))
		}
		all[2].AwaitDelivered(1)
		synctest.Wait()
		b.Disconnect(nil)
		all[2].AwaitDelivered(2)
		synctest.Wait()
		close(finish)
		for _, e := range all {
			e.AwaitAcknowledged()
		}
		// The first is handled twice: its first acknowledgement came too late.
		if want := []int64{0, 0, 1, 2}; !slices.Equal(users.begun, want) || users.most != 1 {
			t.Errorf("handled %v, at most %d at once", users.begun, users.most)
		}
		r.stop()
	})
}
