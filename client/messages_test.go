package client_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/hookbridge/hookbridge/client"
	ordersv1 "github.com/hookbridge/hookbridge/examples/own-schema/gen/acme/orders/v1"
	hmacv1 "github.com/hookbridge/hookbridge/gen/hookbridge/hmac/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/internal/prototest"
)

const visits = `syntax = "proto3";
package acme.visits.v1;
import "hookbridge/v1/options.proto";
message VisitEnded {
  option (hookbridge.v1.event) = {provider: "hmac" types: "visit.ended"};
  string visitor = 1;
}
`

// withImages is a bridge with the schema of the example, whose Go types are linked here, and with one that only the bridge knows.
func withImages(t *testing.T) *bridge {
	t.Helper()
	source, err := os.ReadFile("../examples/own-schema/proto/acme/orders/v1/orders.proto")
	if err != nil {
		t.Fatal(err)
	}
	image := prototest.Image(t, map[string]string{"acme/orders/v1/orders.proto": string(source), "acme/visits/v1/visits.proto": visits})
	path := filepath.Join(t.TempDir(), "acme.binpb")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	return openWith(t, "schemas: ["+path+"]\n")
}

// A handler takes a team's own message like one of ours, by the types that are written on it.
func TestOwnMessages(t *testing.T) {
	b := withImages(t)
	b.post("other", `{"event":"user_created","user_id":1}`)
	b.post("order", `{"event":"order.placed","order_id":"o-1","placed_at":"2026-03-01T09:00:00Z","items":[{"sku":"AB-1","quantity":2}]}`)
	b.post("fraud", `{"event":"order.cancelled.fraud","order_id":"o-1"}`)
	got := make(chan string, 3)
	r := subscribe(t, b.dial(), "shipping", client.From(client.Beginning()), client.Otherwise(client.Stop), unfit,
		client.On(func(_ context.Context, e *client.Event, o *ordersv1.OrderPlaced) error {
			got <- e.GetId() + " " + o.GetOrderId() + " " + o.GetItems()[0].GetSku()
			return nil
		}),
		client.On(func(_ context.Context, e *client.Event, o *ordersv1.OrderCancelled) error {
			got <- e.GetId() + " " + o.GetOrderId()
			return nil
		}),
	)
	for _, want := range []string{"order o-1 AB-1", "fraud o-1"} {
		if have := next(t, got); have != want {
			t.Errorf("want %s, got %s", want, have)
		}
	}
	r.stop()
	none(t, got)
}

// A program without the Go types reads events with what the bridge tells it; of types that it has linked it gets those.
func TestMessages(t *testing.T) {
	b := withImages(t)
	c := b.dial()
	b.post("visit", `{"event":"visit.ended","visitor":"Ada"}`)
	b.post("user", `{"event":"user_created","user_id":1}`)
	b.post("text", `[]`)
	data := func(sequence int64) any {
		t.Helper()
		e, err := c.Get(t.Context(), sequence, false)
		if err != nil {
			t.Fatal(err)
		}
		m, err := c.Messages().Data(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		if visit, ok := m.(*dynamicpb.Message); ok {
			json, err := protojson.MarshalOptions{Resolver: c.Messages()}.Marshal(e.GetData())
			if err != nil {
				t.Fatal(err)
			}
			if strings.ReplaceAll(string(json), " ", "") != `{"@type":"type.googleapis.com/acme.visits.v1.VisitEnded","visitor":"Ada"}` {
				t.Errorf("as JSON: %s", json)
			}
			return visit.Get(visit.Descriptor().Fields().ByName("visitor")).String()
		}
		if m == nil {
			return nil
		}
		user, ok := m.(*hmacv1.UserCreated)
		if !ok {
			t.Fatalf("got a %T", m)
		}
		return user.GetUserId()
	}
	for sequence, want := range map[int64]any{1: "Ada", 2: int64(1), 3: nil} {
		if got := data(sequence); got != want {
			t.Errorf("event %d: want %v, got %v", sequence, want, got)
		}
	}
	gone := &hookbridgev1.Event{Sequence: 9, Data: &anypb.Any{TypeUrl: "type.googleapis.com/acme.v1.Gone"}}
	_, err := c.Messages().Data(t.Context(), gone)
	if want := "data of event 9: neither this program nor the bridge knows the message acme.v1.Gone"; err == nil || err.Error() != want {
		t.Errorf("want %s, got %v", want, err)
	}
}

// One caller that has no time doesn't keep the next one from an answer.
func TestMessagesForWhoHasTime(t *testing.T) {
	b := withImages(t)
	c := b.dial()
	b.post("visit", `{"event":"visit.ended","visitor":"Ada"}`)
	e, err := c.Get(t.Context(), 1, false)
	if err != nil {
		t.Fatal(err)
	}
	none, cancel := context.WithCancel(t.Context())
	cancel()
	if m, err := c.Messages().Data(none, e); err == nil {
		t.Errorf("want an error, got %v", m)
	}
	if m, err := c.Messages().Data(t.Context(), e); err != nil || m == nil {
		t.Errorf("got %v, %v", m, err)
	}
}
