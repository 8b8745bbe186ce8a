package journal

import (
	"context"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	defaultRingEntries, maxRingEntries = 100, 1024
	defaultRingBytes                   = 2 << 20
	// ringWindow is how many places are looked at at once, ringWindows how often for one answer.
	ringWindow, ringWindows = 256, 256
)

// ring is the ring log on a stream that discards its oldest messages.
type ring struct{ store *Store }

var _ RingLog = ring{}

// Add stores an entry. See RingLog.
func (l ring) Add(ctx context.Context, owner string, payload []byte) (int64, error) {
	c, err := l.store.writable()
	if err != nil {
		return 0, err
	}
	rejections, err := c.rejections.get()
	if err != nil {
		return 0, err
	}
	subject := sideSubject(rejections.root, owner)
	if size := recordSize(subject, 0, len(payload)); size > min(MaxRecord, l.store.cfg.RejectionBytes) {
		return 0, fmt.Errorf("%w: it has %d bytes", ErrTooLarge, len(payload))
	} else if c.server != nil {
		if err := l.store.space.take(size); err != nil {
			return 0, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, l.store.cfg.PublishTimeout)
	defer cancel()
	ack, err := c.publish.Publish(ctx, subject, payload, jetstream.WithExpectStream(rejections.name))
	if err != nil {
		return 0, l.store.readError(fmt.Errorf("%w: stream %s: %w", ErrUnavailable, rejections.name, err))
	}
	return int64(ack.Sequence), nil
}

// Before returns the newest entries before a place. See RingLog.
func (l ring) Before(ctx context.Context, q RingQuery) (RingPage, error) {
	c, err := l.store.readable()
	if err != nil {
		return RingPage{}, err
	}
	rejections, err := c.rejections.get()
	if err != nil {
		return RingPage{}, err
	}
	st, err := rejections.state(ctx)
	if err != nil {
		return RingPage{}, l.store.readError(fmt.Errorf("%w: %w", ErrUnavailable, err))
	}
	end, page := st.end, RingPage{}
	if q.Before > 0 {
		end = min(end, q.Before)
	}
	count, size := limit(q.MaxEntries, defaultRingEntries, maxRingEntries), limit(q.MaxBytes, defaultRingBytes, maxReadBytes)
	for range ringWindows {
		if end <= st.first {
			return page, nil
		}
		from := max(st.first, end-ringWindow)
		entries, err := l.window(ctx, c, rejections, q.Owner, from, end)
		if err != nil {
			return RingPage{}, err
		}
		for _, e := range slices.Backward(entries) {
			if n := len(page.Entries); n == count || n > 0 && len(e.Payload) > size {
				return page, nil
			}
			size -= len(e.Payload)
			page.Entries, page.Next = append(page.Entries, e), e.ID
		}
		if end, page.Next = from, from; from == st.first {
			page.Next = 0
		}
	}
	return page, nil
}

// window reads all entries of an owner in [from, end).
func (l ring) window(ctx context.Context, c *session, rejections *stream, owner string, from, end int64) ([]SideEntry, error) {
	filter := rejections.root + ">"
	if owner != "" {
		filter = sideSubject(rejections.root, owner)
	}
	var entries []SideEntry
	for from < end {
		messages, next, err := c.fetch(ctx, rejections, from, end, ringWindow, maxReadBytes, filter)
		if err != nil {
			return nil, l.store.readError(err)
		}
		for _, m := range messages {
			token := m.subject[min(len(rejections.root), len(m.subject)):]
			if owner, ok := decodeToken(token); ok {
				entries = append(entries, SideEntry{ID: m.sequence, Owner: owner, Payload: m.payload})
			}
		}
		from = next
	}
	return entries, nil
}
