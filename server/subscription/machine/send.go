package machine

import "time"

// Send is an event that a member is to be sent now.
type Send struct {
	Seq     int64
	Attempt int32
	Epoch   int64
	Reason  Reason
	// Payload is what Offer was given, nil where it has to be read again.
	Payload any
}

// assign gives members what there is and they have room for: first what is waiting, then what is buffered, each in order.
// The first that nobody has room for holds up those behind it.
func (m *Machine) assign(now time.Duration) {
	for len(m.members) > 0 {
		if len(m.waiting) > 0 {
			e := m.waiting[0]
			c := m.pick(&e.event, e.last)
			if c == nil {
				return
			}
			m.waiting.pop()
			if e.reason == First && e.last != c.id {
				e.reason = Deadline
			}
			m.give(now, e, c)
			continue
		}
		ev := m.buffer.front()
		if ev == nil || len(m.held) >= m.cfg.MaxHeld {
			return
		}
		c := m.pick(ev, 0)
		if c == nil {
			return
		}
		m.give(now, m.hold(m.buffer.pop()), c)
	}
}

// pick returns who gets an event: of those that have room for it the one with the most room, of equal ones the one that was
// served longest ago; last, which had the event before, only when there is no other.
func (m *Machine) pick(ev *Event, last MemberID) *member {
	var best *member
	for _, c := range m.members {
		if c.fits(ev, &m.cfg) && (best == nil || preferred(c, best, last)) {
			best = c
		}
	}
	return best
}

func preferred(a, b *member, last MemberID) bool {
	if (a.id == last) != (b.id == last) {
		return b.id == last
	}
	if x, y := a.WindowEvents-a.held, b.WindowEvents-b.held; x != y {
		return x > y
	}
	return a.turn < b.turn
}

// give puts an entry that is in no stage into a member's outbox.
func (m *Machine) give(now time.Duration, e *entry, c *member) {
	e.stage, e.holder, e.due, e.cost = inOutbox, c, now, c.cost(&e.event)
	c.held++
	c.heldBytes += e.cost
	c.outbox.push(e)
	c.outboxBytes += e.event.size()
	m.turn++
	c.turn = m.turn
	if c.outbox.n == 1 {
		m.woken = append(m.woken, c.id)
	}
}

// Take returns what a member is to be sent now, at most that many events, and bytes unless the first is larger; it appends
// to sends. Their ack deadlines begin. A member that takes nothing although it was woken is stalled after a while.
func (m *Machine) Take(now time.Duration, id MemberID, events int, bytes int64, sends []Send) []Send {
	c := m.member(id)
	if c == nil {
		return sends
	}
	c.taken = now
	if c.stalled {
		c.stalled = false
		m.assign(now)
	}
	for n := 0; n < events && c.outbox.n > 0; n++ {
		e := c.outbox.head
		if bytes -= e.event.size(); n > 0 && bytes < 0 {
			break
		}
		c.outbox.remove(e)
		c.outboxBytes -= e.event.size()
		e.attempts++
		m.counted = !m.cfg.Ephemeral
		sends = append(sends, Send{Seq: e.event.Seq, Attempt: e.attempts, Epoch: m.epoch, Reason: e.reason, Payload: e.event.Payload})
		e.event.Payload = nil
		e.stage, e.due = leased, now+c.AckDeadline
		c.leases.push(e)
		if m.cfg.Ephemeral {
			m.release(e)
			m.drop(e)
		}
	}
	m.assign(now)
	return sends
}

func (m *Machine) member(id MemberID) *member {
	for _, c := range m.members {
		if c.id == id {
			return c
		}
	}
	return nil
}
