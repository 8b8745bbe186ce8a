package machine

import "time"

// Seek moves what is not with a member: what comes next is the first event at or after target, whether or not it was settled
// before. What was read ahead, is waiting, blocked, or in an outbox is dropped; a redriven event among it is a plain dead letter
// again. What is leased or being buried stays and keeps its key busy; it is not among what the seek brings, but sent again only if
// it is not settled.
func (m *Machine) Seek(now time.Duration, target int64) {
	m.epoch++
	m.buffer = buffer{}
	m.next = target
	clear(m.settled)
	// First what is behind a key: the end of another must not let it go.
	m.dropAll(func(e *entry) bool { return e.stage == blocked })
	m.dropAll(func(e *entry) bool { return e.stage == ready || e.stage == delayed || e.stage == inOutbox })
	m.dirty = true
	m.assign(now)
}

// dropAll drops the entries of which something is true.
func (m *Machine) dropAll(which func(e *entry) bool) int {
	n := 0
	for _, l := range m.lines() {
		for e := l.head; e != nil; {
			next := e.links[byLine].next
			if which(e) {
				m.release(e)
				m.drop(e)
				n++
			}
			e = next
		}
	}
	return n
}

// Pause gives members nothing any more, and takes back what they did not take. Leases go on, and so do their deadlines.
func (m *Machine) Pause(time.Duration) {
	m.paused = true
	for _, c := range m.members {
		m.empty(c)
	}
}

// Resume ends a pause.
func (m *Machine) Resume(now time.Duration) {
	m.paused = false
	m.assign(now)
}

// Paused says that it is paused.
func (m *Machine) Paused() bool { return m.paused }
