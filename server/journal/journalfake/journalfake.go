package journalfake

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/hookbridge/hookbridge/server/journal"
)

// Journal is a journal in memory.
type Journal struct {
	mu sync.Mutex
	// changed is closed, and made anew, whenever something changes that somebody may wait for.
	changed chan struct{}
	// events are [base, base+len), nil where one was erased; first is where they begin to be readable.
	base, first int64
	events      []*journal.Stored
	last        time.Time
	ids, bodies map[[2]string]known
	records     map[string][]byte
	holds       func() journal.Holds
	dead        sideLog
	ring        ringLog
	closed      bool

	holdAppends, holdRecords bool
	failRecords, failReads   error
	reads, commits           int
}

var _ journal.Journal = (*Journal)(nil)

// New returns an empty journal whose first sequence will be 1.
func New() *Journal {
	j := &Journal{
		changed: make(chan struct{}), base: 1, first: 1,
		ids: map[[2]string]known{}, bodies: map[[2]string]known{}, records: map[string][]byte{},
	}
	j.dead.journal, j.ring.journal = j, j
	return j
}

func (j *Journal) end() int64 { return j.base + int64(len(j.events)) }

// notify wakes everybody who waits.
func (j *Journal) notify() {
	close(j.changed)
	j.changed = make(chan struct{})
}

// await returns, locked, when ok says so.
func (j *Journal) await(ctx context.Context, ok func() bool) error {
	j.mu.Lock()
	for !ok() && !j.closed {
		changed := j.changed
		j.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			j.mu.Lock()
			return ctx.Err()
		}
		j.mu.Lock()
	}
	if j.closed {
		return journal.ErrClosed
	}
	return nil
}

// Append implements journal.Journal.
func (j *Journal) Append(ctx context.Context, e *journal.Entry) (journal.Receipt, error) {
	err := j.await(ctx, func() bool { return !j.holdAppends })
	defer j.mu.Unlock()
	if err != nil {
		return journal.Receipt{}, err
	}
	if err := fits(e); err != nil {
		return journal.Receipt{}, err
	}
	id := [2]string{e.Source, e.ID}
	counts := e.DedupeWindow
	if counts < 0 {
		counts = window
	}
	if seq := find(j.ids, id); seq != 0 && counts > 0 {
		return journal.Receipt{Sequence: seq, Duplicate: true}, nil
	}
	if now := time.Now(); now.After(j.last) {
		j.last = now
	}
	seq := j.end()
	kept := *e
	kept.Event, kept.Content = bytes.Clone(e.Event), bytes.Clone(e.Content)
	stored := journal.NewStored(&kept, seq, j.last)
	until := j.last.Add(counts)
	if body := [2]string{e.Source, e.BodyKey}; e.BodyKey != "" && counts > 0 {
		if stored.ReplayOf = find(j.bodies, body); stored.ReplayOf == 0 {
			j.bodies[body] = known{seq, until}
		}
	}
	j.events = append(j.events, stored)
	if counts > 0 {
		j.ids[id] = known{seq, until}
	}
	j.notify()
	return journal.Receipt{Sequence: seq}, nil
}

func fits(e *journal.Entry) error {
	if n := len(e.Event) + len(e.Content); n > journal.MaxRecord {
		return fmt.Errorf("%w: it has %d bytes", journal.ErrTooLarge, n)
	}
	return nil
}

// AppendBatch implements journal.Journal.
func (j *Journal) AppendBatch(ctx context.Context, entries []*journal.Entry) ([]journal.Receipt, error) {
	for _, e := range entries {
		if err := fits(e); err != nil {
			return nil, err
		}
	}
	receipts := make([]journal.Receipt, len(entries))
	for i, e := range entries {
		var err error
		if receipts[i], err = j.Append(ctx, e); err != nil {
			return receipts, err
		}
	}
	return receipts, nil
}

// Bounds implements journal.Journal.
func (j *Journal) Bounds() journal.Bounds {
	j.mu.Lock()
	defer j.mu.Unlock()
	return journal.Bounds{First: j.first, End: j.end()}
}

// Wait implements journal.Journal.
func (j *Journal) Wait(ctx context.Context, end int64) (journal.Bounds, error) {
	err := j.await(ctx, func() bool { return j.end() > end })
	defer j.mu.Unlock()
	if err != nil {
		return journal.Bounds{}, err
	}
	return journal.Bounds{First: j.first, End: j.end()}, nil
}

// Read implements journal.Journal. It looks at filters only where all of their elements are exact names.
func (j *Journal) Read(ctx context.Context, q journal.Query) (journal.Page, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reads++
	if err := j.readable(ctx); err != nil {
		return journal.Page{}, err
	}
	page := journal.Page{Next: max(q.From, j.first)}
	for bytes := 0; page.Next < j.end(); page.Next++ {
		s := j.events[page.Next-j.base]
		if s == nil || !hinted(q.Sources, s.Source) || !hinted(q.Types, s.Type) {
			continue
		}
		bytes += len(s.Event) + int(s.BodyBytes)
		if n := len(page.Events); n > 0 && (q.MaxEvents > 0 && n >= q.MaxEvents || q.MaxBytes > 0 && bytes > q.MaxBytes) {
			break
		}
		page.Events = append(page.Events, s)
	}
	if q.From > page.Next {
		page.Next = q.From
	}
	return page, nil
}

func hinted(names []string, name string) bool {
	wild := func(s string) bool { return strings.Contains(s, "*") }
	return len(names) == 0 || slices.ContainsFunc(names, wild) || slices.Contains(names, name)
}

func (j *Journal) readable(ctx context.Context) error {
	switch {
	case j.closed:
		return journal.ErrClosed
	case j.failReads != nil:
		return j.failReads
	}
	return ctx.Err()
}

// Get implements journal.Journal.
func (j *Journal) Get(ctx context.Context, sequence int64) (*journal.Stored, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reads++
	if err := j.readable(ctx); err != nil {
		return nil, err
	}
	if sequence < j.first || sequence >= j.end() || j.events[sequence-j.base] == nil {
		return nil, fmt.Errorf("%w: sequence %d", journal.ErrNotFound, sequence)
	}
	return j.events[sequence-j.base], nil
}

// Lookup implements journal.Journal.
func (j *Journal) Lookup(ctx context.Context, source, id string) (int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.readable(ctx); err != nil {
		return 0, err
	}
	seq := find(j.ids, [2]string{source, id})
	if seq == 0 {
		return 0, fmt.Errorf("%w: %s/%s", journal.ErrNotFound, source, id)
	}
	return seq, nil
}

// SequenceAt implements journal.Journal.
func (j *Journal) SequenceAt(ctx context.Context, t time.Time) (int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.readable(ctx); err != nil {
		return 0, err
	}
	for seq := j.first; seq < j.end(); seq++ {
		if s := j.events[seq-j.base]; s != nil && !s.Time.Before(t) {
			return seq, nil
		}
	}
	return j.end(), nil
}

// PutRecords implements journal.Journal.
func (j *Journal) PutRecords(ctx context.Context, records map[string][]byte) error {
	err := j.await(ctx, func() bool { return !j.holdRecords })
	defer j.mu.Unlock()
	if err != nil {
		return err
	}
	if j.failRecords != nil {
		return j.failRecords
	}
	j.commits++
	for key, value := range records {
		if value == nil {
			delete(j.records, key)
			continue
		}
		j.records[key] = slices.Clone(value)
	}
	j.notify()
	return nil
}

// Records implements journal.Journal.
func (j *Journal) Records(ctx context.Context) (map[string][]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.readable(ctx); err != nil {
		return nil, err
	}
	return maps.Clone(j.records), nil
}

// Erase implements journal.Journal.
func (j *Journal) Erase(ctx context.Context, sequence int64) error {
	if _, err := j.Get(ctx, sequence); err != nil {
		return err
	}
	j.set(func() {
		j.events[sequence-j.base] = nil
		for j.first < j.end() && j.events[j.first-j.base] == nil {
			j.first++
		}
	})
	return nil
}

// DeadLetters implements journal.Journal.
func (j *Journal) DeadLetters() journal.SideLog { return &j.dead }

// SetHolds implements journal.Journal.
func (j *Journal) SetHolds(holds func() journal.Holds) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.holds = holds
}

// Status implements journal.Journal.
func (j *Journal) Status() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.readable(context.Background())
}

// Close implements journal.Journal.
func (j *Journal) Close(context.Context) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.closed {
		j.closed = true
		j.notify()
	}
	return nil
}

// Keys returns the keys of the records, sorted.
func (j *Journal) Keys() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	keys := slices.Collect(maps.Keys(j.records))
	sort.Strings(keys)
	return keys
}
