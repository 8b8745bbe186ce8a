package machine

import (
	"fmt"
	"slices"
	"time"
)

// place is where an event is, as far as it can be seen from outside the machine.
type place int8

const (
	unseen place = iota // not sent in this life, or not since it began anew
	with                // a member
	back                // sent, and not with a member any more
	dying               // to be a dead letter
)

// fact is what is durable of an event.
type fact struct {
	open     bool  // it should still come, or settle
	attempts int32 // since it began anew
	copied   int64
	replayed bool
	went     bool // it was taken and not sent: its key stays with it, also where a seek brings what is before it
}

func (f fact) injected() bool { return f.copied != 0 || f.replayed }

// change is a fact as it was before it changed.
type change struct {
	seq int64
	was fact
}

type simEvent struct {
	fact
	place    place
	run      int // counts how often it began anew
	cause    Reason
	rejected bool
	said     string
	death    Death
	told     bool
	restored bool // it was held when this life began, and wasn't sent since
	// postponed says of what is restored that it had been rejected and waited for its time.
	postponed bool
	not       time.Duration
	answered  bool // its acknowledgement was
	lost      bool
}

// set changes what is durable of an event. Until it is stored, a restart takes it back.
func (s *simulation) set(seq int64, f fact) {
	ev := &s.events[seq]
	s.undo = append(s.undo, change{seq, ev.fact})
	ev.fact = f
}

// begin lets an event begin anew, or never come again.
func (s *simulation) begin(seq int64, f fact) {
	ev := &s.events[seq]
	s.set(seq, f)
	s.forget(seq)
	s.changed = true
	ev.run++
	ev.said, ev.answered = "", false
}

// forget forgets what is known of an event but not durable.
func (s *simulation) forget(seq int64) {
	ev := &s.events[seq]
	if key := s.key(seq); s.busy[key] == seq {
		delete(s.busy, key)
	}
	delete(s.waits, seq)
	ev.place, ev.rejected, ev.told, ev.restored, ev.postponed, ev.not, ev.cause = unseen, false, false, false, false, 0, 0
}

// settle is for what was acknowledged, buried or is gone.
func (s *simulation) settle(seq int64) {
	ev := &s.events[seq]
	if ev.copied != 0 {
		s.deleted = append(s.deleted, ev.copied)
	}
	if seq >= s.m.Position() {
		s.seen["settled ahead"]++
	}
	s.unlease(seq)
	s.forget(seq)
	s.changed = true
	ev.said = ""
	s.set(seq, fact{})
}

func (s *simulation) unlease(seq int64) {
	for _, c := range s.members {
		delete(c.leases, seq)
	}
}

func (s *simulation) spent(ev *simEvent) bool {
	return s.cfg.MaxAttempts > 0 && ev.attempts >= s.cfg.MaxAttempts
}

// comeBack is for what was with a member and isn't any more.
func (s *simulation) comeBack(seq int64, why Reason) {
	ev := &s.events[seq]
	ev.place, ev.cause = back, why
	if s.spent(ev) {
		s.die(seq, TooManyAttempts)
	}
}

func (s *simulation) die(seq int64, why Death) {
	ev := &s.events[seq]
	ev.place, ev.death, ev.told = dying, why, false
	delete(s.waits, seq)
}

// sent is what the model says to a delivery.
func (s *simulation) sent(c *simMember, x Send) error {
	if x.Seq < 1 || x.Seq >= s.end || !s.matches(x.Seq) {
		return fmt.Errorf("it doesn't match or doesn't exist")
	}
	ev := &s.events[x.Seq]
	switch {
	case s.paused:
		return fmt.Errorf("sending is paused")
	case !ev.open || ev.answered:
		return fmt.Errorf("it was settled, or a seek passed it: %+v", ev)
	case ev.lost && x.Copy == 0:
		return fmt.Errorf("it was said to be lost")
	case ev.place == with || ev.place == dying || s.spent(ev):
		return fmt.Errorf("it is with a member, or has had its attempts: %+v", ev)
	case x.Attempt != ev.attempts+1 || x.Copy != ev.copied || x.Replay != ev.replayed:
		return fmt.Errorf("before, it was %+v", ev.fact)
	case x.Payload != nil && x.Payload != any(x.Seq):
		return fmt.Errorf("its payload is %v", x.Payload)
	case ev.not > s.now:
		return fmt.Errorf("it was to wait until %v, and it is %v", ev.not, s.now)
	case !s.explains(ev, x.Reason):
		return fmt.Errorf("it is not sent for that reason: %+v", ev)
	}
	if err := s.inOrder(c, x, ev); err != nil {
		return err
	}
	s.seen[fmt.Sprint("sent ", int(x.Reason))]++
	s.set(x.Seq, fact{true, x.Attempt, x.Copy, x.Replay, ev.went})
	s.forget(x.Seq)
	ev.place = with
	if key := s.key(x.Seq); s.cfg.Ordered && key != "" {
		s.busy[key] = x.Seq
	}
	it := s.event(x.Seq)
	cost := it.Bytes
	if c.want.Content {
		cost += it.ContentBytes
	}
	c.leases[x.Seq] = lease{min(cost, c.want.MaxEventBytes), s.now + c.want.AckDeadline}
	if len(s.ids) == 1000 {
		s.ids = s.ids[1:]
	}
	s.ids = append(s.ids, ackID{Ack{Seq: x.Seq, Attempt: x.Attempt, Epoch: x.Epoch, Current: true}, c.who, s.life, ev.run})
	if x.Payload == nil && x.Seq < s.first && x.Copy == 0 {
		return s.gone(x.Seq, x.Attempt, x.Epoch)
	}
	return nil
}

// explains says whether an event as it is may be sent for that reason.
func (s *simulation) explains(ev *simEvent, why Reason) bool {
	switch {
	case why == StreamLost && s.left:
		return true // it may have been meant for the one that left
	case ev.place == back:
		return why == ev.cause
	case ev.postponed:
		return why == Rejected
	case ev.attempts == 0 && ev.copied != 0:
		return why == Redriven
	case ev.attempts == 0 && ev.replayed:
		return why == Replay
	case ev.restored:
		return why == Restart
	}
	return ev.attempts == 0 && (why == First || why == Deadline)
}

// inOrder says whether an event may come now, before all others.
func (s *simulation) inOrder(c *simMember, x Send, ev *simEvent) error {
	key := s.key(x.Seq)
	if !s.cfg.Ordered {
		if x.Reason == First && (x.Seq <= c.lastFirst || !c.redelivered && x.Seq <= c.lastSeq) {
			return fmt.Errorf("it comes after %d", max(c.lastFirst, c.lastSeq))
		}
		if x.Reason == First {
			c.lastFirst = x.Seq
		} else {
			c.redelivered = true
		}
		c.lastSeq = x.Seq
		return nil
	}
	if key == "" {
		return nil
	}
	if other := s.busy[key]; other != 0 && other != x.Seq {
		return fmt.Errorf("%d of the same key is not settled", other)
	}
	if len(s.busy) > 1 {
		s.seen["sent while key waits"]++
	}
	if x.Attempt > 1 || ev.injected() || ev.went {
		return nil
	}
	for i := s.low[key]; ; i++ {
		seq := s.keys[key][i]
		if seq == x.Seq {
			return nil
		}
		if e := &s.events[seq]; e.open && !e.injected() {
			return fmt.Errorf("%d of the same key is still to come", seq)
		} else if !e.open && i == s.low[key] {
			s.low[key]++
		}
	}
}

// gone is for what can't be read any more when it is to be sent or buried.
func (s *simulation) gone(seq int64, attempt int32, epoch int64) error {
	if !s.rules.gone(s.m, s.now, seq, attempt, epoch) {
		return fmt.Errorf("%d is gone, and that is refused", seq)
	}
	s.settle(seq)
	s.events[seq].lost = true
	s.seen["gone"]++
	return nil
}

// unsent is what a member that leaves took last and was not sent, because its stream ended before: that was no attempt, and nobody has the
// ids.
func (s *simulation) unsent(c *simMember) (sends []Send) {
	if s.rng.IntN(2) == 0 {
		return nil
	}
	for _, x := range c.took[s.rng.IntN(len(c.took)+1):] {
		sends = append(sends, x.Send)
		ev := &s.events[x.Seq]
		if _, leased := c.leases[x.Seq]; !leased || ev.attempts != x.Attempt || ev.run != x.was.run {
			continue // it came to another end since
		}
		s.seen["not sent"]++
		delete(c.leases, x.Seq)
		x.was.went = true
		s.set(x.Seq, x.was.fact)
		ev.place, ev.rejected, ev.restored, ev.cause = x.was.place, x.was.rejected, x.was.restored, StreamLost
		if s.spent(ev) {
			s.die(x.Seq, TooManyAttempts) // fewer are allowed since
		}
		s.ids = slices.DeleteFunc(s.ids, func(id ackID) bool {
			return id.life == s.life && id.Seq == x.Seq && id.Attempt == x.Attempt && id.Epoch == x.Epoch
		})
	}
	return sends
}

// late is for an attempt that is found to be gone only when it doesn't count any more: what came after it goes on.
func (s *simulation) late(id ackID) error {
	ev := &s.events[id.Seq]
	if id.life != s.life || ev.open && ev.place != unseen && ev.run == id.run && ev.attempts == id.Attempt {
		return nil
	}
	if s.rules.gone(s.m, s.now, id.Seq, id.Attempt, id.Epoch) {
		return fmt.Errorf("an attempt at %+v is gone, and with it %+v", id, ev)
	}
	s.seen["gone too late"]++
	return nil
}
