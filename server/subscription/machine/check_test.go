package machine

import (
	"fmt"
	"slices"
	"time"
)

// check looks at what must be true after every step.
func (s *simulation) check() error {
	earliest, wakes := time.Duration(1<<62), false
	for _, c := range s.members {
		var bytes int64
		for _, l := range c.leases {
			bytes += l.cost
			earliest, wakes = min(earliest, l.due), true
		}
		is, ok := s.m.MemberStats(c.id)
		if !ok || is.Held < len(c.leases) || is.Bytes < bytes {
			return fmt.Errorf("member %d has %d events, %d bytes; it says %+v", c.id, len(c.leases), bytes, is)
		}
		if held := max(is.Held, len(c.leases)); held > c.want.WindowEvents || held > 1 && max(is.Bytes, bytes) > c.want.WindowBytes {
			return fmt.Errorf("member %d holds %+v; its window is %+v", c.id, is, c.want)
		}
	}
	for seq, at := range s.waits {
		// Somewhere before that it stops to wait for its time.
		if e := s.m.held[seq]; len(s.members) > 0 && !s.paused && e != nil && e.stage == delayed {
			earliest, wakes = min(earliest, at), true
		}
	}
	if at, ok := s.rules.wakeAt(s.m); wakes && (!ok || at > earliest) {
		return fmt.Errorf("it wakes at %v (%v), and something is due at %v", at, ok, earliest)
	}
	if s.changed && !s.m.Dirty() {
		return fmt.Errorf("something has to be made durable, and it doesn't say so")
	}
	if n := s.m.Buffered(); n > s.cfg.BufferEvents {
		return fmt.Errorf("%d events are buffered, at most %d may be", n, s.cfg.BufferEvents)
	}
	if n := s.m.buffer.bytes; n > s.cfg.BufferBytes && n-s.m.buffer.events[len(s.m.buffer.events)-1].size() >= s.cfg.BufferBytes {
		return fmt.Errorf("%d bytes are buffered, at most %d and one event may be", n, s.cfg.BufferBytes)
	}
	return s.checkBounds()
}

func (s *simulation) checkBounds() error {
	is, held := s.m.Stats(), s.m.Held()
	if is.Outstanding+is.Waiting+is.Blocked+is.Burying != held {
		return fmt.Errorf("%d events are held, and %+v", held, is)
	}
	if held > max(s.restored, s.cfg.MaxHeld) || is.Blocked > max(s.restored, s.cfg.MaxBlocked) || is.Injected > max(s.restored, s.cfg.MaxInjected) {
		return fmt.Errorf("%d events are held, %+v; %d when it began; the limits are %+v", held, is, s.restored, s.cfg)
	}
	if is.Blocked > 0 {
		s.seen["blocked"]++
	}
	var kept int64
	replaying := 0
	for _, e := range s.m.held {
		if e.replay && e.attempts == 0 {
			replaying++
		}
		if (e.stage == ready || e.stage == delayed || e.stage == blocked) && e.event.Payload != nil {
			kept += e.event.size()
		}
	}
	if replaying != is.Replaying {
		return fmt.Errorf("%d events of a replay were not sent yet, %+v", replaying, is)
	}
	if kept != s.m.kept || kept > s.cfg.KeptBytes {
		return fmt.Errorf("the payloads of what waits have %d bytes, counted are %d; the limit is %d", kept, s.m.kept, s.cfg.KeptBytes)
	}
	return nil
}

// checkState looks at what is to be durable: every event is in it, in one way.
func (s *simulation) checkState(is *State) error {
	last, at, low := int64(0), 0, is.Position
	for _, h := range is.Held {
		if h.Seq <= last || h.Seq >= s.end {
			return fmt.Errorf("%+v comes after %d, and the end is %d", h, last, s.end)
		}
		if last = h.Seq; h.Copy == 0 {
			low = min(low, h.Seq)
		}
	}
	if got := s.m.Low(); got != low {
		return fmt.Errorf("the lowest sequence that is needed is %d, want %d", got, low)
	}
	if !slices.IsSorted(is.Settled) {
		return fmt.Errorf("out of order: %v", is.Settled)
	}
	for seq := int64(1); seq < s.end; seq++ {
		ev := &s.events[seq]
		var h *Held
		if at < len(is.Held) && is.Held[at].Seq == seq {
			h = &is.Held[at]
			at++
		}
		_, ahead := slices.BinarySearch(is.Settled, seq)
		switch {
		case h != nil:
			key := ""
			if s.cfg.Ordered {
				key = s.key(seq)
			}
			it := s.event(seq)
			want := Held{seq, ev.attempts, it.Bytes, it.ContentBytes, ev.copied, ev.replayed, key, h.Due}
			if *h != want || !ev.open || ahead {
				return fmt.Errorf("%+v is stored; the event is %+v, settled ahead %v", h, ev, ahead)
			}
			if most := s.waits[seq]; ev.place != dying && !s.spent(ev) && ev.not > s.now && h.Due == 0 || h.Due != 0 && (h.Due < ev.not || h.Due > most) {
				return fmt.Errorf("%+v is stored; it is to wait until %v to %v, and it is %v", h, ev.not, most, s.now)
			}
			if seq >= is.Position {
				s.seen["passed over"]++
			}
		case ev.open && (seq < is.Position || ahead || ev.place != unseen):
			return fmt.Errorf("%d is not stored, the position is %d, settled ahead %v; the event is %+v", seq, is.Position, ahead, ev)
		case !ev.open && !ev.lost && s.matches(seq) && seq >= is.Position && !ahead:
			return fmt.Errorf("%d comes again, the position is %d; the event is %+v", seq, is.Position, ev)
		}
	}
	return nil
}

// drain lets one good member join those that are there and do nothing any more. It must get everything that is left.
func (s *simulation) drain() error {
	if err := s.endCommit(); err != nil {
		return err
	}
	s.paused = false
	s.m.Resume(s.now)
	for len(s.members) > 3 {
		s.leave(3)
	}
	for _, c := range slices.Clone(s.m.members) {
		if !slices.ContainsFunc(s.members, func(x *simMember) bool { return x.id == c.id }) {
			s.rules.leave(s.m, s.now, c.id)
		}
	}
	good := s.join(root, Member{WindowEvents: 7, WindowBytes: 1000, AckDeadline: 300 * time.Millisecond, MaxEventBytes: 4000})
	idle := 0
	for budget := 20 * (len(s.events) + 1000); s.m.Held() > 0 || s.m.Buffered() > 0 || s.m.Next() < s.end; budget-- {
		if budget == 0 || idle > 100 {
			return fmt.Errorf("%d events are never sent; %+v", s.open(), s.m.Stats())
		}
		progress, err := s.drainOnce(good)
		if err != nil {
			return err
		}
		if err := s.check(); err != nil {
			return err
		}
		if progress || (s.m.Next() < s.end && s.m.Buffered() == 0) {
			idle = 0
			continue
		}
		idle++
		if at, ok := s.rules.wakeAt(s.m); ok && at > s.now {
			s.tick(at)
		}
	}
	if n := s.open(); n > 0 {
		return fmt.Errorf("%d events were never sent", n)
	}
	if err := s.beginCommit(); err != nil {
		return err
	}
	if got := s.commit.state; got.Position < s.end || len(got.Held) != 0 || len(got.Settled) != 0 {
		return fmt.Errorf("all is acknowledged, and the state is %+v at the end %d", got, s.end)
	}
	return nil
}

func (s *simulation) drainOnce(good *simMember) (progress bool, err error) {
	if err := s.overtake(); err != nil {
		return false, err
	}
	if err := s.read(10); err != nil {
		return false, err
	}
	s.wake()
	before := len(s.applied)
	if s.ready[good.id] {
		if err := s.take(good); err != nil {
			return false, err
		}
		for _, id := range s.ids {
			if _, mine := good.leases[id.Seq]; mine {
				if err := s.ack(id); err != nil {
					return false, err
				}
			}
		}
		s.ids = s.ids[:0]
	}
	if err := s.tell(); err != nil {
		return false, err
	}
	for len(s.letters) > 0 {
		progress = true
		if err := s.entomb(0); err != nil {
			return false, err
		}
	}
	return progress || len(s.applied) > before || s.ready[good.id], nil
}

// open counts what should still come.
func (s *simulation) open() int {
	n := 0
	for seq := range s.events {
		if s.events[seq].open {
			n++
		}
	}
	return n
}
