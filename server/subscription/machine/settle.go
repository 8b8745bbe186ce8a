package machine

import "time"

// Ack is what an ack_id says.
type Ack struct {
	Seq     int64
	Attempt int32
	Epoch   int64
	// Current says that the ack_id was made since New.
	Current bool
}

// Outcome is what became of an acknowledgement.
type Outcome int8

// The outcomes.
const (
	// Applied: the event is settled now.
	Applied Outcome = iota + 1
	// Settled: it was settled before, or never concerned this subscription. Nothing changed.
	Settled
	// Stale: the event was sent again since, or may have been sent again by a later life of the subscription. Nothing changed.
	Stale
	// Invalid: no such ack_id was ever made. Nothing changed.
	Invalid
)

// Ack settles an event if the acknowledgement is of its latest attempt. An attempt whose deadline passed or whose stream was
// lost still counts, until the event is taken again.
func (m *Machine) Ack(now time.Duration, a Ack) Outcome {
	made := a.Current && a.Epoch == m.epoch
	e := m.held[a.Seq]
	switch {
	case a.Seq < 1 || a.Attempt < 1 || a.Epoch > m.epoch:
		return Invalid
	case e == nil && a.Seq < m.Position():
		return Settled
	case !made:
		return Stale
	case e == nil || a.Attempt > e.attempts:
		return Invalid
	case a.Attempt < e.attempts:
		return Stale
	}
	m.release(e)
	m.drop(e)
	m.assign(now)
	return Applied
}

// Gone says that an event which was taken is not in the journal any more, so that it could not be sent. It returns false if
// it is not held, or was taken again since.
func (m *Machine) Gone(now time.Duration, seq int64, attempt int32) bool {
	e := m.held[seq]
	if e == nil || e.attempts != attempt {
		return false
	}
	m.release(e)
	m.drop(e)
	m.assign(now)
	return true
}
