package machine

import (
	"slices"
	"time"
)

// MemberID names a member. It is never used again, and not 0.
type MemberID uint64

// Member is what a member asks for. The limits must be positive.
type Member struct {
	// WindowEvents and WindowBytes bound what it holds.
	WindowEvents int
	WindowBytes  int64
	// AckDeadline is after how long an event that it took is sent again.
	AckDeadline time.Duration
	// Content says that its events carry their content.
	Content bool
	// MaxEventBytes is from which size on an event is sent without its large parts: no event costs more than that.
	MaxEventBytes int64
}

type member struct {
	Member
	id        MemberID
	held      int
	heldBytes int64
	// outbox is what it was given and did not take, leases what it took.
	outbox      list
	outboxBytes int64
	leases      list
	// turn is when it was last given something, in turns.
	turn uint64
	// taken is when it last took something. stalled is set when it didn't for too long, until it does.
	taken   time.Duration
	stalled bool
}

// cost is what an event counts against the member's window.
func (c *member) cost(ev *Event) int64 {
	n := ev.Bytes
	if c.Content {
		n += ev.ContentBytes
	}
	return min(n, c.MaxEventBytes)
}

// fits says whether the member may be given an event.
func (c *member) fits(ev *Event, cfg *Config) bool {
	return c.outbox.n < cfg.OutboxEvents && c.windowFits(ev) && (c.outbox.n == 0 || c.outboxBytes+ev.size() <= cfg.OutboxBytes)
}

// windowFits says whether it may be given an event as soon as it has taken what it was given.
func (c *member) windowFits(ev *Event) bool {
	return !c.stalled && c.held < c.WindowEvents && (c.held == 0 || c.heldBytes+c.cost(ev) <= c.WindowBytes)
}

// roomy says that the member may be given an event that is small enough.
func (c *member) roomy(cfg *Config) bool {
	return !c.stalled && c.held < c.WindowEvents && c.outbox.n < cfg.OutboxEvents && (c.held == 0 || c.heldBytes < c.WindowBytes)
}

// stall is until when it has to take something; false where its outbox is empty.
func (c *member) stall(cfg *Config) (time.Duration, bool) {
	if c.outbox.n == 0 {
		return 0, false
	}
	return max(c.outbox.head.due, c.taken) + min(cfg.Stall, c.AckDeadline), true
}

// Join adds a member.
func (m *Machine) Join(now time.Duration, id MemberID, want Member) {
	m.members = append(m.members, &member{
		Member: want, id: id, taken: now, outbox: list{link: byHolder}, leases: list{link: byHolder},
	})
	m.assign(now)
}

// Leave removes a member; what it held goes to the others at once. Of what it took last, nobody tried to send unsent, and that counts as no
// attempt. When it was the last member, what was read ahead is forgotten.
func (m *Machine) Leave(now time.Duration, id MemberID, unsent ...Send) {
	at := slices.IndexFunc(m.members, func(c *member) bool { return c.id == id })
	if at < 0 {
		return
	}
	c := m.members[at]
	m.members = slices.Delete(m.members, at, at+1)
	for i := range unsent {
		m.untake(c, &unsent[i])
	}
	for _, l := range []*list{&c.outbox, &c.leases} {
		for l.head != nil {
			m.takeBack(l.head, StreamLost)
		}
	}
	if len(m.members) == 0 {
		m.DropBuffer()
		for _, l := range m.lines() {
			for e := l.head; e != nil; e = e.links[byLine].next {
				m.unkeep(e)
				e.event.Payload = nil
			}
		}
	}
	m.assign(now)
}

func (m *Machine) member(id MemberID) *member {
	for _, c := range m.members {
		if c.id == id {
			return c
		}
	}
	return nil
}

// takeBack takes an entry away from its member.
func (m *Machine) takeBack(e *entry, why Reason) {
	e.last = e.holder.id
	m.release(e)
	e.reason = why
	m.again(e)
}

// Tick says how late it is: what is past its deadline goes to the next member, and what waited for its time gets its turn.
func (m *Machine) Tick(now time.Duration) {
	for m.leases.len() > 0 && m.leases.head().due <= now {
		e := m.leases.head()
		e.elsewhere = now + m.cfg.Elsewhere
		m.takeBack(e, Deadline)
	}
	for m.unburied.len() > 0 && m.unburied.head().due <= now {
		m.exhume(m.unburied.pop())
	}
	for _, c := range m.members {
		// All of it, not only what is overdue: events that were never sent must not overtake each other.
		if until, ok := c.stall(&m.cfg); ok && until <= now {
			c.stalled = true
			m.empty(c)
		}
	}
	m.assign(now)
}

// empty takes back what a member has not taken. It does not lose its reason.
func (m *Machine) empty(c *member) {
	for c.outbox.head != nil {
		m.takeBack(c.outbox.head, c.outbox.head.reason)
	}
}

// WakeAt is when Tick has something to do; false: never, as things are. Dead letters that could not be stored are waited for
// without any member, too.
func (m *Machine) WakeAt() (time.Duration, bool) {
	at, ok := time.Duration(0), false
	sooner := func(t time.Duration) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	if m.leases.len() > 0 {
		sooner(m.leases.head().due)
	}
	if m.unburied.len() > 0 {
		sooner(m.unburied.head().due)
	}
	if m.delayed.len() > 0 && len(m.members) > 0 && !m.paused {
		sooner(m.delayed.head().due)
	}
	if m.elsewhere > 0 {
		sooner(m.elsewhere)
	}
	for _, c := range m.members {
		if until, some := c.stall(&m.cfg); some {
			sooner(until)
		}
	}
	return at, ok
}
