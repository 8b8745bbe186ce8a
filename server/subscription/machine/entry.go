package machine

import (
	"container/heap"
	"time"
)

// Reason is why an event is sent.
type Reason int8

// The reasons.
const (
	// First: it was with no member before.
	First Reason = iota + 1
	// Deadline: the member that had it did not acknowledge, or not even take it, in time.
	Deadline
	// StreamLost: the member that had it left.
	StreamLost
	// Restart: it was held when the State was stored that the machine began with.
	Restart
)

// stage is where a held event is.
type stage int8

const (
	inWaiting stage = iota
	inOutbox
	leased
)

// entry is a held event.
type entry struct {
	event    Event
	attempts int32
	reason   Reason
	stage    stage
	// holder is the member whose window it counts against; nil while it is waiting. last is the member that had it.
	holder *member
	last   MemberID
	cost   int64
	// due is the ack deadline of a leased event; of one in an outbox, when it was put there.
	due   time.Duration
	index int
	links [2]link
}

type link struct{ prev, next *entry }

// The two lists that an entry is in: all held ones by their sequence, and the outbox or the leases of its holder.
const (
	bySequence = iota
	byHolder
)

// list is a doubly linked list through one of an entry's links.
type list struct {
	head, tail *entry
	link, n    int
}

func (l *list) push(e *entry) {
	e.links[l.link] = link{prev: l.tail}
	if l.tail == nil {
		l.head = e
	} else {
		l.tail.links[l.link].next = e
	}
	l.tail = e
	l.n++
}

func (l *list) remove(e *entry) {
	at := e.links[l.link]
	if at.prev == nil {
		l.head = at.next
	} else {
		at.prev.links[l.link].next = at.next
	}
	if at.next == nil {
		l.tail = at.prev
	} else {
		at.next.links[l.link].prev = at.prev
	}
	e.links[l.link] = link{}
	l.n--
}

// waiting are the held events that are with no member, a heap by sequence.
type waiting []*entry

func (w *waiting) push(e *entry)   { heap.Push(w, e) }
func (w *waiting) pop() *entry     { return heap.Pop(w).(*entry) }
func (w *waiting) remove(e *entry) { heap.Remove(w, e.index) }

// Len, Less, Swap, Push and Pop are for container/heap.
func (w waiting) Len() int           { return len(w) }
func (w waiting) Less(i, j int) bool { return w[i].event.Seq < w[j].event.Seq }
func (w waiting) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].index, w[j].index = i, j
}
func (w *waiting) Push(x any) {
	e := x.(*entry)
	e.index = len(*w)
	*w = append(*w, e)
}
func (w *waiting) Pop() any {
	n := len(*w) - 1
	e := (*w)[n]
	(*w)[n] = nil
	*w = (*w)[:n]
	return e
}

// hold makes an entry, which is in no stage yet. Its sequence is above that of every held one.
func (m *Machine) hold(ev Event) *entry {
	var e *entry
	if n := len(m.spare); n > 0 {
		e, m.spare = m.spare[n-1], m.spare[:n-1]
	} else {
		e = new(entry)
	}
	*e = entry{event: ev, reason: First}
	m.held[ev.Seq] = e
	m.order.push(e)
	return e
}

// wait puts an entry that is in no stage to those that wait for a member.
func (m *Machine) wait(e *entry) {
	e.stage = inWaiting
	m.waiting.push(e)
}

// release takes an entry out of its stage.
func (m *Machine) release(e *entry) {
	switch e.stage {
	case inWaiting:
		m.waiting.remove(e)
		return
	case inOutbox:
		e.holder.outbox.remove(e)
		e.holder.outboxBytes -= e.event.size()
	case leased:
		e.holder.leases.remove(e)
	}
	e.holder.held--
	e.holder.heldBytes -= e.cost
	e.holder, e.cost = nil, 0
}

// maxSpare bounds the entries that are kept for reuse.
const maxSpare = 1024

// drop forgets an entry that is in no stage: it is settled.
func (m *Machine) drop(e *entry) {
	delete(m.held, e.event.Seq)
	m.order.remove(e)
	m.dirty = true
	if len(m.spare) < maxSpare {
		*e = entry{}
		m.spare = append(m.spare, e)
	}
}

// buffer is a queue of events in the order of their sequences.
type buffer struct {
	events []Event
	head   int
	bytes  int64
}

func (b *buffer) len() int { return len(b.events) - b.head }

func (b *buffer) front() *Event {
	if b.head == len(b.events) {
		return nil
	}
	return &b.events[b.head]
}

func (b *buffer) full(cfg *Config) bool {
	return b.len() >= cfg.BufferEvents || b.bytes >= cfg.BufferBytes
}

func (b *buffer) push(ev Event) {
	if b.head > 0 && len(b.events) == cap(b.events) {
		n := copy(b.events, b.events[b.head:])
		clear(b.events[n:])
		b.events, b.head = b.events[:n], 0
	}
	b.events = append(b.events, ev)
	b.bytes += ev.size()
}

func (b *buffer) pop() Event {
	ev := b.events[b.head]
	b.events[b.head] = Event{}
	b.bytes -= ev.size()
	b.head++
	if b.head == len(b.events) {
		b.events, b.head = b.events[:0], 0
	}
	return ev
}
