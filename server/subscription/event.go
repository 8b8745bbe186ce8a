package subscription

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
)

// event returns an event as callers see it. Above limit bytes it comes without data and content, and says so.
func (m *Manager) event(ev *journal.Stored, withContent bool, limit int) (*hookbridgev1.Event, error) {
	var out hookbridgev1.Event
	if err := proto.Unmarshal(ev.Event, &out); err != nil {
		return nil, fmt.Errorf("event of sequence %d: %w", ev.Sequence, err)
	}
	complete(&out, ev)
	if withContent || ev.DataDropped {
		content, err := contentOf(ev)
		if err != nil {
			return nil, err
		}
		// What the body means hangs on its content type, so the content is there also where the caller doesn't want it.
		out.Content = content
		if ev.DataDropped {
			// What was found then may not be so by the schema of now: what goes out together belongs together.
			out.Data, out.Decoding = m.redecode(&out, content.GetBody())
		}
		if !withContent {
			out.Content = nil
		}
	}
	if proto.Size(&out) > limit {
		out.Omission = &hookbridgev1.Omission{}
		if out.Data != nil {
			out.Omission.DataBytes = int64(len(out.GetData().GetValue()))
		}
		if withContent {
			out.Omission.BodyBytes = ev.BodyBytes
		}
		out.Data, out.Content = nil, nil
	}
	return &out, nil
}

// complete adds what the journal found out about an event when it stored it.
func complete(event *hookbridgev1.Event, ev *journal.Stored) {
	event.Sequence = ev.Sequence
	if ev.ReplayOf != 0 && event.GetAuth() != nil {
		event.Auth.ReplaySuspected, event.Auth.ReplayOf = true, ev.ReplayOf
	}
}

// contentOf decodes the body and headers of an event.
func contentOf(ev *journal.Stored) (*hookbridgev1.Content, error) {
	encoded, err := ev.Content()
	if err != nil {
		return nil, fmt.Errorf("content of sequence %d: %w", ev.Sequence, err)
	}
	var content hookbridgev1.Content
	if err := proto.Unmarshal(encoded, &content); err != nil {
		return nil, fmt.Errorf("content of sequence %d: %w", ev.Sequence, err)
	}
	return &content, nil
}
