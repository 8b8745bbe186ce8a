package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// How many entries are removed, or erased, before commits, which wait meanwhile, get their turn.
const (
	removeStep = 64
	eraseStep  = 8
)

// Remove removes entries. See SideLog.
func (l *sideLog) Remove(ctx context.Context, owner string, ids ...int64) (int, error) {
	return l.remove(ctx, owner, ids, false)
}

// Erase removes entries and overwrites them. See SideLog.
func (l *sideLog) Erase(ctx context.Context, owner string, ids ...int64) (int, error) {
	return l.remove(ctx, owner, ids, true)
}

// Purge removes everything of an owner. See SideLog. The server's own purge by subject is of no use: after a kill it may bring back
// what is in a block with marks of other removals, and it doesn't say what it removed.
func (l *sideLog) Purge(ctx context.Context, owner string) (int, error) {
	if owner == "" {
		return 0, errors.New("purge: want an owner")
	}
	_, b, err := l.readable(ctx)
	if err != nil {
		return 0, err
	}
	removed := 0
	for from := b.First; from < b.End; {
		page, err := l.Read(ctx, SideQuery{Owner: owner, From: from, MaxBytes: maxReadBytes})
		if err != nil {
			return removed, err
		}
		var ids []int64
		for _, e := range page.Entries {
			if e.ID < b.End {
				ids = append(ids, e.ID)
			}
		}
		n, err := l.remove(ctx, owner, ids, false)
		removed += n
		if err != nil {
			return removed, err
		}
		from = page.Next
	}
	return removed, nil
}

func (l *sideLog) remove(ctx context.Context, owner string, ids []int64, overwrite bool) (int, error) {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	size := removeStep
	if overwrite {
		size = eraseStep
	}
	removed := 0
	for step := range slices.Chunk(ids, size) {
		n, err := l.removeSome(ctx, owner, step, overwrite)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// removeSome removes a step of entries. The ledger knows of it first: what is not done when the process ends is done at the next start.
func (l *sideLog) removeSome(ctx context.Context, owner string, ids []int64, overwrite bool) (int, error) {
	if err := l.removing.Acquire(ctx, 1); err != nil {
		return 0, err
	}
	defer l.removing.Release(1)
	c, b, err := l.readable(ctx)
	if err != nil {
		return 0, err
	}
	var there []int64
	for _, id := range ids {
		if id < b.First || id >= b.End {
			continue
		}
		found, _, err := l.fetch(ctx, c, owner, id, id+1, 1, 1)
		if err != nil {
			return 0, err
		}
		if len(found) > 0 {
			there = append(there, id)
		}
	}
	if len(there) == 0 {
		return 0, nil
	}
	if l.ledger != nil {
		if err := l.ledger.note(b.End, b.First, there); err != nil {
			return 0, fmt.Errorf("note what is removed: %w", l.store.classify(err))
		}
	}
	removed, err := c.removeAll(ctx, c.deadLetters, there, overwrite)
	if err != nil {
		return removed, l.store.readError(err)
	}
	if err := l.refresh(ctx, c); err != nil {
		return removed, err
	}
	return removed, nil
}

// removeAll removes messages from a stream, and returns how many were there. A cluster has stored that then. Embedded, what the server
// overwrote is on disk; a mark by which it removes without overwriting may not be, for which there is the ledger.
//
// It goes on when the caller's time is over: the server rewrites blocks, and nobody may sync the folder meanwhile.
func (c *session) removeAll(ctx context.Context, st *stream, sequences []int64, overwrite bool) (removed int, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	work := func() error {
		for _, sequence := range sequences {
			there, err := st.remove(ctx, c, sequence, overwrite)
			if err != nil {
				return err
			}
			if there {
				removed++
			}
		}
		return nil
	}
	if st.blocks == nil {
		err = work()
	} else if err = st.blocks.rewrite(work); err != nil {
		// Whether it is done, and on disk, is known when the store was opened anew.
		c.fail(err)
	}
	return removed, err
}

// resume brings a side log to where a newly opened stream is: no id is given twice, and what was removed is gone.
func (l *sideLog) resume(ctx context.Context, c *session) error {
	if err := l.removing.Acquire(ctx, 1); err != nil {
		return err
	}
	defer l.removing.Release(1)
	st, err := c.deadLetters.state(ctx)
	if err != nil {
		return err
	}
	if l.ledger != nil {
		if st, err = c.skipTo(ctx, c.deadLetters, st, max(l.ledger.end, l.tail.get().End)); err != nil {
			return err
		}
		if st, err = l.removeAgain(ctx, c, st); err != nil {
			return err
		}
	}
	info, err := c.deadLetters.Info(ctx, jetstream.WithSubjectFilter(c.deadLetters.filler))
	if err != nil {
		return fmt.Errorf("stream %s: %w", c.deadLetters.name, err)
	}
	l.fillers.Store(int64(info.State.Subjects[c.deadLetters.filler]))
	l.tail.advance(st.end)
	l.seen(st, l.usage.begin())
	return nil
}

// removeAgain removes what came back.
func (l *sideLog) removeAgain(ctx context.Context, c *session, st state) (state, error) {
	gone := l.ledger.within(st.first, st.end)
	if len(gone) == 0 {
		return st, nil
	}
	info, err := c.deadLetters.Info(ctx, jetstream.WithDeletedDetails(true))
	if err != nil {
		return st, fmt.Errorf("stream %s: %w", c.deadLetters.name, err)
	}
	deleted := make(map[int64]bool, len(info.State.Deleted))
	for _, id := range info.State.Deleted {
		deleted[int64(id)] = true
	}
	var back []int64
	for _, s := range gone {
		for id := s.from; id < s.to; id++ {
			if !deleted[id] {
				back = append(back, id)
			}
		}
	}
	if len(back) == 0 {
		return st, nil
	}
	c.store.log.Warn("dead letters that had been removed came back with the store and are removed again", "count", len(back))
	for step := range slices.Chunk(back, eraseStep) {
		// Overwritten, they don't come back once more.
		if _, err := c.removeAll(ctx, c.deadLetters, step, true); err != nil {
			return st, err
		}
	}
	return c.deadLetters.state(ctx)
}

// noteEnd notes up to where ids were given.
func (l *sideLog) noteEnd() error {
	if l.ledger == nil {
		return nil
	}
	if l.removing.TryAcquire(1) {
		defer l.removing.Release(1)
		b := l.tail.get()
		return l.ledger.note(b.End, b.First, nil)
	}
	return nil
}
