package machine

import "time"

// Send is an event that a member is to be sent now.
type Send struct {
	Seq     int64
	Attempt int32
	// Epoch is that of the entry: its acknowledgement has to name it.
	Epoch  int64
	Reason Reason
	// Replay says that it was injected by a replay, now or when it was sent before.
	Replay bool
	// Copy is the dead letter to read it from, 0 for the journal.
	Copy int64
	// Payload is what Offer or Inject was given, nil where it has to be read again.
	Payload any
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
		if e.replay && e.attempts == 0 {
			m.replaying--
		}
		e.attempts++
		e.restored = false
		m.counted = !m.cfg.Ephemeral
		sends = append(sends, Send{
			Seq: e.event.Seq, Attempt: e.attempts, Epoch: e.epoch, Reason: e.reason, Replay: e.replay,
			Copy: e.event.Copy, Payload: e.event.Payload,
		})
		e.event.Payload = nil
		e.stage, e.due = leased, now+c.AckDeadline
		c.leases.push(e)
		m.leases.push(e)
		if m.cfg.Ephemeral {
			m.settle(e)
		}
	}
	m.assign(now)
	return sends
}

// untake puts back into its member's outbox what was taken and not sent: that was no attempt. What came to another end since stays as it is.
func (m *Machine) untake(c *member, x *Send) {
	e := m.held[x.Seq]
	if e == nil || e.stage != leased || e.holder != c || e.attempts != x.Attempt || e.epoch != x.Epoch {
		return
	}
	c.leases.remove(e)
	m.leases.remove(e)
	if e.attempts--; e.replay && e.attempts == 0 {
		m.replaying++
	}
	m.counted = true
	e.stage = inOutbox
	c.outbox.push(e)
	c.outboxBytes += e.event.size()
}
