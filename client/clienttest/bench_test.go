package clienttest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/client"
	"github.com/hookbridge/hookbridge/client/clienttest"
	hmacv1 "github.com/hookbridge/hookbridge/gen/hookbridge/hmac/v1"
)

// BenchmarkCatchUp takes what the SDK needs for one stored event of 1 KB: receive it, hand it to a handler, acknowledge it. The bridge in memory
// is part of it, and so is gRPC, both in this process.
func BenchmarkCatchUp(b *testing.B) {
	handled := make(chan struct{}, 1)
	got, want := 0, 0
	count := func() error {
		if got++; got == want {
			handled <- struct{}{}
		}
		return nil
	}
	for name, handler := range map[string][]client.Option{
		"typed": {client.Otherwise(client.Stop), client.OnMismatched(client.Stop), client.OnUndecodable(client.Stop), client.On(func(context.Context, *client.Event, *hmacv1.UserCreated) error { return count() })},
		"raw":   {client.Otherwise(func(context.Context, *client.Event) error { return count() })},
	} {
		b.Run(name, func(b *testing.B) {
			bridge := clienttest.New(b, clienttest.Patience(time.Minute))
			note := strings.Repeat("x", 1000)
			var last *clienttest.Published
			for range b.N {
				last = bridge.Publish("demo", "user_created", &hmacv1.UserCreated{Event: "user_created", UserId: 1, Name: note})
			}
			got, want = 0, b.N
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			done := make(chan error, 1)
			c := bridge.Client()
			b.ReportAllocs()
			b.ResetTimer()
			go func() {
				done <- c.Subscribe(ctx, "bench", append(handler, client.From(client.Beginning()), client.Window(20_000, 64<<20), client.AckBatch(2000, 10*time.Millisecond))...)
			}()
			<-handled
			last.AwaitAcknowledged()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			cancel()
			if err := <-done; err != nil {
				b.Error(err)
			}
		})
	}
}
