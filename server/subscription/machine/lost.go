package machine

import (
	"slices"
	"time"
)

// Range is a range of sequences, To not included.
type Range struct{ From, To int64 }

// Lost says that the journal begins with first now: what is before it and was neither read nor is with a member will never
// be sent. It returns what is lost, in order. What was read ahead and is forgotten may be told again. What is redriven is not
// lost: its payload comes from the dead letter.
func (m *Machine) Lost(now time.Duration, first int64) []Range {
	var lost []Range
	add := func(r Range) {
		if n := len(lost); r.From < r.To && n > 0 && lost[n-1].To == r.From {
			lost[n-1].To = r.To
		} else if r.From < r.To {
			lost = append(lost, r)
		}
	}
	for e := m.order.head; e != nil && e.event.Seq < first; {
		seq, next := e.event.Seq, e.links[byLine].next
		if (e.stage == ready || e.stage == delayed || e.stage == blocked) && e.event.Payload == nil {
			m.release(e)
			m.drop(e)
			if seq < m.next {
				add(Range{seq, seq + 1})
			}
		}
		e = next
	}
	if m.next < first {
		from := m.next
		for _, seq := range m.passedOver(from, first) {
			add(Range{from, seq})
			from = seq + 1
		}
		add(Range{from, first})
		m.next = first
		m.dirty = true
	}
	m.assign(now)
	return lost
}

// passedOver are the sequences in a range that was not read which reading would pass over, in order.
func (m *Machine) passedOver(from, to int64) []int64 {
	var seqs []int64
	for _, l := range m.lines() {
		for e := l.tail; e != nil && e.event.Seq >= from; e = e.links[byLine].prev {
			if e.event.Seq < to {
				seqs = append(seqs, e.event.Seq)
			}
		}
	}
	for seq := range m.settled {
		if seq >= from && seq < to && m.held[seq] == nil {
			seqs = append(seqs, seq)
		}
	}
	slices.Sort(seqs)
	return seqs
}
