package main

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// subscriber is the one member of a durable subscription.
type subscriber struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// subscribe follows the journal until the bridge is gone. It acknowledges in batches, and leaves every tenth event of those that
// come for the first time unacknowledged, unless it is to acknowledge all.
func subscribe(t *testing.T, bridge *process, l *ledger, all bool) *subscriber {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := grpc.NewClient(bridge.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	s := &subscriber{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		defer func() { _ = conn.Close() }()
		defer cancel()
		deliveries := receive(ctx, hookbridgev1.NewEventServiceClient(conn), l)
		acknowledge(ctx, hookbridgev1.NewEventServiceClient(conn), deliveries, l, all)
	}()
	return s
}

func receive(ctx context.Context, client hookbridgev1.EventServiceClient, l *ledger) <-chan *hookbridgev1.Delivery {
	deliveries := make(chan *hookbridgev1.Delivery)
	go func() {
		defer close(deliveries)
		stream, err := client.Subscribe(ctx, &hookbridgev1.SubscribeRequest{
			Subscription: "ledger", AckDeadline: durationpb.New(time.Hour), MaxOutstandingEvents: 10_000,
			Start: &hookbridgev1.Start{At: &hookbridgev1.Start_Beginning{Beginning: &emptypb.Empty{}}},
		})
		defer func() { l.update(func() { l.ended = append(l.ended, err) }) }()
		for err == nil {
			var m *hookbridgev1.SubscribeResponse
			if m, err = stream.Recv(); err == nil && m.GetDelivery() != nil {
				select {
				case deliveries <- m.GetDelivery():
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return deliveries
}

func acknowledge(ctx context.Context, client hookbridgev1.EventServiceClient, deliveries <-chan *hookbridgev1.Delivery, l *ledger, all bool) {
	const batch, idle = 32, 20 * time.Millisecond
	pending := map[string]string{} // id -> ack_id
	for {
		select {
		case d, ok := <-deliveries:
			if !ok {
				return
			}
			id := d.GetEvent().GetId()
			l.update(func() { l.note(d) })
			if all || d.GetAttempt() > 1 || d.GetEvent().GetSequence()%10 != 0 {
				pending[id] = d.GetAckId()
			}
			if len(pending) < batch {
				continue
			}
		case <-time.After(idle):
		}
		if len(pending) == 0 {
			continue
		}
		req := &hookbridgev1.AcknowledgeRequest{Subscription: "ledger"}
		for _, ack := range pending {
			req.AckIds = append(req.AckIds, ack)
		}
		l.update(func() {
			for id := range pending {
				l.asked[id] = true
			}
		})
		resp, err := client.Acknowledge(ctx, req)
		if err != nil {
			l.update(func() { l.ended = append(l.ended, err) })
			return
		}
		l.update(func() {
			if len(resp.GetFailures()) > 0 {
				l.violated("%d of %d acknowledgements of a stream that lives were refused: %v", len(resp.GetFailures()), len(req.AckIds), resp.GetFailures()[0])
			}
			for id := range pending {
				l.acknowledged[id] = true
			}
		})
		clear(pending)
	}
}
