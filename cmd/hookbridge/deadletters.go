package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

func deadLettersCommand() *cobra.Command {
	f := &bridgeFlags{}
	cmd := &cobra.Command{
		Use:   "dead-letters {list | redrive | purge}",
		Short: "Look at the events that subscriptions gave up, send them again, or remove them",
		Long: "An event becomes a dead letter of a subscription when a client rejects it for good, or when it was sent max_attempts times and not\n" +
			"acknowledged. A copy of it is kept until it is redriven and acknowledged, or purged.",
		Example: "  hookbridge dead-letters list billing\n  hookbridge dead-letters redrive billing --all\n  hookbridge dead-letters purge billing --id 17 --yes",
		Args:    wantCommand("dead-letters", "list, redrive or purge"),
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("dead-letters wants list, redrive or purge")}
		},
	}
	f.add(cmd.PersistentFlags())
	cmd.AddCommand(listDeadLettersCommand(f), redriveCommand(f), purgeCommand(f))
	return cmd
}

func listDeadLettersCommand(f *bridgeFlags) *cobra.Command {
	chosen := &filterFlags{}
	var limit int
	var content bool
	cmd := &cobra.Command{
		Use:   "list SUBSCRIPTION",
		Short: "List the dead letters of a subscription, oldest first",
		Example: "  hookbridge dead-letters list billing --type 'invoice.*'\n" +
			"  hookbridge dead-letters list billing --filter 'data.data.object.amount_due > 10000'\n  hookbridge dead-letters list billing --json --content | jq .error",
		Args: wantName("dead-letters list"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 {
				return usageError{fmt.Errorf("--limit: want at least 1, got %d", limit)}
			}
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				return f.listDeadLetters(ctx, cmd, c, limit, &hookbridgev1.ListDeadLettersRequest{
					Subscription: args[0], Filter: chosen.filter(), IncludeContent: content, PageSize: int32(min(limit, 1000)),
				})
			})
		},
	}
	chosen.add(cmd.Flags())
	chosen.addExpression(cmd.Flags())
	cmd.Flags().IntVar(&limit, "limit", 100, "at most `N`")
	cmd.Flags().BoolVar(&content, "content", false, "with --json, also the body and headers as received")
	return cmd
}

func (f *bridgeFlags) listDeadLetters(ctx context.Context, cmd *cobra.Command, c *client.Client, limit int, req *hookbridgev1.ListDeadLettersRequest) error {
	w := newTable(cmd.OutOrStdout())
	if !f.json {
		w.row("ID", "SEQUENCE", "SOURCE", "TYPE", "REASON", "ATTEMPTS", "SINCE", "ERROR")
	}
	p := printer{types: c.Messages()}
	for n := 0; ; {
		page, err := invoke(ctx, c.Subscriptions().ListDeadLetters, req)
		if err != nil {
			return err
		}
		for _, d := range page.GetDeadLetters() {
			if n++; n > limit {
				break
			}
			if f.json {
				// What can't be learned is shown as that.
				_, _ = c.Messages().Data(ctx, d.GetEvent())
				line, err := p.deadLetter(d)
				if err != nil {
					return err
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", line); err != nil {
					return err
				}
				continue
			}
			reason := strings.ToLower(strings.TrimPrefix(d.GetReason().String(), "REASON_"))
			if d.GetRedriven() {
				reason += " (redriven)"
			}
			w.row(d.GetId(), d.GetEvent().GetSequence(), d.GetEvent().GetSource(), d.GetEvent().GetType(), reason, d.GetAttempts(),
				d.GetDeadLetteredAt().AsTime().Local().Format(time.DateTime), d.GetError())
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" || n >= limit {
			return w.Flush()
		}
	}
}

// deadLetter is a dead letter as JSON, its event as line has it.
func (p *printer) deadLetter(d *hookbridgev1.DeadLetter) ([]byte, error) {
	bare := proto.CloneOf(d)
	bare.Event = nil
	line, err := compact(bare, p.resolver())
	if err != nil {
		return nil, err
	}
	event, err := p.line(d.GetEvent())
	return slices.Concat(bytes.TrimSuffix(line, []byte("}")), []byte(`,"event":`), event, []byte("}")), err
}

// selectionFlags choose dead letters.
type selectionFlags struct {
	filterFlags
	all bool
	ids []int64
}

func (s *selectionFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.all, "all", false, "all of them")
	cmd.Flags().Int64SliceVar(&s.ids, "id", nil, "the one with this `ID`; may be repeated")
	cmd.Flags().Lookup("id").DefValue = "" // which would be shown as []
	s.filterFlags.add(cmd.Flags())
	s.addExpression(cmd.Flags())
}

// ways is how the usage lines show it.
const ways = "{--all | --id ID | [--source NAME] [--type TYPE] [--filter EXPR]}"

// selection is what was chosen, in one of the three ways.
func (s *selectionFlags) selection(command string) (*hookbridgev1.DeadLetterSelection, error) {
	out, ways := &hookbridgev1.DeadLetterSelection{}, 0
	if s.all {
		ways++
		out.Which = &hookbridgev1.DeadLetterSelection_All{All: &emptypb.Empty{}}
	}
	if len(s.ids) > 0 {
		ways++
		out.Which = &hookbridgev1.DeadLetterSelection_Ids_{Ids: &hookbridgev1.DeadLetterSelection_Ids{Ids: s.ids}}
	}
	if s.filter() != nil {
		ways++
		out.Which = &hookbridgev1.DeadLetterSelection_Filter{Filter: s.filter()}
	}
	if ways != 1 {
		return nil, usageError{fmt.Errorf("%s wants one of --all, --id, and a filter: --source, --type or --filter, or several of these", command)}
	}
	return out, nil
}

func redriveCommand(f *bridgeFlags) *cobra.Command {
	chosen := &selectionFlags{}
	cmd := &cobra.Command{
		Use:   "redrive SUBSCRIPTION " + ways,
		Short: "Send dead letters again to their subscription",
		Long: "redrive sends dead letters again as if for the first time. Each stays a dead letter until it is acknowledged. A subscription takes at\n" +
			"most 10,000 at a time; when there are more, redrive again when they are worked off.",
		Example: "  hookbridge dead-letters redrive billing --all\n  hookbridge dead-letters redrive billing --id 17 --id 18\n" +
			"  hookbridge dead-letters redrive billing --type invoice.paid --filter 'data.data.object.currency == \"eur\"'",
		Args: wantName("dead-letters redrive"),
		RunE: func(cmd *cobra.Command, args []string) error {
			which, err := chosen.selection("dead-letters redrive")
			if err != nil {
				return err
			}
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				resp, err := redrive(ctx, c, args[0], which)
				if err != nil {
					return err
				}
				return f.print(cmd.OutOrStdout(), resp, func(w *table) {
					text := counted(resp.GetRedriven(), "is sent again", "are sent again")
					if resp.GetMore() {
						text += "; there are more: redrive again when these are acknowledged"
					}
					w.row(text)
				})
			})
		},
	}
	chosen.add(cmd)
	return cmd
}

// redrive calls until the selection's expression was asked about all dead letters, or there is no room for more.
func redrive(ctx context.Context, c *client.Client, name string, which *hookbridgev1.DeadLetterSelection) (*hookbridgev1.RedriveDeadLettersResponse, error) {
	sum := &hookbridgev1.RedriveDeadLettersResponse{}
	for {
		resp, err := invoke(ctx, c.Subscriptions().RedriveDeadLetters, &hookbridgev1.RedriveDeadLettersRequest{
			Subscription: name, Selection: which, FromId: sum.GetNextId(),
		})
		if err != nil {
			return nil, err
		}
		sum.Redriven, sum.More, sum.NextId = sum.GetRedriven()+resp.GetRedriven(), resp.GetMore(), resp.GetNextId()
		if sum.GetNextId() == 0 {
			return sum, nil
		}
	}
}

// purge calls until the selection's expression was asked about all dead letters.
func purge(ctx context.Context, c *client.Client, name string, which *hookbridgev1.DeadLetterSelection) (*hookbridgev1.PurgeDeadLettersResponse, error) {
	sum := &hookbridgev1.PurgeDeadLettersResponse{}
	for {
		resp, err := invoke(ctx, c.Subscriptions().PurgeDeadLetters, &hookbridgev1.PurgeDeadLettersRequest{
			Subscription: name, Selection: which, FromId: sum.GetNextId(),
		})
		if err != nil {
			return nil, err
		}
		sum.Purged, sum.NextId = sum.GetPurged()+resp.GetPurged(), resp.GetNextId()
		if sum.GetNextId() == 0 {
			return sum, nil
		}
	}
}

func purgeCommand(f *bridgeFlags) *cobra.Command {
	chosen := &selectionFlags{}
	var yes bool
	cmd := &cobra.Command{
		Use:     "purge SUBSCRIPTION " + ways,
		Short:   "Remove dead letters for good",
		Long:    "purge removes dead letters for good, but for those that were redriven and are not acknowledged yet.",
		Example: "  hookbridge dead-letters purge billing --all --yes",
		Args:    wantName("dead-letters purge"),
		RunE: func(cmd *cobra.Command, args []string) error {
			which, err := chosen.selection("dead-letters purge")
			if err != nil {
				return err
			}
			if !yes {
				return errUnconfirmed("dead-letters purge removes them for good")
			}
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				resp, err := purge(ctx, c, args[0], which)
				if err != nil {
					return err
				}
				return f.print(cmd.OutOrStdout(), resp, func(w *table) { w.row(counted(resp.GetPurged(), "is removed", "are removed")) })
			})
		},
	}
	chosen.add(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "yes, for good")
	return cmd
}
