package subscription

import (
	"context"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
)

// DeleteSubscription implements hookbridge.v1.SubscriptionService.
func (v *Service) DeleteSubscription(ctx context.Context, req *hookbridgev1.DeleteSubscriptionRequest) (*hookbridgev1.DeleteSubscriptionResponse, error) {
	m := v.m
	s, err := v.find(ctx, "name", req.GetName())
	if err != nil {
		return nil, err
	}
	if err := s.arranging.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer s.arranging.Release(1)
	if err := s.alive(); err != nil {
		// Somebody else was faster. The name is free when this is answered, as it would be for them.
		select {
		case <-s.gone:
			if s.unfinished != nil {
				return nil, s.unfinished
			}
			return nil, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	// While it can still be given up: if the dead letters can't be removed, nothing else is.
	purged, err := m.journal.DeadLetters().Purge(ctx, s.name)
	m.deadCount.touch()
	if err != nil {
		return nil, journalFault(err)
	}
	s.mu.Lock()
	members := len(s.members)
	s.condemn()
	s.mu.Unlock()
	if !m.spawn(s.vanish) {
		s.unfinish()
	}
	select {
	case <-s.gone:
		err = s.unfinished
	case <-ctx.Done():
		err = ctx.Err()
	}
	m.audit(ctx, "delete subscription", s.name, err, slog.Int("dead_letters", purged), slog.Int("members", members))
	if err != nil {
		return nil, err
	}
	return &hookbridgev1.DeleteSubscriptionResponse{}, nil
}

// alive returns an error when the subscription is deleted.
func (s *subscription) alive() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deleted {
		return s.broken
	}
	return nil
}

// condemn ends everything of a subscription that is deleted, at once.
func (s *subscription) condemn() {
	s.deleted, s.broken = true, errDeleted(s.name)
	s.endReplay()
	s.abandon()
	s.m.routes.remove(s)
	s.detach(s.m.tail.next.Load())
	for _, mem := range s.members {
		mem.wake()
	}
	s.durable(true)
}

func errDeleted(name string) error {
	return fault.Detail(fault.ErrSubscriptionDeleted, "subscription %q was deleted", name)
}

// deletion returns the commit that deletes the record; nil when it is deleted.
func (s *subscription) deletion() *commit {
	if s.removal == nil || s.unsaved {
		s.removal, s.unsaved = s.m.committer.add(s), false
	}
	if s.removal.succeeded() {
		return nil
	}
	return s.removal
}

const (
	// vanishAgain is how long to wait after the record of a deleted subscription could not be written; the committer tries on. It is also
	// how long at first where its dead letters could not be removed.
	vanishAgain = 50 * time.Millisecond
	// purgeTimeout is how long the dead letters of one may take to be removed, before it is tried again.
	purgeTimeout = 30 * time.Second
)

// vanish frees the name of a subscription that was condemned, when its record and its dead letters are gone: the next one of its name
// has none of them. What the bridge's end leaves of that is done by the next start, before anything is served.
func (s *subscription) vanish(ctx context.Context) {
	m := s.m
	for {
		s.mu.Lock()
		removal := s.durable(false)
		s.mu.Unlock()
		if removal == nil {
			break
		}
		if err := removal.wait(ctx); err != nil {
			select {
			case <-time.After(vanishAgain):
			case <-ctx.Done():
				s.unfinish()
				return
			}
		}
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = vanishAgain, time.Minute
	for told := false; ; told = true {
		err := s.clear(ctx)
		if err == nil {
			break
		}
		if !told && ctx.Err() == nil {
			m.log.Warn("the dead letters of a deleted subscription can't be removed; its name isn't free until they are", "subscription", s.name, "error", err)
		}
		select {
		case <-time.After(pause.NextBackOff()):
		case <-ctx.Done():
			s.unfinish()
			return
		}
	}
	m.mu.Lock()
	delete(m.subs, s.name)
	m.mu.Unlock()
	m.totals.forget(s.label)
	close(s.gone)
}

// clear removes what became a dead letter of a condemned subscription just before that, and the mark of its deletion.
func (s *subscription) clear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, purgeTimeout)
	defer cancel()
	if err := s.m.burier.quiet(ctx); err != nil {
		return err
	}
	_, err := s.m.journal.DeadLetters().Purge(ctx, s.name)
	s.m.deadCount.touch()
	if err != nil {
		return err
	}
	if err := s.m.burier.forgo(ctx, s); err != nil {
		return err
	}
	return s.m.journal.PutRecords(ctx, map[string][]byte{deletedPrefix + s.name: nil})
}

// unfinish says that the bridge ends before the subscription is gone. The last commit deletes its record, if that succeeds.
func (s *subscription) unfinish() {
	s.unfinished = fault.ErrShuttingDown
	close(s.gone)
}
