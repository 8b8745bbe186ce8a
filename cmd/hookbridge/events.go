package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

func eventsCommand() *cobra.Command {
	f := &bridgeFlags{}
	cmd := &cobra.Command{
		Use:   "events {list | show | erase}",
		Short: "Look at stored events, or erase one",
		Long: "events reads what the journal has, without taking anything away from a subscription. An EVENT is a sequence, or the source and the\n" +
			"provider's id, as stripe-eu/evt_1.",
		Example: "  hookbridge events list --source 'stripe-*' --since 1h\n  hookbridge events show 4711 --content\n  hookbridge events erase stripe-eu/evt_1 --yes",
		Args:    wantCommand("events", "list, show or erase"),
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("events wants list, show or erase")}
		},
	}
	f.add(cmd.PersistentFlags())
	cmd.AddCommand(listEventsCommand(f), showEventCommand(f), eraseCommand(f))
	return cmd
}

func listEventsCommand(f *bridgeFlags) *cobra.Command {
	chosen := &filterFlags{}
	var since, until string
	var limit int
	var oldest, content bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List stored events, newest first",
		Example: "  hookbridge events list --type 'invoice.*' --since 2026-03-01T09:00:00Z\n" +
			"  hookbridge events list --filter 'event.decoding.state == hookbridge.v1.Decoding.State.STATE_MISMATCH'\n  hookbridge events list --oldest-first --json | jq .id",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usageError{fmt.Errorf("--limit: want at least 1, got %d", limit)}
			}
			from, to, err := parseRange(since, until)
			if err != nil {
				return err
			}
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				return f.listEvents(ctx, cmd, c, limit, &hookbridgev1.ListEventsRequest{
					Filter: chosen.filter(), Since: from, Until: to, Descending: !oldest, IncludeContent: content, PageSize: int32(min(limit, 1000)),
				})
			})
		},
	}
	chosen.add(cmd.Flags())
	chosen.addExpression(cmd.Flags())
	cmd.Flags().StringVar(&since, "since", "", "only events received at or after this `TIME` (RFC 3339), or how long ago (30m)")
	cmd.Flags().StringVar(&until, "until", "", "only events received before this `TIME`, or how long ago")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most `N`")
	cmd.Flags().BoolVar(&oldest, "oldest-first", false, "oldest first")
	cmd.Flags().BoolVar(&content, "content", false, "with --json, also the body and headers as received")
	return cmd
}

func (f *bridgeFlags) listEvents(ctx context.Context, cmd *cobra.Command, c *client.Client, limit int, req *hookbridgev1.ListEventsRequest) error {
	w := newTable(cmd.OutOrStdout())
	if !f.json {
		w.row("SEQUENCE", "RECEIVED", "SOURCE", "TYPE", "DECODING", "ID")
	}
	p := newPrinter(cmd.OutOrStdout(), true)
	p.types = c.Messages()
	n := 0
	for e, err := range c.List(ctx, req) {
		if err != nil {
			return err
		}
		if !f.json {
			w.row(e.GetSequence(), e.GetReceivedAt().AsTime().Local().Format(time.DateTime), e.GetSource(), e.GetType(),
				strings.ToLower(strings.TrimPrefix(e.GetDecoding().GetState().String(), "STATE_")), e.GetId())
		} else if err := printEvent(ctx, c, p, e); err != nil {
			return err
		}
		if n++; n == limit {
			break
		}
	}
	return w.Flush()
}

// printEvent prints an event whose message may be one that only the bridge knows.
func printEvent(ctx context.Context, c *client.Client, p *printer, e *hookbridgev1.Event) error {
	// What can't be learned is shown as that.
	_, _ = c.Messages().Data(ctx, e)
	return p.print(e)
}

func showEventCommand(f *bridgeFlags) *cobra.Command {
	var content bool
	cmd := &cobra.Command{
		Use:     "show EVENT",
		Short:   "Show one event",
		Example: "  hookbridge events show 4711\n  hookbridge events show stripe-eu/evt_1 --content",
		Args:    wantEvent("events show"),
		RunE: func(cmd *cobra.Command, args []string) error {
			sequence, key, err := parseEvent(args[0])
			if err != nil {
				return err
			}
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				req := &hookbridgev1.GetEventRequest{Event: &hookbridgev1.GetEventRequest_Sequence{Sequence: sequence}, IncludeContent: content}
				if key != nil {
					req.Event = &hookbridgev1.GetEventRequest_Key{Key: key}
				}
				resp, err := invoke(ctx, c.Events().GetEvent, req)
				if err != nil {
					return err
				}
				p := newPrinter(cmd.OutOrStdout(), f.json)
				p.types = c.Messages()
				return printEvent(ctx, c, p, resp.GetEvent())
			})
		},
	}
	cmd.Flags().BoolVar(&content, "content", false, "show the body and headers as received")
	return cmd
}

func eraseCommand(f *bridgeFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "erase EVENT",
		Short: "Remove one event for good, with its body and its dead letters",
		Long: "erase overwrites one event on disk, in the journal and among the dead letters, for a data-protection request. Its id goes on counting as\n" +
			"delivered. Backups of the journal's folder, and what subscribers were already sent, are not this command's to erase.\n\n" +
			"An id is known for the journal's dedupe_window, and later by a dead letter of its event. Beyond that erase by the sequence, which\n" +
			"events list --filter 'event.id == \"evt_1\"' finds.",
		Example: "  hookbridge events erase 4711 --yes\n  hookbridge events erase stripe-eu/evt_1 --yes",
		Args:    wantEvent("events erase"),
		RunE: func(cmd *cobra.Command, args []string) error {
			sequence, key, err := parseEvent(args[0])
			if err != nil {
				return err
			}
			if !yes {
				return errUnconfirmed("events erase removes the event for good")
			}
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				req := &hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Sequence{Sequence: sequence}}
				if key != nil {
					req.Event = &hookbridgev1.EraseEventRequest_Key{Key: key}
				}
				resp, err := invoke(ctx, c.Events().EraseEvent, req)
				if err != nil {
					return err
				}
				return f.print(cmd.OutOrStdout(), resp, func(w *table) {
					w.row(fmt.Sprintf("event %d is erased, and %s", resp.GetSequence(), counted(resp.GetDeadLetters(), "dead letter", "dead letters")))
				})
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "yes, for good")
	return cmd
}

func wantEvent(command string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{fmt.Errorf("%s wants one EVENT, got %d arguments", command, len(args))}
		}
		return nil
	}
}

// parseEvent reads a sequence, or a source and an id. An id may have slashes in it; a source has none.
func parseEvent(text string) (int64, *hookbridgev1.EventKey, error) {
	if source, id, ok := strings.Cut(text, "/"); ok && source != "" && id != "" {
		return 0, &hookbridgev1.EventKey{Source: source, Id: id}, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
		return n, nil, nil
	}
	return 0, nil, usageError{fmt.Errorf("want an event as its sequence, or as SOURCE/ID, got %q", text)}
}
