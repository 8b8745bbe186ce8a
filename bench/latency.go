package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// dial connects to a gRPC port and calls a function with it.
func dial(address string, f func(hookbridgev1.EventServiceClient) error) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	return errors.Join(f(hookbridgev1.NewEventServiceClient(conn)), conn.Close())
}

// measureLatency takes the time from the beginning of a POST to the event at a subscriber, at 1,000 events a second.
func measureLatency(ctx context.Context, p *plan, t *table) error {
	return withBridge(ctx, p, func(bridge *process) error {
		return dial(bridge.grpc, func(client hookbridgev1.EventServiceClient) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			stream, err := client.Subscribe(ctx, &hookbridgev1.SubscribeRequest{})
			if err != nil {
				return err
			}
			// Confirmed: from here on everything comes.
			if _, err := stream.Recv(); err != nil {
				return err
			}
			var latency []time.Duration
			const rate = 1000
			expected := make(chan int, 1)
			done := make(chan error, 1)
			go func() {
				want := -1
				for want < 0 || len(latency) < want {
					m, err := stream.Recv()
					now := time.Now()
					if err != nil {
						done <- err
						return
					}
					if m.GetDelivery() != nil {
						took, err := sinceSent(m.GetDelivery().GetEvent().GetId(), now)
						if err != nil {
							done <- err
							return
						}
						latency = append(latency, took)
					}
					select {
					case want = <-expected:
					default:
					}
				}
				done <- nil
			}()
			answers, err := pace(ctx, bridge.http, rate, 2*p.span, nil)
			if err != nil {
				return err
			}
			// One more event wakes the receiver if it waits for nothing.
			expected <- answers.posted + 1
			if _, err := flood(ctx, bridge.http, 1, 0, 1); err != nil {
				return err
			}
			select {
			case err := <-done:
				if err != nil {
					return err
				}
			case <-time.After(answerTimeout):
				return fmt.Errorf("of %d events only %d came", answers.posted, len(latency))
			}
			p50, p99 := quantile(latency[:answers.posted], 0.5), quantile(latency[:answers.posted], 0.99)
			t.add("POST to 2xx at 1,000/s", "%s", spread(answers.latency))
			t.judge("POST to stream at 1,000/s, p50", ms(p50), "3 ms", p50 <= 3*time.Millisecond)
			t.judge("POST to stream at 1,000/s, p99", ms(p99), "15 ms", p99 <= 15*time.Millisecond)
			return nil
		})
	})
}
