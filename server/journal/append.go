package journal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Append stores an entry and returns when it is on disk. See Journal. When the context ends first the entry may still be
// stored; appending it again under the same id is safe.
func (s *Store) Append(ctx context.Context, e *Entry) (Receipt, error) {
	receipt, err := s.append(ctx, e)
	s.metrics.appended(receipt, err)
	return receipt, err
}

func (s *Store) append(ctx context.Context, e *Entry) (Receipt, error) {
	if err := ctx.Err(); err != nil {
		return Receipt{}, err
	}
	window := s.window(e.DedupeWindow)
	if window == 0 {
		u, err := s.submitEvent(ctx, e, 0, nil)
		if err != nil {
			return Receipt{}, err
		}
		if err := await(ctx, u); err != nil {
			return Receipt{}, err
		}
		return receipt(u), nil
	}
	key := flightKey{e.Source, e.ID}
	for {
		if s.closed() {
			return Receipt{}, ErrClosed
		}
		f, first := s.flights.board(key)
		if first {
			return s.lead(ctx, e, window, key, f)
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return Receipt{}, ctx.Err()
		}
		if f.err == nil {
			return Receipt{Sequence: f.receipt.Sequence, Duplicate: true}, nil
		}
		// The first one gave up waiting before it was in the queue. That says nothing about this one.
		if errors.Is(f.err, context.Canceled) || errors.Is(f.err, context.DeadlineExceeded) {
			continue
		}
		return Receipt{}, f.err
	}
}

// lead appends the first of the entries with one id.
func (s *Store) lead(ctx context.Context, e *Entry, window time.Duration, key flightKey, f *flight) (Receipt, error) {
	sequence, found, err := s.lookup(e.Source, e.ID)
	if err == nil && found {
		r := Receipt{Sequence: sequence, Duplicate: true}
		s.flights.land(key, f, r, nil)
		return r, nil
	}
	var u *unit
	if err == nil {
		u, err = s.submitEvent(ctx, e, window, func(u *unit, err error) { s.flights.land(key, f, receipt(u), err) })
	}
	if err != nil {
		s.flights.land(key, f, Receipt{}, err)
		return Receipt{}, err
	}
	if err := await(ctx, u); err != nil {
		return Receipt{}, err
	}
	return receipt(u), nil
}

func receipt(u *unit) Receipt {
	p := u.publications[0]
	return Receipt{Sequence: p.sequence, Duplicate: p.duplicate}
}

// submitEvent puts an entry into the queue.
func (s *Store) submitEvent(ctx context.Context, e *Entry, window time.Duration, settled func(*unit, error)) (*unit, error) {
	c, err := s.writable()
	if err != nil {
		return nil, err
	}
	p := &publication{
		subject: eventSubject(c.events.root, e.Source, e.Type), payload: s.codec.encode(e),
		source: e.Source, id: e.ID, window: window,
	}
	if c.server == nil && window >= min(clusterDuplicates, s.cfg.DedupeWindow) {
		// An id of another window than the cluster's would be refused for longer than it counts.
		p.messageID = string(appendToken(append(appendToken(nil, e.Source), '.'), e.ID))
	}
	return s.submit(ctx, c, c.eventLog, []*publication{p}, func(u *unit, err error) {
		// The connection has copied it.
		s.codec.release(p.payload)
		p.payload = nil
		if settled != nil {
			settled(u, err)
		}
	})
}

// submit puts publications into a queue as one unit, once there is room for them.
func (s *Store) submit(ctx context.Context, c *session, l *committer, pubs []*publication, settled func(*unit, error)) (*unit, error) {
	size, err := measure(c, pubs)
	if err != nil {
		return nil, err
	}
	u := &unit{publications: pubs, bytes: size, done: make(chan struct{})}
	weight := min(u.bytes, s.cfg.MaxQueued)
	if err := s.budget.Acquire(ctx, weight); err != nil {
		return nil, err
	}
	u.settled = func(err error) {
		s.budget.Release(weight)
		if settled != nil {
			settled(u, err)
		}
	}
	if err := l.queue.put(u); err != nil {
		s.budget.Release(weight)
		if errors.Is(err, errDrained) {
			err = ErrClosed
		}
		return nil, err
	}
	return u, nil
}

// measure returns what publications take, or that one of them is too large.
func measure(c *session, pubs []*publication) (int64, error) {
	var total int64
	for _, p := range pubs {
		size := p.size()
		if size > MaxRecord || int64(len(p.payload)) > c.write.MaxPayload() {
			return 0, fmt.Errorf("%w: it takes %d bytes, at most %d fit", ErrTooLarge, size, min(MaxRecord, c.write.MaxPayload()))
		}
		total += size
	}
	return total, nil
}

// window returns for how long an id counts. An id can't outlive the journal, from which the index is made again.
func (s *Store) window(entry time.Duration) time.Duration {
	if entry < 0 {
		return s.cfg.DedupeWindow
	}
	return min(entry, s.cfg.MaxAge)
}

// admit gives a group its time, and refuses what there is no room for. It runs before the group is published.
func (s *Store) admit(c *session, group []*publication) {
	now := s.clock.next()
	var total int64
	for _, p := range group {
		stamp(p.payload, now)
		p.at = now
		total += p.size()
	}
	if c.server != nil {
		if err := s.space.take(total); err != nil {
			for _, p := range group {
				p.err = err
			}
			return
		}
	}
	if s.usage.get()+total > s.cfg.MaxBytes {
		s.makeRoom(c, total)
	}
	for _, p := range group {
		if !s.usage.admit(p.size(), s.cfg.MaxBytes) {
			p.err = errAllNeeded(s.cfg.MaxBytes)
		}
	}
}

// committed indexes what is now on disk, and makes it visible.
func (s *Store) committed(c *session, group []*publication) error {
	s.advancing.Lock()
	defer s.advancing.Unlock()
	next := s.tail.get().End
	for _, p := range group {
		if p.duplicate {
			continue
		}
		if p.sequence != next {
			// Other bridges' events are in between.
			last := next
			for _, p := range group {
				last = max(last, p.sequence+1)
			}
			ctx, cancel := context.WithTimeout(context.Background(), catchUpTimeout)
			defer cancel()
			return s.catchUp(ctx, c, last)
		}
		next++
	}
	ix, release, err := s.index.use()
	if err != nil {
		return err
	}
	defer release()
	b := ix.batch()
	for _, p := range group {
		if p.window == 0 || p.duplicate {
			continue
		}
		if err := b.add(p.source, p.id, p.sequence, p.at.Add(p.window)); err != nil {
			return fmt.Errorf("index: %w", err)
		}
	}
	if err := b.commit(next); err != nil {
		return err
	}
	s.tail.advance(next)
	return nil
}

// clock is the journal's time: it doesn't go back.
type clock struct {
	now  func() time.Time
	mu   sync.Mutex
	last time.Time
}

// next returns the time for what is stored next.
func (c *clock) next() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.After(c.last) {
		c.last = now
	}
	return c.last
}

// reached says that something was stored at a time.
func (c *clock) reached(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.last) {
		c.last = t
	}
}
