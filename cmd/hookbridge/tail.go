package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	// The messages that events carry, linked so that they print as fields.
	_ "github.com/hookbridge/hookbridge/gen/hookbridge/github/v1"
	_ "github.com/hookbridge/hookbridge/gen/hookbridge/hmac/v1"
	_ "github.com/hookbridge/hookbridge/gen/hookbridge/stripe/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

func tailCommand() *cobra.Command {
	t := &tail{}
	var from string
	cmd := &cobra.Command{
		Use:     "tail",
		Short:   "Show events as they come in",
		Long:    "tail follows the bridge's events until it is interrupted, and comes back by itself after a restart of the bridge.",
		Example: "  hookbridge tail\n  hookbridge tail --source 'stripe-*' --type 'invoice.*' --from beginning\n  hookbridge tail --json | jq .type",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			start, err := parseStart(from, time.Now())
			if err != nil {
				return usageError{err}
			}
			t.out, t.errOut, t.start = cmd.OutOrStdout(), cmd.ErrOrStderr(), start
			return t.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&t.server, "server", "127.0.0.1:9090", "the bridge's gRPC `ADDR`ess")
	cmd.Flags().StringSliceVar(&t.sources, "source", nil, "only sources of this `NAME`, * for any run of characters")
	cmd.Flags().StringSliceVar(&t.types, "type", nil, "only events of this `TYPE`, * for any run of characters")
	cmd.Flags().StringVar(&from, "from", "now", "`WHERE` to start: beginning, now, a sequence, a time (RFC 3339), or how long ago (30m)")
	cmd.Flags().BoolVar(&t.json, "json", false, "print one JSON event a line")
	cmd.Flags().BoolVar(&t.content, "content", false, "show the body and headers as received")
	return cmd
}

// parseStart reads where to start.
func parseStart(from string, now time.Time) (*hookbridgev1.Start, error) {
	switch from {
	case "beginning":
		return &hookbridgev1.Start{At: &hookbridgev1.Start_Beginning{Beginning: &emptypb.Empty{}}}, nil
	case "now":
		return &hookbridgev1.Start{At: &hookbridgev1.Start_Now{Now: &emptypb.Empty{}}}, nil
	}
	if n, err := strconv.ParseInt(from, 10, 64); err == nil && n > 0 {
		return &hookbridgev1.Start{At: &hookbridgev1.Start_Sequence{Sequence: n}}, nil
	}
	if d, err := time.ParseDuration(from); err == nil && d > 0 {
		return &hookbridgev1.Start{At: &hookbridgev1.Start_Time{Time: timestamppb.New(now.Add(-d))}}, nil
	}
	if at, err := time.Parse(time.RFC3339, from); err == nil {
		return &hookbridgev1.Start{At: &hookbridgev1.Start_Time{Time: timestamppb.New(at)}}, nil
	}
	return nil, fmt.Errorf("--from: want beginning, now, a sequence, a time like 2026-03-01T09:00:00Z or a duration like 30m, got %q", from)
}

type tail struct {
	server         string
	sources, types []string
	json, content  bool
	start          *hookbridgev1.Start
	out, errOut    io.Writer
}

// run follows until the context ends. After a disconnect it goes on behind the last event that it printed.
func (t *tail) run(ctx context.Context) error {
	conn, err := grpc.NewClient(t.server, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	client := hookbridgev1.NewEventServiceClient(conn)
	wait := backoff.NewExponentialBackOff()
	_, err = backoff.Retry(ctx, func() (struct{}, error) {
		err := t.follow(ctx, client, wait.Reset)
		if ctx.Err() != nil {
			return struct{}{}, nil
		}
		switch status.Code(err) {
		case codes.InvalidArgument, codes.FailedPrecondition, codes.Unimplemented, codes.PermissionDenied, codes.Unauthenticated:
			return struct{}{}, backoff.Permanent(errors.New(status.Convert(err).Message()))
		}
		return struct{}{}, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, next time.Duration) {
		// A terminal that is gone ends the command by itself.
		_, _ = fmt.Fprintf(t.errOut, "hookbridge: disconnected (%s), trying again in %v\n", status.Convert(err).Message(), next.Round(100*time.Millisecond))
	}))
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (t *tail) follow(ctx context.Context, client hookbridgev1.EventServiceClient, connected func()) error {
	stream, err := client.Subscribe(ctx, &hookbridgev1.SubscribeRequest{
		Filter: &hookbridgev1.Filter{Sources: t.sources, Types: t.types},
		Start:  t.start, IncludeContent: t.content, ClientName: "hookbridge tail",
	})
	if err != nil {
		return err
	}
	for {
		resp, err := stream.Recv()
		if err != nil {
			return err
		}
		connected()
		switch m := resp.GetMessage().(type) {
		case *hookbridgev1.SubscribeResponse_Confirmed:
			t.start = &hookbridgev1.Start{At: &hookbridgev1.Start_Sequence{Sequence: max(1, m.Confirmed.GetPosition())}}
		case *hookbridgev1.SubscribeResponse_Delivery:
			event := m.Delivery.GetEvent()
			if err := t.print(event); err != nil {
				return backoff.Permanent(err)
			}
			t.start = &hookbridgev1.Start{At: &hookbridgev1.Start_Sequence{Sequence: event.GetSequence() + 1}}
		case *hookbridgev1.SubscribeResponse_Gap:
			_, _ = fmt.Fprintf(t.errOut, "hookbridge: events %d to %d are gone: retention removed them\n", m.Gap.GetFromSequence(), m.Gap.GetToSequence()-1)
		}
	}
}

func (t *tail) print(event *hookbridgev1.Event) error {
	if t.json {
		line, err := compact(event)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(t.out, "%s\n", line)
		return err
	}
	message := event.GetData().GetTypeUrl()
	message = message[strings.LastIndexByte(message, '/')+1:]
	state := strings.ToLower(strings.TrimPrefix(event.GetDecoding().GetState().String(), "STATE_"))
	if _, err := fmt.Fprintf(t.out, "%s %s %s #%d id=%s %s %s\n", event.GetReceivedAt().AsTime().Local().Format("15:04:05"),
		event.GetSource(), event.GetType(), event.GetSequence(), event.GetId(), state, message); err != nil {
		return err
	}
	if err := t.printData(event.GetData()); err != nil || !t.content {
		return err
	}
	for _, h := range event.GetContent().GetHeaders() {
		if _, err := fmt.Fprintf(t.out, "  %s: %s\n", h.GetName(), h.GetValue()); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(t.out, "  %q\n", event.GetContent().GetBody())
	return err
}

// printData prints the typed fields; of a message that this build doesn't know, that it doesn't.
func (t *tail) printData(data interface{ UnmarshalNew() (proto.Message, error) }) error {
	m, err := data.UnmarshalNew()
	if err != nil {
		return nil
	}
	line, err := compact(m)
	if err != nil {
		return err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, line, "  ", "  "); err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.out, "  %s\n", pretty.Bytes())
	return err
}

// compact is protojson without the spaces that it puts in at random.
func compact(m proto.Message) ([]byte, error) {
	loose, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = json.Compact(&b, loose)
	return b.Bytes(), err
}
