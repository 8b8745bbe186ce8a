package machine

import (
	"fmt"
	"time"
)

// expect is what an acknowledgement should do; 0: it matters to nobody.
func (s *simulation) expect(id ackID) Outcome {
	ev := &s.events[id.Seq]
	switch {
	case ev.lost && !ev.open:
		return 0
	case !ev.open:
		return Settled
	case !id.Current || ev.place == unseen || id.run != ev.run || id.Attempt < ev.attempts:
		return Stale
	}
	return Applied
}

func (s *simulation) ack(id ackID) error {
	if s.refused(id) {
		return nil
	}
	id.Current = id.life == s.life
	want, got := s.expect(id), s.rules.ack(s.m, s.now, id.Ack)
	if got != want && want != 0 {
		return fmt.Errorf("acknowledging %+v: outcome %d, want %d; it is %+v", id, got, want, s.events[id.Seq])
	}
	s.seen[fmt.Sprint("ack ", int(got))]++
	if got == Applied {
		if s.events[id.Seq].place == dying {
			s.seen["acknowledged while buried"]++
		}
		s.settle(id.Seq)
		s.applied = append(s.applied, settled{id.Seq, id.run})
	}
	return nil
}

func (s *simulation) reject(id ackID) error {
	if s.refused(id) {
		return nil
	}
	id.Current = id.life == s.life
	ev := &s.events[id.Seq]
	want := s.expect(id)
	switch {
	case want == Settled:
		want = Stale
	case want == Applied && (ev.rejected || ev.place == dying):
		want = Repeated
	}
	r := Rejection{
		Action: Action(1 + s.rng.IntN(4)), After: time.Duration(s.rng.IntN(200)) * time.Millisecond,
		Error: []string{"", "no", "never"}[s.rng.IntN(3)],
	}
	got := s.rules.reject(s.m, s.now, id.Ack, r)
	if got != want && (want != 0 || got != Stale && got != Invalid) {
		return fmt.Errorf("rejecting %+v with %+v: outcome %d, want %d; it is %+v", id, r, got, want, ev)
	}
	s.seen[fmt.Sprint("reject ", int(got))]++
	if got != Applied {
		return nil
	}
	s.unlease(id.Seq)
	ev.place, ev.cause, ev.rejected, ev.said = back, Rejected, true, r.Error
	least, most := time.Duration(0), time.Duration(0)
	if steps := s.cfg.Backoff; r.Action == Retry && len(steps) > 0 {
		d := steps[min(int(ev.attempts), len(steps))-1]
		least, most = d-d/10, d+d/10
	} else if r.Action == RetryAfter {
		least, most = r.After, r.After
	}
	if ev.not = s.now + least; most > 0 {
		s.waits[id.Seq] = s.now + most
	}
	if r.Action != Bury && !s.spent(ev) && least > 0 {
		s.changed = true
	}
	if r.Action == Bury {
		s.die(id.Seq, ForGood)
	} else if s.spent(ev) {
		s.die(id.Seq, TooManyAttempts)
	}
	return nil
}

func (s *simulation) extend(id ackID) error {
	if s.refused(id) {
		return nil
	}
	id.Current = id.life == s.life
	want := s.expect(id)
	if want == Settled || want == Applied && s.events[id.Seq].place != with {
		want = Stale
	}
	d := time.Duration(s.rng.IntN(600)) * time.Millisecond
	got := s.rules.extend(s.m, s.now, id.Ack, d)
	if got != want && (want != 0 || got != Stale && got != Invalid) {
		return fmt.Errorf("extending %+v by %v: outcome %d, want %d; it is %+v", id, d, got, want, s.events[id.Seq])
	}
	s.seen[fmt.Sprint("extend ", int(got))]++
	for _, c := range s.members {
		if l, ok := c.leases[id.Seq]; ok && got == Applied {
			if d == 0 {
				d = c.want.AckDeadline
			}
			c.leases[id.Seq] = lease{l.cost, s.now + d}
		}
	}
	return nil
}

// forge acknowledges what was never sent.
func (s *simulation) forge() error {
	for _, a := range []Ack{
		{Seq: s.end + s.rng.Int64N(10), Attempt: 1, Epoch: s.m.Epoch(), Current: true},
		{Seq: 0, Attempt: 1, Current: true},
		{Seq: 1 + s.rng.Int64N(s.end), Attempt: 0, Current: true},
		{Seq: 1 + s.rng.Int64N(s.end), Attempt: 1, Epoch: -1},
		{Seq: 1 + s.rng.Int64N(s.end), Attempt: 1, Epoch: s.m.Epoch() + 1, Current: true},
	} {
		if got := s.rules.ack(s.m, s.now, a); got != Invalid {
			return fmt.Errorf("acknowledging the forged %+v: outcome %d, want %d", a, got, Invalid)
		}
	}
	return nil
}

// tell asks for dead letters, as an owner does after every input.
func (s *simulation) tell() error {
	for _, d := range s.rules.letters(s.m) {
		ev := &s.events[d.Seq]
		if ev.open && ev.place == unseen && ev.restored && s.spent(ev) {
			s.die(d.Seq, TooManyAttempts)
		}
		want := DeadLetter{Seq: d.Seq, Attempts: ev.attempts, Epoch: d.Epoch, Reason: ev.death, Error: ev.said, Copy: ev.copied}
		if !ev.open || ev.place != dying || ev.told || d != want {
			return fmt.Errorf("the dead letter %+v: the event is %+v", d, ev)
		}
		if key := s.key(d.Seq); s.cfg.Ordered && key != "" {
			if other := s.busy[key]; other != 0 && other != d.Seq {
				return fmt.Errorf("the dead letter %+v: %d of the same key is not settled", d, other)
			}
			s.busy[key] = d.Seq
		}
		ev.told = true
		s.letters = append(s.letters, simLetter{d, ev.run})
	}
	return nil
}

// bury stores one of the dead letters, or fails to.
func (s *simulation) bury() error {
	if err := s.tell(); err != nil || len(s.letters) == 0 {
		return err
	}
	i := s.rng.IntN(len(s.letters))
	if s.rng.IntN(3) == 0 {
		return s.fail(i)
	}
	return s.entomb(i)
}

// letter takes a dead letter out of those to be stored, and says whether the event is still dying of it.
func (s *simulation) letter(i int) (simLetter, bool) {
	d := s.letters[i]
	s.letters[i] = s.letters[len(s.letters)-1]
	s.letters = s.letters[:len(s.letters)-1]
	ev := &s.events[d.Seq]
	return d, ev.place == dying && ev.run == d.run
}

func (s *simulation) fail(i int) error {
	d, want := s.letter(i)
	if got := s.rules.buryFailed(s.m, s.now, d.DeadLetter); got != want {
		return fmt.Errorf("%+v could not be stored: %v, want %v", d, got, want)
	}
	s.seen[fmt.Sprint("bury failed ", want)]++
	if want {
		s.events[d.Seq].told = false
	}
	return nil
}

func (s *simulation) entomb(i int) error {
	d, want := s.letter(i)
	if want && d.Copy == 0 && d.Seq < s.first {
		return s.gone(d.Seq, d.Attempts, d.Epoch)
	}
	s.lastStone++
	if got := s.rules.buried(s.m, s.now, d.DeadLetter); got != want {
		return fmt.Errorf("%+v is stored: %v, want %v", d, got, want)
	}
	s.seen[fmt.Sprint("buried ", want)]++
	if want {
		s.stones = append(s.stones, stone{s.lastStone, d.Seq})
		s.settle(d.Seq)
	}
	return nil
}
