package client_test

import (
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// mute is a bridge that confirms a stream and then says nothing any more, as after a pulled cable.
type mute struct {
	hookbridgev1.UnimplementedEventServiceServer
}

func (mute) Subscribe(_ *hookbridgev1.SubscribeRequest, s grpc.ServerStreamingServer[hookbridgev1.SubscribeResponse]) error {
	confirmed := &hookbridgev1.Confirmed{HeartbeatInterval: durationpb.New(20 * time.Millisecond), AckDeadline: durationpb.New(time.Minute)}
	if err := s.Send(&hookbridgev1.SubscribeResponse{Message: &hookbridgev1.SubscribeResponse_Confirmed{Confirmed: confirmed}}); err != nil {
		return err
	}
	<-s.Context().Done()
	return s.Context().Err()
}

// A bridge that falls silent without closing the connection is left, and tried again.
func TestSilence(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	hookbridgev1.RegisterEventServiceServer(server, mute{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	c, err := client.Dial(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	down := make(chan string, 10)
	up := make(chan struct{}, 10)
	r := subscribe(t, c, "silent", client.Otherwise(client.Skip),
		client.OnConnected(func(*hookbridgev1.Confirmed) { up <- struct{}{} }),
		client.OnDisconnected(func(err error, _ time.Duration) { down <- err.Error() }))
	for range 2 {
		next(t, up)
		if got := next(t, down); got != "the bridge fell silent" {
			t.Errorf("want silence, got %s", got)
		}
	}
	r.stop()
	_ = c.Close()
	server.Stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
