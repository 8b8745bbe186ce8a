package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

const (
	// crowdRate is how many events a second are posted, each to one of at most crowdSpread sources.
	crowdRate   = 200
	crowdSpread = 100
	// crowdShare is how many subscriptions want each event, besides those that are stuck.
	crowdShare = 10
	// stuckMembers never acknowledge: half of them read and work for ever, half of them don't even read. They want every event.
	stuckMembers = 10
	// streamsPerConnection is how many subscriptions share a connection.
	streamsPerConnection = 200
)

func crowdSources() []string {
	names := make([]string, crowdSpread)
	for n := range names {
		names[n] = fmt.Sprintf("src-%02d", n)
	}
	return names
}

// measureCrowds compares a bridge with a few subscriptions, which want every event, with one that has very many, of which as many
// want each event, and some that are stuck: the same events, the same deliveries. At 200 events a second the p99 of one round is made of
// one stall of a tenth of a second, which the machine has by itself now and then: so they take turns, for several rounds, and what counts
// is the median of the rounds' p99.
func measureCrowds(ctx context.Context, p *plan, t *table) error {
	measured := make([]crowds, len(p.crowds))
	for range p.turns {
		for n, size := range p.crowds {
			c := crowd{size: size}
			if n > 0 {
				c.stuck = stuckMembers
			}
			if err := withBridge(ctx, p, func(bridge *process) error { return c.measure(ctx, p, bridge) }); err != nil {
				return fmt.Errorf("%d subscriptions: %w", size, err)
			}
			measured[n] = append(measured[n], c)
		}
	}
	few := measured[0]
	for n, some := range measured {
		size, stuck := some[0].size, some[0].stuck
		answers, deliveries := some.all(crowd.answered), some.all(crowd.delivered)
		t.add(fmt.Sprintf("POST to 2xx at %d/s, %d subscriptions, %d stuck", crowdRate, size, stuck), "%s  (%.0f kB each)", spread(answers), some.each()/1e3)
		t.add(fmt.Sprintf("POST to stream at %d/s, %d subscriptions, %d stuck", crowdRate, size, stuck), "%s", spread(deliveries))
		for _, f := range []struct {
			what string
			of   func(crowd) []time.Duration
		}{{"2xx", crowd.answered}, {"stream", crowd.delivered}} {
			t.add(fmt.Sprintf("p99 to %s of each round, %d subscriptions", f.what, size), "%s", list(some.p99s(f.of)))
			if n > 0 {
				ratio := float64(median(some.p99s(f.of))) / float64(median(few.p99s(f.of)))
				t.judge(fmt.Sprintf("median p99 to %s, %d subscriptions / %d", f.what, size, few[0].size), fmt.Sprintf("%.2f", ratio), "2", ratio <= 2)
			}
		}
	}
	return nil
}

// crowds are the rounds of one size.
type crowds []crowd

// all are the latencies of all rounds.
func (c crowds) all(of func(crowd) []time.Duration) []time.Duration {
	var all []time.Duration
	for _, one := range c {
		all = append(all, of(one)...)
	}
	return all
}

// p99s are those of the rounds, in their order.
func (c crowds) p99s(of func(crowd) []time.Duration) []time.Duration {
	var all []time.Duration
	for _, one := range c {
		all = append(all, quantile(of(one), 0.99))
	}
	return all
}

// each is the memory for a subscription, in the median.
func (c crowds) each() float64 {
	var all []float64
	for _, one := range c {
		all = append(all, one.each)
	}
	return median(all)
}

// crowd is one measurement.
type crowd struct {
	size, stuck int

	answers, deliveries []time.Duration
	each                float64 // bytes of memory for a subscription
}

func (c crowd) answered() []time.Duration  { return c.answers }
func (c crowd) delivered() []time.Duration { return c.deliveries }

func (c *crowd) measure(ctx context.Context, p *plan, bridge *process) error {
	before, err := bridge.resident()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		mu       sync.Mutex
		posted   = map[string]time.Time{}
		received atomic.Int64
		members  sync.WaitGroup
		standing sync.WaitGroup
	)
	deliver := func(_ context.Context, e *client.Event) error {
		now := time.Now()
		mu.Lock()
		defer mu.Unlock()
		if at, ok := posted[e.GetId()]; ok {
			c.deliveries = append(c.deliveries, now.Sub(at))
			received.Add(1)
		}
		return nil
	}
	var connections []*client.Client
	sources := crowdSources()[:max(1, c.size/crowdShare)]
	failed := make(chan error, c.size)
	standing.Add(c.size)
	for n := range c.size {
		if n%streamsPerConnection == 0 {
			connection, err := client.Dial(bridge.grpc)
			if err != nil {
				return err
			}
			connections = append(connections, connection)
		}
		connection := connections[len(connections)-1]
		handle, want := deliver, sources
		switch {
		case n < c.stuck/2:
			members.Go(func() { failed <- unread(ctx, bridge.grpc, fmt.Sprintf("member-%d", n), standing.Done) })
			continue
		case n < c.stuck:
			// Of the measurement, not of the handler: that one would have as long as the client drains.
			handle = func(context.Context, *client.Event) error { <-ctx.Done(); return ctx.Err() }
		case c.size > crowdShare:
			own := n % len(sources)
			want = sources[own : own+1]
		}
		members.Go(func() {
			var once sync.Once
			failed <- connection.Subscribe(ctx, fmt.Sprintf("member-%d", n), client.AckBatch(1000, time.Second), client.Sources(want...),
				client.OnConnected(func(*hookbridgev1.Confirmed) { once.Do(standing.Done) }), client.Otherwise(handle))
		})
	}
	standing.Wait()
	after, err := bridge.resident()
	if err != nil {
		return err
	}
	c.each = float64(after-before) / float64(c.size)
	answers, err := pace(ctx, bridge.http, crowdRate, 2*p.span, sources, func(id string) {
		mu.Lock()
		posted[id] = time.Now()
		mu.Unlock()
	})
	c.answers = answers.latency
	// Of the shares that the stuck ones have taken over, nothing is expected.
	expected := int64(answers.posted) * int64(min(c.size, crowdShare)) * int64(c.size-c.stuck) / int64(c.size)
	deadline := time.Now().Add(answerTimeout)
	for err == nil && received.Load() < expected*9/10 {
		if time.Now().After(deadline) {
			err = fmt.Errorf("of %d deliveries to streams only %d came", expected, received.Load())
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
	for _, connection := range connections {
		errs = append(errs, connection.Close())
	}
	return errors.Join(errs...)
}

// unread opens a stream and never reads more than its first message.
func unread(ctx context.Context, address, name string, standing func()) error {
	return dial(address, func(c hookbridgev1.EventServiceClient) error {
		stream, err := c.Subscribe(ctx, &hookbridgev1.SubscribeRequest{Subscription: name})
		if err != nil {
			return err
		}
		_, err = stream.Recv()
		standing()
		<-ctx.Done()
		return err
	})
}
