package journalfake

import (
	"maps"
	"slices"

	"github.com/hookbridge/hookbridge/server/journal"
)

// Crash ends this journal as kill -9 would: what runs fails with journal.ErrClosed. It returns one that has what was committed.
func (j *Journal) Crash() *Journal {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	j.notify()
	after := New()
	after.base, after.first, after.last = j.base, j.first, j.last
	after.events, after.ids, after.records = slices.Clone(j.events), maps.Clone(j.ids), maps.Clone(j.records)
	return after
}

// HoldAppends makes appends wait, uncommitted, until it is called with false.
func (j *Journal) HoldAppends(hold bool) { j.set(func() { j.holdAppends = hold }) }

// HoldRecords makes commits of records wait until it is called with false.
func (j *Journal) HoldRecords(hold bool) { j.set(func() { j.holdRecords = hold }) }

// FailRecords makes commits of records fail until it is called with nil.
func (j *Journal) FailRecords(err error) { j.set(func() { j.failRecords = err }) }

// FailReads makes everything that reads fail until it is called with nil.
func (j *Journal) FailReads(err error) { j.set(func() { j.failReads = err }) }

// Trim removes the events before a sequence, as retention does.
func (j *Journal) Trim(first int64) {
	j.set(func() {
		first = min(first, j.end())
		for j.first < first {
			j.events[j.first-j.base] = nil
			j.first++
		}
	})
}

// Erase removes one event.
func (j *Journal) Erase(sequence int64) { j.set(func() { j.events[sequence-j.base] = nil }) }

// Holds asks what is still needed, as retention does.
func (j *Journal) Holds() journal.Holds {
	j.mu.Lock()
	holds := j.holds
	j.mu.Unlock()
	return holds()
}

// Reads is how often Read and Get were called, Commits how many commits of records succeeded.
func (j *Journal) Reads() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.reads
}

// Commits is how many commits of records succeeded.
func (j *Journal) Commits() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.commits
}

func (j *Journal) set(change func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change()
	j.notify()
}
