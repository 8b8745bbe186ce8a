package client

import (
	"context"
	"reflect"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

const (
	scope    = "github.com/hookbridge/hookbridge/client"
	spanName = "hookbridge.process"
)

// tracing makes the spans of handlers.
type tracing struct {
	provider     trace.TracerProvider // nil for the global one
	subscription string
	// silent is the global provider of which it is known that it makes no spans: one that was never set up. It may be replaced.
	silent atomic.Pointer[trace.TracerProvider]
}

// of is the tracing of a subscription.
func (t *tracing) of(subscription string) *tracing {
	return &tracing{provider: t.provider, subscription: subscription}
}

// call lets a delivery's handler run, in a span if anybody makes spans. Without that it costs no memory.
func (u *subscriber) call(life context.Context, d *delivery) error {
	provider := u.tracing.provider
	if provider == nil {
		if provider = otel.GetTracerProvider(); u.tracing.isSilent(provider) {
			return u.router.handle(life, d.handler, &d.event)
		}
	}
	parent := propagation.TraceContext{}.Extract(life, headers{d.event.GetContent()})
	ctx, span := provider.Tracer(scope).Start(parent, spanName, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(u.tracing.attributes(&d.event)...))
	defer span.End()
	if u.tracing.provider == nil && !made(span, parent) {
		u.tracing.silence(provider)
	}
	err := u.router.handle(ctx, d.handler, &d.event)
	if err != nil && span.IsRecording() {
		// Like what the bridge is told: no stack, no second line.
		span.SetStatus(codes.Error, firstLine(err.Error()))
		span.SetAttributes(semconv.ErrorType(err))
	}
	return err
}

// made says whether a span is one, and not a stand-in for that of its parent or for none.
func made(span trace.Span, parent context.Context) bool {
	return span.SpanContext().IsValid() && span.SpanContext().SpanID() != trace.SpanContextFromContext(parent).SpanID()
}

func (t *tracing) isSilent(provider trace.TracerProvider) bool {
	known := t.silent.Load()
	return known != nil && *known == provider
}

// silence remembers a provider, if it can be told from others.
func (t *tracing) silence(provider trace.TracerProvider) {
	if reflect.ValueOf(provider).Comparable() {
		t.silent.Store(&provider)
	}
}

// attributes say what is being handled: as the semantic conventions for messaging have it, and what they have no word for.
func (t *tracing) attributes(e *Event) []attribute.KeyValue {
	attributes := []attribute.KeyValue{
		semconv.MessagingSystemKey.String("hookbridge"),
		semconv.MessagingOperationTypeProcess,
		semconv.MessagingOperationName("process"),
		semconv.MessagingDestinationName(e.GetSource()),
		semconv.MessagingMessageID(e.GetId()),
		attribute.String("hookbridge.event.source", e.GetSource()),
		attribute.String("hookbridge.event.type", e.GetType()),
		attribute.Int64("hookbridge.event.sequence", e.GetSequence()),
		attribute.Int("hookbridge.event.attempt", e.Attempt),
	}
	if t.subscription != "" {
		attributes = append(attributes, semconv.MessagingDestinationSubscriptionName(t.subscription))
	}
	return attributes
}

// headers reads the headers of a delivery as a propagator does.
type headers struct{ content *hookbridgev1.Content }

var _ propagation.TextMapCarrier = headers{}

// Get implements propagation.TextMapCarrier.
func (h headers) Get(key string) string {
	for _, header := range h.content.GetHeaders() {
		if strings.EqualFold(header.GetName(), key) {
			return header.GetValue()
		}
	}
	return ""
}

// Set implements propagation.TextMapCarrier: what was received stays as it is.
func (headers) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (h headers) Keys() []string {
	var keys []string
	for _, header := range h.content.GetHeaders() {
		keys = append(keys, header.GetName())
	}
	return keys
}
