package subscription

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// What is out of bounds is refused by the field's path, without the interceptor that checks it too. A stream that is wrongly let
// through ends the test at its first message: reading it to its end would go on for ever, for it lives on heartbeats.
func TestRequestsOutOfBoundsAreRefused(t *testing.T) {
	long := strings.Repeat("a", 600)
	seconds := func(s int64) *durationpb.Duration { return &durationpb.Duration{Seconds: s} }
	subscribe := func(r *hookbridgev1.SubscribeRequest) func(context.Context, *bridge) error {
		return func(ctx context.Context, b *bridge) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			rpc, err := b.client.Subscribe(ctx, r)
			if err == nil {
				_, err = rpc.Recv()
			}
			return err
		}
	}
	filter := func(f *hookbridgev1.Filter) func(context.Context, *bridge) error {
		return subscribe(&hookbridgev1.SubscribeRequest{Filter: f})
	}
	startAt := func(s *hookbridgev1.Start) func(context.Context, *bridge) error {
		return subscribe(&hookbridgev1.SubscribeRequest{Start: s})
	}
	ack := func(name string, ids ...string) func(context.Context, *bridge) error {
		return func(ctx context.Context, b *bridge) error {
			_, err := b.client.Acknowledge(ctx, &hookbridgev1.AcknowledgeRequest{Subscription: name, AckIds: ids})
			return err
		}
	}
	list := func(r *hookbridgev1.ListEventsRequest) func(context.Context, *bridge) error {
		return func(ctx context.Context, b *bridge) error {
			_, err := b.client.ListEvents(ctx, r)
			return err
		}
	}
	get := func(r *hookbridgev1.GetEventRequest) func(context.Context, *bridge) error {
		return func(ctx context.Context, b *bridge) error {
			_, err := b.client.GetEvent(ctx, r)
			return err
		}
	}
	key := func(source, id string) func(context.Context, *bridge) error {
		return get(&hookbridgev1.GetEventRequest{Event: &hookbridgev1.GetEventRequest_Key{Key: &hookbridgev1.EventKey{Source: source, Id: id}}})
	}
	sequence := func(n int64) func(context.Context, *bridge) error {
		return get(&hookbridgev1.GetEventRequest{Event: &hookbridgev1.GetEventRequest_Sequence{Sequence: n}})
	}
	content := func(n int64) func(context.Context, *bridge) error {
		return func(ctx context.Context, b *bridge) error {
			rpc, err := b.client.GetEventContent(ctx, &hookbridgev1.GetEventContentRequest{Sequence: n})
			if err == nil {
				_, err = rpc.Recv()
			}
			return err
		}
	}
	token := func(s string) func(context.Context, *bridge) error {
		return list(&hookbridgev1.ListEventsRequest{PageToken: s})
	}
	badTime := &timestamppb.Timestamp{Nanos: -1}
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(3, "push")
		for _, tc := range []struct {
			name, field string
			call        func(context.Context, *bridge) error
		}{
			{"name with a capital", "subscription", subscribe(&hookbridgev1.SubscribeRequest{Subscription: "A"})},
			{"name with a digit first", "subscription", subscribe(&hookbridgev1.SubscribeRequest{Subscription: "1a"})},
			{"name too long", "subscription", subscribe(&hookbridgev1.SubscribeRequest{Subscription: long[:64]})},
			{"events below", "max_outstanding_events", subscribe(&hookbridgev1.SubscribeRequest{MaxOutstandingEvents: -1})},
			{"events above", "max_outstanding_events", subscribe(&hookbridgev1.SubscribeRequest{MaxOutstandingEvents: 100_001})},
			{"bytes below", "max_outstanding_bytes", subscribe(&hookbridgev1.SubscribeRequest{MaxOutstandingBytes: math.MinInt64})},
			{"bytes above", "max_outstanding_bytes", subscribe(&hookbridgev1.SubscribeRequest{MaxOutstandingBytes: 256<<20 + 1})},
			{"no deadline", "ack_deadline", subscribe(&hookbridgev1.SubscribeRequest{AckDeadline: seconds(0)})},
			{"deadline below", "ack_deadline", subscribe(&hookbridgev1.SubscribeRequest{AckDeadline: durationpb.New(time.Second - 1)})},
			{"deadline above", "ack_deadline", subscribe(&hookbridgev1.SubscribeRequest{AckDeadline: seconds(3601)})},
			{"deadline beyond what fits", "ack_deadline", subscribe(&hookbridgev1.SubscribeRequest{AckDeadline: seconds(math.MaxInt64)})},
			{"heartbeat below", "heartbeat_interval", subscribe(&hookbridgev1.SubscribeRequest{HeartbeatInterval: seconds(0)})},
			{"heartbeat above", "heartbeat_interval", subscribe(&hookbridgev1.SubscribeRequest{HeartbeatInterval: seconds(301)})},
			{"event size negative", "max_event_bytes", subscribe(&hookbridgev1.SubscribeRequest{MaxEventBytes: -1})},
			{"event size below", "max_event_bytes", subscribe(&hookbridgev1.SubscribeRequest{MaxEventBytes: 1023})},
			{"event size above", "max_event_bytes", subscribe(&hookbridgev1.SubscribeRequest{MaxEventBytes: 32<<20 + 1})},
			{"client name too long", "client_name", subscribe(&hookbridgev1.SubscribeRequest{ClientName: long[:129]})},
			{"too many sources", "filter.sources", filter(&hookbridgev1.Filter{Sources: make([]string, 101)})},
			{"empty source", "filter.sources[1]", filter(&hookbridgev1.Filter{Sources: []string{"a", ""}})},
			{"source that none can be", "filter.sources[0]", filter(&hookbridgev1.Filter{Sources: []string{"A"}})},
			{"source too long", "filter.sources[0]", filter(&hookbridgev1.Filter{Sources: []string{long[:65]}})},
			{"too many types", "filter.types", filter(&hookbridgev1.Filter{Types: make([]string, 1001)})},
			{"empty type", "filter.types[0]", filter(&hookbridgev1.Filter{Types: []string{""}})},
			{"type too long", "filter.types[0]", filter(&hookbridgev1.Filter{Types: []string{long[:256]}})},
			{"start at 0", "start.sequence", startAt(&hookbridgev1.Start{At: &hookbridgev1.Start_Sequence{}})},
			{"start at no time", "start.time", startAt(&hookbridgev1.Start{At: &hookbridgev1.Start_Time{Time: badTime}})},
			{"acknowledging for none", "subscription", ack("", "x")},
			{"acknowledging nothing", "ack_ids", ack("a")},
			{"acknowledging too much", "ack_ids", ack("a", make([]string, 10_001)...)},
			{"empty ack_id", "ack_ids[1]", ack("a", "x", "")},
			{"ack_id too long", "ack_ids[0]", ack("a", long[:257])},
			{"page below", "page_size", list(&hookbridgev1.ListEventsRequest{PageSize: -1})},
			{"page above", "page_size", list(&hookbridgev1.ListEventsRequest{PageSize: 1001})},
			{"since no time", "since", list(&hookbridgev1.ListEventsRequest{Since: badTime})},
			{"until no time", "until", list(&hookbridgev1.ListEventsRequest{Until: badTime})},
			{"list filter", "filter.types[0]", list(&hookbridgev1.ListEventsRequest{Filter: &hookbridgev1.Filter{Types: []string{""}}})},
			{"token too long", "page_token", token(long[:513])},
			{"token of none", "page_token", token("AAAA")},
			{"token that is no base64", "page_token", token("?")},
			{"get nothing", "event", get(&hookbridgev1.GetEventRequest{})},
			{"get 0", "sequence", sequence(0)},
			{"get below", "sequence", sequence(math.MinInt64)},
			{"get of no source", "key.source", key("", "1")},
			{"get of no id", "key.id", key("src", "")},
			{"get of a long id", "key.id", key("src", long[:256])},
			{"content of 0", "sequence", content(0)},
		} {
			s := status.Convert(tc.call(t.Context(), b))
			var fields []string
			for _, d := range s.Details() {
				if bad, ok := d.(*errdetails.BadRequest); ok {
					for _, v := range bad.GetFieldViolations() {
						fields = append(fields, v.GetField())
					}
				}
			}
			equal(t, tc.name+": code", s.Code(), codes.InvalidArgument)
			equal(t, tc.name+": fields", fields, []string{tc.field})
		}
		equal(t, "subscriptions made", len(b.manager.everyone()), 0)
	})
}
