package machine

import "time"

const (
	// lookAhead is how many waiting events that fit into nobody's window are passed over in search of one that does.
	lookAhead = 16
	// patience is how often an event is overtaken for want of room before a member is kept free for it.
	patience = 64
)

// claim keeps a member free for an event that was overtaken too often: it is given nothing else.
type claim struct {
	seq    int64
	member MemberID
}

// passed counts how often the buffer's first event was overtaken.
type passed struct {
	seq int64
	n   int32
}

// assign gives members what there is and they have room for.
func (m *Machine) assign(now time.Duration) {
	for m.delayed.len() > 0 && m.delayed.head().due <= now {
		e := m.delayed.pop()
		e.until = 0
		m.unkeep(e)
		m.wait(e)
	}
	m.elsewhere = 0
	if m.paused || len(m.members) == 0 {
		return
	}
	for m.assignOne(now) {
	}
}

// assignOne gives one event to one member. Injected ones and the others take turns, so that neither starve. Of the others what
// is waiting goes first, then what is buffered, each in order. What nobody has room for is passed over, as far as order allows.
func (m *Machine) assignOne(now time.Duration) bool {
	if m.giveClaimed(now) {
		return true
	}
	var stuck [queues]*entry
	gave := false
	if m.injectedLast {
		gave = m.giveRegular(now, &stuck) || m.giveInjected(now, &stuck)
	} else {
		gave = m.giveInjected(now, &stuck) || m.giveRegular(now, &stuck)
	}
	if !gave {
		return false
	}
	for _, e := range stuck {
		if e != nil {
			e.passed++
			m.maybeClaim(e.event.Seq, e.passed)
		}
	}
	return true
}

func (m *Machine) giveInjected(now time.Duration, stuck *[queues]*entry) bool {
	gave, _ := m.giveWaiting(now, injectedQueue, stuck)
	if gave {
		m.injectedLast = true
	}
	return gave
}

func (m *Machine) giveRegular(now time.Duration, stuck *[queues]*entry) bool {
	gave, past := m.giveWaiting(now, regularQueue, stuck)
	if gave || past && m.giveBuffered(now) {
		m.injectedLast = false
		return true
	}
	return false
}

// giveWaiting gives one of the waiting events of a queue. past says that what comes after the queue may be given: it is empty, or
// all that is in it may be passed over.
func (m *Machine) giveWaiting(now time.Duration, queue int, stuck *[queues]*entry) (gave, past bool) {
	h := &m.ready[queue]
	for h.len() > 0 && len(m.aside) < lookAhead {
		e := h.head()
		if c := m.pickAgain(now, e); c != nil {
			m.release(e)
			m.giveAgain(now, e, c)
			m.passFront()
			gave = true
			break
		}
		if stuck[queue] == nil {
			stuck[queue] = e
		}
		// What was never sent goes in the order of the journal, except where only the order of keys counts.
		if e.reason == First && !m.cfg.Ordered || !m.roomy() {
			m.putBack(h)
			return false, false
		}
		m.aside = append(m.aside, h.pop())
	}
	past = h.len() == 0
	m.putBack(h)
	return gave, past
}

// giveAgain gives an entry that was waiting. One that was never sent has a reason to be where it was not meant to be.
func (m *Machine) giveAgain(now time.Duration, e *entry, c *member) {
	if e.reason == First && e.last != 0 && e.last != c.id {
		e.reason = Deadline
		if m.member(e.last) == nil {
			e.reason = StreamLost
		}
	}
	m.give(now, e, c)
}

func (m *Machine) putBack(h *heap) {
	for i, e := range m.aside {
		h.push(e)
		m.aside[i] = nil
	}
	m.aside = m.aside[:0]
}

// giveBuffered gives the first buffered event whose key is not busy. Those before it are held behind their keys.
func (m *Machine) giveBuffered(now time.Duration) bool {
	for {
		ev := m.buffer.front()
		switch {
		case ev == nil:
			return false
		case m.passesOver(ev.Seq):
			m.buffer.pop() // it was redriven, and maybe settled, since it was read
			continue
		case len(m.held) >= m.cfg.MaxHeld:
			return false
		case m.busy(ev.Key):
			if m.blocked >= m.cfg.MaxBlocked {
				return false
			}
			m.enroll(m.read(m.buffer.pop()))
			continue
		}
		c := m.pick(ev, 0, false)
		if c == nil {
			if m.frontPassed.seq != ev.Seq {
				m.frontPassed = passed{seq: ev.Seq}
			}
			return false
		}
		e := m.read(m.buffer.pop())
		m.enroll(e)
		m.give(now, e, c)
		return true
	}
}

// passFront counts that a waiting event was given while nobody had room for the first buffered one.
func (m *Machine) passFront() {
	if ev := m.buffer.front(); ev != nil && ev.Seq == m.frontPassed.seq {
		m.frontPassed.n++
		m.maybeClaim(ev.Seq, m.frontPassed.n)
	}
}

// maybeClaim keeps the member with the most free bytes for an event that was overtaken often enough.
func (m *Machine) maybeClaim(seq int64, passed int32) {
	if passed < patience || m.claim.seq != 0 {
		return
	}
	var best *member
	for _, c := range m.members {
		if !c.stalled && (best == nil || c.WindowBytes-c.heldBytes > best.WindowBytes-best.heldBytes) {
			best = c
		}
	}
	if best != nil {
		m.claim = claim{seq, best.id}
	}
}

// giveClaimed gives the event that a member is kept free for, if there is one and it fits now. A claim that is fulfilled or can't
// be, or that would let what was never sent overtake its like, is given up.
func (m *Machine) giveClaimed(now time.Duration) bool {
	if m.claim.seq == 0 {
		return false
	}
	e, ev, regular := m.held[m.claim.seq], m.buffer.front(), &m.ready[regularQueue]
	inOrder := m.cfg.Ordered || regular.len() == 0 || regular.head().reason != First || regular.head() == e
	buffered := e == nil && ev != nil && ev.Seq == m.claim.seq && inOrder
	waits := e != nil && e.stage == ready && (e.reason != First || inOrder)
	if c := m.member(m.claim.member); !buffered && !waits || c == nil || c.stalled {
		m.claim = claim{}
		return false
	}
	if buffered {
		return m.giveBuffered(now)
	}
	c := m.pickAgain(now, e)
	if c != nil {
		m.release(e)
		m.giveAgain(now, e, c)
	}
	return c != nil
}

// roomy says that somebody has room for an event that is small enough.
func (m *Machine) roomy() bool {
	for _, c := range m.members {
		if c.id != m.claim.member && c.roomy(&m.cfg) {
			return true
		}
	}
	return false
}

// pick returns who gets an event: of those that have room for it the one with the most room, of equal ones the one that was
// served longest ago; last, which had the event before, only when there is no other, or first of all where it is to stay there.
func (m *Machine) pick(ev *Event, last MemberID, stay bool) *member {
	var best *member
	for _, c := range m.members {
		if c.id == m.claim.member && ev.Seq != m.claim.seq || !c.fits(ev, &m.cfg) {
			continue
		}
		if best == nil || preferred(c, best, last, stay) {
			best = c
		}
	}
	return best
}

// pickAgain returns who gets an entry that was with a member before. Where its deadline passed there, that may be one that reads and
// does nothing with it: a member with room in its window is waited for rather than that one asked again, but not for long. It may be
// as slow, and the other well again.
func (m *Machine) pickAgain(now time.Duration, e *entry) *member {
	c := m.pick(&e.event, e.last, e.reason == First)
	if c == nil || c.id != e.last || now >= e.elsewhere {
		return c
	}
	for _, other := range m.members {
		if other != c && (other.id != m.claim.member || e.event.Seq == m.claim.seq) && other.windowFits(&e.event) {
			if m.elsewhere == 0 || e.elsewhere < m.elsewhere {
				m.elsewhere = e.elsewhere
			}
			return nil
		}
	}
	return c
}

func preferred(a, b *member, last MemberID, stay bool) bool {
	if (a.id == last) != (b.id == last) {
		return (a.id == last) == stay
	}
	if x, y := a.WindowEvents-a.held, b.WindowEvents-b.held; x != y {
		return x > y
	}
	return a.turn < b.turn
}

// give puts an entry that is nowhere into a member's outbox.
func (m *Machine) give(now time.Duration, e *entry, c *member) {
	e.stage, e.holder, e.due, e.cost = inOutbox, c, now, c.cost(&e.event)
	e.passed, e.elsewhere = 0, 0
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
