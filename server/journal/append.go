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

// AppendBatch stores entries and returns when all of them are on disk. See Journal.
func (s *Store) AppendBatch(ctx context.Context, entries []*Entry) ([]Receipt, error) {
	for _, e := range entries {
		if err := s.fits(e); err != nil {
			s.metrics.appended(Receipt{}, err)
			return nil, err
		}
	}
	passages := make([]passage, 0, len(entries))
	var failure error
	for _, e := range entries {
		// All are under way before the first is waited for: they share commits, and nobody waits for another one's turn.
		p, err := s.depart(ctx, e)
		if err != nil {
			failure = err
			break
		}
		passages = append(passages, p)
	}
	receipts := make([]Receipt, len(entries))
	for i, p := range passages {
		var again bool
		var err error
		if receipts[i], again, err = p.arrive(ctx); again {
			receipts[i], err = s.append(ctx, entries[i])
		}
		s.metrics.appended(receipts[i], err)
		if failure == nil {
			failure = err
		}
	}
	for range entries[len(passages):] {
		s.metrics.appended(Receipt{}, failure)
	}
	return receipts, failure
}

func (s *Store) append(ctx context.Context, e *Entry) (Receipt, error) {
	for {
		p, err := s.depart(ctx, e)
		if err != nil {
			return Receipt{}, err
		}
		if r, again, err := p.arrive(ctx); !again {
			return r, err
		}
	}
}

// passage is an entry that is being appended: in a unit of its own, or waiting for the flight of the same id that was there before it,
// or known already.
type passage struct {
	unit   *unit
	flight *flight
	known  Receipt
}

// depart begins to append an entry. It waits for nothing but room in the queue.
func (s *Store) depart(ctx context.Context, e *Entry) (passage, error) {
	if err := ctx.Err(); err != nil {
		return passage{}, err
	}
	window := s.window(e.DedupeWindow)
	if window == 0 {
		u, err := s.submitEvent(ctx, e, 0, nil)
		return passage{unit: u}, err
	}
	if s.closed() {
		return passage{}, ErrClosed
	}
	key := flightKey{e.Source, e.ID}
	f, first := s.flights.board(key)
	if !first {
		return passage{flight: f}, nil
	}
	return s.lead(ctx, e, window, key, f)
}

// lead begins to append the first of the entries with one id.
func (s *Store) lead(ctx context.Context, e *Entry, window time.Duration, key flightKey, f *flight) (passage, error) {
	sequence, found, err := s.lookup(e.Source, e.ID)
	if err == nil && found {
		r := Receipt{Sequence: sequence, Duplicate: true}
		s.flights.land(key, f, r, nil)
		return passage{known: r}, nil
	}
	var u *unit
	if err == nil {
		u, err = s.submitEvent(ctx, e, window, func(u *unit, err error) { s.flights.land(key, f, receipt(u), err) })
	}
	if err != nil {
		s.flights.land(key, f, Receipt{}, err)
		return passage{}, err
	}
	return passage{unit: u}, nil
}

// arrive waits for the outcome. again says that it has to be appended once more: the one that it waited for gave up before it was in
// the queue, which says nothing about this one.
func (p passage) arrive(ctx context.Context) (r Receipt, again bool, err error) {
	switch {
	case p.unit != nil:
		if err := await(ctx, p.unit); err != nil {
			return Receipt{}, false, err
		}
		return receipt(p.unit), false, nil
	case p.flight == nil:
		return p.known, false, nil
	}
	select {
	case <-p.flight.done:
	case <-ctx.Done():
		return Receipt{}, false, ctx.Err()
	}
	switch err := p.flight.err; {
	case err == nil:
		return Receipt{Sequence: p.flight.receipt.Sequence, Duplicate: true}, false, nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Receipt{}, true, nil
	default:
		return Receipt{}, false, err
	}
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
	if window > 0 {
		p.bodyKey = e.BodyKey
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

// fits says of an entry that is about to be appended with others whether it is too large. Only what may be is encoded for that.
func (s *Store) fits(e *Entry) error {
	const others = 4 << 10 // what an entry has beside these
	if len(e.Event)+len(e.Content)+len(e.ID)+len(e.Type) < MaxRecord-others {
		return nil
	}
	payload := s.codec.encode(e)
	size := recordSize(eventSubject(prefix(&s.cfg)+".events.", e.Source, e.Type), 4*(len(e.Source)+len(e.ID)), len(payload))
	s.codec.release(payload)
	return tooLarge(size)
}

// tooLarge is the error of a record of this size, if it is one.
func tooLarge(size int64) error {
	if size > MaxRecord {
		return fmt.Errorf("%w: it takes %d bytes, at most %d fit", ErrTooLarge, size, MaxRecord)
	}
	return nil
}

// measure returns what publications take, or that one of them is too large. That a cluster takes less than that is no fault of who appends.
func measure(c *session, pubs []*publication) (int64, error) {
	var total int64
	for _, p := range pubs {
		size := p.size()
		if err := tooLarge(size); err != nil {
			return 0, err
		}
		if limit := c.write.MaxPayload(); int64(len(p.payload)) > limit {
			return 0, fmt.Errorf("%w: it takes %d bytes, and max_payload of the NATS cluster is %d", ErrUnavailable, size, limit)
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

// admit gives the units at the front that can be published as one group their time, refuses what there is no room for, and returns how
// many units they are.
func (s *Store) admit(c *session, units []*unit) int {
	now := s.clock.next()
	n, err := s.findReplays(c, units, now)
	group := publications(units[:n])
	var total int64
	for _, p := range group {
		stamp(p.payload, now)
		p.at, p.err = now, err
		total += p.size()
	}
	if err != nil {
		return n
	}
	if c.server != nil {
		if err := s.space.take(total); err != nil {
			for _, p := range group {
				p.err = err
			}
			return n
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
	return n
}

// committed indexes what is now on disk, and makes it visible.
func (s *Store) committed(c *session, group []*publication) error {
	if err := s.indexGroup(c, group); err != nil {
		return err
	}
	c.bodies.indexed(group)
	return nil
}

func (s *Store) indexGroup(c *session, group []*publication) error {
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
		if err := b.add(idKey{source: p.source, id: p.id}, p.sequence, p.at.Add(p.window)); err != nil {
			return fmt.Errorf("index: %w", err)
		}
		// A replay makes the body count for longer, and later ones are still told of the first.
		if p.bodyKey != "" {
			if err := b.add(idKey{bodies: true, source: p.source, id: p.bodyKey}, p.first(), p.at.Add(p.window)); err != nil {
				return fmt.Errorf("index: %w", err)
			}
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
