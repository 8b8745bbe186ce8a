package journalfake

import (
	"context"
	"fmt"
	"slices"

	"github.com/hookbridge/hookbridge/server/journal"
)

// ringLog is a ring log in memory that keeps everything. Its journal's lock guards it.
type ringLog struct {
	journal *Journal
	entries []journal.SideEntry
}

var _ journal.RingLog = (*ringLog)(nil)

// Rejections implements journal.Journal.
func (j *Journal) Rejections() journal.RingLog { return &j.ring }

// Add implements journal.RingLog.
func (l *ringLog) Add(ctx context.Context, owner string, payload []byte) (int64, error) {
	err := l.journal.await(ctx, func() bool { return true })
	defer l.journal.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if len(payload) > journal.MaxRecord {
		return 0, fmt.Errorf("%w: it has %d bytes", journal.ErrTooLarge, len(payload))
	}
	id := int64(len(l.entries)) + 1
	l.entries = append(l.entries, journal.SideEntry{ID: id, Owner: owner, Payload: slices.Clone(payload)})
	return id, nil
}

// Before implements journal.RingLog.
func (l *ringLog) Before(ctx context.Context, q journal.RingQuery) (journal.RingPage, error) {
	err := l.journal.await(ctx, func() bool { return true })
	defer l.journal.mu.Unlock()
	if err != nil {
		return journal.RingPage{}, err
	}
	if q.MaxEntries == 0 {
		q.MaxEntries = 100
	}
	if q.MaxBytes == 0 {
		q.MaxBytes = 2 << 20
	}
	var page journal.RingPage
	for _, e := range slices.Backward(l.entries) {
		if q.Before > 0 && e.ID >= q.Before || q.Owner != "" && e.Owner != q.Owner {
			continue
		}
		if n := len(page.Entries); n == q.MaxEntries || n > 0 && len(e.Payload) > q.MaxBytes {
			return page, nil
		}
		q.MaxBytes -= len(e.Payload)
		page.Entries, page.Next = append(page.Entries, e), e.ID
	}
	page.Next = 0
	return page, nil
}
