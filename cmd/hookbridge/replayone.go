package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/pflag"
	"google.golang.org/grpc/status"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// replayOne is what the command line asks for.
type replayOne struct {
	to, secret, source, id string
	sequence               int64
	timeout                time.Duration
}

func (o *replayOne) add(flags *pflag.FlagSet) {
	flags.StringVar(&o.to, "to", "", "post one event to the application at this `URL`")
	flags.StringVar(&o.secret, "secret", "", "sign it with the secret that this `REF`erence names: env:NAME or file:PATH")
	flags.StringVar(&o.source, "source", "", "the `NAME` of the event's source")
	flags.StringVar(&o.id, "id", "", "the event's `ID`")
	flags.Int64Var(&o.sequence, "sequence", 0, "the event's `NUMBER` in the journal, instead of source and id")
	flags.DurationVar(&o.timeout, "timeout", forwardTimeout, "how long the application may take to answer")
}

// check tells whether the command line names one event.
func (o *replayOne) check() error {
	if (o.sequence > 0) == (o.source != "" || o.id != "") || (o.source == "") != (o.id == "") {
		return usageError{errors.New("replay wants either --sequence, or --source and --id")}
	}
	return nil
}

func (o *replayOne) run(ctx context.Context, c *client.Client, out io.Writer) error {
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
	if _, err := fmt.Fprintf(out, "%s  %s  %s  → %s\n", visible(event.GetSource()), visible(event.GetType()), visible(event.GetId()), got); err != nil {
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
