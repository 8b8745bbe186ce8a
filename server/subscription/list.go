package subscription

import (
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
)

const (
	defaultPage = 50
	maxPage     = 1000
	// listEvents and listBytes bound one read, listReads the reads for one page: a page of a rare type may be short.
	listEvents = 500
	listBytes  = 4 << 20
	listReads  = 40
	// clockSlack is by how much the time of the journal may differ from received_at: deliveries may be held back before they
	// are stored, and a cluster has clocks of its own.
	clockSlack = time.Minute
)

// listing is one ListEvents call.
type listing struct {
	m            *Manager
	req          *hookbridgev1.ListEventsRequest
	filter       *filter
	size         int
	since, until time.Time // zero: unbounded
	cursor       cursor
	// from and to are the sequences to look at: from <= sequence < to.
	from, to int64

	events []*hookbridgev1.Event
	bytes  int
}

// ListEvents implements hookbridge.v1.EventService.
func (m *Manager) ListEvents(ctx context.Context, req *hookbridgev1.ListEventsRequest) (*hookbridgev1.ListEventsResponse, error) {
	l, err := m.newListing(ctx, req)
	if err != nil {
		return nil, err
	}
	next, more := int64(0), false
	if req.GetDescending() {
		next, more, err = l.descend(ctx)
	} else {
		next, more, err = l.ascend(ctx)
	}
	if err != nil {
		return nil, err
	}
	resp := &hookbridgev1.ListEventsResponse{Events: l.events}
	if more && next > l.from && next < l.to {
		resp.NextPageToken = l.cursor.token(next)
	}
	return resp, nil
}

func (m *Manager) newListing(ctx context.Context, req *hookbridgev1.ListEventsRequest) (*listing, error) {
	bounds := m.journal.Bounds()
	l := &listing{m: m, req: req, size: int(req.GetPageSize()), from: bounds.First, to: bounds.End}
	if l.size == 0 {
		l.size = defaultPage
	}
	if l.size < 0 || l.size > maxPage {
		return nil, invalid("page_size", "want 0 to %d, got %d", maxPage, l.size)
	}
	var err error
	if l.filter, err = m.granted(ctx, req.GetFilter()); err != nil {
		return nil, err
	}
	if l.since, err = bound("since", req.GetSince()); err != nil {
		return nil, err
	}
	if l.until, err = bound("until", req.GetUntil()); err != nil {
		return nil, err
	}
	if l.cursor, err = newCursor(req); err != nil {
		return nil, err
	}
	if !l.since.IsZero() {
		at, err := m.journal.SequenceAt(ctx, l.since.Add(-clockSlack))
		if err != nil {
			return nil, journalFault(err)
		}
		l.from = max(l.from, at)
	}
	if !l.until.IsZero() {
		at, err := m.journal.SequenceAt(ctx, l.until.Add(clockSlack))
		if err != nil {
			return nil, journalFault(err)
		}
		l.to = min(l.to, at)
	}
	if token := req.GetPageToken(); token != "" {
		if !validText(token, 1, maxToken) {
			return nil, invalid("page_token", "at most %d characters, got %d", maxToken, utf8.RuneCountInString(token))
		}
		at, err := l.cursor.parse(token)
		if err != nil {
			return nil, err
		}
		if req.GetDescending() {
			l.to = min(l.to, at)
		} else {
			l.from = max(l.from, at)
		}
	}
	return l, nil
}

// bound reads an end of the time range.
func bound(field string, t *timestamppb.Timestamp) (time.Time, error) {
	if t == nil {
		return time.Time{}, nil
	}
	if err := t.CheckValid(); err != nil {
		return time.Time{}, invalid(field, "%v", err)
	}
	return t.AsTime(), nil
}

// add takes an event into the page if it is wanted. It returns false when the page is full without it.
func (l *listing) add(ev *journal.Stored) (bool, error) {
	if passes, err := l.filter.lets(l.m, ev); err != nil || !passes {
		return true, err
	}
	event, err := l.m.event(ev, l.req.GetIncludeContent(), maxReply)
	if err != nil {
		return false, err
	}
	if at := event.GetReceivedAt().AsTime(); (!l.since.IsZero() && at.Before(l.since)) || (!l.until.IsZero() && !at.Before(l.until)) {
		return true, nil
	}
	n := proto.Size(event) + 8
	if len(l.events) >= l.size || (len(l.events) > 0 && l.bytes+n > maxReply) {
		return false, nil
	}
	l.events, l.bytes = append(l.events, event), l.bytes+n
	return true, nil
}

// ascend fills the page from from on. It returns where the next page begins.
func (l *listing) ascend(ctx context.Context) (next int64, more bool, err error) {
	next = l.from
	for range listReads {
		if next >= l.to {
			return next, false, nil
		}
		page, err := l.m.journal.Read(ctx, journal.Query{
			From: next, MaxEvents: listEvents, MaxBytes: listBytes, Sources: l.filter.sources.list, Types: l.filter.types.list,
		})
		if err != nil {
			return 0, false, journalFault(err)
		}
		for _, ev := range page.Events {
			if ev.Sequence >= l.to {
				return l.to, false, nil
			}
			ok, err := l.add(ev)
			if err != nil || !ok {
				return ev.Sequence, true, err
			}
		}
		next = page.Next
	}
	return next, true, nil
}

// descend fills the page from to downwards. It returns the sequence below which the next page begins.
func (l *listing) descend(ctx context.Context) (next int64, more bool, err error) {
	next, step := l.to, int64(listEvents)
	for range listReads {
		if next <= l.from {
			return next, false, nil
		}
		low := max(l.from, next-step)
		page, err := l.m.journal.Read(ctx, journal.Query{From: low, MaxEvents: int(next - low), MaxBytes: listBytes})
		if err != nil {
			return 0, false, journalFault(err)
		}
		if page.Next < next && next-low > 1 {
			// So many large events don't go into one read: nearer to the end, then.
			step = max(1, (next-low)/4)
			continue
		}
		for _, ev := range slices.Backward(page.Events) {
			if ev.Sequence >= next {
				continue
			}
			ok, err := l.add(ev)
			if err != nil || !ok {
				return ev.Sequence + 1, true, err
			}
		}
		next, step = low, min(step*2, listEvents)
	}
	return next, true, nil
}
