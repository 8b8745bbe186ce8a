package client_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/hookbridge/client"
	"github.com/hookbridge/hookbridge/client/clienttest"
)

// What waits for a slow handler beyond its deadline, and comes again and again, makes room for what other handlers wait for.
func TestWhatTimedOutInALaneMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t, clienttest.Patience(2*time.Hour))
		r := against(t, b, b.Client(), "slow", strict, client.Window(10, 0), client.MaxExtension(0), client.AckDeadline(time.Second),
			onPayment(func(ctx context.Context, _ int64) error {
				select {
				case <-time.After(5 * time.Minute):
				case <-ctx.Done():
				}
				return nil
			}, client.Concurrency(1)),
			onUser(func(context.Context, int64) error { return nil }, client.Concurrency(1)))
		for id := int64(1); id <= 5; id++ {
			payment(b, id)
		}
		time.Sleep(time.Minute)
		published := time.Now()
		user(b, 1).AwaitAcknowledged()
		if took := time.Since(published); took > 2*time.Second {
			t.Errorf("the other handler's event took %v", took)
		}
		r.stop()
	})
}

// A DrainTimeout that means for ever is one, also where two seconds more are no duration any more.
func TestDrainForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t, clienttest.Patience(2*time.Hour))
		begun := make(chan struct{})
		r := against(t, b, b.Client(), "patient", strict, client.DrainTimeout(math.MaxInt64), onUser(func(ctx context.Context, _ int64) error {
			close(begun)
			select {
			case <-time.After(20 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}))
		u := user(b, 1)
		<-begun
		r.stop()
		if got := u.AwaitAcknowledged(); got.Attempt != 1 {
			t.Errorf("acknowledged at attempt %d", got.Attempt)
		}
	})
}
