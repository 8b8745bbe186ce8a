package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/provider"
)

type testKey struct{}

func TestDeadlineOfManyDeliveries(t *testing.T) {
	for name, tc := range map[string]struct {
		wait, within time.Duration
		want         time.Duration // after which it ends
	}{
		"whole":           {0, 8 * time.Second, 8 * time.Second},
		"between moments": {30 * time.Millisecond, 8 * time.Second, 7970 * time.Millisecond},
		"less than one":   {0, 99 * time.Millisecond, 0},
		"none":            {0, 0, 0},
		"over":            {0, -time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDeadlines()
				time.Sleep(tc.wait)
				start := time.Now()
				ctx := d.within(t.Context(), tc.within)
				<-ctx.Done()
				if got := time.Since(start); got != tc.want || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
					t.Errorf("ended after %v with %v, want %v", got, ctx.Err(), tc.want)
				}
			})
		})
	}
}

// Those that end within the same moment share what ends them, and nothing is left of it afterwards.
func TestDeadlinesAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeadlines()
		for range 1000 {
			d.within(t.Context(), 8*time.Second)
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		d.mu.Lock()
		if got := len(d.ends); got != 10 {
			t.Errorf("1000 deliveries of a second share %d deadlines, want 10", got)
		}
		d.mu.Unlock()
		time.Sleep(8 * time.Second)
		synctest.Wait()
		d.mu.Lock()
		defer d.mu.Unlock()
		if got := len(d.ends); got != 0 {
			t.Errorf("%d deadlines are left, want 0", got)
		}
	})
}

// The context has the request's values, and ends only by itself; its children end with it.
func TestDeadlineAndRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		request, hangUp := context.WithCancel(context.WithValue(t.Context(), testKey{}, "v"))
		ctx := newDeadlines().within(request, time.Second)
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		hangUp()
		synctest.Wait()
		if ctx.Err() != nil || child.Err() != nil || child.Value(testKey{}) != "v" {
			t.Errorf("after the sender hung up: %v, %v, value %v; want no errors, and v", ctx.Err(), child.Err(), child.Value(testKey{}))
		}
		<-child.Done()
		if !errors.Is(child.Err(), context.DeadlineExceeded) {
			t.Errorf("the child ended with %v, want %v", child.Err(), context.DeadlineExceeded)
		}
	})
}

// A delivery that has arrived and is verified goes on when its sender hangs up.
func TestSenderHangsUpBeforeTheAnswer(t *testing.T) {
	requests, entered, ended := make(chan context.Context, 1), make(chan struct{}), make(chan error, 1)
	b := closed(t, builtin(t, "hmac"), func(_ *provider.SourceConfig, c *Config, _ *Endpoint) {
		c.Next = func(ctx context.Context, _ http.ResponseWriter, _ *delivery.Delivery) error {
			close(entered)
			<-(<-requests).Done() // the server has seen that the sender is gone
			ended <- ctx.Err()
			return nil
		}
	})
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r.Context()
		b.handler.ServeHTTP(w, r)
	}))
	t.Cleanup(b.Close)
	conn := b.dial(t)
	const body = `{"event":"user_created"}`
	if _, err := fmt.Fprintf(conn, "POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Signature: %s\r\nContent-Length: %d\r\n\r\n%s",
		sign(body), len(body), body); err != nil {
		t.Fatal(err)
	}
	<-entered
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("its context ended with %v, want it to go on", err)
	}
}
