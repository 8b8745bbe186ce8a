package subscription

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/hookbridge/hookbridge/server/journal"
)

// catchUp reads what the tail reader doesn't bring, in large steps and with the subscription's own filter, until it can attach, has no
// more room, or has no members.
func (s *subscription) catchUp(ctx context.Context) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, 2*time.Second
	failing := false
	for !s.m.tail.attach(s) {
		more, err := s.readOn(ctx)
		if err == nil {
			if !more {
				return
			}
			pause.Reset()
			failing = false
			continue
		}
		// Once for each outage: there may be thousands that wait for its end.
		if ctx.Err() == nil && !failing {
			failing = true
			s.m.log.Error("the journal can't be read; the subscription stands still until it can", "subscription", s.name, "error", err)
		}
		select {
		case <-time.After(pause.NextBackOff()):
		case <-ctx.Done():
			s.mu.Lock()
			s.catching = false
			s.mu.Unlock()
			return
		}
	}
}

// readOn reads one step. It returns false when there is nothing to read for; then somebody else will have to begin again.
func (s *subscription) readOn(ctx context.Context) (more bool, err error) {
	q, f, ok := s.step()
	if !ok {
		return false, nil
	}
	erasures := s.m.erasures.Load()
	page, err := s.m.journal.Read(ctx, q)
	if err != nil {
		return false, err
	}
	// What retention removed before it was read would look as if it didn't match. What it removed just after makes a gap that
	// was none: better told in vain than not told.
	first, seen := s.m.journal.Bounds().First, page.Next
	if len(page.Events) > 0 {
		seen = page.Events[0].Sequence
	}
	c := s.choose(f, page.Events, 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.machine.Next() != q.From || s.filter != f || len(s.members) == 0 || s.m.erasures.Load() != erasures {
		return true, nil // other members by now, or something was erased: what was read is not what comes next
	}
	now := s.m.now()
	s.lost(now, min(first, seen))
	refused := s.offer(now, c.events)
	if refused == nil {
		refused = c.rest
	}
	if refused != nil {
		s.machine.Advance(refused.Sequence)
	} else {
		s.machine.Advance(page.Next)
	}
	if c.err != nil {
		s.breakOff(c.err)
	}
	s.after(now)
	return true, nil
}

// step says what to read next, and with which filter; false for nothing.
func (s *subscription) step() (journal.Query, *filter, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.m.now()
	s.lost(now, s.m.journal.Bounds().First)
	s.after(now)
	events, bytes := s.machine.Room()
	if len(s.members) == 0 || s.broken != nil || !s.roomy() {
		s.catching = false
		return journal.Query{}, nil, false
	}
	return journal.Query{
		From: s.machine.Next(), MaxEvents: events, MaxBytes: int(bytes),
		Sources: s.filter.sources.list, Types: s.filter.types.list,
	}, s.filter, true
}
