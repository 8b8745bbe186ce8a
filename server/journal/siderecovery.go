package journal

import (
	"context"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// resume brings a side log to where a newly opened stream is: no id is given twice, and what was removed is gone, or not to be seen until
// there is room to remove it, which is done before the background ends.
func (l *sideLog) resume(ctx, background context.Context, c *session) error {
	if err := l.removing.Acquire(ctx, 1); err != nil {
		return err
	}
	defer l.removing.Release(1)
	st, err := c.deadLetters.state(ctx)
	if err != nil {
		return err
	}
	var back []int64
	if l.ledger != nil {
		if st, err = c.skipTo(ctx, c.deadLetters, st, max(l.ledger.end, l.tail.get().End), l.countFillers); err != nil {
			return err
		}
		if back, err = l.comeBack(ctx, c, st); err != nil {
			return err
		}
		if err := l.hide(ctx, c, st.end, back); err != nil {
			return err
		}
	}
	if err := l.countFillers(ctx, c); err != nil {
		return err
	}
	if len(back) > 0 {
		if st, err = l.removeAgain(ctx, background, c, st, back); err != nil {
			return err
		}
	}
	l.tail.advance(st.end)
	l.seen(st, l.usage.begin())
	return nil
}

// countFillers counts what only takes up an id.
func (l *sideLog) countFillers(ctx context.Context, c *session) error {
	info, err := c.deadLetters.Info(ctx, jetstream.WithSubjectFilter(c.deadLetters.filler))
	if err != nil {
		return fmt.Errorf("stream %s: %w", c.deadLetters.name, err)
	}
	l.fillers.Store(int64(info.State.Subjects[c.deadLetters.filler]))
	return nil
}

// comeBack returns what is stored and had been removed. What is hidden and not stored any more needs no hiding.
func (l *sideLog) comeBack(ctx context.Context, c *session, st state) ([]int64, error) {
	info, err := c.deadLetters.Info(ctx, jetstream.WithDeletedDetails(true))
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", c.deadLetters.name, err)
	}
	deleted := make(map[int64]bool, len(info.State.Deleted))
	for _, id := range info.State.Deleted {
		deleted[int64(id)] = true
	}
	l.veil.lift(func(id int64) bool { return id < st.first || deleted[id] })
	var back []int64
	for _, s := range l.ledger.within(st.first, st.end) {
		for id := s.from; id < s.to; id++ {
			if !deleted[id] {
				back = append(back, id)
			}
		}
	}
	return back, nil
}

// removeAgain removes what came back, now or when there is room. It returns what there is in the stream then.
func (l *sideLog) removeAgain(ctx, background context.Context, c *session, st state, back []int64) (state, error) {
	lack := l.store.space.roomFor(rewriteRoom)
	if lack == nil {
		l.store.log.Warn("dead letters that had been removed came back with the store and are removed again", "count", len(back))
		if err := l.removeHidden(ctx, c, back); err != nil {
			return st, err
		}
		return c.deadLetters.state(ctx)
	}
	l.store.log.Warn("dead letters that had been removed came back with the store; they are hidden, and removed again when there is room",
		"count", len(back), "error", lack)
	c.work.Go(func() {
		c.whenThereIsRoom(background, rewriteRoom, func(ctx context.Context) error {
			if err := l.removing.Acquire(ctx, 1); err != nil {
				return err
			}
			defer l.removing.Release(1)
			if err := l.removeHidden(ctx, c, back); err != nil {
				return err
			}
			return l.refresh(ctx, c)
		})
	})
	return st, nil
}

// removeHidden removes entries that the ledger says are gone. The caller holds removing.
func (l *sideLog) removeHidden(ctx context.Context, c *session, ids []int64) error {
	for step := range slices.Chunk(ids, eraseStep) {
		// Overwritten, they don't come back once more.
		if _, err := c.removeAll(ctx, c.deadLetters, step, true); err != nil {
			return err
		}
		l.veil.lift(func(id int64) bool { return slices.Contains(step, id) })
	}
	return nil
}

// Hide hides entries. See SideLog.
func (l *sideLog) Hide(ctx context.Context, ids ...int64) error {
	if err := l.removing.Acquire(ctx, 1); err != nil {
		return err
	}
	defer l.removing.Release(1)
	c, b, err := l.readable(ctx)
	if err != nil {
		return err
	}
	return l.hide(ctx, c, b.End, slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return id < b.First }))
}

// hide hides entries before an id that are stored. The caller holds removing.
func (l *sideLog) hide(ctx context.Context, c *session, end int64, ids []int64) error {
	for _, id := range ids {
		if id >= end {
			continue
		}
		found, _, err := l.fetch(ctx, c, "", id, id+1, 1, maxReadBytes)
		if err != nil {
			return err
		}
		l.veil.add(c.deadLetters.root, found)
	}
	return nil
}
