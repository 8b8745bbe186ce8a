package machine

// Redriven returns the dead letters whose events are held, and appends them to ids.
func (m *Machine) Redriven(ids []int64) []int64 {
	for e := m.copied.head; e != nil; e = e.links[byLine].next {
		ids = append(ids, e.event.Copy)
	}
	return ids
}

// Redrives says that an event is held that is redriven from a dead letter.
func (m *Machine) Redrives(seq, id int64) bool {
	e := m.held[seq]
	return e != nil && e.event.Copy == id
}

// DropPayload forgets the payload of an event that was not taken: when it is, its owner has to read it again.
func (m *Machine) DropPayload(seq int64) {
	if e := m.held[seq]; e != nil {
		m.unkeep(e)
		e.event.Payload = nil
	}
	for i := m.buffer.head; i < len(m.buffer.events); i++ {
		if m.buffer.events[i].Seq == seq {
			m.buffer.events[i].Payload = nil
		}
	}
}
