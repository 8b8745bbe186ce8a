package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// settingFlags are the settings of a subscription.
type settingFlags struct {
	filterFlags
	deadline    time.Duration
	backoff     schedule
	maxAttempts int32
	ordered     bool
}

func (s *settingFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	s.filterFlags.add(flags)
	s.addExpression(flags)
	flags.DurationVar(&s.deadline, "ack-deadline", 0, "send an unacknowledged event again after this `TIME`; 0s for the default, 30s")
	flags.Var(&s.backoff, "backoff", "send a rejected event again after these `TIMES`, one for each attempt; default for 1s,5s,30s,2m,10m")
	flags.Int32Var(&s.maxAttempts, "max-attempts", 0, "make an event a dead letter after `N` attempts; 0 for never")
	flags.BoolVar(&s.ordered, "ordered", false, "deliver the events of one ordering key one at a time, in order")
}

// schedule is a list of times, empty for the bridge's.
type schedule []time.Duration

// String implements pflag.Value.
func (s *schedule) String() string { return "" }

// Type implements pflag.Value.
func (s *schedule) Type() string { return "times" }

// Set implements pflag.Value. A repeated flag replaces what was there.
func (s *schedule) Set(text string) error {
	*s = nil
	if text == "" || text == "default" {
		return nil
	}
	for step := range strings.SplitSeq(text, ",") {
		d, err := time.ParseDuration(strings.TrimSpace(step))
		if err != nil {
			return fmt.Errorf("want default, or times like 1s,30s,5m, got %q", step)
		}
		*s = append(*s, d)
	}
	return nil
}

func (s *settingFlags) subscription(name string) *hookbridgev1.Subscription {
	out := &hookbridgev1.Subscription{Name: name, Filter: s.filter(), MaxAttempts: s.maxAttempts, Ordered: s.ordered}
	if s.deadline != 0 {
		out.AckDeadline = durationpb.New(s.deadline)
	}
	for _, d := range s.backoff {
		out.Backoff = append(out.Backoff, durationpb.New(d))
	}
	return out
}

func createSubscriptionCommand(f *bridgeFlags) *cobra.Command {
	settings := &settingFlags{}
	var from string
	var paused bool
	cmd := &cobra.Command{
		Use:   "create SUBSCRIPTION",
		Short: "Make a subscription, so that it keeps events from now on",
		Example: "  hookbridge subscriptions create billing --source stripe-eu --type 'invoice.*' --max-attempts 20\n" +
			"  hookbridge subscriptions create main-prs --type 'pull_request.*' --filter 'data.pull_request.base.ref == \"main\"' --from beginning",
		Args: wantName("subscriptions create"),
		RunE: func(cmd *cobra.Command, args []string) error {
			start, err := parseStart("from", from, time.Now())
			if err != nil {
				return usageError{err}
			}
			want := settings.subscription(args[0])
			want.Paused = paused
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				resp, err := invoke(ctx, c.Subscriptions().CreateSubscription, &hookbridgev1.CreateSubscriptionRequest{Subscription: want, Start: start})
				if err != nil {
					return err
				}
				warn(cmd.ErrOrStderr(), resp.GetSubscription().GetStatus().GetUnknownSources())
				return f.show(cmd, resp.GetSubscription())
			})
		},
	}
	settings.add(cmd)
	cmd.Flags().StringVar(&from, "from", "now", "`WHERE` to start: beginning, now, a sequence, a time (RFC 3339), or how long ago (30m)")
	cmd.Flags().BoolVar(&paused, "paused", false, "make it paused")
	return cmd
}

func updateSubscriptionCommand(f *bridgeFlags) *cobra.Command {
	settings := &settingFlags{}
	var everything bool
	cmd := &cobra.Command{
		Use:   "update SUBSCRIPTION",
		Short: "Change settings of a subscription",
		Long: "update changes the settings that are given, and no others. --source, --type and --filter together replace the whole filter. A filter\n" +
			"may be changed while clients are connected; --ordered may not.",
		Example: "  hookbridge subscriptions update billing --max-attempts 5\n  hookbridge subscriptions update billing --everything --ordered=false",
		Args:    wantName("subscriptions update"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var paths []string
			for _, each := range []struct{ flag, path string }{
				{"ack-deadline", "ack_deadline"}, {"backoff", "backoff"}, {"max-attempts", "max_attempts"}, {"ordered", "ordered"},
			} {
				if cmd.Flags().Changed(each.flag) {
					paths = append(paths, each.path)
				}
			}
			if settings.filter() != nil && everything {
				return usageError{errors.New("subscriptions update wants --everything or a filter, got both")}
			}
			if settings.filter() != nil || everything {
				paths = append(paths, "filter")
			}
			emptied := cmd.Flags().Changed("source") || cmd.Flags().Changed("type") || cmd.Flags().Changed("filter")
			if emptied && settings.filter() == nil && !everything {
				return usageError{errors.New("subscriptions update: an empty filter lets everything pass; say --everything if that is what you want")}
			}
			if len(paths) == 0 {
				return usageError{errors.New("subscriptions update wants at least one setting")}
			}
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				resp, err := invoke(ctx, c.Subscriptions().UpdateSubscription, &hookbridgev1.UpdateSubscriptionRequest{
					Subscription: settings.subscription(args[0]), UpdateMask: &fieldmaskpb.FieldMask{Paths: paths},
				})
				if err != nil {
					return err
				}
				warn(cmd.ErrOrStderr(), resp.GetSubscription().GetStatus().GetUnknownSources())
				return f.show(cmd, resp.GetSubscription())
			})
		},
	}
	settings.add(cmd)
	cmd.Flags().BoolVar(&everything, "everything", false, "remove the filter")
	return cmd
}

func deleteSubscriptionCommand(f *bridgeFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:     "delete SUBSCRIPTION",
		Short:   "Remove a subscription with its dead letters",
		Long:    "delete removes a subscription for good: where it stood, what it had not settled, and its dead letters. Its streams end.",
		Example: "  hookbridge subscriptions delete billing --yes",
		Args:    wantName("subscriptions delete"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				return errUnconfirmed("subscriptions delete removes where the subscription stands, and its dead letters, for good")
			}
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				if _, err := invoke(ctx, c.Subscriptions().DeleteSubscription, &hookbridgev1.DeleteSubscriptionRequest{Name: args[0]}); err != nil {
					return err
				}
				return f.say(cmd.OutOrStdout(), "deleted", args[0], "%s is deleted", args[0])
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "yes, for good")
	return cmd
}

func pauseCommand(f *bridgeFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "pause SUBSCRIPTION",
		Short: "Send nothing until it is resumed",
		Long: "pause stops sending. Clients stay connected and can settle what they have; events are kept, as far as the journal's bounds allow.\n" +
			"Pausing twice is no error.",
		Example: "  hookbridge subscriptions pause billing",
		Args:    wantName("subscriptions pause"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				if _, err := invoke(ctx, c.Subscriptions().PauseSubscription, &hookbridgev1.PauseSubscriptionRequest{Name: args[0]}); err != nil {
					return err
				}
				return f.say(cmd.OutOrStdout(), "paused", args[0], "%s is paused", args[0])
			})
		},
	}
}

func resumeCommand(f *bridgeFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "resume SUBSCRIPTION",
		Short:   "Go on sending",
		Example: "  hookbridge subscriptions resume billing",
		Args:    wantName("subscriptions resume"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				if _, err := invoke(ctx, c.Subscriptions().ResumeSubscription, &hookbridgev1.ResumeSubscriptionRequest{Name: args[0]}); err != nil {
					return err
				}
				return f.say(cmd.OutOrStdout(), "resumed", args[0], "%s goes on", args[0])
			})
		},
	}
}

func seekCommand(f *bridgeFlags) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "seek SUBSCRIPTION --to WHERE",
		Short: "Move a subscription back, to get events again, or forward, to skip them",
		Long: "seek moves what is not delivered: next comes the first event at or after the target, acknowledged before or not. What is with a\n" +
			"client stays valid. To get a part again beside what comes anyway, see hookbridge replay.",
		Example: "  hookbridge subscriptions seek billing --to beginning\n  hookbridge subscriptions seek billing --to 2h\n" +
			"  hookbridge subscriptions seek billing --to 2026-03-01T09:00:00Z\n  hookbridge subscriptions seek billing --to now",
		Args: wantName("subscriptions seek"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				return usageError{errors.New("subscriptions seek wants --to WHERE")}
			}
			target, err := parseStart("to", to, time.Now())
			if err != nil {
				return usageError{err}
			}
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				resp, err := invoke(ctx, c.Subscriptions().SeekSubscription, &hookbridgev1.SeekSubscriptionRequest{Name: args[0], Target: target})
				if err != nil {
					return err
				}
				return f.print(cmd.OutOrStdout(), resp, func(w *table) { w.row(fmt.Sprintf("%s stands at %d", args[0], resp.GetPosition())) })
			})
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "`WHERE`: beginning, now or end, a sequence, a time (RFC 3339), or how long ago (30m)")
	return cmd
}
