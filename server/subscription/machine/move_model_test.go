package machine

import (
	"fmt"
	"slices"
	"time"
)

// anew is for what makes events come that would not, or not in that order.
func (s *simulation) anew() { clear(s.low) }

// inject checks what became of events that were injected: each that is not held is taken, as long as there is room.
func (s *simulation) inject(events []Event) error {
	room, position := s.m.InjectRoom(), s.m.Position()
	held := map[int64]bool{}
	for _, ev := range events {
		held[ev.Seq] = s.m.held[ev.Seq] != nil
	}
	done, taken := s.rules.inject(s.m, s.now, events)
	n := 0
	for _, ev := range events[:done] {
		was := &s.events[ev.Seq]
		if held[ev.Seq] || ev.Copy == 0 && ev.Seq >= position {
			if ev.Copy == 0 && !was.open && !was.lost && ev.Seq < position {
				return fmt.Errorf("%+v is not replayed", ev)
			}
			s.seen[map[bool]string{true: "redrive skipped", false: "replay skipped"}[ev.Copy != 0]]++
			continue
		}
		if was.place != unseen || ev.Copy == 0 && was.open {
			return fmt.Errorf("%+v is injected, and is %+v", ev, was)
		}
		s.seen[map[bool]string{true: "redriven", false: "replayed"}[ev.Copy != 0]]++
		held[ev.Seq] = true
		s.begin(ev.Seq, fact{open: true, copied: ev.Copy, replayed: ev.Copy == 0})
		n++
	}
	if n != taken || n > room {
		return fmt.Errorf("%d of %+v are injected, there is room for %d; want %d", taken, events, room, n)
	}
	if done < len(events) {
		s.seen["no room to inject"]++
		if n < room && !(s.cfg.Ordered && s.m.Stats().Blocked >= s.cfg.MaxBlocked) {
			return fmt.Errorf("%d of %d events are injected, and there is room for %d", n, len(events), room)
		}
	}
	s.anew()
	return nil
}

func (s *simulation) redrive() error {
	var events []Event
	for range 1 + s.rng.IntN(3) {
		if len(s.stones) == 0 {
			return nil
		}
		x := s.stones[s.rng.IntN(len(s.stones))]
		ev := s.event(x.seq)
		if ev.Copy = x.id; s.rng.IntN(2) == 0 {
			ev.Payload = nil
		}
		events = append(events, ev)
	}
	return s.inject(events)
}

func (s *simulation) replay() error {
	var events []Event
	for seq := s.first + s.rng.Int64N(s.end-s.first+1); seq < s.end && len(events) < 5; seq++ {
		if s.matches(seq) {
			events = append(events, s.event(seq))
		}
	}
	return s.inject(events)
}

func (s *simulation) cancelReplay() error {
	want := 0
	for seq := range s.events {
		if ev := &s.events[seq]; ev.open && ev.replayed && ev.attempts == 0 && int64(seq) < s.m.Position() {
			s.begin(int64(seq), fact{})
			want++
		}
	}
	if got := s.rules.cancel(s.m, s.now); got != want {
		return fmt.Errorf("cancelling drops %d events, want %d", got, want)
	}
	s.seen["replay cancelled"] += want
	return nil
}

func (s *simulation) seek() error {
	if err := s.tell(); err != nil {
		return err
	}
	target := 1 + s.rng.Int64N(s.end)
	s.rules.seek(s.m, s.now, target)
	if got := s.m.Position(); got != target {
		return fmt.Errorf("after seeking %d the position is %d", target, got)
	}
	for seq := int64(1); seq < s.end; seq++ {
		switch ev := &s.events[seq]; {
		case ev.place == with || ev.place == dying:
			s.seen["seek left a lease"]++
		case seq >= target && s.matches(seq) && !ev.lost:
			s.begin(seq, fact{open: true})
		case ev.open:
			s.begin(seq, fact{})
		}
	}
	for _, c := range s.members {
		c.lastFirst, c.lastSeq, c.redelivered = 0, 0, false
	}
	s.anew()
	return s.overtake()
}

func (s *simulation) beginCommit() error {
	if s.commit != nil {
		return nil
	}
	s.commit = &simCommit{s.rules.state(s.m), s.applied, s.rules.copies(s.m), len(s.undo)}
	if !slices.Equal(s.commit.copies, s.deleted) {
		return fmt.Errorf("the copies %v are to be deleted, want %v", s.commit.copies, s.deleted)
	}
	s.applied, s.deleted, s.changed = nil, nil, false
	return s.checkState(&s.commit.state)
}

func (s *simulation) endCommit() error {
	if s.commit == nil {
		return nil
	}
	for _, x := range s.rules.answer(slices.Concat(s.commit.applied, s.applied), s.commit.applied) {
		if ev := &s.events[x.seq]; ev.run == x.run {
			ev.answered = true // otherwise it began anew in the meantime
		}
	}
	copies := s.commit.copies
	s.store()
	s.stones = slices.DeleteFunc(s.stones, func(x stone) bool {
		if slices.Contains(copies, x.id) {
			s.seen["copy deleted"]++
			return true
		}
		return false
	})
	return nil
}

func (s *simulation) store() {
	s.stored = s.commit.state
	s.undo = slices.Delete(s.undo, 0, s.commit.changes)
	s.commit = nil
}

func (s *simulation) restart() error {
	for i := len(s.undo) - 1; i >= 0; i-- {
		s.events[s.undo[i].seq].fact = s.undo[i].was
	}
	s.busy, s.waits = map[string]int64{}, map[int64]time.Duration{}
	for seq := range s.events {
		s.forget(int64(seq))
		s.events[seq].said = ""
	}
	m, err := s.rules.make(s.cfg, s.stored)
	if err != nil {
		return err
	}
	for _, h := range s.stored.Held {
		ev := &s.events[h.Seq]
		ev.restored = true
		if h.Due != 0 {
			ev.postponed, ev.not, s.waits[h.Seq] = true, h.Due, h.Due
			s.seen["postponed over a restart"]++
		}
	}
	s.m, s.life, s.restored, s.paused, s.left = m, s.life+1, m.Held(), false, false
	s.members, s.commit, s.applied, s.undo, s.letters, s.deleted = nil, nil, nil, nil, nil, nil
	s.changed = false
	s.anew()
	return s.overtake()
}

// overtake does what the owner does when it finds that the journal begins later.
func (s *simulation) overtake() error {
	for _, r := range s.rules.lost(s.m, s.now, s.first) {
		s.seen["gap"]++
		if r.From >= r.To || r.To > s.first {
			return fmt.Errorf("lost %+v, and the journal begins with %d", r, s.first)
		}
		for seq := r.From; seq < r.To; seq++ {
			// It may be told twice: when what was buffered before it had to be read again.
			ev := &s.events[seq]
			if ev.place == with || ev.place == dying || ev.copied != 0 || s.matches(seq) && !ev.open && !ev.lost {
				return fmt.Errorf("lost %+v, and %d is %+v", r, seq, ev)
			}
			if ev.open {
				s.begin(seq, fact{})
			}
			ev.lost = true
		}
	}
	return nil
}
