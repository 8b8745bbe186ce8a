package client_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// A bridge that comes back with another journal, as when its disk was lost, has nothing that an ephemeral subscription has seen: that reads
// the new journal from its beginning, rather than to wait until it is as long as the old one.
func TestAJournalThatWasReplaced(t *testing.T) {
	b := open(t)
	b.users(1, 20)
	got := make(chan int64, 100)
	lost := make(chan error, 100)
	c := b.dial()
	far, other := make(chan int64, 100), make(chan *hookbridgev1.Confirmed, 10)
	r := subscribe(t, c, "", beginning, users(got), client.Otherwise(client.Stop), client.Heartbeat(time.Second),
		client.OnDisconnected(func(err error, _ time.Duration) { lost <- err }))
	// Whoever asks for what is still to come gets that, and nothing before it.
	ahead := subscribe(t, c, "", client.From(client.Sequence(24)), users(far), client.Otherwise(client.Stop), client.Heartbeat(time.Second),
		client.OnConnected(func(c *hookbridgev1.Confirmed) { other <- c }))
	// A durable one is gone with its journal, and whoever depends on it is told.
	stood := make(chan *hookbridgev1.Confirmed, 10)
	named := subscribe(t, c, "billing", client.Otherwise(client.Skip), client.OnConnected(func(c *hookbridgev1.Confirmed) { stood <- c }))
	next(t, stood)
	for want := int64(1); want <= 20; want++ {
		if v := next(t, got); v != want {
			t.Fatalf("want user %d, got %d", want, v)
		}
	}
	next(t, other)
	b.stop()
	next(t, lost)
	if err := os.RemoveAll(filepath.Join(filepath.Dir(b.path), "data")); err != nil {
		t.Fatal(err)
	}
	b.start()
	b.users(101, 3)
	for want := int64(101); want <= 103; want++ {
		if v := next(t, got); v != want {
			t.Fatalf("want user %d, got %d", want, v)
		}
	}
	if s := status.Convert(errors.Unwrap(named.wait())); s.Code() != codes.NotFound || s.Message() != `there is no subscription "billing"` {
		t.Errorf("want NotFound, got %v", s)
	}
	r.stop()
	ahead.stop()
	none(t, got)
	none(t, far)
}
