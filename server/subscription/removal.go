package subscription

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// removeIDs is how many dead letters are removed at a time.
const removeIDs = 1000

// finish removes what may go since the last commits, at the end of Run. What is left then is removed after the next start.
func (b *burier) finish(ctx context.Context) {
	if err := b.removeAll(ctx); err != nil {
		b.m.log.Warn("dead letters of settled events can't be removed; it is tried again after the next start", "error", err)
	}
}

// removeAll removes what may go.
func (b *burier) removeAll(ctx context.Context) error {
	b.mu.Lock()
	spent := b.spent
	b.spent = map[*subscription]struct{}{}
	b.mu.Unlock()
	var errs []error
	for s := range spent {
		if err := b.removeOf(ctx, s); err != nil {
			errs = append(errs, fmt.Errorf("subscription %q: %w", s.name, err))
			b.mu.Lock()
			b.spent[s] = struct{}{}
			b.mu.Unlock()
		}
	}
	return errors.Join(errs...)
}

func (b *burier) removeOf(ctx context.Context, s *subscription) error {
	ctx, cancel := outlive(ctx)
	defer cancel()
	ctx, late := context.WithTimeout(ctx, putTimeout)
	defer late()
	ids := s.removable()
	for len(ids) > 0 {
		some := ids[:min(len(ids), removeIDs)]
		if _, err := b.m.journal.DeadLetters().Remove(ctx, s.name, some...); err != nil {
			return err
		}
		b.m.deadCount.touch()
		s.removed(len(some))
		ids = ids[len(some):]
	}
	return nil
}

// removable returns the dead letters whose events are settled on disk, so that they may go.
func (s *subscription) removable() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.removing)
}

// removed says that the first n of them are gone. Others come only behind them.
func (s *subscription) removed(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.removing = s.removing[n:]; len(s.removing) == 0 {
		s.removing = nil
	}
}
