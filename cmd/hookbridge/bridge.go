package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// callTimeout is how long a bridge may take for one call: removing many dead letters takes a while.
const callTimeout = time.Minute

// bridgeFlags say which bridge a command talks to, and how its answers are shown.
type bridgeFlags struct {
	connection
	json bool
}

// add adds the flags to a command and those below it.
func (f *bridgeFlags) add(flags *pflag.FlagSet) {
	f.flagsIn(flags, "127.0.0.1:9090", "the bridge's gRPC `ADDR`ess")
	flags.BoolVar(&f.json, "json", false, "print JSON, one answer a line")
}

// with calls do with a connection to the bridge. What the bridge says is wrong is told in its own words.
func (f *bridgeFlags) with(cmd *cobra.Command, do func(ctx context.Context, c *client.Client) error) error {
	c, err := f.dial()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	err = do(cmd.Context(), c)
	if _, ok := status.FromError(err); ok && err != nil {
		return fmt.Errorf("the bridge at %s: %s", f.server, f.words(err))
	}
	return err
}

// invoke makes one call, in a bounded time.
func invoke[Req, Resp any, Option any](ctx context.Context, method func(context.Context, Req, ...Option) (Resp, error), req Req) (Resp, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return method(ctx, req)
}

// print shows an answer: as JSON where that was asked for, else as text makes it.
func (f *bridgeFlags) print(out io.Writer, m proto.Message, text func(w *table)) error {
	if f.json {
		line, err := compact(m, protoregistry.GlobalTypes)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s\n", line)
		return err
	}
	w := newTable(out)
	text(w)
	return w.Flush()
}

// say prints what was done; with --json, as an object with one field.
func (f *bridgeFlags) say(out io.Writer, field string, value any, format string, args ...any) error {
	if !f.json {
		_, err := fmt.Fprintf(out, format+"\n", args...)
		return err
	}
	line, err := json.Marshal(map[string]any{field: value})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", line)
	return err
}

// table is lines in columns.
type table struct{ *tabwriter.Writer }

func newTable(out io.Writer) *table { return &table{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)} }

// row writes a line. What a sender wrote can't change the terminal. An error is Flush's to tell.
func (t *table) row(cells ...any) {
	text := make([]string, len(cells))
	for i, cell := range cells {
		if text[i] = visible(fmt.Sprint(cell)); text[i] == "" {
			text[i] = "-"
		}
	}
	_, _ = fmt.Fprintln(t, strings.Join(text, "\t"))
}

// filterFlags choose events.
type filterFlags struct {
	sources, types []string
	expression     string
}

func (f *filterFlags) add(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.sources, "source", nil, "only sources of this `NAME`, * for any run of characters")
	flags.StringSliceVar(&f.types, "type", nil, "only events of this `TYPE`, * for any run of characters")
}

func (f *filterFlags) addExpression(flags *pflag.FlagSet) {
	flags.StringVar(&f.expression, "filter", "", "only events for which this CEL `EXPR`ession is true")
}

// filter is what was asked for, nil for everything.
func (f *filterFlags) filter() *hookbridgev1.Filter {
	if len(f.sources) == 0 && len(f.types) == 0 && f.expression == "" {
		return nil
	}
	return &hookbridgev1.Filter{Sources: f.sources, Types: f.types, Expression: f.expression}
}

// describeFilter is a filter on one line.
func describeFilter(f *hookbridgev1.Filter) string {
	var parts []string
	if len(f.GetSources()) > 0 {
		parts = append(parts, "sources "+strings.Join(f.GetSources(), " "))
	}
	if len(f.GetTypes()) > 0 {
		parts = append(parts, "types "+strings.Join(f.GetTypes(), " "))
	}
	if f.GetExpression() != "" {
		parts = append(parts, f.GetExpression())
	}
	if len(parts) == 0 {
		return "everything"
	}
	return strings.Join(parts, ", ")
}

// parseTime reads a point in time; nil for an empty text.
func parseTime(flag, text string, now time.Time) (*timestamppb.Timestamp, error) {
	if text == "" {
		return nil, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return timestamppb.New(now.Add(-d)), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return timestamppb.New(at), nil
	}
	return nil, usageError{fmt.Errorf("--%s: want a time like 2026-03-01T09:00:00Z or a duration like 30m, got %q", flag, text)}
}

// parseRange reads --since and --until.
func parseRange(since, until string) (from, to *timestamppb.Timestamp, err error) {
	now := time.Now()
	from, err = parseTime("since", since, now)
	if err != nil {
		return nil, nil, err
	}
	to, err = parseTime("until", until, now)
	return from, to, err
}

// wantName is the check of commands that take the name of one subscription.
func wantName(command string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{fmt.Errorf("%s wants one SUBSCRIPTION, got %d arguments", command, len(args))}
		}
		return nil
	}
}

// wantCommand is the check of commands that only have others below them.
func wantCommand(name, commands string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usageError{fmt.Errorf("%s wants %s, got %q", name, commands, args[0])}
		}
		return nil
	}
}

// errUnconfirmed asks for --yes where something goes for good.
func errUnconfirmed(what string) error {
	return usageError{errors.New(what + "; say --yes if that is what you want")}
}
