package machine

// Stats is how a machine is doing.
type Stats struct {
	// Outstanding events are with members, taken or not; Waiting ones wait for a member or for their time; Blocked ones wait for
	// the one of their key before them; Burying ones are to be stored as dead letters. Together that is all that is held.
	Outstanding, Waiting, Blocked, Burying int
	// Injected is how many of them were injected, Replaying how many of these by a replay, and never sent since.
	Injected, Replaying int
}

// Stats returns how the machine is doing.
func (m *Machine) Stats() Stats {
	s := Stats{Blocked: m.blocked, Burying: m.burying, Injected: m.injected, Replaying: m.replaying}
	for _, c := range m.members {
		s.Outstanding += c.held
	}
	s.Waiting = m.delayed.len()
	for i := range m.ready {
		s.Waiting += m.ready[i].len()
	}
	return s
}

// MemberStats is how a member is doing.
type MemberStats struct {
	// Held and Bytes are what it was given and has not settled, as it counts against its window.
	Held  int
	Bytes int64
	// Stalled says that it takes nothing that is meant for it.
	Stalled bool
}

// MemberStats returns how a member is doing; false, if there is no such member.
func (m *Machine) MemberStats(id MemberID) (MemberStats, bool) {
	c := m.member(id)
	if c == nil {
		return MemberStats{}, false
	}
	return MemberStats{Held: c.held, Bytes: c.heldBytes, Stalled: c.stalled}, true
}
