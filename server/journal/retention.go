package journal

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// Retention begins to remove at this share of max_bytes, so that a burst finds room, and ends at the lower one.
	highWater = 0.95
	lowWater  = 0.93
	// At most this share of the events is removed before sizes are looked at again: they are not all alike.
	purgeShare = 16
	// The sequence reached is noted this often at most.
	noteInterval = 30 * time.Second
)

// keep does the housekeeping: it looks at the disk and the store's health, applies retention, drops ids whose time is over, and
// notes how far the journal has come.
func (s *Store) keep(ctx context.Context) {
	ticker := time.NewTicker(s.cfg.housekeeping)
	defer ticker.Stop()
	var noted time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		c, err := s.readable()
		if err != nil {
			continue
		}
		if s.cfg.NATS == nil {
			s.lookForRoom()
		}
		if err := s.keepOnce(ctx, c); err != nil && ctx.Err() == nil {
			s.log.Warn("housekeeping of the journal", "error", err)
		}
		if c.server != nil && time.Since(noted) >= min(noteInterval, s.cfg.MaxAge/4) {
			if err := s.folder.setEnd(s.tail.get().End); err != nil {
				s.log.Warn("the journal's end can't be noted", "error", err)
			}
			noted = time.Now()
		}
	}
}

func (s *Store) keepOnce(ctx context.Context, c *session) error {
	for _, st := range c.streams() {
		if err := c.health(st); err != nil {
			c.fail(err)
			return nil
		}
	}
	// One that lacks something is seen to when there is room.
	if c.incomplete() == nil {
		if err := s.keepIndex(); err != nil {
			c.fail(err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := s.deadLetters.refresh(ctx, c); err != nil {
		return err
	}
	return s.retain(ctx, c, 0)
}

func (s *Store) keepIndex() error {
	ix, release, err := s.index.use()
	if err != nil {
		return err
	}
	defer release()
	if err := ix.failed(); err != nil {
		return err
	}
	return ix.expire(s.clock.next())
}

// makeRoom removes what is needed so that n more bytes fit, if it may be removed.
func (s *Store) makeRoom(c *session, n int64) {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	if err := s.retain(ctx, c, n); err != nil {
		s.log.Warn("retention of the journal", "error", err)
	}
}

// retain removes the oldest events when the stream, with n more bytes, is above the high-water mark.
func (s *Store) retain(ctx context.Context, c *session, n int64) error {
	s.retaining.Lock()
	defer s.retaining.Unlock()
	for {
		begun := s.usage.begin()
		st, err := c.events.state(ctx)
		if err != nil {
			return err
		}
		s.usage.set(st.bytes, begun)
		s.tail.trim(st.first)
		// Removing takes room, too: the server writes a block anew of which something stays, and the ids of what goes must be on disk.
		if c.incomplete() != nil || c.server != nil && s.space.exhausted() != nil {
			return nil
		}
		var holds Holds
		if f := s.holds.Load(); f != nil {
			holds = (*f)()
		}
		end := s.tail.get().End
		upTo, overrun := plan(st, end, n, s.cfg.MaxBytes, s.cfg.HoldBytes, holds)
		if upTo <= st.first {
			return nil
		}
		if overrun {
			s.noteOverrun(holds.Bounded, upTo)
		}
		if err := s.purge(ctx, c, upTo); err != nil {
			return err
		}
	}
}

// plan says up to which sequence events go in the next step, st.first or less if none may; and whether that takes events from a
// subscription that still needs them. The newest event always stays: the store counts on from it.
func plan(st state, end, n, maxBytes, holdBytes int64, holds Holds) (upTo int64, overrun bool) {
	high, low := int64(float64(maxBytes)*highWater), int64(float64(maxBytes)*lowWater)
	if st.bytes+n <= high || st.events < 2 {
		return 0, false
	}
	average := max(st.bytes/st.events, 1)
	count := (st.bytes + n - low + average - 1) / average
	upTo = min(st.first+min(count, max(st.events/purgeShare, 1)), end-1)
	if holds.All > 0 {
		upTo = min(upTo, holds.All)
	}
	if holds.Bounded > 0 && upTo > holds.Bounded {
		if st.first < holds.Bounded {
			return holds.Bounded, false
		}
		if st.bytes <= holdBytes {
			return 0, false
		}
		return upTo, upTo > st.first
	}
	return upTo, false
}

// purge removes the events before a sequence.
func (s *Store) purge(ctx context.Context, c *session, upTo int64) error {
	ix, release, err := s.index.use()
	if err != nil {
		return err
	}
	defer release()
	// The ids of what goes can't be read from the journal any more.
	if err := ix.flushPast(ctx, upTo); err != nil {
		return err
	}
	before := s.tail.get().First
	if err := c.events.Purge(ctx, jetstream.WithPurgeSequence(uint64(upTo))); err != nil {
		return fmt.Errorf("remove events before %d: %w", upTo, err)
	}
	s.tail.trim(upTo)
	s.metrics.removed.Add(float64(upTo - before))
	if c.events.blocks == nil {
		return nil
	}
	// The server may have rewritten the block in which the oldest event is, without syncing it.
	if err := c.events.blocks.syncAll(); err != nil {
		c.fail(err)
		return err
	}
	return nil
}

// noteOverrun says that a subscription loses events because it is too far behind.
func (s *Store) noteOverrun(position, upTo int64) {
	s.metrics.overruns.Inc()
	if s.overrun == position {
		return
	}
	s.overrun = position
	s.log.Warn("the journal is at max_bytes and a subscription is behind by more than hold_bytes; events it has not seen are removed",
		"position", position, "removed_before", upTo)
}
