package clienttest

import (
	"context"
	"slices"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

var errNotFound = status.Error(codes.NotFound, "there is no such event, or none any more")

// find returns an event by its sequence or its key.
func (b *Bridge) find(sequence int64, key *hookbridgev1.EventKey) (*hookbridgev1.Event, error) {
	if b.down != nil {
		return nil, b.down
	}
	for _, e := range b.events {
		if e != nil && (key == nil && e.GetSequence() == sequence || key != nil && e.GetSource() == key.GetSource() && e.GetId() == key.GetId()) {
			return e, nil
		}
	}
	return nil, errNotFound
}

// shown is an event with or without its content.
func shown(e *hookbridgev1.Event, content bool) *hookbridgev1.Event {
	if content {
		return e
	}
	return without(e, false)
}

// GetEvent implements hookbridge.v1.EventService.
func (v *events) GetEvent(_ context.Context, request *hookbridgev1.GetEventRequest) (*hookbridgev1.GetEventResponse, error) {
	v.b.mu.Lock()
	defer v.b.mu.Unlock()
	e, err := v.b.find(request.GetSequence(), request.GetKey())
	if err != nil {
		return nil, err
	}
	return &hookbridgev1.GetEventResponse{Event: shown(e, request.GetIncludeContent())}, nil
}

// ListEvents implements hookbridge.v1.EventService.
func (v *events) ListEvents(_ context.Context, request *hookbridgev1.ListEventsRequest) (*hookbridgev1.ListEventsResponse, error) {
	v.b.mu.Lock()
	defer v.b.mu.Unlock()
	if v.b.down != nil {
		return nil, v.b.down
	}
	chosen := &subscription{filter: request.GetFilter()}
	var all []*hookbridgev1.Event
	for _, e := range v.b.events {
		if e == nil || !chosen.passes(e) || request.GetSince() != nil && e.GetReceivedAt().AsTime().Before(request.GetSince().AsTime()) ||
			request.GetUntil() != nil && !e.GetReceivedAt().AsTime().Before(request.GetUntil().AsTime()) {
			continue
		}
		all = append(all, shown(e, request.GetIncludeContent()))
	}
	if request.GetDescending() {
		slices.Reverse(all)
	}
	skip, size := 0, int(request.GetPageSize())
	if token := request.GetPageToken(); token != "" {
		var err error
		if skip, err = strconv.Atoi(token); err != nil || skip < 0 {
			return nil, status.Error(codes.InvalidArgument, "page_token: want one of an answer before")
		}
	}
	if size == 0 {
		size = 50
	}
	end := min(skip+size, len(all))
	response := &hookbridgev1.ListEventsResponse{Events: all[min(skip, len(all)):end]}
	if end < len(all) {
		response.NextPageToken = strconv.Itoa(end)
	}
	return response, nil
}

// GetEventContent implements hookbridge.v1.EventService.
func (v *events) GetEventContent(request *hookbridgev1.GetEventContentRequest, to grpc.ServerStreamingServer[hookbridgev1.GetEventContentResponse]) error {
	v.b.mu.Lock()
	e, err := v.b.find(request.GetSequence(), nil)
	v.b.mu.Unlock()
	if err != nil {
		return err
	}
	body := e.GetContent().GetBody()
	head := &hookbridgev1.GetEventContentResponse{
		Content: &hookbridgev1.Content{ContentType: e.GetContent().GetContentType(), Headers: e.GetContent().GetHeaders()}, BodyBytes: int64(len(body)),
	}
	if err := to.Send(head); err != nil {
		return err
	}
	const chunk = 1 << 20
	for piece := range slices.Chunk(body, chunk) {
		if err := to.Send(&hookbridgev1.GetEventContentResponse{Chunk: piece}); err != nil {
			return err
		}
	}
	return nil
}

// EraseEvent implements hookbridge.v1.EventService.
func (v *events) EraseEvent(_ context.Context, request *hookbridgev1.EraseEventRequest) (*hookbridgev1.EraseEventResponse, error) {
	var sequence int64
	var err error
	v.b.change(func() {
		var e *hookbridgev1.Event
		if e, err = v.b.find(request.GetSequence(), request.GetKey()); err == nil {
			sequence = e.GetSequence()
			v.b.events[sequence-1] = nil
		}
	})
	if err != nil {
		return nil, err
	}
	return &hookbridgev1.EraseEventResponse{Sequence: sequence}, nil
}
