package client_test

import (
	"context"
	"testing"

	"github.com/hookbridge/hookbridge/client"
	"github.com/hookbridge/hookbridge/client/clienttest"
	hmacv1 "github.com/hookbridge/hookbridge/gen/hookbridge/hmac/v1"
)

// against subscribes to a bridge in memory, for tests by the clock of a synctest bubble.
func against(t *testing.T, b *clienttest.Bridge, c *client.Client, name string, options ...client.Option) *running {
	t.Helper()
	r := subscribe(t, c, name, options...)
	b.AwaitSubscribed(name)
	return r
}

// user publishes an event of a user, and payment one of a payment.
func user(b *clienttest.Bridge, id int64, options ...clienttest.EventOption) *clienttest.Published {
	return b.Publish("demo", "user_created", &hmacv1.UserCreated{UserId: id}, options...)
}

func payment(b *clienttest.Bridge, id int64, options ...clienttest.EventOption) *clienttest.Published {
	return b.Publish("demo", "payment_succeeded", &hmacv1.PaymentSucceeded{ObjectId: id}, options...)
}

func onUser(handle func(context.Context, int64) error, options ...client.HandlerOption) client.Option {
	return client.On(func(ctx context.Context, _ *client.Event, m *hmacv1.UserCreated) error {
		return handle(ctx, m.GetUserId())
	}, options...)
}

func onPayment(handle func(context.Context, int64) error, options ...client.HandlerOption) client.Option {
	return client.On(func(ctx context.Context, _ *client.Event, m *hmacv1.PaymentSucceeded) error {
		return handle(ctx, m.GetObjectId())
	}, options...)
}

type (
	userCreated      = hmacv1.UserCreated
	paymentSucceeded = hmacv1.PaymentSucceeded
)

// strict stops on what no handler takes.
var strict = client.Options(unfit, client.Otherwise(client.Stop))
