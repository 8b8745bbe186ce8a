package machine

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// State is the durable part.
type State struct {
	// Position is the first sequence that is neither settled nor held nor known not to match.
	Position int64
	// Epoch grows with every seek and every injection.
	Epoch int64
	// Held is what is held, in the order of the sequences. After a seek some of it may lie at or after Position.
	Held []Held
	// Settled are the sequences at or after Position that reading has to pass over, in their order: what the last seek left with
	// members, and was settled since.
	Settled []int64
}

// Held is an event that was read or injected, and is not settled.
type Held struct {
	Seq      int64
	Attempts int32
	// Bytes and ContentBytes are the event's.
	Bytes, ContentBytes int64
	// Copy is the id of the dead letter that it was redriven from, 0 for none.
	Copy int64
	// Replayed says that it was injected by a replay.
	Replayed bool
	// Key is its ordering key, only where the subscription is ordered.
	Key string
	// Due is when the time comes of a rejected event that waits for it, 0 for one that waits for none. A machine made of another's
	// State has to be given it in its own time, and not 0.
	Due time.Duration
}

// New returns a machine that goes on from a stored State. What was held is redelivered to the first member that joins, when its time
// has come.
func New(cfg Config, s State) (*Machine, error) {
	m := &Machine{
		cfg: cfg, next: s.Position, epoch: s.Epoch,
		held: make(map[int64]*entry, len(s.Held)), lanes: map[string]*lane{}, settled: make(map[int64]struct{}, len(s.Settled)),
		order: line{list: list{link: byLine}}, copied: line{list: list{link: byLine}},
		delayed: heap{timed: true}, leases: heap{timed: true}, unburied: heap{timed: true},
	}
	last := int64(0)
	for _, h := range s.Held {
		if h.Seq <= last || h.Attempts < 0 || h.Bytes < 0 || h.ContentBytes < 0 || h.Copy < 0 || h.Due < 0 {
			return nil, fmt.Errorf("held %+v: want the sequence above %d, and nothing negative", h, last)
		}
		last = h.Seq
		e := m.hold(Event{Seq: h.Seq, Bytes: h.Bytes, ContentBytes: h.ContentBytes, Key: h.Key, Copy: h.Copy})
		e.attempts, e.replay, e.reason, e.restored = h.Attempts, h.Replayed, Restart, true
		if h.Attempts == 0 && e.injected() {
			e.reason = why(h.Copy)
		}
		if h.Due != 0 {
			e.reason, e.until = Rejected, h.Due
		}
		if e.injected() {
			m.injected++
			if e.replay && e.attempts == 0 {
				m.replaying++
			}
		}
		m.line(e).push(e)
		if m.enroll(e) {
			m.again(e)
		}
	}
	last = s.Position - 1
	for _, seq := range s.Settled {
		if seq <= last || m.held[seq] != nil {
			return nil, fmt.Errorf("settled %d: want it above %d, and not held", seq, last)
		}
		last = seq
		m.settled[seq] = struct{}{}
	}
	return m, nil
}

// why is the reason of an injected event that was not sent yet.
func why(dead int64) Reason {
	if dead != 0 {
		return Redriven
	}
	return Replay
}

// State returns the durable part as it is now, and clears Dirty and Counted. It appends to held.
func (m *Machine) State(held []Held) State {
	m.dirty, m.counted = false, false
	a, b := m.order.head, m.copied.head
	for a != nil || b != nil {
		next := &a
		if a == nil || b != nil && b.event.Seq < a.event.Seq {
			next = &b
		}
		e := *next
		*next = e.links[byLine].next
		held = append(held, Held{
			Seq: e.event.Seq, Attempts: e.attempts, Bytes: e.event.Bytes, ContentBytes: e.event.ContentBytes,
			Copy: e.event.Copy, Replayed: e.replay, Key: e.event.Key, Due: e.until,
		})
	}
	s := State{Position: m.Position(), Epoch: m.epoch, Held: held}
	if m.prune(); len(m.settled) > 0 {
		s.Settled = slices.Sorted(maps.Keys(m.settled))
	}
	return s
}

// prune forgets what was settled ahead of the position and isn't any more.
func (m *Machine) prune() {
	position := m.Position()
	maps.DeleteFunc(m.settled, func(seq int64, _ struct{}) bool { return seq < position })
}
