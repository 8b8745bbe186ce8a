package machine

import "time"

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
	// Rejected: the member that had it gave it back.
	Rejected
	// Redriven: it was a dead letter.
	Redriven
	// Replay: it is part of a replay.
	Replay
)

// stage is where a held event is.
type stage int8

const (
	nowhere stage = iota
	// ready waits for a member, delayed for its time, blocked for its key.
	ready
	delayed
	blocked
	inOutbox
	leased
	// burying is a dead letter that the owner stores, unburied one that the owner could not store and that waits to be tried again.
	burying
	unburied
)

// entry is a held event.
type entry struct {
	event    Event
	attempts int32
	reason   Reason
	stage    stage
	// replay says that it was injected by a replay.
	replay bool
	// rejected is the attempt that was rejected last, 0 for none.
	rejected int32
	// restored says that it was held in the State that the machine began with, and was not sent since.
	restored bool
	// kept says that its payload counts in Machine.kept.
	kept bool
	// passed is how often it was overtaken because nobody had room for it.
	passed int32
	// epoch is the one in which it came to be held.
	epoch int64
	// holder is the member whose window it counts against; nil while it is with none. last is the member that had it.
	holder *member
	last   MemberID
	cost   int64
	// until is until when it waits because it was rejected, or has to as soon as its key is free; 0 for not at all.
	until time.Duration
	// elsewhere is until when it waits for another member than last to make room in its outbox.
	elsewhere time.Duration
	// due is the ack deadline of a leased event; of one in an outbox, when it was put there; of one that is delayed or unburied,
	// when its time comes.
	due   time.Duration
	index int
	lane  *lane
	grave *grave
	// err is what the client that rejected it last said.
	err   string
	links [2]link
}

// injected says that it takes turns with what was not.
func (e *entry) injected() bool { return e.replay || e.event.Copy != 0 }

// line is the line that an entry belongs in. Those whose payload comes from a dead letter need nothing from the journal.
func (m *Machine) line(e *entry) *line {
	if e.event.Copy != 0 {
		return &m.copied
	}
	return &m.order
}

func (m *Machine) lines() [2]*line { return [2]*line{&m.order, &m.copied} }

// hold makes an entry that is nowhere yet.
func (m *Machine) hold(ev Event) *entry {
	var e *entry
	if n := len(m.spare); n > 0 {
		e, m.spare = m.spare[n-1], m.spare[:n-1]
	} else {
		e = new(entry)
	}
	if !m.cfg.Ordered {
		ev.Key = ""
	}
	*e = entry{event: ev, reason: First, epoch: m.epoch}
	m.held[ev.Seq] = e
	return e
}

// read holds what comes out of the buffer.
func (m *Machine) read(ev Event) *entry {
	e := m.hold(ev)
	l := m.line(e)
	l.add(e, &l.read)
	return e
}

// wait puts an entry that is nowhere to those that wait for a member.
func (m *Machine) wait(e *entry) {
	e.stage = ready
	m.keep(e)
	m.readyOf(e).push(e)
}

// delay puts an entry that is nowhere to those that wait for their time.
func (m *Machine) delay(e *entry, until time.Duration) {
	e.stage, e.due, e.until = delayed, until, until
	m.keep(e)
	m.delayed.push(e)
}

// again sends an entry that is nowhere once more, when its time has come, or buries it.
func (m *Machine) again(e *entry) {
	switch {
	case m.spent(e):
		m.bury(e, TooManyAttempts)
	case e.until != 0:
		m.delay(e, e.until)
	default:
		m.wait(e)
	}
}

// readyOf is where an entry waits for a member.
func (m *Machine) readyOf(e *entry) *heap {
	if e.injected() {
		return &m.ready[injectedQueue]
	}
	return &m.ready[regularQueue]
}

// keep counts the payload of an entry that is with no member, or drops it.
func (m *Machine) keep(e *entry) {
	if e.event.Payload == nil || e.kept {
		return
	}
	if size := e.event.size(); len(m.members) > 0 && m.kept+size <= m.cfg.KeptBytes {
		m.kept += size
		e.kept = true
	} else {
		e.event.Payload = nil
	}
}

func (m *Machine) unkeep(e *entry) {
	if e.kept {
		m.kept -= e.event.size()
		e.kept = false
	}
}

// release takes an entry out of its stage. Its key stays busy.
func (m *Machine) release(e *entry) {
	switch e.stage {
	case ready:
		m.readyOf(e).remove(e)
	case delayed:
		m.delayed.remove(e)
	case blocked:
		e.lane.blocked.remove(e)
		m.blocked--
	case inOutbox:
		e.holder.outbox.remove(e)
		e.holder.outboxBytes -= e.event.size()
	case leased:
		e.holder.leases.remove(e)
		m.leases.remove(e)
	case unburied:
		m.unburied.remove(e)
	}
	if e.grave != nil {
		e.grave = nil
		m.burying--
	}
	m.unkeep(e)
	e.stage = nowhere
	if e.holder != nil {
		e.holder.held--
		e.holder.heldBytes -= e.cost
		e.holder, e.cost = nil, 0
	}
}

// maxSpare bounds the entries that are kept for reuse.
const maxSpare = 1024

// drop forgets an entry that is nowhere. When it kept its key busy, the next of that key goes.
func (m *Machine) drop(e *entry) {
	delete(m.held, e.event.Seq)
	m.line(e).remove(e)
	m.forgetError(e)
	if e.injected() {
		m.injected--
		if e.replay && e.attempts == 0 {
			m.replaying--
		}
	}
	if l := e.lane; l != nil && l.owner == e {
		m.promote(l)
	}
	m.dirty = true
	if len(m.spare) < maxSpare {
		*e = entry{}
		m.spare = append(m.spare, e)
	}
}

// settle forgets an entry for good.
func (m *Machine) settle(e *entry) {
	m.release(e)
	if e.event.Copy != 0 {
		m.copies = append(m.copies, e.event.Copy)
	}
	if e.event.Seq >= m.Position() {
		m.settled[e.event.Seq] = struct{}{}
	}
	m.drop(e)
}
