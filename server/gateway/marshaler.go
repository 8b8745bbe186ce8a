package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/fault"
)

// marshaler decodes verified deliveries and encodes receipts.
type marshaler struct{ gateway *Gateway }

var _ runtime.Marshaler = marshaler{}

// ContentType is that of receipts.
func (marshaler) ContentType(any) string { return "application/json" }

// Marshal encodes a receipt as one line of JSON, with all its fields, without protojson's random spaces.
func (marshaler) Marshal(v any) ([]byte, error) {
	if r, ok := v.(*hookbridgev1.IngestResponse); ok && isPlain(r.GetId()) {
		return appendReceipt(nil, r), nil
	}
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("want a message, got %T", v)
	}
	loose, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.Grow(len(loose) + 1)
	if err := json.Compact(&out, loose); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// appendReceipt writes what protojson would, of a receipt whose id needs no escapes. It is on the path of every delivery.
func appendReceipt(b []byte, r *hookbridgev1.IngestResponse) []byte {
	const frame = len(`{"id":"","sequence":"9223372036854775807","duplicate":false}`) + 1
	b = slices.Grow(b, frame+len(r.GetId()))
	b = append(append(append(b, `{"id":"`...), r.GetId()...), `","sequence":"`...)
	b = append(strconv.AppendInt(b, r.GetSequence(), 10), `","duplicate":`...)
	return append(strconv.AppendBool(b, r.GetDuplicate()), "}\n"...)
}

// isPlain tells whether a text stands in JSON as it is.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// Unmarshal is not part of the way in.
func (marshaler) Unmarshal([]byte, any) error { return errForeign }

// NewEncoder is not used for unary calls, but must write what Marshal does.
func (m marshaler) NewEncoder(w io.Writer) runtime.Encoder {
	return runtime.EncoderFunc(func(v any) error {
		b, err := m.Marshal(v)
		if err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	})
}

// NewDecoder decodes a carrier into an IngestRequest or IngestBatchRequest and refuses everything else.
func (m marshaler) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		c, ok := r.(*carrier)
		if !ok || c.delivery == nil {
			return errForeign
		}
		switch req := v.(type) {
		case *hookbridgev1.IngestRequest:
			if c.delivery.List || len(c.delivery.Events) != 1 {
				return errForeign
			}
			c.failure = m.gateway.fillOne(c, req)
		case *hookbridgev1.IngestBatchRequest:
			c.failure = m.gateway.fillBatch(c, req)
		default:
			return errForeign
		}
		return c.failure
	})
}

// fillOne makes the request of a delivery that is one event.
func (g *Gateway) fillOne(c *carrier, req *hookbridgev1.IngestRequest) error {
	v := c.delivery.Events[0]
	done, err := g.room(c.ctx, len(v.Document))
	if err != nil {
		return err
	}
	defer done()
	g.fill(v, req)
	return nil
}

// fillBatch makes the request of a delivery that carries a list.
func (g *Gateway) fillBatch(c *carrier, req *hookbridgev1.IngestBatchRequest) error {
	size := 0
	for _, v := range c.delivery.Events {
		size += len(v.Document)
	}
	done, err := g.room(c.ctx, size)
	if err != nil {
		return err
	}
	defer done()
	req.Source, req.Requests = c.delivery.Source, make([]*hookbridgev1.IngestRequest, len(c.delivery.Events))
	for n, v := range c.delivery.Events {
		req.Requests[n] = &hookbridgev1.IngestRequest{}
		g.fill(v, req.Requests[n])
	}
	return nil
}

// room waits until there is room to decode documents of a size, and returns what gives it back.
func (g *Gateway) room(ctx context.Context, size int) (done func(), err error) {
	if size <= largeDocument {
		return func() {}, nil
	}
	n := min(int64(size), decodeBudget)
	if err := g.large.Acquire(ctx, n); err != nil {
		return nil, fmt.Errorf("%w: wait for room to decode %d bytes: %w", fault.ErrOverloaded, n, err)
	}
	return func() { g.large.Release(n) }, nil
}

// fill makes the request out of an event, typed.
func (g *Gateway) fill(v *delivery.Verified, req *hookbridgev1.IngestRequest) {
	data, decoding, notJSON := (*anypb.Any)(nil), &hookbridgev1.Decoding{State: hookbridgev1.Decoding_STATE_UNTYPED}, false
	if !v.NoDocument {
		data, decoding, notJSON = g.decode(v.Provider, v.Type, v.Document)
	}

	req.Source = v.Source
	req.NotJson = notJSON
	req.Validation = hookbridgev1.Validation_VALIDATION_OBSERVE
	if v.Enforce {
		req.Validation = hookbridgev1.Validation_VALIDATION_ENFORCE
	}
	if v.DedupeWindow >= 0 {
		req.DedupeWindow = durationpb.New(v.DedupeWindow)
	}
	if !v.HoldUntil.IsZero() {
		req.HoldUntil = timestamppb.New(v.HoldUntil)
	}
	req.Event = envelope(v)
	req.Event.Data, req.Event.Decoding = data, decoding
	if !v.OccurredAt.IsZero() {
		req.Event.OccurredAt = timestamppb.New(v.OccurredAt)
	}
	if v.Size > 0 {
		req.Event.Batch = &hookbridgev1.Batch{Index: int32(v.Index), Size: int32(v.Size)}
	}
}

// envelope makes the event without its data. The messages that it is made of lie side by side, since they come and go together.
func envelope(v *delivery.Verified) *hookbridgev1.Event {
	e := &struct {
		event    hookbridgev1.Event
		received timestamppb.Timestamp
		auth     hookbridgev1.Authenticity
		content  hookbridgev1.Content
	}{}
	e.received.Seconds, e.received.Nanos = v.ReceivedAt.Unix(), int32(v.ReceivedAt.Nanosecond())
	e.auth.Scheme, e.auth.Secret = v.Auth.Scheme, int32(v.Auth.Secret)
	e.auth.BodyCovered, e.auth.IdCovered = v.Auth.BodyCovered, v.Auth.IDCovered
	e.auth.TypeCovered, e.auth.TimeCovered = v.Auth.TypeCovered, v.Auth.TimeCovered
	e.content.Body, e.content.ContentType = v.Body, v.ContentType
	headers := make([]hookbridgev1.Header, len(v.Header))
	e.content.Headers = make([]*hookbridgev1.Header, len(headers))
	for n, f := range v.Header {
		headers[n].Name, headers[n].Value = f.Name, f.Value
		e.content.Headers[n] = &headers[n]
	}
	e.event.Id, e.event.Source, e.event.Provider, e.event.Type = v.ID, v.Source, v.Provider, v.Type
	e.event.OrderingKey = v.OrderingKey
	e.event.ReceivedAt, e.event.Auth, e.event.Content = &e.received, &e.auth, &e.content
	return &e.event
}
