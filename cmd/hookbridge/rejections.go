package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	retry "github.com/cenkalti/backoff/v5"
	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

func rejectionsCommand() *cobra.Command {
	f := &bridgeFlags{}
	r := &rejections{flags: f}
	var since string
	var limit int
	var follow bool
	cmd := &cobra.Command{
		Use:   "rejections",
		Short: "Show deliveries that were refused, and why",
		Long: "rejections shows deliveries that the bridge refused because of something that the sender did, the newest last, each with what was found\n" +
			"out about it and what to do. Under a flood a few of each sender are shown one by one; +N says how many alike were not,\n" +
			"and while they are only counted, that is said too.",
		Example: "  hookbridge rejections --source stripe-eu --since 2h\n  hookbridge rejections --follow\n  hookbridge rejections --json | jq -r .diagnoses[0].message",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("rejections wants no arguments, got %q", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usageError{fmt.Errorf("--limit: want at least 1, got %d", limit)}
			}
			from, err := parseTime("since", since, time.Now())
			if err != nil {
				return err
			}
			r.printer = newPrinter(cmd.OutOrStdout(), f.json)
			r.errOut = cmd.ErrOrStderr()
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				if follow {
					return r.follow(ctx, c.Sources(), from, limit)
				}
				list, err := r.list(ctx, c.Sources(), from, limit)
				if err != nil {
					return err
				}
				if err := r.print(list); err != nil {
					return err
				}
				r.sayCounted()
				return nil
			})
		},
	}
	f.add(cmd.Flags())
	cmd.Flags().StringVar(&r.source, "source", "", "only of the source `NAME`")
	cmd.Flags().StringVar(&since, "since", "", "only since a `TIME`, or for a duration like 30m")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most the newest `N`, before those that follow")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on with those that come, until Ctrl-C; without --since, only those")
	return cmd
}

// rejections shows refused deliveries.
type rejections struct {
	flags   *bridgeFlags
	source  string
	printer *printer
	errOut  io.Writer
	// widths are those of the columns, which grow with what comes.
	widths [4]int
	// seen are the ids of those that were shown last: when the connection was lost, some come twice.
	seen []string
	last *timestamppb.Timestamp
	// counted are those that the bridge has only counted when it was last asked for a list.
	counted []*hookbridgev1.CountedRejections
}

// list returns the newest, the oldest of them first.
func (r *rejections) list(ctx context.Context, c hookbridgev1.SourceServiceClient, since *timestamppb.Timestamp, limit int) ([]*hookbridgev1.RefusedDelivery, error) {
	const mostOnPage = 1000
	var list []*hookbridgev1.RefusedDelivery
	for token := ""; ; {
		page, err := invoke(ctx, c.ListRejections, &hookbridgev1.ListRejectionsRequest{
			Source: r.source, Since: since, PageSize: int32(min(limit-len(list), mostOnPage)), PageToken: token,
		})
		if err != nil {
			return nil, err
		}
		if token == "" {
			r.counted = page.GetCounted()
		}
		list = append(list, page.GetRejections()...)
		if token = page.GetNextPageToken(); token == "" || len(list) >= limit {
			slices.Reverse(list)
			return list, nil
		}
	}
}

// follow shows what comes until the context ends. A connection that is lost is made again, and what came in between is shown.
func (r *rejections) follow(ctx context.Context, c hookbridgev1.SourceServiceClient, since *timestamppb.Timestamp, limit int) error {
	again := retry.NewExponentialBackOff()
	again.InitialInterval, again.MaxInterval = 200*time.Millisecond, 5*time.Second
	for lost := false; ; {
		err := r.stream(ctx, c, since, limit, func() {
			again.Reset()
			if lost {
				r.say("connected again")
			}
			lost = false
		})
		if ctx.Err() != nil {
			return nil
		}
		if status.Code(err) != codes.Unavailable {
			return err
		}
		if !lost {
			r.say("no connection to the bridge at %s (%s), trying again until Ctrl-C", r.flags.server, r.flags.words(err))
		}
		lost = true
		if r.last != nil {
			since = r.last
		}
		select {
		case <-time.After(again.NextBackOff()):
		case <-ctx.Done():
			return nil
		}
	}
}

func (r *rejections) stream(
	ctx context.Context, c hookbridgev1.SourceServiceClient, since *timestamppb.Timestamp, limit int, connected func(),
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.FollowRejections(ctx, &hookbridgev1.FollowRejectionsRequest{Source: r.source})
	if err != nil {
		return err
	}
	// From the header on everything comes; what was before is listed.
	if _, err := stream.Header(); err != nil {
		return err
	}
	if since != nil {
		list, err := r.list(ctx, c, since, limit)
		if err != nil {
			return err
		}
		if err := r.print(list); err != nil {
			return err
		}
		r.sayCounted()
	}
	connected()
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		if n := m.GetMissed(); n > 0 {
			r.say("%d are left out here, because they came faster than they were shown; without --follow they are listed", n)
		}
		if err := r.print([]*hookbridgev1.RefusedDelivery{m.GetRejection()}); err != nil {
			return err
		}
	}
}

// say tells the person at the terminal. One that is gone ends the command by itself.
func (r *rejections) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.errOut, "hookbridge: "+format+"\n", args...)
}

// sayCounted says what is missing in what was shown.
func (r *rejections) sayCounted() {
	for _, c := range r.counted {
		source, peer := c.GetSource(), c.GetPeer()
		if source == "" {
			source = "-"
		}
		if peer == "" {
			peer = "any sender"
		}
		r.say("at least %d more like %s %s %s since %s were only counted, because too many came; the next that is shown has them as +N alike",
			c.GetCount(), visible(source), visible(peer), visible(c.GetReason()), c.GetSince().AsTime().Local().Format(time.DateTime))
	}
}

// print shows rejections that were not shown yet.
func (r *rejections) print(list []*hookbridgev1.RefusedDelivery) error {
	const remembered = 1000
	list = slices.DeleteFunc(list, func(d *hookbridgev1.RefusedDelivery) bool { return slices.Contains(r.seen, d.GetRequestId()) })
	rows := make([][4]string, len(list))
	for n, d := range list {
		r.seen = append(r.seen, d.GetRequestId())
		r.last = d.GetTime()
		rows[n] = columns(d)
		for column, cell := range rows[n] {
			r.widths[column] = max(r.widths[column], len([]rune(cell)))
		}
	}
	r.seen = r.seen[max(0, len(r.seen)-remembered):]
	for n, d := range list {
		if err := r.show(d, rows[n]); err != nil {
			return err
		}
	}
	return nil
}

// columns are the cells of the line of a rejection, but for its time.
func columns(d *hookbridgev1.RefusedDelivery) [4]string {
	source, alike := d.GetSource(), ""
	if source == "" {
		source = "-"
	}
	if n := d.GetAlike(); n > 0 {
		alike = fmt.Sprintf("+%d alike", n)
	}
	return [4]string{visible(source), visible(d.GetPeer()), fmt.Sprintf("%d %s", d.GetStatus(), visible(d.GetReason())), alike}
}

// show writes one rejection: a line, and below it what was found out, or else what the sender was told.
func (r *rejections) show(d *hookbridgev1.RefusedDelivery, cells [4]string) error {
	if r.printer.json {
		line, err := compact(d, protoregistry.GlobalTypes)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(r.printer.out, "%s\n", line)
		return err
	}
	var b strings.Builder
	for column, cell := range cells {
		padded := fmt.Sprintf("%-*s", r.widths[column], cell)
		color := []string{cyan, dim, bold, yellow}[column]
		cells[column] = r.printer.paint(color, padded)
	}
	line := r.printer.paint(dim, d.GetTime().AsTime().Local().Format(time.DateTime)) + "  " + strings.Join(cells[:], "  ")
	fmt.Fprintf(&b, "%s\n", strings.TrimRight(line, " "))
	if found := d.GetDiagnoses(); len(found) == 0 || found[0].GetKind() == hookbridgev1.Diagnosis_KIND_NOT_EXAMINED {
		fmt.Fprintf(&b, "    %s\n", visible(d.GetMessage()))
	}
	for _, found := range d.GetDiagnoses() {
		kind := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(found.GetKind().String(), "KIND_"), "_", " "))
		fmt.Fprintf(&b, "    %s %s\n", r.printer.paint(yellow, kind+":"), visible(found.GetMessage()))
	}
	if until := d.GetCountedUntil(); until != nil {
		fmt.Fprintf(&b, "    %s those like this are only counted until %s, because so many came; the next that is shown says how many\n",
			r.printer.paint(yellow, "more:"), until.AsTime().Local().Format(time.TimeOnly))
	}
	_, err := io.WriteString(r.printer.out, b.String())
	return err
}
