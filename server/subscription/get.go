package subscription

import (
	"context"
	"unicode/utf8"

	"google.golang.org/grpc"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/auth"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
)

const (
	// maxReply bounds an event, or a page of them, in the answer of a unary call: gRPC clients refuse more than 4 MiB.
	maxReply = 3 << 20
	// maxChunk is the largest piece of a body.
	maxChunk = 1 << 20
)

// GetEvent implements hookbridge.v1.EventService.
func (m *Manager) GetEvent(ctx context.Context, req *hookbridgev1.GetEventRequest) (*hookbridgev1.GetEventResponse, error) {
	var sequence int64
	switch which := req.GetEvent().(type) {
	case *hookbridgev1.GetEventRequest_Sequence:
		sequence = which.Sequence
	case *hookbridgev1.GetEventRequest_Key:
		if source := which.Key.GetSource(); !validSource(source) {
			return nil, invalid("key.source", "want a letter and then at most 62 of a-z, 0-9 and '-', got %q", source)
		}
		if id := which.Key.GetId(); !validText(id, 1, maxText) {
			return nil, invalid("key.id", "want 1 to %d characters, got %d", maxText, utf8.RuneCountInString(id))
		}
		var err error
		if sequence, err = m.journal.Lookup(ctx, which.Key.GetSource(), which.Key.GetId()); err != nil {
			return nil, journalFault(err)
		}
	default:
		return nil, invalid("event", "want a sequence or a key")
	}
	ev, err := m.stored(ctx, sequence)
	if err != nil {
		return nil, err
	}
	event, err := m.event(ev, req.GetIncludeContent(), maxReply)
	if err != nil {
		return nil, err
	}
	return &hookbridgev1.GetEventResponse{Event: event}, nil
}

// stored reads one event that the caller may see.
func (m *Manager) stored(ctx context.Context, sequence int64) (*journal.Stored, error) {
	if sequence < 1 {
		return nil, invalid("sequence", "want at least 1, got %d", sequence)
	}
	ev, err := m.journal.Get(ctx, sequence)
	if err != nil {
		return nil, journalFault(err)
	}
	return visible(ctx, ev)
}

// GetEventContent implements hookbridge.v1.EventService.
func (m *Manager) GetEventContent(
	req *hookbridgev1.GetEventContentRequest, stream grpc.ServerStreamingServer[hookbridgev1.GetEventContentResponse],
) error {
	ev, err := m.stored(stream.Context(), req.GetSequence())
	if err != nil {
		return err
	}
	if err := auth.Keep(stream.Context(), func(p *auth.Principal) error {
		if p.MayRead(ev.Source, ev.Type) {
			return nil
		}
		return fault.Detail(fault.ErrPermissionDenied, "principal %q may not read the event any more", p.Name())
	}); err != nil {
		return err
	}
	content, err := contentOf(ev)
	if err != nil {
		return err
	}
	body := content.GetBody()
	content.Body = nil
	chunk := body[:min(len(body), maxChunk)]
	if err := stream.Send(&hookbridgev1.GetEventContentResponse{Content: content, BodyBytes: int64(len(body)), Chunk: chunk}); err != nil {
		return err
	}
	for body = body[len(chunk):]; len(body) > 0; body = body[len(chunk):] {
		chunk = body[:min(len(body), maxChunk)]
		if err := stream.Send(&hookbridgev1.GetEventContentResponse{Chunk: chunk}); err != nil {
			return err
		}
	}
	return nil
}
