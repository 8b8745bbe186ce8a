package subscription

import (
	"context"
	"errors"

	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

// loader brings the events of one stream that are sent again: they are not kept in memory for that. What was redriven is read from its
// dead letter.
type loader struct {
	m *Manager
	// page is what was read last: everything stored in [from, next), when erasures was that of the manager.
	page       []*journal.Stored
	from, next int64
	erasures   int64
}

// How much is read at a time for events that are sent again, and how close together they must be to be read so.
const (
	loadEvents = 64
	loadBytes  = 1 << 20
	loadSpread = 4
)

// event returns the event of the first send, nil when the journal does not have it any more. The others say what comes next.
func (l *loader) event(ctx context.Context, sends []machine.Send) (*journal.Stored, error) {
	if ev, ok := sends[0].Payload.(*journal.Stored); ok {
		return ev, nil
	}
	if id := sends[0].Copy; id != 0 {
		return l.m.copied(ctx, id)
	}
	seq := sends[0].Seq
	if ev := l.m.tail.ring.get(seq); ev != nil {
		return ev, nil
	}
	erasures := l.m.erasures.Load()
	if seq < l.from || seq >= l.next || erasures != l.erasures {
		l.reset()
		if !dense(sends) {
			ev, err := l.m.journal.Get(ctx, seq)
			if errors.Is(err, journal.ErrNotFound) {
				return nil, nil
			}
			return ev, journalFault(err)
		}
		page, err := l.m.journal.Read(ctx, journal.Query{From: seq, MaxEvents: loadEvents, MaxBytes: loadBytes})
		if err != nil {
			return nil, journalFault(err)
		}
		l.page, l.from, l.next, l.erasures = page.Events, seq, page.Next, erasures
	}
	for i, ev := range l.page {
		if ev.Sequence == seq {
			l.page, l.from = l.page[i:], seq
			return ev, nil
		}
	}
	return nil, nil
}

// reset lets go of what was read.
func (l *loader) reset() { l.page, l.from, l.next = nil, 0, 0 }

// dense says whether reading on from the first brings enough of what comes next to be cheaper than getting each.
func dense(sends []machine.Send) bool {
	n := 0
	for _, x := range sends {
		if x.Payload == nil && x.Copy == 0 && x.Seq < sends[0].Seq+loadSpread*int64(n+1) {
			n++
		}
	}
	return n >= 8
}
