package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

func subscriptionsCommand() *cobra.Command {
	f := &bridgeFlags{}
	list := listSubscriptionsCommand(f)
	cmd := &cobra.Command{
		Use:   "subscriptions [list | show | create | update | delete | pause | resume | seek]",
		Short: "Look after the durable subscriptions of a bridge",
		Long: "subscriptions shows how durable subscriptions are doing, and changes them. A subscription is also made by the first stream that\n" +
			"uses its name; to make it before keeps the events until then.",
		Example: "  hookbridge subscriptions\n  hookbridge subscriptions show billing\n  hookbridge subscriptions create billing --type 'invoice.*' --from beginning\n" +
			"  hookbridge subscriptions seek billing --to 2h",
		Args: wantCommand("subscriptions", "list, show, create, update, delete, pause, resume or seek"),
		RunE: list.RunE,
	}
	f.add(cmd.PersistentFlags())
	cmd.AddCommand(list, showSubscriptionCommand(f), createSubscriptionCommand(f), updateSubscriptionCommand(f),
		deleteSubscriptionCommand(f), pauseCommand(f), resumeCommand(f), seekCommand(f))
	return cmd
}

func listSubscriptionsCommand(f *bridgeFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the subscriptions and how far they are",
		Long: "list prints a line for each subscription, in the order of their names: how many events it has not settled (at most, after ≤),\n" +
			"how old the oldest of them is, how many are with clients and how many wait to be sent again, its dead letters and its members.",
		Example: "  hookbridge subscriptions list\n  hookbridge subscriptions list --json | jq 'select(.status.dead_letters)'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				var all []*hookbridgev1.Subscription
				for token, more := "", true; more; more = token != "" {
					page, err := invoke(ctx, c.Subscriptions().ListSubscriptions, &hookbridgev1.ListSubscriptionsRequest{PageToken: token})
					if err != nil {
						return err
					}
					all, token = append(all, page.GetSubscriptions()...), page.GetNextPageToken()
				}
				if f.json {
					for _, s := range all {
						if err := f.print(cmd.OutOrStdout(), s, nil); err != nil {
							return err
						}
					}
					return nil
				}
				w := newTable(cmd.OutOrStdout())
				w.row("NAME", "LAG", "OLDEST", "OUTSTANDING", "WAITING", "DEAD", "MEMBERS", "STATE")
				for _, s := range all {
					is := s.GetStatus()
					w.row(s.GetName(), lag(is), age(is), is.GetOutstandingEvents(), is.GetWaitingEvents(), is.GetDeadLetters(), len(is.GetMembers()), state(s))
				}
				return w.Flush()
			})
		},
	}
}

// lag is how many events are not settled.
func lag(is *hookbridgev1.SubscriptionStatus) string {
	if is.GetLagIsUpperBound() {
		return fmt.Sprintf("≤%d", is.GetLagEvents())
	}
	return fmt.Sprint(is.GetLagEvents())
}

// age is how old the oldest of them is.
func age(is *hookbridgev1.SubscriptionStatus) string {
	if is.GetLagTime() == nil {
		return ""
	}
	return is.GetLagTime().AsDuration().Round(time.Second).String()
}

// state is what a person has to know first.
func state(s *hookbridgev1.Subscription) string {
	is := s.GetStatus()
	stalled := slices.ContainsFunc(is.GetMembers(), func(m *hookbridgev1.SubscriptionMember) bool { return m.GetStalled() })
	var states []string
	for _, each := range []struct {
		is   bool
		text string
	}{
		{s.GetPaused(), "paused"}, {is.GetReplay() != nil, "replaying"}, {stalled, "stalled"}, {len(is.GetMembers()) == 0, "nobody connected"},
	} {
		if each.is {
			states = append(states, each.text)
		}
	}
	if len(states) == 0 {
		return "ok"
	}
	return strings.Join(states, ", ")
}

func showSubscriptionCommand(f *bridgeFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "show SUBSCRIPTION",
		Short:   "Show the settings of a subscription, how it is doing, and who is connected",
		Example: "  hookbridge subscriptions show billing",
		Args:    wantName("subscriptions show"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				resp, err := invoke(ctx, c.Subscriptions().GetSubscription, &hookbridgev1.GetSubscriptionRequest{Name: args[0]})
				if err != nil {
					return err
				}
				return f.show(cmd, resp.GetSubscription())
			})
		},
	}
}

// show prints a subscription whole.
func (f *bridgeFlags) show(cmd *cobra.Command, s *hookbridgev1.Subscription) error {
	return f.print(cmd.OutOrStdout(), s, func(w *table) {
		is := s.GetStatus()
		w.row("name", s.GetName())
		w.row("state", state(s))
		w.row("filter", describeFilter(s.GetFilter()))
		w.row("ack deadline", deadline(s))
		w.row("backoff", backoff(s))
		w.row("max attempts", attempts(s))
		w.row("ordered", s.GetOrdered())
		w.row("created", s.GetCreatedAt().AsTime().Local().Format(time.RFC3339))
		w.row("position", fmt.Sprintf("%d of %d", is.GetPosition(), is.GetJournalEnd()))
		unit := " events"
		if is.GetLagEvents() == 1 {
			unit = " event"
		}
		w.row("lag", lag(is)+unit)
		w.row("oldest", age(is))
		w.row("outstanding", is.GetOutstandingEvents())
		w.row("waiting", is.GetWaitingEvents())
		w.row("dead letters", is.GetDeadLetters())
		w.row("sent", fmt.Sprintf("%d, %d of them again", is.GetSentEvents(), is.GetRedeliveredEvents()))
		w.row("missed", is.GetMissedEvents())
		if unknown := is.GetUnknownSources(); len(unknown) > 0 {
			w.row("no source", strings.Join(unknown, " "))
		}
		if r := is.GetReplay(); r != nil {
			w.row("replay", describeReplay(r))
		}
		for _, m := range is.GetMembers() {
			w.row("member", describeMember(m))
		}
	})
}

func deadline(s *hookbridgev1.Subscription) string {
	if s.GetAckDeadline() == nil {
		return "30s (default)"
	}
	return s.GetAckDeadline().AsDuration().String()
}

func backoff(s *hookbridgev1.Subscription) string {
	if len(s.GetBackoff()) == 0 {
		return "1s 5s 30s 2m 10m (default)"
	}
	var steps []string
	for _, d := range s.GetBackoff() {
		steps = append(steps, d.AsDuration().String())
	}
	return strings.Join(steps, " ")
}

func attempts(s *hookbridgev1.Subscription) string {
	if s.GetMaxAttempts() == 0 {
		return "no limit"
	}
	return fmt.Sprint(s.GetMaxAttempts())
}

func describeMember(m *hookbridgev1.SubscriptionMember) string {
	parts := []string{m.GetAddress()}
	for _, text := range []string{m.GetClientName(), m.GetPrincipal()} {
		if text != "" {
			parts = append(parts, text)
		}
	}
	parts = append(parts, "since "+m.GetConnectedAt().AsTime().Local().Format(time.RFC3339),
		fmt.Sprintf("%s (%s) outstanding", counted(m.GetOutstandingEvents(), "event", "events"), counted(m.GetOutstandingBytes(), "byte", "bytes")))
	if m.GetStalled() {
		parts = append(parts, "stalled: it takes nothing")
	}
	return strings.Join(parts, ", ")
}
