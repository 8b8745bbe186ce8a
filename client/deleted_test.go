package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// A subscription that is deleted stays so: Subscribe ends and says why, and doesn't make another one, which would have other settings and
// would read the journal again.
func TestADeletedSubscriptionIsNotMadeAgain(t *testing.T) {
	b := open(t)
	c := b.dial()
	_, err := c.Subscriptions().CreateSubscription(t.Context(), &hookbridgev1.CreateSubscriptionRequest{
		Subscription: &hookbridgev1.Subscription{Name: "billing", Ordered: true, MaxAttempts: 7}, Start: client.Beginning(),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.users(1, 3)
	got := make(chan int64, 10)
	lost := make(chan error, 10)
	held, deleted := make(chan struct{}), make(chan struct{})
	r := subscribe(t, c, "billing", beginning, users(got), client.Types("*"),
		client.Otherwise(func(context.Context, *client.Event) error {
			close(held)
			<-deleted
			return nil
		}),
		client.OnDisconnected(func(err error, _ time.Duration) { lost <- err }))
	for want := int64(1); want <= 3; want++ {
		if v := next(t, got); v != want {
			t.Errorf("want user %d, got %d", want, v)
		}
	}
	// A handler runs meanwhile; there is nothing left to acknowledge its event to.
	b.post("held", `{"event":"something_else"}`)
	next(t, held)
	if _, err := c.Subscriptions().DeleteSubscription(t.Context(), &hookbridgev1.DeleteSubscriptionRequest{Name: "billing"}); err != nil {
		t.Fatal(err)
	}
	close(deleted)
	const want = `subscription "billing" was deleted`
	err = r.wait()
	if s := status.Convert(errors.Unwrap(err)); s.Code() != codes.NotFound || s.Message() != want {
		t.Errorf("want NotFound: %s\ngot  %v", want, err)
	}
	none(t, got)
	none(t, lost)
	_, err = c.Subscriptions().GetSubscription(t.Context(), &hookbridgev1.GetSubscriptionRequest{Name: "billing"})
	if s := status.Convert(err); s.Code() != codes.NotFound || s.Message() != `there is no subscription "billing"` {
		t.Errorf("want that there is none, got %v", err)
	}
}

// Neither is one made again that is deleted while the connection is lost.
func TestASubscriptionThatIsDeletedMeanwhileIsNotMadeAgain(t *testing.T) {
	b := open(t)
	streams, lost, deleted := 0, make(chan func(), 1), make(chan struct{})
	c := b.dial(client.WithGRPC(grpc.WithStreamInterceptor(
		func(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
			if streams++; streams > 1 {
				<-deleted
			}
			if streams == 1 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithCancel(ctx)
				lost <- cancel
			}
			return open(ctx, desc, conn, method, options...)
		})))
	connected := make(chan *hookbridgev1.Confirmed, 10)
	r := subscribe(t, c, "billing", beginning, client.Otherwise(client.Skip), client.OnConnected(func(c *hookbridgev1.Confirmed) { connected <- c }))
	if !next(t, connected).GetCreated() {
		t.Error("the first stream makes the subscription")
	}
	next(t, lost)()
	if _, err := c.Subscriptions().DeleteSubscription(t.Context(), &hookbridgev1.DeleteSubscriptionRequest{Name: "billing"}); err != nil {
		t.Fatal(err)
	}
	close(deleted)
	err := r.wait()
	if s := status.Convert(errors.Unwrap(err)); s.Code() != codes.NotFound || s.Message() != `there is no subscription "billing"` {
		t.Errorf("want NotFound, got %v", err)
	}
	none(t, connected)
}

// Who creates subscriptions beforehand is told of a name that is none, and gets on with one that is.
func TestMustExist(t *testing.T) {
	b := open(t)
	c := b.dial()
	err := subscribe(t, c, "biling", client.MustExist(), client.Otherwise(client.Skip)).wait()
	if s := status.Convert(errors.Unwrap(err)); s.Code() != codes.NotFound || s.Message() != `there is no subscription "biling"` {
		t.Errorf("want NotFound, got %v", err)
	}
	_, err = c.Subscriptions().CreateSubscription(t.Context(), &hookbridgev1.CreateSubscriptionRequest{
		Subscription: &hookbridgev1.Subscription{Name: "billing"}, Start: client.Beginning(),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.users(1, 1)
	got := make(chan int64, 10)
	r := subscribe(t, c, "billing", client.MustExist(), users(got), client.Otherwise(client.Skip))
	if v := next(t, got); v != 1 {
		t.Errorf("want user 1, got %d", v)
	}
	r.stop()
	err = subscribe(t, c, "", client.MustExist(), client.Otherwise(client.Skip)).wait()
	const want = "must_exist: an ephemeral subscription is always a new one; want a name in subscription"
	if s := status.Convert(errors.Unwrap(err)); s.Code() != codes.InvalidArgument || s.Message() != want {
		t.Errorf("want InvalidArgument: %s\ngot  %v", want, err)
	}
}
