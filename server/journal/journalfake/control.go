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
	after.bodies = maps.Clone(j.bodies)
	after.dead.last, after.dead.entries = j.dead.last, slices.Clone(j.dead.entries)
	return after
}

// HoldAppends makes appends wait, uncommitted, until it is called with false.
func (j *Journal) HoldAppends(hold bool) { j.set(func() { j.holdAppends = hold }) }

// HoldRecords makes commits of records wait until it is called with false.
func (j *Journal) HoldRecords(hold bool) { j.set(func() { j.holdRecords = hold }) }

// FailRecords makes commits of records fail until it is called with nil.
func (j *Journal) FailRecords(err error) { j.set(func() { j.failRecords = err }) }

// HoldDeadLetters makes adding dead letters wait until it is called with false.
func (j *Journal) HoldDeadLetters(hold bool) {
	j.set(func() {
		if hold {
			j.dead.hold = true
		} else {
			j.dead.release()
		}
	})
}

// FailDeadLetters makes adding and removing dead letters fail until it is called with nil.
func (j *Journal) FailDeadLetters(err error) { j.set(func() { j.dead.fail = err }) }

// LoseDeadLetters makes adding dead letters store them and fail all the same, until it is called with nil.
func (j *Journal) LoseDeadLetters(err error) { j.set(func() { j.dead.lose = err }) }

// LimitDeadLetters bounds the payloads of all dead letters, in bytes; 0 means no bound.
func (j *Journal) LimitDeadLetters(most int) { j.set(func() { j.dead.most = most }) }

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
