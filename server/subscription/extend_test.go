package subscription

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

func (s *stream) extends(by time.Duration, ds ...*hookbridgev1.Delivery) {
	s.t.Helper()
	req := &hookbridgev1.ExtendDeadlineRequest{Subscription: s.name, AckIds: ids(ds)}
	if by > 0 {
		req.Extension = durationpb.New(by)
	}
	resp, err := s.b.client.ExtendDeadline(s.t.Context(), req)
	if err != nil || len(resp.GetFailures()) > 0 {
		s.t.Fatalf("extend: %v %v", resp.GetFailures(), err)
	}
}

// The deadline is counted from the call, whether that is later or earlier than it was.
func TestExtendDeadline(t *testing.T) {
	for name, tc := range map[string]struct{ by, want time.Duration }{
		"longer":                       {time.Hour, time.Hour},
		"shorter":                      {2 * second, 2 * second},
		"by the stream's ack deadline": {0, 20 * second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{
					Subscription: "a", AckDeadline: durationpb.New(20 * second), HeartbeatInterval: durationpb.New(5 * time.Minute),
				})
				b.fill(2, "push")
				ds := s.deliveries(2)
				s.ack(ds[1])
				elapse(15 * second)
				at := time.Now()
				s.extends(tc.by, ds[0])
				equal(t, "again", short(s.delivery()), run(1, 1, 2, reasonDeadline))
				equal(t, "after", time.Since(at), tc.want)
			})
		})
	}
}

// As long as a handler asks for more time, its event goes to nobody else, and can be acknowledged in the end.
func TestAnExtendedDeliveryStaysWithItsMember(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		req := &hookbridgev1.SubscribeRequest{Subscription: "a", HeartbeatInterval: durationpb.New(5 * time.Minute)}
		s, _ := b.subscribe(req)
		b.fill(1, "push")
		d := s.delivery()
		other, _ := b.subscribe(req)
		for range 10 {
			elapse(25 * second)
			s.extends(0, d)
		}
		s.ack(d)
		other.quiet()
		s.quiet()
	})
}

// Who lost a delivery is told, even though nobody has it yet.
func TestADeadlineThatHasPassedCannotBeExtended(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		b.fill(2, "push")
		ds := s.deliveries(2)
		s.rejects(retryAfter(time.Hour), ds[0])
		s.close()
		resp, err := b.client.ExtendDeadline(t.Context(), &hookbridgev1.ExtendDeadlineRequest{Subscription: "a", AckIds: ids(ds)})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "failures", resp.GetFailures(), []*hookbridgev1.AckFailure{failure(ds[0].GetAckId(), stale), failure(ds[1].GetAckId(), stale)})
	})
}
