package clienttest_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/hookbridge/hookbridge/client"
	"github.com/hookbridge/hookbridge/client/clienttest"
	hmacv1 "github.com/hookbridge/hookbridge/gen/hookbridge/hmac/v1"
	stripev1 "github.com/hookbridge/hookbridge/gen/hookbridge/stripe/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// A body becomes what the bridge would make of it.
func TestPublishJSON(t *testing.T) {
	b := clienttest.New(t)
	for _, tc := range []struct {
		source, typ, body string
		options           []clienttest.EventOption
		want              string
	}{
		{source: "stripe", typ: "invoice.paid", body: `{"id":"evt_1","new":1}`, want: "STATE_TYPED hookbridge.stripe.v1.InvoiceEvent []"},
		{source: "stripe-eu", typ: "invoice.paid", body: `{}`, options: []clienttest.EventOption{clienttest.Provider("stripe")}, want: "STATE_TYPED hookbridge.stripe.v1.InvoiceEvent []"},
		{source: "stripe-eu", typ: "invoice.paid", body: `{}`, want: "STATE_UNTYPED google.protobuf.Struct []"},
		{source: "hmac", typ: "user_created", body: `{"event":"user_created","user_id":"many"}`, want: "STATE_MISMATCH google.protobuf.Struct [user_id]"},
		{source: "hmac", typ: "user_created", body: `[]`, want: "STATE_UNDECODABLE  []"},
		{source: "hmac", typ: "something", body: `{}`, want: "STATE_UNTYPED google.protobuf.Struct []"},
	} {
		e := b.PublishJSON(tc.source, tc.typ, tc.body, tc.options...)
		fields := []string{}
		for _, v := range e.GetDecoding().GetViolations() {
			if v.GetField() != "" {
				fields = append(fields, v.GetField())
			}
		}
		if got := fmt.Sprintf("%s %s %v", e.GetDecoding().GetState(), e.GetData().MessageName(), fields); got != tc.want {
			t.Errorf("%s of %s %s: got %s, want %s", tc.typ, tc.source, tc.body, got, tc.want)
		}
		content, err := b.Client().Content(t.Context(), e.GetSequence())
		if err != nil || string(content.GetBody()) != tc.body || content.GetContentType() != "application/json" {
			t.Errorf("content %v, %v", content, err)
		}
	}
}

// Reading single events and pages of them works as with a bridge.
func TestReading(t *testing.T) {
	b := clienttest.New(t)
	c := b.Client()
	for range 25 {
		b.Publish("stripe", "invoice.paid", &stripev1.InvoiceEvent{})
	}
	last := b.Publish("stripe", "invoice.sent", &stripev1.InvoiceEvent{Id: proto.String("evt_26")}, clienttest.ID("evt_26"), clienttest.Header("user-agent", "Stripe"))
	e, err := c.GetByID(t.Context(), "stripe", "evt_26", true)
	if err != nil || !proto.Equal(e, last.Event) || e.GetContent().GetHeaders()[0].GetName() != "User-Agent" || string(e.GetContent().GetBody()) != `{"id":"evt_26"}` {
		t.Errorf("got %v, %v", e, err)
	}
	var ids []string
	for e, err := range c.List(t.Context(), &hookbridgev1.ListEventsRequest{PageSize: 10, Filter: &hookbridgev1.Filter{Types: []string{"*.paid"}}, Descending: true}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.GetId())
	}
	if len(ids) != 25 || ids[0] != "event-25" || ids[24] != "event-1" {
		t.Errorf("got %q", ids)
	}
	if _, err := c.Events().EraseEvent(t.Context(), &hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Sequence{Sequence: 26}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), 26, false); err == nil || err.Error() != "rpc error: code = NotFound desc = there is no such event, or none any more" {
		t.Errorf("an erased event: %v", err)
	}
}

// failing is a test that is expected to fail.
type failing struct {
	*testing.T
	text string
}

func (f *failing) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// What a test waits for in vain, or asks for in error, fails it with a text that says why.
func TestFailures(t *testing.T) {
	for _, tc := range []struct {
		name string
		test func(t *testing.T, b *clienttest.Bridge)
		want string
	}{
		{"not an event", func(_ *testing.T, b *clienttest.Bridge) { b.Publish("s", "t", &structpb.Struct{}) },
			"clienttest: google.protobuf.Struct is no event: it has no option hookbridge.v1.event"},
		{"another type", func(_ *testing.T, b *clienttest.Bridge) { b.Publish("s", "user_gone", &hmacv1.UserCreated{}) },
			`clienttest: hookbridge.hmac.v1.UserCreated is not the message of type "user_gone": it takes ["user.created" "user_created"]`},
		{"nobody there", func(_ *testing.T, b *clienttest.Bridge) { b.PublishJSON("demo", "order", `{}`).AwaitAcknowledged() },
			"clienttest: want event 1 (order of demo, id event-1) acknowledged within 1ms; nobody has subscribed"},
		{"too early", func(t *testing.T, b *clienttest.Bridge) {
			e := b.PublishJSON("demo", "order", `{}`)
			r := subscribe(t, b, "late", client.Otherwise(client.Skip))
			defer r.stop()
			e.AwaitAcknowledged()
		}, "clienttest: want event 1 (order of demo, id event-1) acknowledged within 1ms; it was sent to nobody: a subscription begins behind what was " +
			"published before it, and takes the types and sources that it asks for"},
		{"nothing to send again", func(_ *testing.T, b *clienttest.Bridge) { b.PublishJSON("demo", "order", `{}`).Redeliver() },
			"clienttest: event 1 (order of demo, id event-1) is outstanding in no subscription, so it can't be sent again; nobody has subscribed"},
		{"a gap in the future", func(_ *testing.T, b *clienttest.Bridge) { b.Gap(5, 6) }, "clienttest: a gap from 5 to 6: the journal ends at 1"},
		{"a gap of nothing", func(_ *testing.T, b *clienttest.Bridge) { b.Gap(1, 1) },
			"clienttest: a gap from 1 to 1: want from 1 to 1000000 sequences, the first at least 1"},
		{"no stream", func(_ *testing.T, b *clienttest.Bridge) { b.AwaitSubscribed("billing") },
			`clienttest: want a stream of the subscription "billing", which did not come within 1ms`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &failing{T: t}
			patience := clienttest.Patience(1e6)
			if strings.HasPrefix(tc.name, "too") {
				// The first wait of this one is to succeed.
				patience = clienttest.Patience(1e9)
				tc.want = strings.ReplaceAll(tc.want, "1ms", "1s")
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				tc.test(t, clienttest.New(f, patience))
			}()
			<-done
			if diff := cmp.Diff(tc.want, f.text); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// An acknowledged event is no rejected one, and the text tells its story.
func TestWrongOutcome(t *testing.T) {
	f := &failing{T: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := clienttest.New(f)
		r := subscribe(t, b, "billing", client.Otherwise(client.Skip))
		defer r.stop()
		b.PublishJSON("demo", "order", `{}`).AwaitRejected()
	}()
	<-done
	const want = "clienttest: want event 1 (order of demo, id event-1) rejected, it was acknowledged; what happened to it:\n" +
		"  delivered, attempt 1 of \"billing\"\n  acknowledged, attempt 1 of \"billing\""
	if diff := cmp.Diff(want, f.text); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Times that can't be meant are errors of the test, rather than a bridge that does nothing but to wake up.
func TestOddTimes(t *testing.T) {
	for want, option := range map[string]clienttest.Option{
		"clienttest: AckDeadline: want more than 0s, got 0s": clienttest.AckDeadline(0),
		"clienttest: Heartbeat: want more than 0s, got -1s":  clienttest.Heartbeat(-time.Second),
		"clienttest: Patience: want more than 0s, got 0s":    clienttest.Patience(0),
		"clienttest: Backoff: want at least 0s, got -1s":     clienttest.Backoff(0, -time.Second),
		"": nil,
	} {
		f := &failing{T: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			clienttest.New(f, option)
		}()
		<-done
		if f.text != want {
			t.Errorf("want %q, got %q", want, f.text)
		}
	}
}
