// Command go prints invoices of Stripe and pull requests of GitHub as they happen, each at least once, whatever happens to the bridge, the
// network or this process. The handlers are where a service puts its own work.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc/status"

	"github.com/hookbridge/hookbridge/client"
	githubv1 "github.com/hookbridge/hookbridge/gen/hookbridge/github/v1"
	stripev1 "github.com/hookbridge/hookbridge/gen/hookbridge/stripe/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A bridge elsewhere wants client.WithTLS, and client.WithTokenSource where it asks who calls.
	bridge, err := client.Dial(setting("HOOKBRIDGE_SERVER", "127.0.0.1:9090"))
	if err == nil {
		// Processes that use the same name share its events; the bridge keeps on disk where it stands.
		err = bridge.Subscribe(ctx, setting("HOOKBRIDGE_SUBSCRIPTION", "example-go"), subscriber(os.Stdout, os.Stderr))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// subscriber is all that there is to say about the subscription. A handler has to bear being called twice for one event: source and id are
// the key to remember. When it returns an error its event comes again.
func subscriber(out, notes io.Writer) client.Option {
	show := func(e *client.Event, what string) error {
		_, err := fmt.Fprintln(out, e.GetId(), e.GetType(), what)
		return err
	}
	// The provider changed something, or the event is too large for a message. The bridge keeps the body: Client.Content.
	untyped := func(_ context.Context, e *client.Event) error {
		var fields []string
		for _, v := range e.GetDecoding().GetViolations() {
			fields = append(fields, v.GetField())
		}
		return show(e, "not typed: "+strings.Join(fields, " "))
	}
	return client.Options(
		client.Name("Go example"),
		client.Sources("stripe", "github"),
		client.On(func(_ context.Context, e *client.Event, m *stripev1.InvoiceEvent) error {
			invoice := m.GetData().GetObject()
			return show(e, fmt.Sprintf("%s %d %s", invoice.GetId(), invoice.GetAmountDue(), invoice.GetCurrency()))
		}),
		client.On(func(_ context.Context, e *client.Event, m *githubv1.PullRequestEvent) error {
			return show(e, fmt.Sprintf("%s#%d %s", m.GetRepository().GetFullName(), m.GetNumber(), m.GetPullRequest().GetTitle()))
		}),
		client.OnMismatched(untyped),
		client.OnUndecodable(untyped),
		// Types and sources leave nothing else over.
		client.Otherwise(client.Park),
		client.OnConnected(func(c *hookbridgev1.Confirmed) {
			fmt.Fprintf(notes, "subscribed as %s at sequence %d\n", c.GetSubscription(), c.GetPosition())
		}),
		client.OnDisconnected(func(err error, _ time.Duration) {
			fmt.Fprintf(notes, "disconnected: %s\n", status.Convert(err).Message())
		}),
		client.OnGap(func(g *hookbridgev1.Gap) {
			fmt.Fprintf(notes, "retention removed sequences %d to %d unread\n", g.GetFromSequence(), g.GetToSequence()-1)
		}),
		client.OnFailure(func(e *client.Event, err error) { fmt.Fprintf(notes, "%s failed: %v\n", e.GetId(), err) }),
	)
}
