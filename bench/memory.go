package main

import (
	"context"
	"fmt"
	"time"
)

// measureMemory takes the resident memory of an idle bridge, of one that has taken many events, and how long it then takes to start.
func measureMemory(ctx context.Context, p *plan, t *table) error {
	return withFolder(p, func(folder string) error {
		bridge, err := startBridge(ctx, p, folder)
		if err != nil {
			return err
		}
		settled(ctx)
		idle, err := bridge.resident()
		if err != nil {
			return err
		}
		t.judge("resident memory, idle", megabytes(idle), "80 MB", idle <= 80e6)
		r, err := flood(ctx, bridge.http, 64, 0, p.many)
		if err != nil {
			return err
		}
		settled(ctx)
		full, err := bridge.resident()
		if err != nil {
			return err
		}
		t.add(fmt.Sprintf("resident memory after %d events", p.many), "%s  (taken at %.0f/s)", megabytes(full), r.perSecond())
		if err := bridge.stop(); err != nil {
			return err
		}
		for _, how := range []string{"clean", "kill -9"} {
			start := time.Now()
			if bridge, err = startBridge(ctx, p, folder); err != nil {
				return err
			}
			if err := bridge.ready(ctx); err != nil {
				return err
			}
			took := time.Since(start)
			settled(ctx)
			rested, err := bridge.resident()
			if err != nil {
				return err
			}
			t.add(fmt.Sprintf("start with %d events, after %s", p.many, how), "%.2f s  (%s)", took.Seconds(), megabytes(rested))
			if how == "clean" {
				// Some more, so that the killed one leaves something that isn't written down.
				if _, err := flood(ctx, bridge.http, 64, 0, p.many/20); err != nil {
					return err
				}
			}
			bridge.kill()
		}
		return nil
	})
}
