package machine

import "time"

// Action is what is to become of a rejected event.
type Action int8

// The actions.
const (
	// Retry sends it again after the backoff.
	Retry Action = iota + 1
	// RetryNow sends it again at once, to another member where one has room.
	RetryNow
	// RetryAfter sends it again after Rejection.After.
	RetryAfter
	// Bury makes it a dead letter.
	Bury
)

// Rejection says what is to become of an event, and why.
type Rejection struct {
	Action Action
	After  time.Duration
	// Error is what the client says; it is kept for the dead letter.
	Error string
}

// Reject gives an event back if the ack_id is of its latest attempt, which may have passed its deadline or lost its stream, but
// counts only once. An event that was sent MaxAttempts times becomes a dead letter whatever is asked for.
func (m *Machine) Reject(now time.Duration, a Ack, r Rejection) Outcome {
	e, out := m.find(a)
	switch {
	case out == Settled:
		return Stale
	case out != Applied:
		return out
	case e.rejected == e.attempts || e.grave != nil:
		return Repeated
	}
	if e.stage == leased {
		e.last = e.holder.id
	}
	m.release(e)
	e.rejected, e.reason, e.until = e.attempts, Rejected, 0
	m.forgetError(e)
	e.err = r.Error
	m.errorBytes += len(e.err)
	switch {
	case r.Action == Bury:
		m.bury(e, ForGood)
	case m.spent(e):
		m.bury(e, TooManyAttempts)
	case r.Action == Retry:
		m.postpone(e, now, m.backoff(e))
	case r.Action == RetryAfter:
		m.postpone(e, now, r.After)
	default:
		m.wait(e)
	}
	if e.grave == nil && m.errorBytes > maxErrorBytes {
		m.forgetError(e)
	}
	m.assign(now)
	return Applied
}

// postpone lets an entry that is nowhere wait for d. That has to be durable.
func (m *Machine) postpone(e *entry, now, d time.Duration) {
	if d <= 0 {
		m.wait(e)
		return
	}
	m.delay(e, now+d)
	m.dirty = m.dirty || !m.cfg.Ephemeral
}

// backoff is how long an event waits that was rejected. What spreads it is drawn from its sequence and attempt.
func (m *Machine) backoff(e *entry) time.Duration {
	steps := m.cfg.Backoff
	if len(steps) == 0 {
		return 0
	}
	d := max(0, steps[min(int(e.attempts), len(steps))-1])
	return d - d/10 + time.Duration(scatter(uint64(e.event.Seq), uint64(e.attempts))%uint64(d/5+1))
}

// scatter makes of two numbers one that looks like drawn; the constants are those of splitmix64.
func scatter(a, b uint64) uint64 {
	x := a*0x9e3779b97f4a7c15 + b*0xbf58476d1ce4e5b9
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// maxErrorBytes bounds what clients said about events that are held. Beyond it, only those are kept that become dead letters now.
const maxErrorBytes = 4 << 20

// forgetError forgets what a client said.
func (m *Machine) forgetError(e *entry) {
	m.errorBytes -= len(e.err)
	e.err = ""
}

// Extend moves the ack deadline of a leased event to d from now, whether that is later or earlier than before; 0 is the ack
// deadline of its member.
func (m *Machine) Extend(now time.Duration, a Ack, d time.Duration) Outcome {
	e, out := m.find(a)
	switch {
	case out == Settled:
		return Stale
	case out != Applied:
		return out
	case e.stage != leased:
		return Stale
	}
	if d <= 0 {
		d = e.holder.AckDeadline
	}
	e.due = now + d
	m.leases.fix(e)
	return Applied
}
