package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// measureIngest compares the bridge with the limit, turn by turn, at several numbers of connections.
func measureIngest(ctx context.Context, p *plan, t *table) error {
	limit, err := startLimit(ctx)
	if err != nil {
		return err
	}
	defer limit.kill()
	return withBridge(ctx, p, func(bridge *process) error {
		for _, connections := range []int{16, 64, 256} {
			var limits, rates, ratios []float64
			var limitLatency, latency []time.Duration
			// The first round warms both up.
			for round := range p.rounds + 1 {
				span := p.span
				if round == 0 {
					span /= 4
				}
				a, errA := flood(ctx, limit.http, connections, span, 0)
				b, errB := flood(ctx, bridge.http, connections, span, 0)
				if err := errors.Join(errA, errB); err != nil {
					return err
				}
				if round == 0 {
					continue
				}
				limits, rates, ratios = append(limits, a.perSecond()), append(rates, b.perSecond()), append(ratios, b.perSecond()/a.perSecond())
				limitLatency, latency = append(limitLatency, a.latency...), append(latency, b.latency...)
			}
			t.add(fmt.Sprintf("limit: read and verify, %d connections", connections), "%.0f/s  %s", median(limits), spread(limitLatency))
			t.add(fmt.Sprintf("bridge: typed, on disk, %d connections", connections), "%.0f/s  %s", median(rates), spread(latency))
			ratio := median(ratios)
			what, figure := fmt.Sprintf("bridge / limit, %d connections", connections), fmt.Sprintf("%.2f", ratio)
			switch connections {
			case 64:
				t.judge(what, figure, "0.25", ratio >= 0.25)
			case 256:
				t.judge(what, figure, "0.33", ratio >= 0.33)
			default:
				t.add(what, "%s", figure)
			}
		}
		return nil
	})
}
