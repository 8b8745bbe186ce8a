package machine

import "time"

// InjectRoom is how many events may be injected now.
func (m *Machine) InjectRoom() int {
	m.prune()
	return max(0, min(m.cfg.MaxInjected-m.injected, m.cfg.MaxHeld-len(m.held)-len(m.settled)))
}

// Inject takes in events that are to be sent again, with their attempts counted from 0: dead letters that are redriven, those
// with a Copy, and events of a replay, those without. An event that is held is skipped; so is a replayed one at or after the
// position, which comes by itself. It takes the events in their order until there is no room, and returns how many it has dealt
// with and how many of these it holds now. Ascending sequences cost least. Nothing is answered before the State is durable.
//
// What is injected takes turns with everything else, one by one, so that neither keeps the other waiting for long. Where the
// subscription is ordered it has its place in its key, by its sequence, behind the one event of the key that is on its way.
func (m *Machine) Inject(now time.Duration, events []Event) (done, held int) {
	room, position := m.InjectRoom(), m.Position()
	m.epoch++
	for _, ev := range events {
		if m.held[ev.Seq] != nil || ev.Copy == 0 && ev.Seq >= position {
			done++
			continue
		}
		if held == room || m.busy(ev.Key) && m.blocked >= m.cfg.MaxBlocked {
			break
		}
		e := m.hold(ev)
		e.reason, e.replay = why(ev.Copy), ev.Copy == 0
		delete(m.settled, ev.Seq)
		l := m.line(e)
		l.add(e, &l.injected)
		m.injected++
		if e.replay {
			m.replaying++
		}
		if m.enroll(e) {
			m.wait(e)
		}
		done++
		held++
	}
	if held == 0 {
		m.epoch-- // it marks nothing
		return done, held
	}
	m.dirty = true
	m.assign(now)
	return done, held
}

// CancelReplay drops what a replay injected and was not sent yet, and returns how many events that were. What was sent goes on as
// it is, and so does what a seek found with its member, which then was not sent: reading passes over it.
func (m *Machine) CancelReplay(now time.Duration) int {
	position := m.Position()
	unsent := func(e *entry) bool { return e.replay && e.attempts == 0 && e.event.Seq < position }
	n := m.dropAll(func(e *entry) bool { return e.stage == blocked && unsent(e) })
	n += m.dropAll(unsent)
	m.assign(now)
	return n
}
