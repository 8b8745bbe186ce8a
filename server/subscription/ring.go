package subscription

import (
	"slices"
	"sync"

	"github.com/hookbridge/hookbridge/server/journal"
)

// ringBytes bounds the recent events that are kept in memory, by what they would weigh uncompressed.
const ringBytes = 32 << 20

// ring is the latest events of the journal: everything that is stored in [first, end).
type ring struct {
	mu         sync.RWMutex
	events     []*journal.Stored
	head       int
	bytes      int64
	first, end int64
}

func weight(ev *journal.Stored) int64 { return int64(len(ev.Event)) + ev.BodyBytes + 256 }

// reset empties the ring; what comes next begins with a sequence.
func (r *ring) reset(at int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events, r.head, r.bytes, r.first, r.end = nil, 0, 0, at, at
}

// push adds what the journal has in [end, next), and lets go of the oldest.
func (r *ring) push(events []*journal.Stored, next int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ev := range events {
		r.bytes += weight(ev)
	}
	r.events = append(r.events, events...)
	r.end = next
	for r.bytes > ringBytes {
		ev := r.events[r.head]
		r.events[r.head] = nil
		r.head++
		r.bytes -= weight(ev)
		r.first = ev.Sequence + 1
	}
	if r.head > len(r.events)/2 {
		n := copy(r.events, r.events[r.head:])
		clear(r.events[n:])
		r.events, r.head = r.events[:n], 0
	}
}

// drop lets go of an event, which then is as one that was never there.
func (r *ring) drop(seq int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at := r.find(seq); at < len(r.events) && r.events[at].Sequence == seq {
		r.bytes -= weight(r.events[at])
		r.events = slices.Delete(r.events, at, at+1)
	}
}

// find returns the position in events of the first one at or after a sequence.
func (r *ring) find(seq int64) int {
	lo, hi := r.head, len(r.events)
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); r.events[mid].Sequence < seq {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// get returns an event if the ring has it.
func (r *ring) get(seq int64) *journal.Stored {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if at := r.find(seq); at < len(r.events) && r.events[at].Sequence == seq {
		return r.events[at]
	}
	return nil
}

// since calls f with the events from a sequence on, until it returns false. It returns false, and calls nothing, when the ring
// doesn't reach back that far.
func (r *ring) since(seq int64, f func(*journal.Stored) bool) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if seq < r.first {
		return false
	}
	for _, ev := range r.events[r.find(seq):] {
		if !f(ev) {
			break
		}
	}
	return true
}
