package machine

import (
	"fmt"
	"slices"
	"time"
)

// Config are the limits of a machine. All must be positive.
type Config struct {
	// Ephemeral settles an event as soon as it is taken: there is nothing to acknowledge.
	Ephemeral bool
	// BufferEvents and BufferBytes bound what is read ahead. One event is taken in however large.
	BufferEvents int
	BufferBytes  int64
	// OutboxEvents and OutboxBytes bound what is given to a member that has not yet taken it. One event is put there however
	// large.
	OutboxEvents int
	OutboxBytes  int64
	// MaxHeld bounds the events that all members together hold, and with them the size of State.
	MaxHeld int
	// Stall is after how long a member that takes nothing loses what is in its outbox; its ack deadline, where that is shorter.
	Stall time.Duration
}

// Event is what the machine has to know of an event.
type Event struct {
	// Seq is its sequence.
	Seq int64
	// Bytes counts against every member's window, ContentBytes also against those of members that want the content.
	Bytes, ContentBytes int64
	// Time is carried for the owner: when the journal took the event, in nanoseconds since 1970.
	Time int64
	// Payload is carried for the owner, until the event is taken.
	Payload any
}

// size is what the event weighs in memory.
func (e *Event) size() int64 { return e.Bytes + e.ContentBytes }

// State is the durable part.
type State struct {
	// Position is the first sequence that is neither settled nor held nor known not to match.
	Position int64
	// Epoch grows with every seek.
	Epoch int64
	// Held is what is not settled before Position, in the order of the sequences.
	Held []Held
}

// Held is an event before the position that is not settled.
type Held struct {
	Seq      int64
	Attempts int32
	// Bytes and ContentBytes are the event's.
	Bytes, ContentBytes int64
}

// Machine is one subscription.
type Machine struct {
	cfg Config
	// next is the first sequence that was not offered.
	next    int64
	epoch   int64
	buffer  buffer
	held    map[int64]*entry
	order   list
	waiting waiting
	members []*member
	turn    uint64
	woken   []MemberID
	dirty   bool
	counted bool
	spare   []*entry
}

// New returns a machine that goes on from a stored State. What was held is redelivered to the first member that joins.
func New(cfg Config, s State) (*Machine, error) {
	m := &Machine{cfg: cfg, next: s.Position, epoch: s.Epoch, held: make(map[int64]*entry, len(s.Held)), order: list{link: bySequence}}
	last := int64(0)
	for _, h := range s.Held {
		if h.Seq <= last || h.Seq >= s.Position || h.Attempts < 0 || h.Bytes < 0 || h.ContentBytes < 0 {
			return nil, fmt.Errorf("held %+v: want the sequence above %d and below the position %d, and nothing negative", h, last, s.Position)
		}
		last = h.Seq
		e := m.hold(Event{Seq: h.Seq, Bytes: h.Bytes, ContentBytes: h.ContentBytes})
		e.attempts, e.reason = h.Attempts, Restart
		m.wait(e)
	}
	return m, nil
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

// Low is the lowest sequence that the subscription still needs.
func (m *Machine) Low() int64 {
	if e := m.order.head; e != nil {
		return e.event.Seq
	}
	return m.Position()
}

// LowTime is the Time of the event that Low names, 0 where it isn't known.
func (m *Machine) LowTime() int64 {
	if e := m.order.head; e != nil {
		return e.event.Time
	}
	if e := m.buffer.front(); e != nil {
		return e.Time
	}
	return 0
}

// Epoch is the seek epoch.
func (m *Machine) Epoch() int64 { return m.epoch }

// Held is how many events are held, Buffered how many are read ahead, Members how many members there are.
func (m *Machine) Held() int     { return len(m.held) }
func (m *Machine) Buffered() int { return m.buffer.len() }
func (m *Machine) Members() int  { return len(m.members) }

// State returns the durable part as it is now, and clears Dirty and Counted. It appends to held.
func (m *Machine) State(held []Held) State {
	m.dirty, m.counted = false, false
	for e := m.order.head; e != nil; e = e.links[bySequence].next {
		held = append(held, Held{e.event.Seq, e.attempts, e.event.Bytes, e.event.ContentBytes})
	}
	return State{Position: m.Position(), Epoch: m.epoch, Held: held}
}

// Dirty says that something was settled since State was called.
func (m *Machine) Dirty() bool { return m.dirty }

// Counted says that attempts were counted since State was called. Nothing has to wait for that to be stored.
func (m *Machine) Counted() bool { return m.counted }

// Hungry says that some member would be given another event, if it is not too large for what is left of its window.
func (m *Machine) Hungry() bool {
	return len(m.held) < m.cfg.MaxHeld && slices.ContainsFunc(m.members, func(c *member) bool {
		return !c.stalled && c.held < c.WindowEvents && c.heldBytes < c.WindowBytes && c.outbox.n < m.cfg.OutboxEvents
	})
}

// Woken returns the members whose outbox got its first event since the last call, and appends them to ids.
func (m *Machine) Woken(ids []MemberID) []MemberID {
	ids = append(ids, m.woken...)
	m.woken = m.woken[:0]
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
// and changes nothing, where there is no room: offer it again when there is. An event before Next is ignored.
func (m *Machine) Offer(now time.Duration, ev Event) bool {
	if ev.Seq < m.next {
		return true
	}
	if len(m.members) == 0 || m.buffer.full(&m.cfg) {
		return false
	}
	m.next = ev.Seq + 1
	m.buffer.push(ev)
	m.assign(now)
	return true
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

// Range is a range of sequences, To not included.
type Range struct{ From, To int64 }

// Lost says that the journal begins with first now: what is before it and was neither read nor is with a member will never
// be sent. It returns what is lost, in order. What was read ahead and is forgotten may be told again.
func (m *Machine) Lost(now time.Duration, first int64) []Range {
	var lost []Range
	var kept []*entry
	for len(m.waiting) > 0 && m.waiting[0].event.Seq < first {
		e := m.waiting.pop()
		if e.event.Payload != nil {
			kept = append(kept, e)
			continue
		}
		seq := e.event.Seq
		if n := len(lost); n > 0 && lost[n-1].To == seq {
			lost[n-1].To++
		} else {
			lost = append(lost, Range{seq, seq + 1})
		}
		m.drop(e)
	}
	for _, e := range kept {
		m.waiting.push(e)
	}
	if m.next < first {
		if n := len(lost); n > 0 && lost[n-1].To == m.next {
			lost[n-1].To = first
		} else {
			lost = append(lost, Range{m.next, first})
		}
		m.next = first
		m.dirty = true
	}
	m.assign(now)
	return lost
}
