package main

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/hookbridge/hookbridge/client/clienttest"
	stripev1 "github.com/hookbridge/hookbridge/gen/hookbridge/stripe/v1"
)

// How a service tests its own subscriber: against a bridge in memory, without a process, a port or a secret.
func TestSubscriber(t *testing.T) {
	bridge := clienttest.New(t)
	var out, notes bytes.Buffer
	c, done := bridge.Client(), make(chan error, 1)
	go func() { done <- c.Subscribe(t.Context(), "billing", subscriber(&out, &notes)) }()
	bridge.AwaitSubscribed("billing")

	invoice := &stripev1.Invoice{Id: proto.String("in_1"), AmountDue: proto.Int64(4200), Currency: proto.String("eur")}
	bridge.Publish("stripe", "invoice.paid", &stripev1.InvoiceEvent{Data: &stripev1.InvoiceEvent_Data{Object: invoice}}, clienttest.ID("evt_1")).AwaitAcknowledged()
	bridge.PublishJSON("github", "pull_request.opened", `{"number":"many"}`, clienttest.ID("pull-1")).AwaitAcknowledged()

	// Closing the client ends Subscribe, after which nobody writes any more.
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	<-done
	if want := "evt_1 invoice.paid in_1 4200 eur\npull-1 pull_request.opened not typed: number\n"; out.String() != want {
		t.Errorf("printed %q, want %q", &out, want)
	}
	if want := "subscribed as billing at sequence 1\n"; notes.String() != want {
		t.Errorf("noted %q, want %q", &notes, want)
	}
}
