package subscription

import (
	"context"
	"errors"
	"fmt"
	"time"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
	"github.com/hookbridge/hookbridge/server/journal"
)

// A dead letter is stored before its event is settled. When a crash comes in between, or storing failed and stored all the same, there
// is a copy that nobody knows of. The record says up to which dead letter all of a subscription are accounted for; what lies after it
// is looked for before anybody is sent anything, or the next one is stored. So of one life of an event there is one dead letter.

// reckon deals with the dead letters that nobody knows of: once after a start, and again when storing one has failed, which only the
// burier knows. Copies of events that were erased meanwhile are erased as well.
func (s *subscription) reckon(ctx context.Context, again bool, erased map[int64]struct{}) error {
	s.mu.Lock()
	done := s.reckoned && !again || s.deleted
	s.mu.Unlock()
	if done {
		return nil
	}
	if err := s.reckoning.Acquire(ctx, 1); err != nil {
		return err
	}
	defer s.reckoning.Release(1)
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	s.mu.Lock()
	done, from := s.reckoned && !again, s.through+1
	s.mu.Unlock()
	if done {
		return nil
	}
	err := s.m.letters(ctx, s.name, from, func(e journal.SideEntry) (bool, error) {
		in, ev, err := decodeDeadLetter(e)
		if err != nil {
			s.m.log.Error("a dead letter can't be read and is left as it is", "subscription", s.name, "error", err)
			return true, nil
		}
		// An erasure was answered before the copy was there.
		if _, ok := erased[ev.Sequence]; ok {
			_, err := s.m.journal.DeadLetters().Erase(ctx, s.name, e.ID)
			return true, journalFault(err)
		}
		s.found(e.ID, in)
		return true, nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = journalFault(fmt.Errorf("%w: the dead letters of %q could not be read within %v: %w", journal.ErrUnavailable, s.name, putTimeout, err))
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reckoned = true
	s.durable(s.through >= from)
	return nil
}

// found settles the event of a dead letter that is stored, and that nobody knew of; or has the copy removed, where that was settled
// otherwise. Those of an earlier subscription of the same name whose record was lost, for what is deleted leaves none, are left as they are:
// somebody may want them, and they are listed with the others.
func (s *subscription) found(id int64, in *storagev1.StoredDeadLetter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.through = max(s.through, id)
	if in.GetIncarnation() != s.incarnation {
		return
	}
	now := s.m.now()
	s.advance()
	seq := in.GetSequence()
	if s.machine.Redrives(seq, id) {
		return // somebody knew of it, and it goes when its event is settled
	}
	if s.abandoned || !s.machine.Found(now, seq, in.GetSeekEpoch()) {
		s.surplus(seq, id)
		return
	}
	s.m.log.Info("an event is a dead letter since before", "subscription", s.name, "sequence", seq, "dead_letter", id,
		"dead_lettered_at", in.GetDeadLetteredAt().AsTime().Format(time.RFC3339Nano))
	if one := s.burials[seq]; one != nil {
		s.conclude(one, true, nil)
	}
	s.after(now)
}

// surplus has a copy removed that is one too many. One that was redriven meanwhile goes when its event is settled.
func (s *subscription) surplus(seq, id int64) {
	if !s.machine.Redrives(seq, id) {
		s.removing = append(s.removing, id)
		s.m.burier.remove(s)
	}
}

// condemned says that the subscription is being deleted, or was.
func (s *subscription) condemned() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deleted
}

// reckonOf finds the copies of a subscription's events that nobody knows of. The caller holds digging.
func (b *burier) reckonOf(ctx context.Context, s *subscription) error {
	_, unsure := b.unsure[s]
	err := s.reckon(ctx, unsure, b.erased)
	switch {
	case err != nil:
		b.trouble(err)
	case !s.condemned():
		// Of one that is being deleted nothing was looked at: see forgo.
		delete(b.unsure, s)
	}
	return err
}

// ascertain finds the copies that nobody knows of where nothing else is buried that would have them found: what was to be buried may have
// been acknowledged instead.
func (b *burier) ascertain(ctx context.Context) error {
	ctx, cancel := outlive(ctx)
	defer cancel()
	if err := b.digging.Acquire(ctx, 1); err != nil {
		return err
	}
	defer b.digging.Release(1)
	if err := b.added(); err != nil {
		return err
	}
	for s := range b.unsure {
		if err := b.reckonOf(ctx, s); err != nil {
			return err
		}
	}
	if err := b.complete(ctx); err != nil {
		return err
	}
	b.doubtful = len(b.unsure) > 0
	return nil
}

// reckoned returns those of a group of whose subscriptions no copy is stored that nobody knows of.
func (b *burier) reckoned(ctx context.Context, group []grave) []grave {
	failed := map[*subscription]error{}
	known := group[:0]
	for _, g := range group {
		err, done := failed[g.s]
		if !done {
			err = b.reckonOf(ctx, g.s)
			failed[g.s] = err
		}
		if err != nil {
			g.s.unburied(g.burial, unburiable(err))
			continue
		}
		known = append(known, g)
	}
	if b.complete(ctx) != nil {
		b.doubtful = true
	}
	return known
}
