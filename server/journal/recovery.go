package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	reopenInterval    = 250 * time.Millisecond
	reopenMaxInterval = 15 * time.Second
	// How long reading the events that the index lacks may take.
	catchUpTimeout = 10 * time.Minute
	// What to give a failed index to close.
	indexCloseTimeout = 5 * time.Second
)

// supervise opens the store anew when it failed. An error of the server's file store is final: nothing can be written any more,
// also when there is room again, until the server is started anew.
func (s *Store) supervise(ctx context.Context) {
	for {
		s.mu.Lock()
		c := s.current
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-c.failed:
		}
		s.setTrouble(s.classify(c.cause))
		s.log.Error("the journal's store failed and is opened anew", "error", c.cause)
		c.close()
		if !s.reopen(ctx, c.suspects()) {
			return
		}
	}
}

// reopen tries until a session is open. It says whether one is.
func (s *Store) reopen(ctx context.Context, suspects []string) bool {
	pause := backoff.ExponentialBackOff{
		InitialInterval: reopenInterval, MaxInterval: reopenMaxInterval, Multiplier: 2, RandomizationFactor: 0.5,
	}
	for {
		err := s.tryReopen(ctx, &suspects)
		if err == nil {
			s.log.Info("the journal's store is open again")
			return true
		}
		s.setTrouble(s.classify(err))
		if ctx.Err() != nil {
			return false
		}
		s.log.Warn("the journal's store can't be opened yet", "error", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause.NextBackOff()):
		}
	}
}

func (s *Store) tryReopen(ctx context.Context, suspects *[]string) error {
	if s.cfg.NATS == nil {
		if err := s.space.check(); err != nil {
			return err
		}
	}
	for len(*suspects) > 0 {
		if err := rewriteFile(s.cfg.disk, (*suspects)[0]); err != nil {
			return fmt.Errorf("write anew what could not be synced: %w", err)
		}
		*suspects = (*suspects)[1:]
	}
	if err := s.discardFailedIndex(ctx); err != nil {
		return err
	}
	c, err := openSession(ctx, s)
	if err != nil {
		return err
	}
	s.metrics.reopened.Inc()
	s.mu.Lock()
	s.current, s.trouble = c, nil
	s.mu.Unlock()
	return nil
}

// discardFailedIndex closes an index that failed, so that resume makes a new one.
func (s *Store) discardFailedIndex(ctx context.Context) error {
	ix, release, err := s.index.use()
	if err != nil {
		return nil
	}
	err = ix.failed()
	release()
	if err == nil || errors.Is(err, errIndexStarved) {
		return err
	}
	s.log.Error("the index of ids failed and is made anew from the journal", "error", err)
	ctx, cancel := context.WithTimeout(ctx, indexCloseTimeout)
	defer cancel()
	if err := s.index.close(ctx); err != nil {
		s.log.Warn("the failed index of ids did not close", "error", err)
	}
	return ix.remove()
}

// setTrouble says why there is no session.
func (s *Store) setTrouble(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.trouble = nil, err
}

// classify says what a failure means to those who append.
func (s *Store) classify(err error) error {
	switch {
	case errors.Is(err, ErrFull) || errors.Is(err, ErrUnavailable) && !noSpace(err):
		return err
	case noSpace(err):
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// noSpace says whether an error is that of a full disk. The server passes it on as text.
func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, errIndexStarved) || strings.Contains(err.Error(), "no space left on device")
}

// resume brings index, clock and bounds to where a newly opened stream is.
func (s *Store) resume(ctx context.Context, c *session, st state) (state, error) {
	if err := s.ensureIndex(st.created); err != nil {
		return st, err
	}
	ix, release, err := s.index.use()
	if err != nil {
		return st, err
	}
	reached := ix.watermark()
	release()
	if c.server != nil {
		noted, err := s.folder.end()
		if err != nil {
			return st, err
		}
		if st, err = c.skipTo(ctx, c.events, st, max(noted, reached, s.tail.get().End)); err != nil {
			return st, err
		}
	} else if reached > st.end {
		return st, fmt.Errorf("stream %s ends at %d, but had come to %d: was an older copy restored? remove %s if so",
			c.events.name, st.end-1, reached-1, s.folder.index())
	}
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	s.advancing.Lock()
	defer s.advancing.Unlock()
	if last, _, err := s.readPage(ctx, c, max(st.first, st.end-1), st.end, 1, 1, ""); err != nil {
		return st, err
	} else if len(last) > 0 {
		s.clock.reached(last[0].Time)
	}
	return st, s.catchUp(ctx, c, st.end)
}

// ensureIndex opens the index unless it is open.
func (s *Store) ensureIndex(created time.Time) error {
	if _, release, err := s.index.use(); err == nil {
		release()
		return nil
	}
	ix, err := openIndex(s.folder.index(), s.cfg.DedupeWindow, created, s.space.roomForIndex, s.log)
	if err != nil {
		return err
	}
	s.index.set(ix)
	return nil
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

// follow makes visible what other bridges append to the same cluster. Our own commits don't wait for it.
func (s *Store) follow(ctx context.Context, c *session) {
	ticker := time.NewTicker(s.cfg.follow)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := s.followOnce(ctx, c)
		if err != nil && ctx.Err() == nil {
			// The cluster may be out of reach for a while; what is appended then fails by itself.
			s.log.Warn("other bridges' events can't be followed", "error", err)
		}
	}
}

func (s *Store) followOnce(ctx context.Context, c *session) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	begun := s.usage.begin()
	st, err := c.events.state(ctx)
	if err != nil {
		return err
	}
	s.usage.set(st.bytes, begun)
	s.tail.trim(st.first)
	if st.end <= s.tail.get().End {
		return nil
	}
	s.advancing.Lock()
	defer s.advancing.Unlock()
	return s.catchUp(ctx, c, st.end)
}
