package subscription

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
)

// commit is one write of records: of every subscription that asked for it since the one before began.
type commit struct {
	subs map[*subscription]struct{}
	done chan struct{}
	err  error // set before done is closed
}

// succeeded says that it is on disk.
func (c *commit) succeeded() bool {
	select {
	case <-c.done:
		return c.err == nil
	default:
		return false
	}
}

// wait returns when it is on disk, or will not be.
func (c *commit) wait(ctx context.Context) error {
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waitServing is wait for a stream: it ends when streams have to.
func (c *commit) waitServing(ctx context.Context, draining <-chan struct{}) error {
	select {
	case <-c.done:
		return c.err
	case <-draining:
		return fault.ErrShuttingDown
	case <-ctx.Done():
		return ctx.Err()
	}
}

// committer writes the records of all subscriptions, those that change while a write runs together in the next one.
type committer struct {
	m    *Manager
	wake chan struct{}

	mu     sync.Mutex
	next   *commit
	closed bool
}

func newCommit() *commit {
	return &commit{subs: map[*subscription]struct{}{}, done: make(chan struct{})}
}

func newCommitter(m *Manager) *committer {
	return &committer{m: m, wake: make(chan struct{}, 1), next: newCommit()}
}

// add puts a subscription, whose lock the caller has, into the next commit and returns that.
func (c *committer) add(s *subscription) *commit {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		failed := &commit{done: make(chan struct{}), err: fault.ErrShuttingDown}
		close(failed.done)
		return failed
	}
	c.next.subs[s] = struct{}{}
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return c.next
}

// swap takes the next commit and begins another.
func (c *committer) swap(closing bool) *commit {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.next
	c.next, c.closed = newCommit(), closing
	return taken
}

// run writes until the context ends. A write that is cut off by that takes part in the last one.
func (c *committer) run(ctx context.Context) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, 2*time.Second
	failing := false
	for {
		select {
		case <-c.wake:
		case <-ctx.Done():
			return
		}
		err := c.write(ctx, c.swap(false))
		if err == nil {
			if failing {
				c.m.log.Info("subscriptions can be stored again")
			}
			failing = false
			pause.Reset()
			continue
		}
		// Once: a disk may be full for hours.
		if ctx.Err() == nil && !failing {
			failing = true
			c.m.log.Error("subscriptions can't be stored; acknowledgements are refused until they can", "error", err)
		}
		select {
		case <-time.After(pause.NextBackOff()):
		case <-ctx.Done():
			return
		}
	}
}

// finish writes what is left, and ends the committer. A full disk is no reason not to end: what was answered is stored, and what is lost is
// how often events were sent.
func (c *committer) finish(ctx context.Context) error {
	err := c.write(ctx, c.swap(true))
	switch {
	case errors.Is(err, journal.ErrFull):
		c.m.log.Warn("the subscriptions can't be stored at the end; what was acknowledged and answered is", "error", err)
		return nil
	case err != nil:
		return fmt.Errorf("store the subscriptions at the end: %w", err)
	}
	return nil
}

// write does one commit and tells those who wait for it. After an error its subscriptions take part in the next one.
func (c *committer) write(ctx context.Context, one *commit) error {
	if len(one.subs) == 0 {
		close(one.done)
		return nil
	}
	type written struct {
		s        *subscription
		snapshot snapshot
	}
	marks := map[string][]byte{}
	records, noted := make(map[string][]byte, len(one.subs)), make([]written, 0, len(one.subs))
	var errs []error
	for s := range one.subs {
		value, snapshot, err := s.snapshot()
		if err != nil {
			errs = append(errs, fmt.Errorf("encode the record of %q: %w", s.name, err))
			continue
		}
		records[recordPrefix+s.name] = value
		if value == nil {
			if marks[deletedPrefix+s.name], err = deletedMark(s.name); err != nil {
				errs = append(errs, fmt.Errorf("encode the deletion of %q: %w", s.name, err))
			}
		}
		noted = append(noted, written{s, snapshot})
	}
	err := errors.Join(errs...)
	if err == nil && len(marks) > 0 {
		// On disk before the records go, whose dead letters nobody would know to be anybody's: a crash may leave a part of one commit.
		err = c.put(ctx, marks)
	}
	if err == nil {
		err = c.put(ctx, records)
	}
	if err == nil {
		for _, w := range noted {
			w.s.saved(w.snapshot)
		}
		close(one.done)
		return nil
	}
	one.err = err
	for s := range one.subs {
		s.mu.Lock()
		s.unsaved = true
		s.mu.Unlock()
	}
	close(one.done)
	for s := range one.subs {
		s.mu.Lock()
		s.durable(true)
		s.mu.Unlock()
	}
	return err
}

// putTimeout is how long a write of records may take.
const putTimeout = 30 * time.Second

func (c *committer) put(ctx context.Context, records map[string][]byte) error {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	err := c.m.journal.PutRecords(ctx, records)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: no answer for %v: %w", journal.ErrUnavailable, putTimeout, err)
	}
	return journalFault(err)
}

// journalFault gives an error of the journal the face that callers know.
func journalFault(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, journal.ErrNotFound):
		return fmt.Errorf("%w: %w", fault.ErrEventNotFound, err)
	case errors.Is(err, journal.ErrClosed):
		return fmt.Errorf("%w: %w", fault.ErrShuttingDown, err)
	case errors.Is(err, journal.ErrFull):
		return fault.Because(fault.Detail(fault.ErrJournalFull, "the journal has no room to write; try again when it has"), err)
	case errors.Is(err, journal.ErrUnavailable):
		return fault.Because(fault.Detail(fault.ErrJournalUnavailable, "the journal can't be reached or can't write; try again"), err)
	}
	return err
}

// passing says that an error says nothing of what was asked for, and that it may go well another time.
func passing(err error) bool {
	return errors.Is(err, fault.ErrJournalUnavailable) || errors.Is(err, fault.ErrJournalFull) || errors.Is(err, fault.ErrShuttingDown)
}

// isRecord says whether a key is that of a subscription.
func isRecord(key string) bool {
	return len(key) > len(recordPrefix) && key[:len(recordPrefix)] == recordPrefix
}
