package journal

import (
	"context"
	"fmt"
	"time"
)

// How long reading the events that the index lacks may take.
const catchUpTimeout = 10 * time.Minute

// resume brings index, clock and bounds to where a newly opened stream is. On a full disk the index may have to wait for room: what is
// stored can be read all the same, and nothing is appended until the index has it.
func (s *Store) resume(ctx context.Context, c *session, st state) (state, error) {
	reached, lack := s.openIndexFor(st.created)
	if lack != nil {
		if !noSpace(lack) {
			return st, lack
		}
		s.space.exhaust()
	}
	last := st
	if c.server != nil {
		noted, err := s.folder.end()
		if err != nil {
			return st, err
		}
		if st, err = c.skipTo(ctx, c.events, st, max(noted, reached, s.tail.get().End), nil); err != nil {
			return st, err
		}
	} else if reached > st.end {
		return st, s.errOlderCopy(c, st, reached)
	}
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	s.advancing.Lock()
	defer s.advancing.Unlock()
	if newest, _, err := s.readPage(ctx, c, max(last.first, last.end-1), last.end, 1, 1, ""); err != nil {
		return st, err
	} else if len(newest) > 0 {
		s.clock.reached(newest[0].Time)
	}
	if lack == nil {
		if lack = s.catchUp(ctx, c, st.end); lack == nil {
			return st, nil
		}
		if !noSpace(lack) {
			return st, lack
		}
		s.space.exhaust()
	}
	c.owe(lack, nil) // the index is completed with whatever else is owed
	s.tail.advance(st.end)
	return st, nil
}

func (s *Store) errOlderCopy(c *session, st state, reached int64) error {
	return fmt.Errorf("stream %s ends at %d, but had come to %d: was an older copy restored? remove %s if so",
		c.events.name, st.end-1, reached-1, s.folder.index())
}

// openIndexFor opens the index unless it is open, and returns how far it is, and why it can't be written, if that is so.
func (s *Store) openIndexFor(created time.Time) (reached int64, err error) {
	ix, release, err := s.index.use()
	if err != nil {
		if ix, err = openIndex(s.folder.index(), s.cfg.DedupeWindow, created, &s.space, s.log); err != nil {
			return 0, err
		}
		s.index.set(ix)
		if ix, release, err = s.index.use(); err != nil {
			return 0, err
		}
	}
	defer release()
	return ix.watermark(), ix.failed()
}

// completeIndex opens the index, if it is not open for writing, and adds what it lacks. Deliveries are taken again then.
func (s *Store) completeIndex(ctx context.Context, c *session, created time.Time) error {
	if err := s.closeUselessIndex(ctx); err != nil {
		return err
	}
	reached, err := s.openIndexFor(created)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	s.advancing.Lock()
	defer s.advancing.Unlock()
	st, err := c.events.state(ctx)
	if err != nil {
		return err
	}
	if reached > st.end {
		// Opened anew, the session skips to there.
		return s.errOlderCopy(c, st, reached)
	}
	if err := s.catchUp(ctx, c, st.end); err != nil {
		return err
	}
	c.behind.Store(nil)
	return nil
}

// closeUselessIndex closes an index that can only be read, or that a full disk broke for good, so that it is opened anew.
func (s *Store) closeUselessIndex(ctx context.Context) error {
	ix, release, err := s.index.use()
	if err != nil {
		return nil
	}
	release()
	if !ix.readOnly && ix.over() == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, indexCloseTimeout)
	defer cancel()
	return s.index.close(ctx)
}

// catchUp indexes what the index lacks before end, and makes it visible. The caller holds advancing.
func (s *Store) catchUp(ctx context.Context, c *session, end int64) error {
	ix, release, err := s.index.use()
	if err != nil {
		return err
	}
	defer release()
	now := s.clock.next()
	for at := ix.watermark(); at < end; {
		events, next, err := s.readPage(ctx, c, max(at, 1), end, maxReadEvents, maxReadBytes, "")
		if err != nil {
			return fmt.Errorf("read what the index lacks: %w", err)
		}
		b := ix.batch()
		for _, d := range events {
			w := s.cfg.DedupeWindow
			if d.window >= 0 {
				w = s.window(d.window)
			}
			// With several bridges the clocks differ; ours follows the latest.
			s.clock.reached(d.Time)
			if expires := d.Time.Add(w); w > 0 && expires.After(now) {
				if err := b.add(idKey{source: d.Source, id: d.ID}, d.Sequence, expires); err != nil {
					return fmt.Errorf("index: %w", err)
				}
				if d.bodyKey == "" {
					continue
				}
				if err := b.add(idKey{bodies: true, source: d.Source, id: d.bodyKey}, d.firstWithBody(), expires); err != nil {
					return fmt.Errorf("index: %w", err)
				}
			}
		}
		if err := b.commit(next); err != nil {
			return err
		}
		at = next
	}
	s.tail.advance(end)
	return nil
}
