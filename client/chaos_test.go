package client_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hookbridge/hookbridge/client"
	"github.com/hookbridge/hookbridge/client/clienttest"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/internal/chance"
)

// Whatever happens to the bridge and in the handlers, every event is acknowledged in the end, by a handler that returned nil for it; two of one
// key are never in handlers at once; and Subscribe ends when it is to. A seed draws the same troubles and the same luck of each attempt again; which
// of two goroutines that are due at one moment comes first, and the pauses between connections, which are jittered, it doesn't.
func TestChaos(t *testing.T) {
	const keys, events = 5, 200
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				draw := chance.Of(seed)
				b := clienttest.New(t, clienttest.Patience(24*time.Hour), clienttest.AckDeadline(3*time.Second), clienttest.Backoff(time.Second, 3*time.Second))
				var mu sync.Mutex
				roll := func(draw *rand.Rand, n int) bool { return draw.IntN(n) == 0 }
				some := func(draw *rand.Rand) time.Duration { return time.Duration(draw.Int64N(int64(4 * time.Second))) }
				busy, finished := map[string]int64{}, map[int64]bool{}
				handle := func(ctx context.Context, e *client.Event) error {
					mu.Lock()
					if other, ok := busy[e.GetOrderingKey()]; ok {
						t.Errorf("event %d of %s is handled while %d is", e.GetSequence(), e.GetOrderingKey(), other)
					}
					busy[e.GetOrderingKey()] = e.GetSequence()
					mu.Unlock()
					defer func() {
						mu.Lock()
						defer mu.Unlock()
						delete(busy, e.GetOrderingKey())
					}()
					// An event has the same luck in an attempt whichever handlers run beside.
					draw := chance.Of(seed, e.GetSequence(), e.Attempt)
					if roll(draw, 4) {
						time.Sleep(some(draw))
					}
					switch {
					case roll(draw, 20):
						return errors.New("not now")
					case roll(draw, 30):
						panic("at the disco")
					case roll(draw, 30):
						return client.RetryNow(errors.New("at once"))
					}
					mu.Lock()
					finished[e.GetSequence()] = true
					mu.Unlock()
					return nil
				}
				r := against(t, b, b.Client(), "chaos", unfit, client.Otherwise(client.Stop), client.OrderedByKey(), client.Concurrency(3), client.Window(20, 0),
					client.AckBatch(7, 20*time.Millisecond), client.MaxExtension(10*time.Second),
					client.On(func(ctx context.Context, e *client.Event, _ *userCreated) error { return handle(ctx, e) }),
					client.On(func(ctx context.Context, e *client.Event, _ *paymentSucceeded) error { return handle(ctx, e) },
						client.Concurrency(2), client.OrderedByKey()))
				var all []*clienttest.Published
				for id := range int64(events) {
					key := clienttest.OrderingKey(fmt.Sprint("key-", id%keys))
					if roll(draw, 3) {
						all = append(all, payment(b, id, key))
					} else {
						all = append(all, user(b, id, key))
					}
					switch {
					case roll(draw, 10):
						b.Disconnect(status.Error(codes.Code(1+id%2), "chaos"))
					case roll(draw, 20):
						b.Restart()
					case roll(draw, 30):
						b.Down()
						time.Sleep(some(draw))
						b.Up()
					case roll(draw, 30):
						b.Mute(true)
						time.AfterFunc(2*time.Minute, func() { b.Mute(false) })
					case roll(draw, 10):
						b.FailNext([]string{
							hookbridgev1.EventService_Acknowledge_FullMethodName, hookbridgev1.EventService_Reject_FullMethodName,
							hookbridgev1.EventService_ExtendDeadline_FullMethodName,
						}[id%3], status.Error(codes.Unavailable, "chaos"))
					case roll(draw, 3):
						time.Sleep(some(draw))
					}
				}
				for _, e := range all {
					e.AwaitAcknowledged()
					mu.Lock()
					if !finished[e.GetSequence()] {
						t.Errorf("%s was acknowledged and no handler had finished it", e)
					}
					mu.Unlock()
				}
				r.stop()
			})
		})
	}
}
