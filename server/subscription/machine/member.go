package machine

import (
	"slices"
	"time"
)

// MemberID names a member. It is never used again.
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
	// outbox is what it was given and did not take, leases what it took, by deadline.
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
	if c.stalled || c.held >= c.WindowEvents || c.outbox.n >= cfg.OutboxEvents {
		return false
	}
	return (c.held == 0 || c.heldBytes+c.cost(ev) <= c.WindowBytes) &&
		(c.outbox.n == 0 || c.outboxBytes+ev.size() <= cfg.OutboxBytes)
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

// Leave removes a member; what it held goes to the others at once. When it was the last, what was read ahead is forgotten.
func (m *Machine) Leave(now time.Duration, id MemberID) {
	at := slices.IndexFunc(m.members, func(c *member) bool { return c.id == id })
	if at < 0 {
		return
	}
	c := m.members[at]
	m.members = slices.Delete(m.members, at, at+1)
	m.revoke(&c.outbox, StreamLost)
	m.revoke(&c.leases, StreamLost)
	if len(m.members) == 0 {
		m.DropBuffer()
		for _, e := range m.waiting {
			e.event.Payload = nil
		}
	}
	m.assign(now)
}

// revoke takes everything in an outbox or in leases away from its member.
func (m *Machine) revoke(l *list, why Reason) {
	for l.head != nil {
		m.takeBack(l.head, why)
	}
}

func (m *Machine) takeBack(e *entry, why Reason) {
	e.last = e.holder.id
	m.release(e)
	e.reason = why
	m.wait(e)
}

// Tick says how late it is: what is past its deadline goes to the next member.
func (m *Machine) Tick(now time.Duration) {
	for _, c := range m.members {
		for c.leases.head != nil && c.leases.head.due <= now {
			m.takeBack(c.leases.head, Deadline)
		}
		// All of it, not only what is overdue: events that were never sent must not overtake each other.
		if until, ok := c.stall(&m.cfg); ok && until <= now {
			c.stalled = true
			for c.outbox.head != nil {
				m.takeBack(c.outbox.head, c.outbox.head.reason)
			}
		}
	}
	m.assign(now)
}

// WakeAt is when Tick has something to do; false: never, as things are.
func (m *Machine) WakeAt() (time.Duration, bool) {
	at, ok := time.Duration(0), false
	sooner := func(t time.Duration) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	for _, c := range m.members {
		if c.leases.head != nil {
			sooner(c.leases.head.due)
		}
		if until, some := c.stall(&m.cfg); some {
			sooner(until)
		}
	}
	return at, ok
}
