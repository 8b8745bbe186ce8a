package client_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/hookbridge/hookbridge/client"
	"github.com/hookbridge/hookbridge/client/clienttest"
)

const (
	theirTrace = "0af7651916cd43dd8448eb211c80319c"
	theirSpan  = "b7ad6b7169203331"
)

// A handler runs in a span that goes on with the trace of the delivery, where the delivery has one and its content was asked for.
func TestSpans(t *testing.T) {
	for name, tc := range map[string]struct {
		content bool
		header  string
		parent  string // "trace span", empty for a root
	}{
		"no header":             {content: true},
		"header":                {content: true, header: "00-" + theirTrace + "-" + theirSpan + "-01", parent: theirTrace + " " + theirSpan},
		"not asked for":         {header: "00-" + theirTrace + "-" + theirSpan + "-01"},
		"a header of no format": {content: true, header: "00-zz"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				recorder := tracetest.NewSpanRecorder()
				provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
				b := clienttest.New(t)
				options := []client.Option{strict, onUser(func(ctx context.Context, id int64) error {
					_, inner := provider.Tracer("test").Start(ctx, "inner")
					inner.End()
					if id == 1 {
						return nil
					}
					return client.DeadLetter(errors.New("broken\nand a second line"))
				})}
				if tc.content {
					options = append(options, client.Content())
				}
				r := against(t, b, b.Client(client.WithTracerProvider(provider)), "traced", options...)
				var header []clienttest.EventOption
				if tc.header != "" {
					header = append(header, clienttest.Header("Traceparent", tc.header))
				}
				user(b, 1, append(header, clienttest.ID("evt_1"))...).AwaitAcknowledged()
				user(b, 2).AwaitDeadLettered()
				r.stop()
				spans := recorder.Ended()
				if len(spans) != 4 || spans[0].Name() != "inner" || spans[0].Parent().SpanID() != spans[1].SpanContext().SpanID() {
					t.Fatalf("got %v; want two spans, each with the handler's own in it", spans)
				}
				first, second := spans[1], spans[3]
				if first.Name() != "hookbridge.process" || first.SpanKind() != trace.SpanKindConsumer || first.Status().Code.String() != "Unset" {
					t.Errorf("got %s, %s, %v", first.Name(), first.SpanKind(), first.Status())
				}
				parent := ""
				if first.Parent().IsValid() {
					parent = first.Parent().TraceID().String() + " " + first.Parent().SpanID().String()
				}
				if parent != tc.parent || second.Parent().IsValid() {
					t.Errorf("parents %q and %v", parent, second.Parent())
				}
				got := map[string]string{}
				for _, a := range first.Attributes() {
					got[string(a.Key)] = a.Value.String()
				}
				if diff := cmp.Diff(map[string]string{
					"messaging.system": "hookbridge", "messaging.operation.type": "process", "messaging.operation.name": "process",
					"messaging.destination.name": "demo", "messaging.destination.subscription.name": "traced", "messaging.message.id": "evt_1",
					"hookbridge.event.source": "demo", "hookbridge.event.type": "user_created", "hookbridge.event.sequence": "1", "hookbridge.event.attempt": "1",
				}, got); diff != "" {
					t.Errorf("attributes (-want +got)\n%s", diff)
				}
				if got := fmt.Sprint(second.Status()); got != "{Error broken}" {
					t.Errorf("status %s", got)
				}
			})
		})
	}
}

// The whole way: a trace that a delivery came with goes on in its handler.
func TestTheTraceOfADelivery(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	b := open(t)
	b.post("1", `{"event":"user_created","user_id":1}`, "traceparent", "00-"+theirTrace+"-"+theirSpan+"-01")
	got := make(chan int64, 1)
	r := subscribe(t, b.dial(client.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)))), "traced", beginning, client.Content(),
		users(got), client.Otherwise(client.Stop))
	next(t, got)
	r.stop()
	spans := recorder.Ended()
	if len(spans) != 1 || spans[0].Parent().TraceID().String() != theirTrace || spans[0].Parent().SpanID().String() != theirSpan || !spans[0].Parent().IsRemote() {
		t.Errorf("got %v", spans)
	}
}

// Without an option the global provider makes the spans, also one that is set while Subscribe runs; one that makes none is asked once.
func TestGlobalTracerProvider(t *testing.T) {
	before := otel.GetTracerProvider()
	t.Cleanup(func() { otel.SetTracerProvider(before) })
	synctest.Test(t, func(t *testing.T) {
		silent := &counting{}
		otel.SetTracerProvider(silent)
		b := clienttest.New(t)
		r := against(t, b, b.Client(), "traced", strict, onUser(func(context.Context, int64) error { return nil }))
		user(b, 1).AwaitAcknowledged()
		user(b, 2).AwaitAcknowledged()
		if got := silent.asked.Load(); got != 1 {
			t.Errorf("a provider without spans was asked %d times", got)
		}
		recorder := tracetest.NewSpanRecorder()
		otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder), sdktrace.WithSampler(sdktrace.NeverSample())))
		user(b, 3).AwaitAcknowledged()
		otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)))
		user(b, 4).AwaitAcknowledged()
		user(b, 5).AwaitAcknowledged()
		if got := len(recorder.Ended()); got != 2 {
			t.Errorf("%d spans, want 2", got)
		}
		r.stop()
	})
}

// counting makes no spans, and says how often it was asked for one.
type counting struct {
	noop.TracerProvider
	asked atomic.Int32 // also by what begins after the test: what was global once is delegated to
}

func (c *counting) Tracer(string, ...trace.TracerOption) trace.Tracer { return &countingTracer{of: c} }

type countingTracer struct {
	noop.Tracer
	of *counting
}

func (c *countingTracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	c.of.asked.Add(1)
	return c.Tracer.Start(ctx, name, options...)
}
