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
		if noSpace(c.cause) {
			s.space.exhaust()
		}
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
		if noSpace(err) {
			s.space.exhaust()
		}
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

// tryReopen tries once. It doesn't wait for room: what is stored can be read without, and writing is refused until there is some.
func (s *Store) tryReopen(ctx context.Context, suspects *[]string) error {
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

// discardFailedIndex closes an index that failed, so that resume makes a new one. One that waits for room stays; one that failed for want
// of it is as it was written last, and is opened again.
func (s *Store) discardFailedIndex(ctx context.Context) error {
	ix, release, err := s.index.use()
	if err != nil {
		return nil
	}
	err = ix.failed()
	release()
	if err == nil || errors.Is(err, errIndexStarved) {
		return nil
	}
	s.log.Error("the index of ids failed and is completed, or made anew, from the journal", "error", err)
	ctx, cancel := context.WithTimeout(ctx, indexCloseTimeout)
	defer cancel()
	if cerr := s.index.close(ctx); cerr != nil {
		s.log.Warn("the failed index of ids did not close", "error", cerr)
	}
	if noSpace(err) {
		return nil
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

// refused is classify for a write of ours beside the store, which a full disk may be found by, too.
func (s *Store) refused(err error) error {
	if noSpace(err) {
		s.space.exhaust()
	}
	return s.classify(err)
}

// noSpace says whether an error is that of a full disk. The server passes it on as text.
func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, errIndexStarved) || strings.Contains(err.Error(), "no space left on device")
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
	if c.incomplete() != nil {
		s.tail.advance(st.end)
		return nil
	}
	return s.catchUp(ctx, c, st.end)
}
