package journalfake

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hookbridge/hookbridge/server/journal"
)

// sideLog is a side log in memory. Its journal's lock guards it.
type sideLog struct {
	journal *Journal
	// last is the last id given, entries what there is, in the order of ids.
	last    int64
	entries []journal.SideEntry
	// hidden are those that are not to be seen.
	hidden map[int64]bool

	hold   bool
	late   []journal.SideEntry
	fail   error
	lose   error
	most   int
	status error
}

var _ journal.SideLog = (*sideLog)(nil)

// Add implements journal.SideLog. What is given up while it is held is stored all the same when it is held no more, as in the real one.
func (l *sideLog) Add(ctx context.Context, entries ...journal.SideEntry) ([]int64, error) {
	if len(entries) == 0 {
		return nil, ctx.Err()
	}
	err := l.journal.await(ctx, func() bool { return !l.hold })
	if err != nil && !l.journal.closed {
		l.late = append(l.late, entries...)
	}
	defer l.journal.mu.Unlock()
	if err == nil {
		err = errors.Join(ctx.Err(), l.fail)
	}
	if err != nil {
		return nil, err
	}
	size := 0
	for i, e := range entries {
		switch {
		case e.Owner == "":
			return nil, fmt.Errorf("entry %d: want an owner", i)
		case len(e.Payload) > journal.MaxRecord:
			return nil, fmt.Errorf("%w: %w: entry %d has %d bytes", journal.ErrRefused, journal.ErrTooLarge, i, len(e.Payload))
		}
		size += len(e.Payload)
	}
	if l.most > 0 && l.bytes()+size > l.most {
		l.status = fmt.Errorf("%w: dead letters may have %d bytes", journal.ErrFull, l.most)
		return nil, fmt.Errorf("%w: %w", journal.ErrRefused, l.status)
	}
	l.status = nil
	ids := l.put(entries)
	l.journal.notify()
	if l.lose != nil {
		return nil, l.lose
	}
	return ids, nil
}

func (l *sideLog) put(entries []journal.SideEntry) []int64 {
	ids := make([]int64, len(entries))
	for i, e := range entries {
		l.last++
		ids[i] = l.last
		l.entries = append(l.entries, journal.SideEntry{ID: l.last, Owner: e.Owner, Payload: slices.Clone(e.Payload)})
	}
	return ids
}

// release lets go of what is held, and stores what was given up meanwhile.
func (l *sideLog) release() {
	l.hold = false
	l.put(l.late)
	l.late = nil
}

func (l *sideLog) bytes() int {
	n := 0
	for _, e := range l.entries {
		n += len(e.Payload)
	}
	return n
}

// Read implements journal.SideLog.
func (l *sideLog) Read(ctx context.Context, q journal.SideQuery) (journal.SidePage, error) {
	l.journal.mu.Lock()
	defer l.journal.mu.Unlock()
	if err := l.journal.readable(ctx); err != nil {
		return journal.SidePage{Next: q.From}, err
	}
	page, bytes := journal.SidePage{Next: max(q.From, l.last+1)}, 0
	for _, e := range l.seen() {
		if e.ID < q.From || q.Owner != "" && q.Owner != e.Owner {
			continue
		}
		bytes += len(e.Payload)
		if n := len(page.Entries); n > 0 && (q.MaxEntries > 0 && n >= q.MaxEntries || q.MaxBytes > 0 && bytes > q.MaxBytes) {
			page.Next = page.Entries[n-1].ID + 1
			break
		}
		page.Entries = append(page.Entries, e)
	}
	return page, nil
}

// Get implements journal.SideLog.
func (l *sideLog) Get(ctx context.Context, id int64) (journal.SideEntry, error) {
	l.journal.mu.Lock()
	defer l.journal.mu.Unlock()
	if err := l.journal.readable(ctx); err != nil {
		return journal.SideEntry{}, err
	}
	for _, e := range l.seen() {
		if e.ID == id {
			return e, nil
		}
	}
	return journal.SideEntry{}, journal.ErrNotFound
}

// Count implements journal.SideLog.
func (l *sideLog) Count(ctx context.Context) (journal.SideCount, error) {
	l.journal.mu.Lock()
	defer l.journal.mu.Unlock()
	if err := l.journal.readable(ctx); err != nil {
		return journal.SideCount{}, err
	}
	count := journal.SideCount{ByOwner: map[string]int64{}}
	for _, e := range l.seen() {
		count.Entries++
		count.Bytes += int64(len(e.Payload))
		count.ByOwner[e.Owner]++
	}
	return count, nil
}

// Hide implements journal.SideLog.
func (l *sideLog) Hide(ctx context.Context, ids ...int64) error {
	l.journal.mu.Lock()
	defer l.journal.mu.Unlock()
	if err := l.journal.readable(ctx); err != nil {
		return err
	}
	if l.hidden == nil {
		l.hidden = map[int64]bool{}
	}
	for _, id := range ids {
		l.hidden[id] = true
	}
	return nil
}

// seen are the entries that are not hidden.
func (l *sideLog) seen() []journal.SideEntry {
	if len(l.hidden) == 0 {
		return l.entries
	}
	return slices.DeleteFunc(slices.Clone(l.entries), func(e journal.SideEntry) bool { return l.hidden[e.ID] })
}

// Remove implements journal.SideLog.
func (l *sideLog) Remove(ctx context.Context, owner string, ids ...int64) (int, error) {
	return l.remove(ctx, func(e journal.SideEntry) bool {
		return slices.Contains(ids, e.ID) && (owner == "" || owner == e.Owner)
	})
}

// Erase implements journal.SideLog.
func (l *sideLog) Erase(ctx context.Context, owner string, ids ...int64) (int, error) {
	return l.Remove(ctx, owner, ids...)
}

// Purge implements journal.SideLog.
func (l *sideLog) Purge(ctx context.Context, owner string) (int, error) {
	if owner == "" {
		return 0, errors.New("purge: want an owner")
	}
	return l.remove(ctx, func(e journal.SideEntry) bool { return e.Owner == owner })
}

func (l *sideLog) remove(ctx context.Context, gone func(journal.SideEntry) bool) (int, error) {
	l.journal.mu.Lock()
	defer l.journal.mu.Unlock()
	if l.journal.closed {
		return 0, journal.ErrClosed
	}
	if err := errors.Join(ctx.Err(), l.fail); err != nil {
		return 0, err
	}
	before := len(l.entries)
	// Pages that were read share nothing with what is deleted here.
	l.entries = slices.DeleteFunc(slices.Clone(l.entries), gone)
	if len(l.entries) < before {
		l.status = nil
		l.journal.notify()
	}
	return before - len(l.entries), nil
}

// Status implements journal.SideLog.
func (l *sideLog) Status() error {
	l.journal.mu.Lock()
	defer l.journal.mu.Unlock()
	if l.journal.closed {
		return journal.ErrClosed
	}
	return errors.Join(l.fail, l.status)
}
