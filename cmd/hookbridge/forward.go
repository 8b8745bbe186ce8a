package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/spf13/cobra"
)

// forwardTimeout is how long an application may take to answer, unless it is said otherwise.
const forwardTimeout = 30 * time.Second

func forwardCommand() *cobra.Command {
	at := &bridgeFlags{}
	var from, to, secret, name string
	var sources, types []string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "forward --to URL",
		Short: "Post a bridge's events to an application, as their providers did",
		Long: "forward streams events from a bridge and posts each to an application on this machine, with the body as it was received and\n" +
			"the headers that the bridge stores, which `hookbridge providers show NAME` lists. What the application answers with 2xx is\n" +
			"acknowledged; everything else comes again.\n" +
			"\n" +
			"Signatures are not stored, and their timestamps would be old: with --secret each event is signed anew, in its provider's\n" +
			"scheme, with the secret that the application checks against.\n" +
			"\n" +
			"It uses a durable subscription, so that what comes while this machine sleeps is not lost; delete it when it is not needed any more\n" +
			"(hookbridge subscriptions delete). It goes on until Ctrl-C, whatever happens to the network, the bridge or the application, or until\n" +
			"the subscription is deleted.",
		Example: "  hookbridge forward --source stripe-eu --to http://localhost:3000/webhook --secret env:STRIPE_WEBHOOK_SECRET\n" +
			"  hookbridge forward --server bridge:9090 --source github --type 'pull_request.*' --to http://localhost:8000/hooks --from 1h",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to == "" {
				return usageError{errors.New("forward wants --to URL, where the application takes its webhooks")}
			}
			start, err := parseStart("from", from, time.Now())
			if err != nil {
				return usageError{err}
			}
			if name == "" {
				host, err := os.Hostname()
				if err != nil {
					host = "unnamed"
				}
				name = forwardName(host, sources)
			}
			return at.with(cmd, func(ctx context.Context, c *client.Client) error {
				r, err := newReposter(c, to, secret, timeout)
				if err != nil {
					return err
				}
				f := &forward{tail: tail{bridge: &at.connection, errOut: cmd.ErrOrStderr()}, reposter: r, name: name, out: cmd.OutOrStdout(), printer: newPrinter(cmd.OutOrStdout(), false)}
				return f.follow(ctx, c, start, sources, types)
			})
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "the application's `URL`")
	cmd.Flags().StringVar(&secret, "secret", "", "sign with the secret that this `REF`erence names: env:NAME or file:PATH")
	cmd.Flags().StringSliceVar(&sources, "source", nil, "only sources of this `NAME`, * for any run of characters")
	cmd.Flags().StringSliceVar(&types, "type", nil, "only events of this `TYPE`, * for any run of characters")
	cmd.Flags().StringVar(&from, "from", "now", "`WHERE` a new subscription starts: beginning, now, a sequence, a time (RFC 3339), or how long ago (30m)")
	cmd.Flags().StringVar(&name, "subscription", "", "the `NAME` of the subscription (default: one for this machine and these sources)")
	cmd.Flags().DurationVar(&timeout, "timeout", forwardTimeout, "how long the application may take to answer")
	at.flags(cmd)
	return cmd
}

// forwardName is the subscription of a machine for some sources. One that is too long ends with its hash, so that it is nobody else's.
func forwardName(host string, sources []string) string {
	if len(sources) == 0 {
		sources = []string{"all"}
	}
	const most = 63
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_' {
			return r
		}
		return '_'
	}, strings.ToLower("forward."+host+"."+strings.Join(sources, ".")))
	if len(name) <= most {
		return name
	}
	hash := sha256.Sum256([]byte(name))
	const part = 4
	end := "." + hex.EncodeToString(hash[:part])
	return name[:most-len(end)] + end
}

// forward is a durable subscription whose events are posted on.
type forward struct {
	tail
	reposter *reposter
	name     string
	printer  *printer

	mu  sync.Mutex
	out io.Writer
	// end ends the command, for what it can't go on without.
	end context.CancelCauseFunc
}

// follow posts events on until the context ends or nothing can be said of them any more. What was answered by then is acknowledged in any case,
// so a reader of the output that goes away, like head, must not end the process at once.
func (f *forward) follow(ctx context.Context, c *client.Client, start *hookbridgev1.Start, sources, types []string) error {
	ctx, f.end = context.WithCancelCause(ctx)
	defer f.end(nil)
	closed := make(chan os.Signal, 1)
	signal.Notify(closed, syscall.SIGPIPE)
	err := c.Subscribe(ctx, f.name,
		client.Name("hookbridge forward"), client.From(start), client.Sources(sources...), client.Types(types...), client.Content(),
		// Few at a time: where two forward with one name, what waits with one isn't with the other.
		client.Window(forwardWindow, 0), client.DrainTimeout(forwardDrain), client.AckDeadline(f.reposter.http.Timeout+time.Minute),
		client.OnConnected(f.connected), client.OnDisconnected(f.disconnected), client.OnGap(f.gap),
		client.OnFailure(func(*client.Event, error) {}),
		client.Otherwise(func(life context.Context, e *client.Event) error { return f.deliver(life, ctx, e) }))
	signal.Stop(closed)
	var unsaid *unsaidError
	if err != nil || !errors.As(context.Cause(ctx), &unsaid) {
		return told(err)
	}
	if errors.Is(unsaid, syscall.EPIPE) {
		// Now it may: it ends as any program does that writes to nobody.
		_, _ = fmt.Fprintln(f.out)
	}
	return unsaid
}

// connected says where events go once they can, and later only that they can again.
func (f *forward) connected(c *hookbridgev1.Confirmed) {
	if !f.stood {
		f.say("forwarding to %s with the subscription %s", f.reposter.target.Redacted(), f.name)
		f.lost = false
	}
	f.tail.connected(c)
}

// forwardDrain is how long an answer is waited for after Ctrl-C.
const forwardDrain = 20 * time.Second

// forwardWindow is how many events may wait for the application.
const forwardWindow = 10

// unsaidError is why what became of an event can't be shown.
type unsaidError struct{ cause error }

func (u *unsaidError) Error() string { return u.cause.Error() }
func (u *unsaidError) Unwrap() error { return u.cause }

// deliver posts one event and shows a line about it. An error gives the event back; that the line can't be shown is none, because the application
// has the event, and ends the command. Whoever has interrupted the command is told that an
// answer is waited for.
func (f *forward) deliver(ctx, interrupted context.Context, e *client.Event) error {
	answered := context.AfterFunc(interrupted, func() {
		f.say("waiting up to %v for the application's answer; Ctrl-C again ends at once", forwardDrain)
	})
	got, err := f.reposter.post(ctx, e.Event)
	answered()
	if err != nil && ctx.Err() != nil {
		return err
	}
	result := "→ " + got.String()
	color := cyan
	switch {
	case err != nil:
		result, color = "→ "+err.Error(), red
	case !got.ok():
		err, color = fmt.Errorf("the application answered %d", got.status), red
	}
	if e.Attempt > 1 {
		result += fmt.Sprintf("  (attempt %d)", e.Attempt)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, werr := fmt.Fprintf(f.out, "%s  %s  %s  %s  %s\n", f.printer.paint(dim, time.Now().Format(time.TimeOnly)), f.printer.paint(bold, e.GetSource()),
		f.printer.paint(bold, e.GetType()), f.printer.paint(dim, e.GetId()), f.printer.paint(color, result)); werr != nil {
		f.end(&unsaidError{werr})
	}
	return err
}
