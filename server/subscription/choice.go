package subscription

import (
	"time"

	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/subscription/expression"
)

const (
	// tailExamine is how long all expressions together may take for a page of the tail reader. Subscriptions that come after that
	// read on by themselves, so that expressions hold up nobody who has none.
	tailExamine = 20 * time.Millisecond
	// attachExamine is how many events an expression may have to be asked about while a subscription attaches: the tail reader
	// waits for that.
	attachExamine = 64
)

// choice is what a filter with an expression chose among events.
type choice struct {
	events []*journal.Stored
	// rest is the first event that was not decided about; nil when all were.
	rest *journal.Stored
	// err says that the expression can't be used, which is why there is a rest.
	err error
}

// choose asks the expression of a filter about events that its sources and types let in, until a time of the manager's clock; 0 is
// without end. It needs no lock: what an expression costs holds up no acknowledgement.
func (s *subscription) choose(f *filter, events []*journal.Stored, until time.Duration) choice {
	if f.condition == nil {
		return choice{events: events}
	}
	var c choice
	for i, ev := range events {
		if i > 0 && until != 0 && s.m.now() >= until {
			c.rest = ev
			return c
		}
		passes, err := s.passes(f, ev)
		if err != nil {
			c.rest, c.err = ev, err
			return c
		}
		if passes {
			c.events = append(c.events, ev)
		}
	}
	return c
}

// passes says whether a filter wants an event, and counts.
func (s *subscription) passes(f *filter, ev *journal.Stored) (bool, error) {
	if !f.match(ev.Source, ev.Type) {
		return false, nil
	}
	if f.condition == nil {
		return true, nil
	}
	verdict, err := f.condition.examine(s.m, ev)
	if err != nil {
		return false, err
	}
	s.counters.examined.Add(1)
	if verdict == expression.Fail {
		s.counters.failed.Add(1)
	}
	return verdict == expression.Pass, nil
}

// breakOff ends the streams of a subscription whose expression can't be used any more. It stands where it is until a stream is
// opened with which it can.
func (s *subscription) breakOff(err error) {
	if s.broken != nil {
		return
	}
	s.m.log.Error("a subscription delivers nothing until it gets another filter", "subscription", s.name, "error", err)
	if s.broken = s.filter.condition.unusable(s.name); s.broken == nil {
		s.broken = err // it fits again already; whoever comes back finds that
	}
	for _, mem := range s.members {
		mem.wake()
	}
}
