package clienttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Published is an event that a test has published.
type Published struct {
	*hookbridgev1.Event
	b *Bridge
}

// String names the event in texts of failures.
func (p *Published) String() string {
	return fmt.Sprintf("event %d (%s of %s, id %s)", p.GetSequence(), p.GetType(), p.GetSource(), p.GetId())
}

// EventOption changes what is published.
type EventOption func(*hookbridgev1.Event)

// ID is the provider's id of the event. Default: "event-" and its sequence.
func ID(id string) EventOption { return func(e *hookbridgev1.Event) { e.Id = id } }

// Provider is the catalogue key of the source's provider. Default: that of the message, or the name of the source.
func Provider(key string) EventOption { return func(e *hookbridgev1.Event) { e.Provider = key } }

// OrderingKey is the entity that the event is about. Default: none.
func OrderingKey(key string) EventOption { return func(e *hookbridgev1.Event) { e.OrderingKey = key } }

// OccurredAt is when it happened. Default: not known.
func OccurredAt(t time.Time) EventOption {
	return func(e *hookbridgev1.Event) { e.OccurredAt = timestamppb.New(t) }
}

// Header adds a header to the event's content.
func Header(name, value string) EventOption {
	return func(e *hookbridgev1.Event) {
		e.Content.Headers = append(e.Content.Headers, &hookbridgev1.Header{Name: http.CanonicalHeaderKey(name), Value: value})
		slices.SortStableFunc(e.Content.Headers, func(a, b *hookbridgev1.Header) int { return strings.Compare(a.GetName(), b.GetName()) })
	}
}

// Publish stores a typed event, with the message as JSON for its body. The test fails if the message doesn't claim the type, because the bridge would never send that.
func (b *Bridge) Publish(source, typ string, data proto.Message, options ...EventOption) *Published {
	b.t.Helper()
	name := data.ProtoReflect().Descriptor().FullName()
	claim := claimOf(data.ProtoReflect().Descriptor())
	if claim == nil {
		b.t.Fatalf("clienttest: %s is no event: it has no option hookbridge.v1.event", name)
	}
	if rankOf(claim, typ) == 0 {
		b.t.Fatalf("clienttest: %s is not the message of type %q: it takes %q", name, typ, claim.GetTypes())
	}
	packed, err := anypb.New(data)
	if err != nil {
		b.t.Fatalf("clienttest: %s: %v", name, err)
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(data)
	if err != nil {
		b.t.Fatalf("clienttest: %s: %v", name, err)
	}
	// protojson's spaces are at random.
	var body bytes.Buffer
	if err := json.Compact(&body, text); err != nil {
		b.t.Fatalf("clienttest: %s: %v", name, err)
	}
	return b.store(&hookbridgev1.Event{
		Source: source, Provider: claim.GetProvider(), Type: typ, Data: packed, Decoding: &hookbridgev1.Decoding{State: hookbridgev1.Decoding_STATE_TYPED},
		Content: &hookbridgev1.Content{Body: body.Bytes()},
	}, options)
}

// PublishJSON stores an event with a body as a provider sends it. When a message that is linked into the test claims the type of the
// provider, and the body fits it, the event is TYPED, and when it doesn't fit, MISMATCH; without such a message it is UNTYPED; a body that
// is no JSON object is UNDECODABLE.
func (b *Bridge) PublishJSON(source, typ, body string, options ...EventOption) *Published {
	b.t.Helper()
	e := &hookbridgev1.Event{Source: source, Provider: source, Type: typ, Content: &hookbridgev1.Content{Body: []byte(body)}}
	for _, o := range options {
		o(e)
	}
	e.Data, e.Decoding = decode(e.GetProvider(), typ, []byte(body))
	return b.store(e, nil)
}

// decode reads a body as the bridge would, by and large.
func decode(provider, typ string, body []byte) (*anypb.Any, *hookbridgev1.Decoding) {
	state := func(s hookbridgev1.Decoding_State, problem error) *hookbridgev1.Decoding {
		d := &hookbridgev1.Decoding{State: s}
		if problem != nil {
			d.Violations = []*hookbridgev1.Violation{{Message: problem.Error()}}
		}
		return d
	}
	loose := &structpb.Struct{}
	if err := protojson.Unmarshal(body, loose); err != nil {
		return nil, state(hookbridgev1.Decoding_STATE_UNDECODABLE, err)
	}
	untyped, err := anypb.New(loose)
	if err != nil {
		return nil, state(hookbridgev1.Decoding_STATE_UNDECODABLE, err)
	}
	kind := messageFor(provider, typ)
	if kind == nil {
		return untyped, state(hookbridgev1.Decoding_STATE_UNTYPED, nil)
	}
	message := kind.New().Interface()
	err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(body, message)
	if err == nil {
		var typed *anypb.Any
		if typed, err = anypb.New(message); err == nil {
			return typed, state(hookbridgev1.Decoding_STATE_TYPED, nil)
		}
	}
	mismatch := state(hookbridgev1.Decoding_STATE_MISMATCH, err)
	mismatch.Violations[0].Field = misfit(kind.New().Interface(), body)
	return untyped, mismatch
}

// misfit is the first member of a body, by name, that doesn't fit by itself; empty if they do.
func misfit(message proto.Message, body []byte) string {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		alone, err := json.Marshal(map[string]json.RawMessage{name: members[name]})
		if err == nil && (protojson.UnmarshalOptions{DiscardUnknown: true, AllowPartial: true}).Unmarshal(alone, message) != nil {
			return name
		}
	}
	return ""
}

func (b *Bridge) store(e *hookbridgev1.Event, options []EventOption) *Published {
	b.t.Helper()
	e.Content.ContentType = "application/json"
	e.Auth = &hookbridgev1.Authenticity{Scheme: "clienttest", BodyCovered: true}
	e.ReceivedAt = timestamppb.New(b.now())
	for _, o := range options {
		o(e)
	}
	b.change(func() {
		e.Sequence = int64(len(b.events)) + 1
		if e.GetId() == "" {
			e.Id = "event-" + strconv.FormatInt(e.GetSequence(), 10)
		}
		b.events = append(b.events, e)
	})
	return &Published{Event: e, b: b}
}
