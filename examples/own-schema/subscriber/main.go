// Command subscriber prints the orders that come in, with the generated types of our own schema.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/hookbridge/hookbridge/client"
	ordersv1 "github.com/hookbridge/hookbridge/examples/own-schema/gen/acme/orders/v1"
)

func main() {
	server := flag.String("server", "127.0.0.1:9090", "the bridge's gRPC address")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *server, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run subscribes until the context ends.
func run(ctx context.Context, server string, out io.Writer) error {
	bridge, err := client.Dial(server)
	if err != nil {
		return err
	}
	defer func() { _ = bridge.Close() }()
	return bridge.Subscribe(ctx, "shipping",
		client.From(client.Beginning()),
		client.On(func(_ context.Context, e *client.Event, order *ordersv1.OrderPlaced) error {
			var cents int64
			for _, item := range order.GetItems() {
				cents += int64(item.GetQuantity()) * item.GetPriceCents()
			}
			_, err := fmt.Fprintf(out, "%s: order %s of %d items, %d.%02d in all\n",
				e.GetId(), order.GetOrderId(), len(order.GetItems()), cents/100, cents%100)
			return err
		}),
		client.On(func(_ context.Context, e *client.Event, order *ordersv1.OrderCancelled) error {
			_, err := fmt.Fprintf(out, "%s: order %s cancelled (%s)\n", e.GetId(), order.GetOrderId(), e.GetType())
			return err
		}),
		// validation: enforce keeps out what doesn't fit; what is left would be of another schema than ours.
		client.Otherwise(client.Stop), client.OnMismatched(client.Stop), client.OnUndecodable(client.Stop),
	)
}
