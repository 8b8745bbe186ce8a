package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// captureInterval is how often a bridge is asked whether the secret came.
const captureInterval = time.Second

func sourcesCommand() *cobra.Command {
	f := &bridgeFlags{}
	list := listSourcesCommand(f)
	cmd := &cobra.Command{
		Use:   "sources [list | capture]",
		Short: "Show the sources of a bridge, and let a handshake bring a secret",
		Example: "  hookbridge sources\n  hookbridge sources --json\n" +
			"  hookbridge sources capture asana --for 10m",
		Args: wantCommand("sources", "list or capture"),
		RunE: list.RunE,
	}
	f.add(cmd.PersistentFlags())
	cmd.AddCommand(list, captureCommand(f))
	return cmd
}

func listSourcesCommand(f *bridgeFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the sources",
		Long: "list prints a line for each source, in the order of their names: its provider, the schemes that it accepts, how many secrets it\n" +
			"has, and until when a handshake may bring one.",
		Example: "  hookbridge sources list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				resp, err := invoke(ctx, c.Sources().ListSources, &hookbridgev1.ListSourcesRequest{})
				if err != nil {
					return err
				}
				if f.json {
					for _, s := range resp.GetSources() {
						if err := f.print(cmd.OutOrStdout(), s, nil); err != nil {
							return err
						}
					}
					return nil
				}
				w := newTable(cmd.OutOrStdout())
				w.row("NAME", "PROVIDER", "SCHEMES", "SECRETS", "CAPTURE UNTIL")
				for _, s := range resp.GetSources() {
					until := ""
					if s.GetCaptureUntil() != nil {
						until = s.GetCaptureUntil().AsTime().Local().Format(time.RFC3339)
					}
					w.row(s.GetName(), s.GetProvider(), strings.Join(s.GetSchemes(), " "), s.GetSecrets(), until)
				}
				return w.Flush()
			})
		},
	}
}

func captureCommand(f *bridgeFlags) *cobra.Command {
	var window time.Duration
	cmd := &cobra.Command{
		Use:   "capture SOURCE",
		Short: "Let the next handshake of a source bring its secret, and wait for it",
		Long: "capture opens a window within which a handshake of the provider may bring the secret of a source whose configuration says\n" +
			"`secrets: [captured]`, and waits until it has or the window is closed. Then create the webhook at the provider. The first\n" +
			"handshake that comes counts, whoever sent it: the bridge's log says from which address. A secret is never replaced.",
		Example: "  hookbridge sources capture asana\n  hookbridge sources capture asana --for 2m",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("sources capture wants one SOURCE, got %d arguments", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if window < time.Second || window > time.Hour {
				return usageError{fmt.Errorf("--for: want from 1s to 1h, got %v", window)}
			}
			return f.with(cmd, func(ctx context.Context, c *client.Client) error {
				return f.capture(ctx, cmd.OutOrStdout(), c, args[0], window)
			})
		},
	}
	cmd.Flags().DurationVar(&window, "for", 10*time.Minute, "for how long, from 1s to 1h")
	return cmd
}

// capture opens a window and waits until the secret is there or the window is closed.
func (f *bridgeFlags) capture(ctx context.Context, out io.Writer, c *client.Client, name string, window time.Duration) error {
	before, err := findSource(ctx, c, name)
	if err != nil {
		return err
	}
	opened, err := invoke(ctx, c.Sources().OpenCapture, &hookbridgev1.OpenCaptureRequest{Source: name, Window: durationpb.New(window)})
	if err != nil {
		return err
	}
	until := opened.GetUntil().AsTime().Local().Format(time.RFC3339)
	if !f.json {
		if _, err := fmt.Fprintf(out, "waiting until %s for a handshake of %s; create the webhook at %s now\n", until, name, before.GetProvider()); err != nil {
			return err
		}
	}
	ticker := time.NewTicker(captureInterval)
	defer ticker.Stop()
	for {
		now, err := findSource(ctx, c, name)
		switch {
		case err != nil && ctx.Err() == nil:
			return err
		case err == nil && now.GetSecrets() > before.GetSecrets():
			return f.say(out, "captured", name, "the secret of %s was captured", name)
		case err == nil && now.GetCaptureUntil() == nil:
			return fmt.Errorf("no handshake of %s brought a secret; the window is closed", name)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("interrupted; the window stays open until %s", until)
		case <-ticker.C:
		}
	}
}

// findSource asks the bridge about a source; nil, with an error, where there is none.
func findSource(ctx context.Context, c *client.Client, name string) (*hookbridgev1.Source, error) {
	resp, err := invoke(ctx, c.Sources().ListSources, &hookbridgev1.ListSourcesRequest{})
	if err != nil {
		return nil, err
	}
	for _, s := range resp.GetSources() {
		if s.GetName() == name {
			return s, nil
		}
	}
	return nil, errors.New("the bridge has no source " + visible(name))
}
