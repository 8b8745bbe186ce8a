package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Get returns the event with a sequence, with its content if asked for. An event above 3 MiB comes without data and content.
func (c *Client) Get(ctx context.Context, sequence int64, content bool) (*hookbridgev1.Event, error) {
	return c.get(ctx, &hookbridgev1.GetEventRequest{Event: &hookbridgev1.GetEventRequest_Sequence{Sequence: sequence}, IncludeContent: content})
}

// GetByID returns the event with a provider's id, which the bridge knows for its dedupe window.
func (c *Client) GetByID(ctx context.Context, source, id string, content bool) (*hookbridgev1.Event, error) {
	return c.get(ctx, &hookbridgev1.GetEventRequest{
		Event: &hookbridgev1.GetEventRequest_Key{Key: &hookbridgev1.EventKey{Source: source, Id: id}}, IncludeContent: content,
	})
}

func (c *Client) get(ctx context.Context, request *hookbridgev1.GetEventRequest) (*hookbridgev1.Event, error) {
	response, err := c.events.GetEvent(ctx, request)
	return response.GetEvent(), err
}

// List goes through the stored events that a request chooses, page by page. It ends after the first error.
func (c *Client) List(ctx context.Context, request *hookbridgev1.ListEventsRequest) iter.Seq2[*hookbridgev1.Event, error] {
	return func(yield func(*hookbridgev1.Event, error) bool) {
		token := request.GetPageToken()
		for {
			page, err := c.events.ListEvents(ctx, &hookbridgev1.ListEventsRequest{
				Filter: request.GetFilter(), Since: request.GetSince(), Until: request.GetUntil(), PageSize: request.GetPageSize(),
				PageToken: token, Descending: request.GetDescending(), IncludeContent: request.GetIncludeContent(),
			})
			if err != nil {
				yield(nil, err)
				return
			}
			for _, e := range page.GetEvents() {
				if !yield(e, nil) {
					return
				}
			}
			if token = page.GetNextPageToken(); token == "" {
				return
			}
		}
	}
}

// Content returns body and headers of an event as received, of any size: a body may have 25 MiB.
func (c *Client) Content(ctx context.Context, sequence int64) (*hookbridgev1.Content, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.events.GetEventContent(ctx, &hookbridgev1.GetEventContentRequest{Sequence: sequence})
	if err != nil {
		return nil, err
	}
	var content *hookbridgev1.Content
	var size int64
	for {
		m, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF) && content != nil && int64(len(content.GetBody())) == size:
			return content, nil
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("content of event %d: want %d bytes, got %d", sequence, size, len(content.GetBody()))
		case err != nil:
			return nil, err
		}
		if content == nil {
			if content, size = m.GetContent(), m.GetBodyBytes(); content == nil {
				return nil, fmt.Errorf("content of event %d: the first message has no content", sequence)
			}
			const largest = 32 << 20
			content.Body = make([]byte, 0, min(max(size, 0), largest))
		}
		if content.Body = append(content.Body, m.GetChunk()...); int64(len(content.GetBody())) > max(size, 0) {
			return nil, fmt.Errorf("content of event %d: want %d bytes, got more", sequence, size)
		}
	}
}
