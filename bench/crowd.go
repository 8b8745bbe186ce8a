package main

import (
	"context"
	"fmt"
	"time"
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
	sources := crowdSources()[:max(1, c.size/crowdShare)]
	all, err := gather(ctx, bridge.grpc, c.size, c.stuck, len(sources))
	if err != nil {
		return err
	}
	after, err := bridge.resident()
	if err != nil {
		all.kill()
		return err
	}
	c.each = float64(after-before) / float64(c.size)
	answers, err := pace(ctx, bridge.http, crowdRate, 2*p.span, sources)
	if err != nil {
		all.kill()
		return err
	}
	c.answers = answers.latency
	// Of the shares that the stuck ones have taken over, nothing is expected.
	c.deliveries, err = all.received(answers.posted * min(c.size, crowdShare) * (c.size - c.stuck) / c.size)
	return err
}
