package client_test

import (
	"context"
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

// garbled is a bridge whose answers make no sense.
type garbled struct {
	hookbridgev1.UnimplementedEventServiceServer
	heartbeat, deadline time.Duration
}

func (g garbled) Subscribe(_ *hookbridgev1.SubscribeRequest, s grpc.ServerStreamingServer[hookbridgev1.SubscribeResponse]) error {
	confirmed := &hookbridgev1.Confirmed{MaxOutstandingEvents: -1 << 31, AckDeadline: durationpb.New(g.deadline), HeartbeatInterval: durationpb.New(g.heartbeat)}
	for _, m := range []*hookbridgev1.SubscribeResponse{
		{}, {Message: &hookbridgev1.SubscribeResponse_Heartbeat{}}, {Message: &hookbridgev1.SubscribeResponse_Confirmed{Confirmed: confirmed}},
		{Message: &hookbridgev1.SubscribeResponse_Delivery{}},
		{Message: &hookbridgev1.SubscribeResponse_Delivery{Delivery: &hookbridgev1.Delivery{AckId: "id", Attempt: -1, Event: &hookbridgev1.Event{Sequence: -1}}}},
		{Message: &hookbridgev1.SubscribeResponse_Gap{}}, {Message: &hookbridgev1.SubscribeResponse_Confirmed{Confirmed: confirmed}},
	} {
		if err := s.Send(m); err != nil {
			return err
		}
	}
	<-s.Context().Done()
	return s.Context().Err()
}

func (garbled) GetEventContent(_ *hookbridgev1.GetEventContentRequest, s grpc.ServerStreamingServer[hookbridgev1.GetEventContentResponse]) error {
	return s.Send(&hookbridgev1.GetEventContentResponse{Content: &hookbridgev1.Content{}, BodyBytes: -1})
}

// A bridge that makes no sense, or another program that answers in its place, is no reason to panic, and its stream is kept.
func TestAnswersWithoutSense(t *testing.T) {
	for _, g := range []garbled{{}, {heartbeat: -time.Second, deadline: -time.Second}, {heartbeat: 1<<63 - 1, deadline: 1<<63 - 1}} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer()
		hookbridgev1.RegisterEventServiceServer(server, g)
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		c, err := client.Dial(listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		got, down := make(chan int64, 10), make(chan error, 100)
		r := subscribe(t, c, "garbled", client.DrainTimeout(time.Millisecond), client.OnDisconnected(func(err error, _ time.Duration) { down <- err }),
			client.Otherwise(func(_ context.Context, e *client.Event) error {
				got <- e.GetSequence()
				return nil
			}))
		for _, want := range []int64{0, -1} {
			if v := next(t, got); v != want {
				t.Errorf("want event %d, got %d", want, v)
			}
		}
		const want = "content of event 7: want -1 bytes, got 0"
		if _, err := c.Content(t.Context(), 7); err == nil || err.Error() != want {
			t.Errorf("want %q, got %v", want, err)
		}
		none(t, down)
		r.stop()
		_ = c.Close()
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}
