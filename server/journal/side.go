package journal

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"
)

// sideLog is a side log on a stream of its own, with a group commit of its own.
type sideLog struct {
	store *Store
	// limit is the name of the setting of most, for those who are told that the log is full.
	limit string
	most  int64
	usage usage
	// tail is what can be read. With a cluster, where other bridges write too, the stream is asked instead.
	tail tail
	// entries is how many there were when the stream was asked last.
	entries atomic.Int64
	// fillers are messages that only take up an id.
	fillers atomic.Int64
	// removing is held by whoever removes entries. It guards the ledger.
	removing *semaphore.Weighted
	ledger   *ledger // nil with a cluster
	// veil is over what is to be removed when there is room.
	veil veil
}

var _ SideLog = (*sideLog)(nil)

// newSideLog returns the log of dead letters.
func newSideLog(s *Store, f *folder) (*sideLog, error) {
	l := &sideLog{
		store: s, limit: "dead_letter_bytes", most: s.cfg.DeadLetterBytes, tail: tail{bounds: Bounds{First: 1, End: 1}},
		removing: semaphore.NewWeighted(1),
	}
	if s.cfg.NATS != nil {
		return l, nil
	}
	var err error
	l.ledger, err = openLedger(s.cfg.disk, filepath.Join(f.path, "dead_letters"))
	return l, err
}

// Add stores entries. See SideLog.
func (l *sideLog) Add(ctx context.Context, entries ...SideEntry) ([]int64, error) {
	if len(entries) == 0 {
		return nil, ctx.Err()
	}
	u, err := l.submit(ctx, entries)
	if err != nil {
		return nil, refusal{err}
	}
	if err := await(ctx, u); err != nil {
		return nil, err
	}
	ids := make([]int64, len(entries))
	for i, p := range u.publications {
		ids[i] = p.sequence
	}
	return ids, nil
}

// refusal is an error before anything was sent to the server.
type refusal struct{ error }

func (r refusal) Unwrap() []error { return []error{ErrRefused, r.error} }

// submit puts entries into the queue. Nothing of them is stored where that has an error.
func (l *sideLog) submit(ctx context.Context, entries []SideEntry) (*unit, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := l.store.writable()
	if err != nil {
		return nil, err
	}
	pubs := make([]*publication, 0, len(entries))
	for i, e := range entries {
		if e.Owner == "" {
			return nil, fmt.Errorf("entry %d: want an owner", i)
		}
		pubs = append(pubs, &publication{subject: sideSubject(c.deadLetters.root, e.Owner), payload: e.Payload})
	}
	size, err := measure(c, pubs)
	if err != nil {
		return nil, err
	}
	if err := l.admit(ctx, c, size); err != nil {
		return nil, err
	}
	u, err := l.store.submit(ctx, c, c.deadLetterLog, pubs, func(*unit, error) { l.usage.landed(size) })
	if err != nil {
		l.usage.landed(size)
	}
	return u, err
}

// admit refuses what there is no room for.
func (l *sideLog) admit(ctx context.Context, c *session, size int64) error {
	if c.server != nil {
		if err := l.store.space.take(size); err != nil {
			return err
		}
	}
	if l.usage.admit(size, l.most) {
		return nil
	}
	// Some of it may have been removed since.
	if err := l.refresh(ctx, c); err != nil {
		return err
	}
	if !l.usage.admit(size, l.most) {
		return l.errFull()
	}
	return nil
}

func (l *sideLog) errFull() error {
	return fmt.Errorf("%w: %s is %d, and that much waits to be redriven or purged", ErrFull, l.limit, l.most)
}

// committed makes visible what is on disk now.
func (l *sideLog) committed(group []*publication) error {
	end := int64(0)
	for _, p := range group {
		end = max(end, p.sequence+1)
	}
	l.tail.advance(end)
	l.entries.Add(int64(len(group)))
	return nil
}

// refresh asks the stream how much is in it.
func (l *sideLog) refresh(ctx context.Context, c *session) error {
	begun := l.usage.begin()
	st, err := c.deadLetters.state(ctx)
	if err != nil {
		return l.store.readError(fmt.Errorf("%w: %w", ErrUnavailable, err))
	}
	l.seen(st, begun)
	return nil
}

func (l *sideLog) seen(st state, begun int64) {
	l.usage.set(st.bytes, begun)
	l.entries.Store(st.events - l.fillers.Load())
	if l.ledger == nil {
		// What a cluster has answered is stored.
		l.tail.advance(st.end)
	}
	l.tail.trim(st.first)
	l.veil.lift(func(id int64) bool { return id < st.first })
}

// readable returns the session, and what can be read.
func (l *sideLog) readable(ctx context.Context) (*session, Bounds, error) {
	c, err := l.store.readable()
	if err == nil && l.ledger == nil {
		err = l.refresh(ctx, c)
	}
	return c, l.tail.get(), err
}

// Read returns the next entries. See SideLog.
func (l *sideLog) Read(ctx context.Context, q SideQuery) (SidePage, error) {
	c, b, err := l.readable(ctx)
	if err != nil {
		return SidePage{Next: q.From}, err
	}
	from := max(q.From, b.First)
	if from >= b.End {
		return SidePage{Next: from}, nil
	}
	for {
		entries, next, err := l.fetch(ctx, c, q.Owner, from, b.End,
			limit(q.MaxEntries, defaultReadEvents, maxReadEvents), limit(q.MaxBytes, defaultReadBytes, maxReadBytes))
		if err != nil {
			return SidePage{Next: q.From}, err
		}
		// A page of which nothing may be seen is not the end.
		if seen := l.veil.seen(entries); len(seen) > 0 || next >= b.End {
			return SidePage{Entries: seen, Next: next}, nil
		}
		from = next
	}
}

// Get returns one entry. See SideLog.
func (l *sideLog) Get(ctx context.Context, id int64) (SideEntry, error) {
	c, b, err := l.readable(ctx)
	if err != nil {
		return SideEntry{}, err
	}
	if id < b.First || id >= b.End || l.veil.over(id) {
		return SideEntry{}, ErrNotFound
	}
	entries, _, err := l.fetch(ctx, c, "", id, id+1, 1, maxReadBytes)
	if err != nil {
		return SideEntry{}, err
	}
	if len(entries) == 0 {
		return SideEntry{}, ErrNotFound
	}
	return entries[0], nil
}

// fetch reads entries as they were stored, hidden ones too.
func (l *sideLog) fetch(ctx context.Context, c *session, owner string, from, end int64, count, size int) ([]SideEntry, int64, error) {
	filter := c.deadLetters.root + ">"
	if owner != "" {
		filter = sideSubject(c.deadLetters.root, owner)
	}
	messages, next, err := c.fetch(ctx, c.deadLetters, from, end, count, size, filter)
	if err != nil {
		return nil, from, l.store.readError(err)
	}
	entries := make([]SideEntry, 0, len(messages))
	for _, m := range messages {
		if owner, ok := sideOwner(c.deadLetters.root, m.subject); ok {
			entries = append(entries, SideEntry{ID: m.sequence, Owner: owner, Payload: m.payload})
		}
	}
	return entries, next, nil
}

// Count says what is stored. See SideLog.
func (l *sideLog) Count(ctx context.Context) (SideCount, error) {
	c, err := l.store.readable()
	if err != nil {
		return SideCount{}, err
	}
	info, err := c.deadLetters.Info(ctx, jetstream.WithSubjectFilter(c.deadLetters.root+">"))
	if err != nil {
		return SideCount{}, l.store.readError(fmt.Errorf("%w: stream %s: %w", ErrUnavailable, c.deadLetters.name, err))
	}
	count := SideCount{Bytes: int64(info.State.Bytes), ByOwner: make(map[string]int64, len(info.State.Subjects))}
	for subject, n := range info.State.Subjects {
		if owner, ok := sideOwner(c.deadLetters.root, subject); ok {
			count.ByOwner[owner] = int64(n)
			count.Entries += int64(n)
		}
	}
	l.veil.leaveOut(&count)
	return count, nil
}

// Status describes the log's health. See SideLog.
func (l *sideLog) Status() error {
	if _, err := l.store.writable(); err != nil {
		return err
	}
	if l.usage.full(l.most) {
		return l.errFull()
	}
	return nil
}
