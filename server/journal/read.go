package journal

import (
	"context"
	"fmt"
	"sort"
	"time"
)

const (
	// What a Query means by 0, and the most that one Read returns, apart from a single larger event.
	defaultReadEvents = 1024
	maxReadEvents     = 16384
	defaultReadBytes  = 4 << 20
	maxReadBytes      = 8 << 20
	// How much reads may bring into memory at a time, in all.
	maxReading = 64 << 20
)

// Bounds returns what can be read now. See Journal.
func (s *Store) Bounds() Bounds { return s.tail.get() }

// Wait returns when Bounds().End > end. See Journal.
func (s *Store) Wait(ctx context.Context, end int64) (Bounds, error) {
	return s.tail.wait(ctx, s.closing, end)
}

// Read returns the next events. See Journal. MaxEvents 0 means 1,024, at most 16,384; MaxBytes 0 means 4 MiB, at most 8 MiB.
func (s *Store) Read(ctx context.Context, q Query) (Page, error) {
	c, err := s.readable()
	if err != nil {
		return Page{Next: q.From}, err
	}
	b := s.tail.get()
	from := max(q.From, b.First)
	if from >= b.End {
		return Page{Next: from}, nil
	}
	filter := eventFilter(c.events.root, q.Sources, q.Types)
	events, next, err := s.readPage(ctx, c, from, b.End, limit(q.MaxEvents, defaultReadEvents, maxReadEvents),
		limit(q.MaxBytes, defaultReadBytes, maxReadBytes), filter)
	if err != nil {
		return Page{Next: q.From}, err
	}
	page := Page{Next: next, Events: make([]*Stored, len(events))}
	for i := range events {
		page.Events[i] = &events[i].Stored
	}
	if filter == "" && (len(events) == 0 || events[0].Sequence > from) {
		// The reader may have to tell a gap: let it see the bounds that made it.
		if err := s.refresh(ctx, c); err != nil {
			return Page{Next: q.From}, err
		}
	}
	return page, nil
}

func limit(n, byDefault, most int) int {
	if n <= 0 {
		return byDefault
	}
	return min(n, most)
}

// readPage returns events as they were stored.
func (s *Store) readPage(ctx context.Context, c *session, from, end int64, count, size int, filter string) ([]*decoded, int64, error) {
	messages, next, err := c.fetch(ctx, c.events, from, end, count, size, filter)
	if err != nil {
		return nil, from, s.readError(err)
	}
	events := make([]*decoded, 0, len(messages))
	shared := make(names)
	for _, m := range messages {
		d, err := decode(m.sequence, m.payload, shared)
		if err != nil {
			// Nothing of ours. Stopping here would stop every reader for good.
			s.metrics.unreadable.Inc()
			s.log.Error("a message in the journal can't be read and is left out", "sequence", m.sequence, "error", err)
			continue
		}
		// What has no source only takes up a sequence.
		if d.Source != "" {
			events = append(events, d)
		}
	}
	return events, next, nil
}

// refresh asks the stream where it begins.
func (s *Store) refresh(ctx context.Context, c *session) error {
	begun := s.usage.begin()
	st, err := c.events.state(ctx)
	if err != nil {
		return s.readError(fmt.Errorf("%w: %w", ErrUnavailable, err))
	}
	s.usage.set(st.bytes, begun)
	s.tail.trim(st.first)
	return nil
}

// Get returns one event. See Journal.
func (s *Store) Get(ctx context.Context, sequence int64) (*Stored, error) {
	c, err := s.readable()
	if err != nil {
		return nil, err
	}
	if b := s.tail.get(); sequence < b.First || sequence >= b.End {
		return nil, ErrNotFound
	}
	events, _, err := s.readPage(ctx, c, sequence, sequence+1, 1, defaultReadBytes, "")
	if err != nil {
		return nil, err
	}
	if len(events) == 0 {
		return nil, ErrNotFound
	}
	return &events[0].Stored, nil
}

// Lookup returns the sequence of an id. See Journal.
func (s *Store) Lookup(_ context.Context, source, id string) (int64, error) {
	if s.closed() {
		return 0, ErrClosed
	}
	sequence, found, err := s.lookup(source, id)
	if err == nil && !found {
		err = ErrNotFound
	}
	return sequence, err
}

// lookup asks the index. While that lacks some of the ids, one that it doesn't find may be there.
func (s *Store) lookup(source, id string) (sequence int64, found bool, err error) {
	// Before the index is asked: it may be complete a moment later.
	lack := s.incomplete()
	ix, release, err := s.index.use()
	if err == nil {
		defer release()
		sequence, found, err = ix.get(idKey{source: source, id: id}, s.clock.next())
	}
	switch {
	case found:
		return sequence, true, nil
	case lack != nil:
		return 0, false, lack
	case err != nil:
		return 0, false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return 0, false, nil
}

// SequenceAt returns the first sequence at or after a time. See Journal.
func (s *Store) SequenceAt(ctx context.Context, t time.Time) (int64, error) {
	c, err := s.readable()
	if err != nil {
		return 0, err
	}
	b := s.tail.get()
	found := b.End
	// Sequences have gaps: what is looked at is the first event from a sequence on.
	sort.Search(int(b.End-b.First), func(i int) bool {
		if err != nil {
			return false
		}
		var (
			at     = b.First + int64(i)
			events []*decoded
		)
		for at < b.End && len(events) == 0 && err == nil {
			events, at, err = s.readPage(ctx, c, at, b.End, 1, 1, "")
		}
		if err != nil {
			return false
		}
		if len(events) == 0 || events[0].Time.Before(t) {
			return len(events) == 0
		}
		found = min(found, events[0].Sequence)
		return true
	})
	if err != nil {
		return 0, err
	}
	return found, nil
}

// readError is what a reader is told.
func (s *Store) readError(err error) error {
	if s.closed() {
		return ErrClosed
	}
	return err
}
