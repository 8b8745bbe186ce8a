package machine

import (
	"slices"
	"time"
)

// Event is what the machine has to know of an event.
type Event struct {
	// Seq is its sequence.
	Seq int64
	// Bytes counts against every member's window, ContentBytes also against those of members that want the content.
	Bytes, ContentBytes int64
	// Time is carried for the owner: when the journal took the event, in nanoseconds since 1970.
	Time int64
	// Key is its ordering key; empty for none. It counts only where the subscription is ordered.
	Key string
	// Copy is the id of the dead letter that is redriven with it; 0 for none. Only Inject takes it.
	Copy int64
	// Payload is carried for the owner, until the event is taken or there is no memory for it.
	Payload any
}

// size is what the event weighs in memory.
func (e *Event) size() int64 { return e.Bytes + e.ContentBytes }

// The queues of what waits for a member. What was injected takes turns with what wasn't.
const (
	regularQueue = iota
	injectedQueue
	queues
)

// Machine is one subscription.
type Machine struct {
	cfg    Config
	paused bool
	// next is the first sequence that was not offered.
	next   int64
	epoch  int64
	buffer buffer
	// settled are sequences at or after the position that reading has to pass over: what a seek left with its member and was
	// settled since.
	settled map[int64]struct{}

	held          map[int64]*entry
	order, copied line
	ready         [queues]heap
	delayed       heap
	leases        heap
	unburied      heap
	lanes         map[string]*lane
	blocked       int
	injected      int
	replaying     int
	burying       int
	kept          int64

	members []*member
	turn    uint64
	// injectedLast says that what was given last had been injected and gave others its turn.
	injectedLast bool
	claim        claim
	frontPassed  passed
	// elsewhere is when the first of those that wait for another member may go back to their last; 0 for none.
	elsewhere time.Duration
	aside     []*entry

	woken      []MemberID
	letters    []int64
	copies     []int64
	errorBytes int
	dirty      bool
	counted    bool
	spare      []*entry
	spareLanes []*lane
}

// Position is the first sequence that is neither settled nor held nor known not to match: what State would say.
func (m *Machine) Position() int64 {
	if e := m.buffer.front(); e != nil {
		return e.Seq
	}
	return m.next
}

// Next is the first sequence that was not offered.
func (m *Machine) Next() int64 { return m.next }

// Low is the lowest sequence that the subscription still needs from the journal.
func (m *Machine) Low() int64 {
	if e := m.order.head; e != nil {
		return min(e.event.Seq, m.Position())
	}
	return m.Position()
}

// LowTime is the Time of the event that Low names, 0 where it isn't known.
func (m *Machine) LowTime() int64 {
	low := m.Low()
	if e := m.order.head; e != nil && e.event.Seq == low {
		return e.event.Time
	}
	if e := m.buffer.front(); e != nil && e.Seq == low {
		return e.Time
	}
	return 0
}

// Epoch grows with every Seek and every Inject.
func (m *Machine) Epoch() int64 { return m.epoch }

// Held is how many events are held, Buffered how many are read ahead, Members how many members there are.
func (m *Machine) Held() int     { return len(m.held) }
func (m *Machine) Buffered() int { return m.buffer.len() }
func (m *Machine) Members() int  { return len(m.members) }

// Dirty says that something happened since State was called that has to be durable before it is answered.
func (m *Machine) Dirty() bool { return m.dirty }

// Counted says that attempts were counted since State was called. Nothing has to wait for that to be stored.
func (m *Machine) Counted() bool { return m.counted }

// Hungry says that some member would be given another event, if it is not too large for what is left of its window.
func (m *Machine) Hungry() bool {
	return !m.paused && len(m.held) < m.cfg.MaxHeld && slices.ContainsFunc(m.members, func(c *member) bool { return c.roomy(&m.cfg) })
}

// Woken returns the members whose outbox got its first event since the last call, and appends them to ids.
func (m *Machine) Woken(ids []MemberID) []MemberID {
	ids = append(ids, m.woken...)
	m.woken = m.woken[:0]
	return ids
}

// Copies returns the dead letters whose events were settled since the last call, and appends them to ids. They may be deleted
// when a State is durable that was taken in the same breath or later, and not before.
func (m *Machine) Copies(ids []int64) []int64 {
	ids = append(ids, m.copies...)
	m.copies = m.copies[:0]
	return ids
}

// Room is how much may be read ahead now: nothing without a member.
func (m *Machine) Room() (events int, bytes int64) {
	if len(m.members) == 0 || m.buffer.full(&m.cfg) {
		return 0, 0
	}
	return m.cfg.BufferEvents - m.buffer.len(), m.cfg.BufferBytes - m.buffer.bytes
}

// Offer takes in the next matching event; everything before it that was not offered is taken not to match. It returns false,
// and changes nothing, where there is no room: offer it again when there is. An event before Next is ignored, and so is one that
// is held or that the last seek does not bring.
func (m *Machine) Offer(now time.Duration, ev Event) bool {
	if ev.Seq < m.next {
		return true
	}
	if len(m.members) == 0 || m.buffer.full(&m.cfg) {
		return false
	}
	m.next = ev.Seq + 1
	if !m.passesOver(ev.Seq) {
		ev.Copy = 0
		m.buffer.push(ev)
	}
	m.assign(now)
	return true
}

// passesOver says that reading passes over an event: it is held, or was when the last seek was made.
func (m *Machine) passesOver(seq int64) bool {
	for _, l := range m.lines() {
		if l.tail != nil && l.tail.event.Seq >= seq && m.held[seq] != nil {
			return true
		}
	}
	if len(m.settled) == 0 {
		return false
	}
	_, ok := m.settled[seq]
	return ok
}

// Advance says that nothing matches in [Next, to).
func (m *Machine) Advance(to int64) { m.next = max(m.next, to) }

// DropBuffer forgets what was read ahead; it has to be offered again.
func (m *Machine) DropBuffer() {
	if e := m.buffer.front(); e != nil {
		m.next = e.Seq
		m.buffer = buffer{}
	}
}
