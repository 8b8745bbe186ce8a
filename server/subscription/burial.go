package subscription

import (
	"context"
	"slices"

	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

// burial is an event on its way to the dead letters.
type burial struct {
	letter machine.DeadLetter
	// done is closed when it is known what became of it. Then buried says that it is a dead letter and settled, err why it could not be
	// stored now; neither, that its event was settled otherwise.
	done   chan struct{}
	buried bool
	err    error
}

// wait returns when it is known what became of the event.
func (b *burial) wait(ctx context.Context) (buried bool, err error) {
	select {
	case <-b.done:
		return b.buried, b.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// lay hands the burier what the machine has given up.
func (s *subscription) lay() {
	s.dead = s.machine.DeadLetters(s.dead[:0])
	if len(s.dead) == 0 || s.abandoned {
		return
	}
	if s.burials == nil {
		s.burials = map[int64]*burial{}
	}
	for _, d := range s.dead {
		// One that is not over is of an earlier life of the event, which was settled otherwise. It has nothing to say of this one.
		if before := s.burials[d.Seq]; before != nil {
			s.conclude(before, false, nil)
		}
		one := &burial{letter: d, done: make(chan struct{})}
		s.burials[d.Seq] = one
		s.letters = append(s.letters, one)
	}
	clear(s.dead)
	if !s.m.burier.add(s) {
		s.unlaid()
	}
}

// unlaid ends the burials that nobody has begun with: the bridge is about to end. What they are of is held, and is in the record.
func (s *subscription) unlaid() {
	for _, one := range s.letters {
		s.conclude(one, false, fault.ErrShuttingDown)
	}
	s.letters = nil
}

// abandon sees to it that nothing more is buried, for a subscription that is deleted: what is being stored is removed again.
func (s *subscription) abandon() {
	s.abandoned = true
	for _, one := range s.letters {
		s.conclude(one, false, nil)
	}
	s.letters = nil
}

// laid takes some of what waits to be buried, and says whether there is more.
func (s *subscription) laid(most int) (some []*burial, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(most, len(s.letters))
	some = slices.Clone(s.letters[:n])
	clear(s.letters[:n])
	if s.letters = s.letters[n:]; len(s.letters) == 0 {
		s.letters = nil
	}
	return some, s.letters != nil
}

// awaits says whether a dead letter is still to be stored. If not, its event was settled meanwhile.
func (s *subscription) awaits(one *burial) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.concluded() {
		return false
	}
	if !s.abandoned && s.machine.Burying(one.letter.Seq) {
		return true
	}
	s.conclude(one, false, nil)
	return false
}

// buried says under which id a dead letter is stored.
func (s *subscription) buried(one *burial, id int64) {
	if !s.settleDead(one, id) {
		return
	}
	d := &one.letter
	s.m.log.Info("an event became a dead letter", "subscription", s.name, "sequence", d.Seq, "attempts", d.Attempts,
		"reason", deathLabels[d.Reason], "error", d.Error)
}

// settleDead settles the event of a dead letter that is stored; false where that was done otherwise, and the copy is one too many.
func (s *subscription) settleDead(one *burial, id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.m.now()
	// In the same breath: what is in a record after this id is not settled in it.
	s.through = max(s.through, id)
	ok := !s.abandoned && s.machine.Buried(now, one.letter)
	if ok {
		s.counters.buried[one.letter.Reason].Add(1)
	} else {
		s.surplus(one.letter.Seq, id)
	}
	s.conclude(one, ok, nil)
	s.after(now)
	s.durable(false)
	return ok
}

// unburied says that a dead letter could not be stored. The machine asks for it again after a while.
func (s *subscription) unburied(one *burial, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.concluded() {
		return
	}
	now := s.m.now()
	s.machine.BuryFailed(now, one.letter)
	s.counters.unburied.Add(1)
	s.conclude(one, false, err)
	s.after(now)
}

// vanished says that there is nothing to bury: retention or somebody's request has removed the event.
func (s *subscription) vanished(one *burial) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.concluded() {
		return
	}
	now := s.m.now()
	d := &one.letter
	if s.machine.Burying(d.Seq) && s.machine.Gone(now, d.Seq, d.Attempts, d.Epoch) {
		s.counters.lost.Add(1)
		s.m.log.Warn("an event was gone before it became a dead letter", "subscription", s.name, "sequence", d.Seq)
	}
	s.conclude(one, false, nil)
	s.after(now)
	s.durable(false)
}

// concluded says that it is known what became of a burial.
func (b *burial) concluded() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

// conclude tells those who wait for a burial what became of it. Of what was concluded before it changes nothing: a copy that nobody knew
// of may be found at any time between the machine's asking and the storing, and then those who had it to do come too late.
func (s *subscription) conclude(one *burial, buried bool, err error) {
	if one.concluded() {
		return
	}
	one.buried, one.err = buried, err
	close(one.done)
	if s.burials[one.letter.Seq] == one {
		delete(s.burials, one.letter.Seq)
	}
}
