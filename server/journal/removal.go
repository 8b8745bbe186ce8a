package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

const (
	// How many entries are removed, or erased, before commits, which wait meanwhile, get their turn.
	removeStep = 64
	eraseStep  = 8
	// rewriteRoom is how much must be free before something is overwritten: the copy of its block, and what else is written meanwhile.
	rewriteRoom = 8<<20 + roomAgain
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
	c, b, err := l.readable(ctx)
	if err != nil {
		return 0, err
	}
	removed := 0
	for from := b.First; from < b.End; {
		entries, next, err := l.fetch(ctx, c, owner, from, b.End, defaultReadEvents, maxReadBytes)
		if err != nil {
			return removed, err
		}
		var ids []int64
		for _, e := range entries {
			ids = append(ids, e.ID)
		}
		n, err := l.remove(ctx, owner, ids, false)
		removed += n
		if err != nil {
			return removed, err
		}
		from = next
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
	if err := c.mayRemove(overwrite); err != nil {
		return 0, err
	}
	if l.ledger != nil {
		if err := l.ledger.note(b.End, b.First, there); err != nil {
			return 0, fmt.Errorf("note what is removed: %w", l.store.refused(err))
		}
	}
	removed, err := c.removeAll(ctx, c.deadLetters, there, overwrite)
	if err != nil {
		return removed, l.store.readError(err)
	}
	l.veil.lift(func(id int64) bool { return slices.Contains(there, id) })
	if err := l.refresh(ctx, c); err != nil {
		return removed, err
	}
	return removed, nil
}

// mayRemove returns why nothing may be removed, or overwritten: that takes room, and where it finds none the server's store has failed.
func (c *session) mayRemove(overwrite bool) error {
	switch {
	case c.server == nil:
		return nil
	case overwrite:
		return c.store.space.roomFor(rewriteRoom)
	}
	return c.store.space.exhausted()
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
