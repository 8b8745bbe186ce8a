package client_test

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/test/bufconn"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

type bridgeStream = grpc.ServerStreamingServer[hookbridgev1.SubscribeResponse]

// scripted serves a bridge that says what a test lets it say, in memory, for the clock of a synctest bubble. It ends with the test.
func scripted(t *testing.T, events hookbridgev1.EventServiceServer) *client.Client {
	t.Helper()
	const buffer = 1 << 20
	listener := bufconn.Listen(buffer)
	server := grpc.NewServer(grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second}))
	hookbridgev1.RegisterEventServiceServer(server, events)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	c, err := client.Dial("unix:scripted", client.WithGRPC(grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return listener.DialContext(ctx)
	})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return c
}

// say sends messages one after the other.
func say(s bridgeStream, messages ...*hookbridgev1.SubscribeResponse) error {
	for _, m := range messages {
		if err := s.Send(m); err != nil {
			return err
		}
	}
	return nil
}

// hold keeps a stream open until its client leaves it.
func hold(s bridgeStream) error {
	<-s.Context().Done()
	return s.Context().Err()
}

func confirmedAs(c *hookbridgev1.Confirmed) *hookbridgev1.SubscribeResponse {
	return &hookbridgev1.SubscribeResponse{Message: &hookbridgev1.SubscribeResponse_Confirmed{Confirmed: c}}
}

func delivered(d *hookbridgev1.Delivery) *hookbridgev1.SubscribeResponse {
	return &hookbridgev1.SubscribeResponse{Message: &hookbridgev1.SubscribeResponse_Delivery{Delivery: d}}
}

func beating(h *hookbridgev1.Heartbeat) *hookbridgev1.SubscribeResponse {
	return &hookbridgev1.SubscribeResponse{Message: &hookbridgev1.SubscribeResponse_Heartbeat{Heartbeat: h}}
}
