package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/status"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

func tailCommand() *cobra.Command {
	var to connection
	var from string
	var sources, types []string
	var asJSON, content bool
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show events as they come in",
		Long: "tail follows the bridge's events until it is interrupted, and comes back by itself after a restart of the bridge.\n" +
			"It is an observer: what it shows is not taken away from any subscription.",
		Example: "  hookbridge tail\n  hookbridge tail --source 'stripe-*' --type 'invoice.*' --from beginning\n" +
			"  hookbridge tail --from 30m --content\n  hookbridge tail --json | jq .type\n" +
			"  hookbridge tail --server bridge.internal:9090 --tls --token-file tail.token",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			start, err := parseStart("from", from, time.Now())
			if err != nil {
				return usageError{err}
			}
			c, err := to.dial()
			if err != nil {
				return err
			}
			defer func() { _ = c.Close() }()
			t := &tail{bridge: &to, errOut: cmd.ErrOrStderr(), printer: newPrinter(cmd.OutOrStdout(), asJSON)}
			t.printer.types = c.Messages()
			return t.follow(cmd.Context(), c, start, sources, types, content)
		},
	}
	to.flags(cmd)
	cmd.Flags().StringSliceVar(&sources, "source", nil, "only sources of this `NAME`, * for any run of characters")
	cmd.Flags().StringSliceVar(&types, "type", nil, "only events of this `TYPE`, * for any run of characters")
	cmd.Flags().StringVar(&from, "from", "now", "`WHERE` to start: beginning, now, a sequence, a time (RFC 3339), or how long ago (30m)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON event a line")
	cmd.Flags().BoolVar(&content, "content", false, "show the body and headers as received")
	return cmd
}

// parseStart reads a place in the journal out of a flag.
func parseStart(flag, from string, now time.Time) (*hookbridgev1.Start, error) {
	switch from {
	case "beginning":
		return client.Beginning(), nil
	case "now", "end":
		return client.Now(), nil
	}
	if n, err := strconv.ParseInt(from, 10, 64); err == nil && n > 0 {
		return client.Sequence(n), nil
	}
	if d, err := time.ParseDuration(from); err == nil && d > 0 {
		return client.Time(now.Add(-d)), nil
	}
	if at, err := time.Parse(time.RFC3339, from); err == nil {
		return client.Time(at), nil
	}
	return nil, fmt.Errorf("--%s: want beginning, now (or end), a sequence, a time like 2026-03-01T09:00:00Z or a duration like 30m, got %q", flag, from)
}

// tail shows an ephemeral subscription.
type tail struct {
	bridge  *connection
	errOut  io.Writer
	printer *printer
	// lost says that the connection is, stood that there was one.
	lost, stood bool
}

// follow prints events until the context ends or they can't be printed any more.
func (t *tail) follow(ctx context.Context, c *client.Client, start *hookbridgev1.Start, sources, types []string, content bool) error {
	options := []client.Option{
		client.Name("hookbridge tail"), client.From(start), client.Sources(sources...), client.Types(types...),
		client.OnConnected(t.connected), client.OnDisconnected(t.disconnected), client.OnGap(t.gap),
		client.Otherwise(func(ctx context.Context, e *client.Event) error {
			// Learns messages that a team has added to the bridge; what can't be learned is shown as that.
			_, _ = c.Messages().Data(ctx, e.Event)
			if err := t.printer.print(e.Event); err != nil {
				return fmt.Errorf("%w: %w", client.ErrStop, err)
			}
			return nil
		}),
		// Whoever can't be printed to ends the command; there is nothing else to say about it.
		client.OnFailure(func(*client.Event, error) {}),
	}
	if content {
		options = append(options, client.Content())
	}
	return told(c.Subscribe(ctx, "", options...))
}

// told is what Subscribe ended with, in the words of the bridge or of what failed here.
func told(err error) error {
	if errors.Is(err, client.ErrStop) {
		return errors.New(strings.TrimPrefix(err.Error(), client.ErrStop.Error()+": "))
	}
	if inner := errors.Unwrap(err); inner != nil {
		if s, ok := status.FromError(inner); ok {
			return errors.New(s.Message())
		}
	}
	return err
}

// say tells the person at the terminal. One that is gone ends the command by itself.
func (t *tail) say(format string, args ...any) {
	_, _ = fmt.Fprintf(t.errOut, "hookbridge: "+format+"\n", args...)
}

func (t *tail) connected(c *hookbridgev1.Confirmed) {
	if t.lost {
		t.say("connected again")
	}
	if t.lost || !t.stood {
		warn(t.errOut, c.GetUnknownSources())
	}
	t.lost, t.stood = false, true
}

// warn tells of sources that a filter names and that the bridge doesn't have.
func warn(errOut io.Writer, unknown []string) {
	for _, name := range unknown {
		// The command goes on: one may come later.
		_, _ = fmt.Fprintf(errOut, "hookbridge: the bridge has no source %q now; nothing comes from it until it has\n", name)
	}
}

func (t *tail) disconnected(err error, retry time.Duration) {
	if !t.lost {
		t.say("no connection to the bridge at %s (%s), trying again until Ctrl-C", t.bridge.server, t.bridge.words(err))
	}
	t.lost = true
}

func (t *tail) gap(g *hookbridgev1.Gap) {
	first, last := g.GetFromSequence(), g.GetToSequence()-1
	if first == last {
		t.say("event %d is gone: retention removed it", first)
		return
	}
	t.say("events %d to %d are gone: retention removed them", first, last)
}
