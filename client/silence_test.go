package client_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
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

func (mute) Subscribe(_ *hookbridgev1.SubscribeRequest, s bridgeStream) error {
	if err := say(s, confirmedAs(&hookbridgev1.Confirmed{HeartbeatInterval: durationpb.New(20 * time.Millisecond), AckDeadline: durationpb.New(time.Minute)})); err != nil {
		return err
	}
	return hold(s)
}

// A bridge that falls silent without closing the connection is left, and tried again.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down, up := make(chan string, 10), make(chan time.Time, 10)
		r := subscribe(t, scripted(t, mute{}), "silent", client.Otherwise(client.Skip),
			client.OnConnected(func(*hookbridgev1.Confirmed) { up <- time.Now() }),
			client.OnDisconnected(func(err error, _ time.Duration) { down <- fmt.Sprintf("%v, %v", err, time.Now()) }))
		for range 2 {
			stood := next(t, up)
			if got, want := next(t, down), fmt.Sprintf("the bridge fell silent, %v", stood.Add(60*time.Millisecond)); got != want {
				t.Errorf("want %s\ngot  %s", want, got)
			}
		}
		r.stop()
	})
}

// garbled is a bridge whose answers make no sense.
type garbled struct {
	hookbridgev1.UnimplementedEventServiceServer
	heartbeat, deadline time.Duration
}

func (g garbled) Subscribe(_ *hookbridgev1.SubscribeRequest, s bridgeStream) error {
	confirmed := confirmedAs(&hookbridgev1.Confirmed{MaxOutstandingEvents: -1 << 31, AckDeadline: durationpb.New(g.deadline), HeartbeatInterval: durationpb.New(g.heartbeat)})
	if err := say(s, &hookbridgev1.SubscribeResponse{}, &hookbridgev1.SubscribeResponse{Message: &hookbridgev1.SubscribeResponse_Heartbeat{}}, confirmed,
		&hookbridgev1.SubscribeResponse{Message: &hookbridgev1.SubscribeResponse_Delivery{}},
		delivered(&hookbridgev1.Delivery{AckId: "id", Attempt: -1, Event: &hookbridgev1.Event{Sequence: -1}}),
		&hookbridgev1.SubscribeResponse{Message: &hookbridgev1.SubscribeResponse_Gap{}}, confirmed); err != nil {
		return err
	}
	return hold(s)
}

func (garbled) GetEventContent(_ *hookbridgev1.GetEventContentRequest, s grpc.ServerStreamingServer[hookbridgev1.GetEventContentResponse]) error {
	return s.Send(&hookbridgev1.GetEventContentResponse{Content: &hookbridgev1.Content{}, BodyBytes: -1})
}

// A bridge that makes no sense, or another program that answers in its place, is no reason to panic, and its stream is kept until it has been
// silent for as long as any other may be.
func TestAnswersWithoutSense(t *testing.T) {
	for _, tc := range []struct {
		garbled
		patience time.Duration
	}{
		{garbled{}, 45 * time.Second},
		{garbled{heartbeat: -time.Second, deadline: -time.Second}, 45 * time.Second},
		{garbled{heartbeat: 1<<63 - 1, deadline: 1<<63 - 1}, 3 * time.Hour},
	} {
		t.Run(fmt.Sprint(tc.heartbeat), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := scripted(t, tc.garbled)
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
				time.Sleep(tc.patience - time.Nanosecond)
				synctest.Wait()
				none(t, down)
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				if err := next(t, down); err.Error() != "the bridge fell silent" {
					t.Errorf("want silence, got %v", err)
				}
				r.stop()
			})
		})
	}
}
