package machine

// buffer is a queue of events in the order of their sequences.
type buffer struct {
	events []Event
	head   int
	bytes  int64
}

func (b *buffer) len() int { return len(b.events) - b.head }

func (b *buffer) front() *Event {
	if b.head == len(b.events) {
		return nil
	}
	return &b.events[b.head]
}

func (b *buffer) full(cfg *Config) bool {
	return b.len() >= cfg.BufferEvents || b.bytes >= cfg.BufferBytes
}

func (b *buffer) push(ev Event) {
	if b.head > 0 && len(b.events) == cap(b.events) {
		n := copy(b.events, b.events[b.head:])
		clear(b.events[n:])
		b.events, b.head = b.events[:n], 0
	}
	b.events = append(b.events, ev)
	b.bytes += ev.size()
}

func (b *buffer) pop() Event {
	ev := b.events[b.head]
	b.events[b.head] = Event{}
	b.bytes -= ev.size()
	b.head++
	if b.head == len(b.events) {
		b.events, b.head = b.events[:0], 0
	}
	return ev
}
