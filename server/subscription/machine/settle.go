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

// Outcome is what became of an acknowledgement, a rejection or an extension.
type Outcome int8

// The outcomes.
const (
	// Applied: it did what it says.
	Applied Outcome = iota + 1
	// Settled, only of an Ack: the event was settled before, or never concerned this subscription, and nothing comes again
	// because of this delivery. Nothing changed.
	Settled
	// Stale: the event was sent again since, or is going to be, by a deadline, a seek, an injection or a later life of the
	// subscription. Of a Reject or an Extend also: it was settled; of an Extend: the lease is over. Nothing changed.
	Stale
	// Invalid: no such ack_id was ever made, or what it was made for was injected and is lost. Nothing changed.
	Invalid
	// Repeated, only of a Reject: the attempt was rejected before, or the event is a dead letter already. Nothing changed.
	Repeated
)

// Ack settles an event if the acknowledgement is of its latest attempt. An attempt whose deadline passed, whose stream was lost
// or that was rejected still counts, until the event is taken again or buried.
func (m *Machine) Ack(now time.Duration, a Ack) Outcome {
	e, out := m.find(a)
	if out == Applied {
		m.settle(e)
		m.assign(now)
	}
	return out
}

// find returns the entry whose latest attempt an ack_id names, and Applied; otherwise why there is none.
func (m *Machine) find(a Ack) (*entry, Outcome) {
	e := m.held[a.Seq]
	switch {
	case a.Seq < 1 || a.Attempt < 1 || a.Epoch < 0 || a.Current && a.Epoch > m.epoch:
		return nil, Invalid
	case e == nil && (a.Seq < m.Position() || m.passesOver(a.Seq)):
		return nil, Settled
	case !a.Current:
		return nil, Stale
	case e == nil && a.Epoch < m.epoch:
		// A seek took it back: it will be read again.
		return nil, Stale
	case e == nil:
		return nil, Invalid
	case a.Epoch < e.epoch:
		// It was settled or dropped, and is held anew.
		return nil, Stale
	case a.Epoch > e.epoch || a.Attempt > e.attempts:
		return nil, Invalid
	case a.Attempt < e.attempts:
		return nil, Stale
	}
	return e, Applied
}

// Gone says that an event which was taken, or is to be buried, is not any more where it would be read from, so that it could not be sent
// or stored. It returns false if it is not held, or was taken again since, or came to be held anew: then it is read from elsewhere.
func (m *Machine) Gone(now time.Duration, seq int64, attempt int32, epoch int64) bool {
	e := m.held[seq]
	if e == nil || e.attempts != attempt || e.epoch != epoch {
		return false
	}
	m.settle(e)
	m.assign(now)
	return true
}
