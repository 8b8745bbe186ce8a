package machine

// lane is an ordering key that is busy.
type lane struct {
	key string
	// owner is the one event of the key that is on its way. There is always one.
	owner *entry
	// blocked are the others that are held, by their sequence.
	blocked heap
}

// maxSpareLanes bounds the lanes that are kept for reuse.
const maxSpareLanes = 256

// busy says that an event of the key is on its way.
func (m *Machine) busy(key string) bool { return m.cfg.Ordered && key != "" && m.lanes[key] != nil }

// enroll puts a new entry in its lane. False: it is blocked there.
func (m *Machine) enroll(e *entry) bool {
	if !m.cfg.Ordered || e.event.Key == "" {
		return true
	}
	l := m.lanes[e.event.Key]
	if l != nil {
		e.lane, e.stage = l, blocked
		l.blocked.push(e)
		m.blocked++
		m.keep(e)
		return false
	}
	if n := len(m.spareLanes); n > 0 {
		l, m.spareLanes = m.spareLanes[n-1], m.spareLanes[:n-1]
	} else {
		l = new(lane)
	}
	l.key, l.owner, e.lane = e.event.Key, e, l
	m.lanes[l.key] = l
	return true
}

// promote lets the next event of a key go whose owner is gone.
func (m *Machine) promote(l *lane) {
	if l.blocked.len() == 0 {
		delete(m.lanes, l.key)
		l.key, l.owner = "", nil
		if len(m.spareLanes) < maxSpareLanes {
			m.spareLanes = append(m.spareLanes, l)
		}
		return
	}
	l.owner = l.blocked.head()
	m.release(l.owner)
	m.again(l.owner)
}

// unlane frees an entry of its key: the subscription is not ordered any more.
func (m *Machine) unlane(e *entry) {
	l := e.lane
	if e.stage == blocked {
		m.release(e)
		m.again(e)
	}
	e.lane, e.event.Key = nil, ""
	if l.owner == e {
		l.owner = nil
	}
	delete(m.lanes, l.key)
}
