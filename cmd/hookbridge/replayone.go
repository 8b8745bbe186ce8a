package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/status"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// replayCommand posts one stored event again.
func replayCommand() *cobra.Command {
	one := &replayOne{}
	cmd := &cobra.Command{
		Use:   "replay --to URL (--sequence N | --source NAME --id ID)",
		Short: "Post one stored event to an application again",
		Long: "replay posts one stored event to an application, as its provider did, whether or not any subscription has had it. With\n" +
			"--secret it is signed anew; see forward.",
		Example: "  hookbridge replay --sequence 4711 --to http://localhost:3000/webhook\n" +
			"  hookbridge replay --source stripe-eu --id evt_1NG8Du2eZvKYlo2C --to http://localhost:3000/webhook --secret env:STRIPE_WEBHOOK_SECRET",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return one.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	cmd.Flags().StringVar(&one.to, "to", "", "the application's `URL`")
	cmd.Flags().StringVar(&one.secret, "secret", "", "sign with the secret that this `REF`erence names: env:NAME or file:PATH")
	cmd.Flags().StringVar(&one.source, "source", "", "the `NAME` of the event's source")
	cmd.Flags().StringVar(&one.id, "id", "", "the event's `ID`")
	cmd.Flags().Int64Var(&one.sequence, "sequence", 0, "the event's `NUMBER` in the journal, instead of source and id")
	cmd.Flags().DurationVar(&one.timeout, "timeout", forwardTimeout, "how long the application may take to answer")
	one.bridge.flags(cmd)
	return cmd
}

// replayOne is what the command line asks for.
type replayOne struct {
	bridge                 connection
	to, secret, source, id string
	sequence               int64
	timeout                time.Duration
}

func (o *replayOne) run(ctx context.Context, out io.Writer) error {
	if (o.sequence > 0) == (o.source != "" || o.id != "") || (o.source == "") != (o.id == "") {
		return usageError{errors.New("replay wants either --sequence, or --source and --id")}
	}
	c, err := o.bridge.dial()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	r, err := newReposter(c, o.to, o.secret, o.timeout)
	if err != nil {
		return err
	}
	event, err := o.find(ctx, c)
	if err != nil {
		return fmt.Errorf("%s", status.Convert(err).Message())
	}
	got, err := r.post(ctx, event)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "%s  %s  %s  → %d  %s\n", visible(event.GetSource()), visible(event.GetType()), visible(event.GetId()), got.status, got.took.Round(time.Millisecond)); err != nil {
		return err
	}
	if !got.ok() {
		return fmt.Errorf("the application answered %d", got.status)
	}
	return nil
}

func (o *replayOne) find(ctx context.Context, c *client.Client) (*hookbridgev1.Event, error) {
	if o.sequence > 0 {
		return c.Get(ctx, o.sequence, true)
	}
	return c.GetByID(ctx, o.source, o.id, true)
}
