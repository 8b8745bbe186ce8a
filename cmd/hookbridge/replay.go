package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

func replayCommand() *cobra.Command {
	f, one := &bridgeFlags{}, &replayOne{}
	cmd := &cobra.Command{
		Use:   "replay {start | cancel | status | --to URL}",
		Short: "Send a part of the journal again to one subscription, or one event to an application",
		Long: "A replay sends stored events again to a subscription, beside what it gets anyway, marked as a replay and no faster than you say. Events\n" +
			"that the subscription was not sent yet, or has outstanding, are left out: they come by themselves. It goes on over restarts.\n" +
			"\n" +
			"With --to one stored event is posted to an application, as its provider did, whether or not any subscription has had it. With\n" +
			"--secret it is signed anew; see forward.",
		Example: "  hookbridge replay start billing --type 'invoice.*' --since 26h --until 2h --rate 50\n  hookbridge replay status billing\n" +
			"  hookbridge replay cancel billing\n  hookbridge replay --sequence 4711 --to http://localhost:3000/webhook\n" +
			"  hookbridge replay --source stripe-eu --id evt_1NG8Du2eZvKYlo2C --to http://localhost:3000/webhook --secret env:STRIPE_WEBHOOK_SECRET",
		Args: wantCommand("replay", "start, cancel or status"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if one.to == "" {
				return usageError{errors.New("replay wants start, cancel or status, or --to")}
			}
			if err := one.check(); err != nil {
				return err
			}
			return f.with(cmd, func(ctx context.Context, c *client.Client) error { return one.run(ctx, c, cmd.OutOrStdout()) })
		},
	}
	f.add(cmd.PersistentFlags())
	one.add(cmd.Flags())
	cmd.AddCommand(startReplayCommand(f), cancelReplayCommand(f), replayStatusCommand(f))
	return cmd
}

func startReplayCommand(f *bridgeFlags) *cobra.Command {
	chosen := &filterFlags{}
	var since, until string
	var rate int32
	cmd := &cobra.Command{
		Use:   "start SUBSCRIPTION",
		Short: "Begin a replay",
		Long:  "start begins a replay and returns. A subscription has one replay at a time.",
		Example: "  hookbridge replay start billing --since 2026-03-01T09:00:00Z --until 2026-03-01T12:00:00Z\n" +
			"  hookbridge replay start billing --source stripe-eu --since 2h --rate 500",
		Args: wantName("replay start"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if rate < 1 {
				return usageError{fmt.Errorf("--rate: want at least 1, got %d", rate)}
			}
			from, to, err := parseRange(since, until)
			if err != nil {
				return err
			}
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				resp, err := invoke(ctx, c.Subscriptions().StartReplay, &hookbridgev1.StartReplayRequest{
					Subscription: args[0], Filter: chosen.filter(), Since: from, Until: to, MaxEventsPerSecond: rate,
				})
				if err != nil {
					return err
				}
				return f.showReplay(cmd, resp.GetReplay())
			})
		},
	}
	chosen.add(cmd.Flags())
	chosen.addExpression(cmd.Flags())
	cmd.Flags().StringVar(&since, "since", "", "only events stored at or after this `TIME` (RFC 3339), or how long ago (30m)")
	cmd.Flags().StringVar(&until, "until", "", "only events stored before this `TIME`, or how long ago")
	cmd.Flags().Int32Var(&rate, "rate", 100, "at most `N` events a second")
	return cmd
}

func cancelReplayCommand(f *bridgeFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "cancel SUBSCRIPTION",
		Short:   "Stop the replay: what was not sent yet is not sent",
		Example: "  hookbridge replay cancel billing",
		Args:    wantName("replay cancel"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				resp, err := invoke(ctx, c.Subscriptions().CancelReplay, &hookbridgev1.CancelReplayRequest{Subscription: args[0]})
				if err != nil {
					return err
				}
				return f.showReplay(cmd, resp.GetReplay())
			})
		},
	}
}

func replayStatusCommand(f *bridgeFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "status SUBSCRIPTION",
		Short:   "Show how far the replay is",
		Example: "  hookbridge replay status billing",
		Args:    wantName("replay status"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				resp, err := invoke(ctx, c.Subscriptions().GetSubscription, &hookbridgev1.GetSubscriptionRequest{Name: args[0]})
				if err != nil {
					return err
				}
				replay := resp.GetSubscription().GetStatus().GetReplay()
				if replay == nil {
					return fmt.Errorf("subscription %q has no replay, or none any more", args[0])
				}
				return f.showReplay(cmd, replay)
			})
		},
	}
}

func (f *bridgeFlags) showReplay(cmd *cobra.Command, r *hookbridgev1.Replay) error {
	return f.print(cmd.OutOrStdout(), r, func(w *table) {
		w.row("replay", r.GetId())
		events := "all that the subscription's filter lets pass"
		if r.GetFilter() != nil {
			events = describeFilter(r.GetFilter()) + ", of what the subscription's filter lets pass"
		}
		w.row("events", events)
		w.row("sequences", fmt.Sprintf("%d to %d, at most %d a second", r.GetFromSequence(), r.GetToSequence()-1, r.GetMaxEventsPerSecond()))
		w.row("progress", fmt.Sprintf("%d%%, at %d, %s handed out", percent(r), r.GetNextSequence(), counted(r.GetEvents(), "event", "events")))
		w.row("started", r.GetStartedAt().AsTime().Local().Format(time.RFC3339))
		if r.GetStartedBy() != "" {
			w.row("by", r.GetStartedBy())
		}
	})
}

// describeReplay is a replay on one line.
func describeReplay(r *hookbridgev1.Replay) string {
	return fmt.Sprintf("%s, %d%%, %s handed out", r.GetId(), percent(r), counted(r.GetEvents(), "event", "events"))
}

// percent is how much of the sequences was looked at.
func percent(r *hookbridgev1.Replay) int64 {
	all := r.GetToSequence() - r.GetFromSequence()
	if all <= 0 {
		return 100
	}
	return 100 * (r.GetNextSequence() - r.GetFromSequence()) / all
}
