package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/hookbridge/hookbridge/client"
	"github.com/hookbridge/hookbridge/client/clienttest"
)

// wrapped is a message that no data of an event becomes.
type wrapped struct{ *userCreated }

// Options that can't be meant are errors of Subscribe, before it asks anything of a bridge.
func TestOddOptions(t *testing.T) {
	c, err := client.Dial("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	const (
		most    = 1 << 40
		dynamic = "; what this program has no type for goes to Otherwise, and Client.Messages reads it"
	)
	rest := client.Options(unfit, client.Otherwise(client.Skip))
	for want, options := range map[string]client.Option{
		"Concurrency: want at most 100000, got 1099511627776": client.Options(client.Otherwise(client.Skip), client.Concurrency(most)),
		"Concurrency of the handler of hookbridge.hmac.v1.UserCreated: want at most 100000, got 1099511627776": client.Options(rest,
			onUser(func(context.Context, int64) error { return nil }, client.Concurrency(most))),
		"the handler of hookbridge.hmac.v1.UserCreated is nil": client.Options(rest,
			client.On[*userCreated](nil)),
		"On: want a generated message type, got protoreflect.ProtoMessage" + dynamic: client.Options(rest,
			client.On(func(context.Context, *client.Event, proto.Message) error { return nil }, client.Concurrency(0))),
		"On: want a generated message type, got *dynamicpb.Message" + dynamic: client.Options(rest,
			client.On(func(context.Context, *client.Event, *dynamicpb.Message) error { return nil }, client.OrderedByKey())),
		"On: want a generated message type, got client_test.wrapped" + dynamic: client.Options(rest,
			client.On(func(context.Context, *client.Event, wrapped) error { return nil })),
		"On: want a generated message type, got *client_test.wrapped" + dynamic: client.Options(rest,
			client.On(func(context.Context, *client.Event, *wrapped) error { return nil })),
	} {
		t.Run(want, func(t *testing.T) {
			if err := c.Subscribe(t.Context(), "s", options); err == nil || err.Error() != "subscribe: "+want {
				t.Errorf("want %q\ngot  %v", "subscribe: "+want, err)
			}
		})
	}
}

// Numbers beyond what the request can say stay beyond what the bridge takes: none becomes another one.
func TestNumbersAreNotTurnedIntoOthers(t *testing.T) {
	b := open(t)
	c := b.dial()
	const far = 1 << 40
	for want, option := range map[string]client.Option{
		"max_outstanding_events: must be greater than or equal to 0 and less than or equal to 100000":  client.Window(-far, 0),
		"max_outstanding_events: must be greater than or equal to 0 and less than or equal to 100000 ": client.Window(far, 0),
		"max_event_bytes: must be greater than or equal to 1024 and less than or equal to 33554432":    client.MaxEventBytes(-far),
		"max_event_bytes: must be greater than or equal to 1024 and less than or equal to 33554432 ":   client.MaxEventBytes(far),
	} {
		err := subscribe(t, c, "odd", option, client.Otherwise(client.Skip)).wait()
		if s := status.Convert(errors.Unwrap(err)); s.Code() != codes.InvalidArgument || s.Message() != want && s.Message()+" " != want {
			t.Errorf("want InvalidArgument: %s\ngot  %v", want, err)
		}
	}
}

// An option that is nil says nothing, and so does a callback: the default stays.
func TestNilSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t)
		r := against(t, b, b.Client(nil, client.WithLogger(nil)), "nil", nil, client.Options(nil, strict), client.OnConnected(nil), client.OnDisconnected(nil),
			client.OnGap(nil), client.OnFailure(nil), onUser(func(_ context.Context, id int64) error {
				if id == 1 {
					return client.DeadLetter(errors.New("never"))
				}
				return nil
			}, nil))
		user(b, 1).AwaitDeadLettered()
		b.Gap(2, 3)
		b.Disconnect(nil)
		user(b, 2).AwaitAcknowledged()
		r.stop()
	})
}

// Plain text to another machine is only what was asked for, whatever else is.
func TestNothingElseMeansPlainText(t *testing.T) {
	const bare = "dial bridge:9090: the bridge is on another machine: want WithTLS, or WithoutTLS for plain text"
	for name, tc := range map[string]struct {
		address string
		option  client.DialOption
		want    string
	}{
		"an option of gRPC that is no credentials": {"bridge:9090", client.WithGRPC(grpc.WithUserAgent("billing")), "dial bridge:9090: grpc: no transport security set " +
			"(use grpc.WithTransportCredentials(insecure.NewCredentials()) explicitly or set credentials)"},
		"no options of gRPC": {"bridge:9090", client.WithGRPC(), bare},
		"TLS by gRPC":        {"bridge:9090", client.WithGRPC(grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13}))), "<nil>"},
		"TLS by default":     {"bridge:9090", client.WithTLS(nil), "<nil>"},
		"a token of nobody":  {"127.0.0.1:9090", client.WithTokenSource(nil), "dial 127.0.0.1:9090: WithTokenSource: want a source, got nil"},
	} {
		c, err := client.Dial(tc.address, tc.option)
		if got := fmt.Sprint(err); got != tc.want {
			t.Errorf("%s: want %q, got %q", name, tc.want, got)
		}
		if c != nil {
			_ = c.Close()
		}
	}
}
