package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// measureCatchUp streams what is stored to one subscriber, and the same messages through grpc-go with nothing behind it.
func measureCatchUp(ctx context.Context, p *plan, t *table) error {
	limit, err := startLimit(ctx)
	if err != nil {
		return err
	}
	defer limit.kill()
	return withBridge(ctx, p, func(bridge *process) error {
		if _, err := flood(ctx, bridge.http, 256, 0, p.stored); err != nil {
			return err
		}
		var bare, ephemeral []float64
		var sample *hookbridgev1.SubscribeResponse
		for range max(2, p.rounds) {
			rate, m, err := catchUp(ctx, bridge.grpc, p.stored, &hookbridgev1.SubscribeRequest{
				Start: &hookbridgev1.Start{At: &hookbridgev1.Start_Beginning{Beginning: &emptypb.Empty{}}},
			})
			if err != nil {
				return err
			}
			sample, ephemeral = m, append(ephemeral, rate)
			encoded, err := proto.Marshal(sample)
			if err != nil {
				return err
			}
			rate, _, err = catchUp(ctx, limit.grpc, p.stored, &hookbridgev1.SubscribeRequest{
				ClientName: base64.StdEncoding.EncodeToString(encoded),
				Start:      &hookbridgev1.Start{At: &hookbridgev1.Start_Sequence{Sequence: int64(p.stored)}},
			})
			if err != nil {
				return err
			}
			bare = append(bare, rate)
		}
		rate := median(ephemeral)
		t.add("grpc-go alone, the same messages", "%.0f/s", median(bare))
		t.judge("catch-up of one subscriber", fmt.Sprintf("%.0f/s", rate), "60000/s", rate >= 60_000)
		t.add("catch-up / grpc-go alone", "%.2f", rate/median(bare))
		durable, err := catchUpDurable(ctx, bridge.grpc, p.stored)
		t.judge("catch-up with acknowledgements, Go SDK", fmt.Sprintf("%.0f/s", durable), "40000/s", durable >= 40_000)
		return errors.Join(err, measureFilters(ctx, p, t, bridge))
	})
}

// measureFilters takes how many stored events a second an expression examines that lets one of a hundred pass.
func measureFilters(ctx context.Context, p *plan, t *table, bridge *process) error {
	for _, f := range []struct{ decides, expression string }{
		{"the envelope", `event.sequence % 100 == 0`},
		{"the data", `(data.sender.id - data.sender.id + event.sequence) % 100 == 0`},
	} {
		passing := p.stored / 100
		rate, _, err := catchUp(ctx, bridge.grpc, passing, &hookbridgev1.SubscribeRequest{
			Start:  &hookbridgev1.Start{At: &hookbridgev1.Start_Beginning{Beginning: &emptypb.Empty{}}},
			Filter: &hookbridgev1.Filter{Expression: f.expression},
		})
		if err != nil {
			return err
		}
		examined := rate * float64(p.stored) / float64(passing)
		t.judge("examined by an expression of which "+f.decides+" decides", fmt.Sprintf("%.0f/s", examined), "100000/s", examined >= 100_000)
	}
	return nil
}

// parseSample reads a message that catchUp passes to the limit.
func parseSample(text string) (*hookbridgev1.SubscribeResponse, error) {
	encoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	m := &hookbridgev1.SubscribeResponse{}
	return m, proto.Unmarshal(encoded, m)
}

// catchUp receives so many events and returns how many a second, and the last one.
func catchUp(ctx context.Context, address string, events int, request *hookbridgev1.SubscribeRequest) (rate float64, last *hookbridgev1.SubscribeResponse, err error) {
	err = dial(address, func(c hookbridgev1.EventServiceClient) error {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		start := time.Now()
		stream, err := c.Subscribe(ctx, request)
		if err != nil {
			return err
		}
		for got := 0; got < events; {
			m, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return fmt.Errorf("of %d events only %d came", events, got)
			}
			if err != nil {
				return err
			}
			if m.GetDelivery() != nil {
				last, got = m, got+1
			}
		}
		rate = float64(events) / time.Since(start).Seconds()
		return nil
	})
	return rate, last, err
}

// catchUpDurable does the same with a named subscription, whose every event is acknowledged.
func catchUpDurable(ctx context.Context, address string, events int) (float64, error) {
	c, err := client.Dial(address)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	start, got := time.Now(), 0
	var took time.Duration
	err = c.Subscribe(ctx, "bench", client.From(client.Beginning()), client.Window(20_000, 64<<20), client.AckBatch(2000, 10*time.Millisecond),
		client.Otherwise(func(context.Context, *client.Event) error {
			if got++; got == events {
				took = time.Since(start)
				cancel()
			}
			return nil
		}))
	if err == nil && got < events {
		err = fmt.Errorf("of %d events only %d came", events, got)
	}
	return float64(events) / took.Seconds(), errors.Join(err, c.Close())
}
