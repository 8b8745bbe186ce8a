package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// measureCrowds takes the time to a 2xx at 20 events a second while many durable subscriptions get each event and acknowledge it.
func measureCrowds(ctx context.Context, p *plan, t *table) error {
	for _, size := range p.crowds {
		err := withBridge(ctx, p, func(bridge *process) error { return measureCrowd(ctx, p, t, bridge, size) })
		if err != nil {
			return fmt.Errorf("%d subscriptions: %w", size, err)
		}
	}
	return nil
}

func measureCrowd(ctx context.Context, p *plan, t *table, bridge *process, size int) error {
	const streamsPerConnection, rate = 200, 20
	before, err := bridge.resident()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var members, standing sync.WaitGroup
	var received atomic.Int64
	var connections []*client.Client
	failed := make(chan error, size)
	standing.Add(size)
	for n := range size {
		if n%streamsPerConnection == 0 {
			c, err := client.Dial(bridge.grpc, client.WithGRPC(grpc.WithTransportCredentials(insecure.NewCredentials())))
			if err != nil {
				return err
			}
			connections = append(connections, c)
		}
		c := connections[len(connections)-1]
		members.Go(func() {
			var once sync.Once
			failed <- c.Subscribe(ctx, fmt.Sprintf("member-%d", n), client.AckBatch(1000, time.Second),
				client.OnConnected(func(*hookbridgev1.Confirmed) { once.Do(standing.Done) }),
				client.Otherwise(func(context.Context, *client.Event) error { received.Add(1); return nil }))
		})
	}
	standing.Wait()
	after, err := bridge.resident()
	if err != nil {
		return err
	}
	answers, err := pace(ctx, bridge.http, rate, 2*p.span, func(string) {})
	deadline := time.Now().Add(answerTimeout)
	for err == nil && received.Load() < int64(answers.posted*size) {
		if time.Now().After(deadline) {
			err = fmt.Errorf("of %d deliveries to streams only %d came", answers.posted*size, received.Load())
		}
		<-time.After(10 * time.Millisecond)
	}
	cancel()
	members.Wait()
	close(failed)
	errs := []error{err}
	for err := range failed {
		errs = append(errs, err)
	}
	for _, c := range connections {
		errs = append(errs, c.Close())
	}
	t.add(fmt.Sprintf("POST to 2xx at %d/s, %d subscriptions", rate, size), "%s  (%.0f kB each)", spread(answers.latency), float64(after-before)/float64(size)/1e3)
	return errors.Join(errs...)
}
