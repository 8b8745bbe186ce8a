package machine

import "time"

// rules are the operations that a mutant replaces.
type rules struct {
	make       func(cfg Config, s State) (*Machine, error)
	offer      func(m *Machine, now time.Duration, ev Event) bool
	join       func(m *Machine, now time.Duration, id MemberID, want Member)
	leave      func(m *Machine, now time.Duration, id MemberID, unsent ...Send)
	withdraw   func(m *Machine, now time.Duration, ids []MemberID)
	take       func(m *Machine, now time.Duration, id MemberID, events int, bytes int64) []Send
	ack        func(m *Machine, now time.Duration, a Ack) Outcome
	gone       func(m *Machine, now time.Duration, seq int64, attempt int32, epoch int64) bool
	reject     func(m *Machine, now time.Duration, a Ack, r Rejection) Outcome
	extend     func(m *Machine, now time.Duration, a Ack, d time.Duration) Outcome
	tick       func(m *Machine, now time.Duration)
	wakeAt     func(m *Machine) (time.Duration, bool)
	letters    func(m *Machine) []DeadLetter
	buried     func(m *Machine, now time.Duration, d DeadLetter) bool
	buryFailed func(m *Machine, now time.Duration, d DeadLetter) bool
	inject     func(m *Machine, now time.Duration, events []Event) (int, int)
	cancel     func(m *Machine, now time.Duration) int
	seek       func(m *Machine, now time.Duration, target int64)
	pause      func(m *Machine, now time.Duration)
	state      func(m *Machine) State
	copies     func(m *Machine) []int64
	lost       func(m *Machine, now time.Duration, first int64) []Range
	woken      func(m *Machine) []MemberID
	answer     func(applied, stored []settled) []settled
}

func real() rules {
	return rules{
		make:  New,
		offer: (*Machine).Offer,
		join:  (*Machine).Join,
		leave: (*Machine).Leave,
		withdraw: func(m *Machine, now time.Duration, ids []MemberID) {
			for _, id := range ids {
				m.Leave(now, id)
			}
		},
		take: func(m *Machine, now time.Duration, id MemberID, events int, bytes int64) []Send {
			return m.Take(now, id, events, bytes, nil)
		},
		ack:        (*Machine).Ack,
		gone:       (*Machine).Gone,
		reject:     (*Machine).Reject,
		extend:     (*Machine).Extend,
		tick:       (*Machine).Tick,
		wakeAt:     (*Machine).WakeAt,
		letters:    func(m *Machine) []DeadLetter { return m.DeadLetters(nil) },
		buried:     (*Machine).Buried,
		buryFailed: (*Machine).BuryFailed,
		inject:     (*Machine).Inject,
		cancel:     (*Machine).CancelReplay,
		seek:       (*Machine).Seek,
		pause:      (*Machine).Pause,
		state:      func(m *Machine) State { return m.State(nil) },
		copies:     func(m *Machine) []int64 { return m.Copies(nil) },
		lost:       (*Machine).Lost,
		woken:      func(m *Machine) []MemberID { return m.Woken(nil) },
		answer:     func(_, stored []settled) []settled { return stored },
	}
}

// but is the real rules with one changed.
func but(change func(r *rules)) rules {
	r := real()
	change(&r)
	return r
}

// storing changes what is stored.
func storing(change func(m *Machine, s *State)) rules {
	return but(func(r *rules) {
		r.state = func(m *Machine) State {
			s := m.State(nil)
			change(m, &s)
			return s
		}
	})
}

// joining changes what a member asks for.
func joining(change func(want *Member)) rules {
	return but(func(r *rules) {
		r.join = func(m *Machine, now time.Duration, id MemberID, want Member) {
			change(&want)
			m.Join(now, id, want)
		}
	})
}

// limiting changes the limits.
func limiting(change func(cfg *Config)) rules {
	return but(func(r *rules) {
		r.make = func(cfg Config, s State) (*Machine, error) {
			change(&cfg)
			return New(cfg, s)
		}
	})
}

// acking does something before an acknowledgement, and changes it.
func acking(change func(m *Machine, now time.Duration, e *entry, a *Ack)) rules {
	return but(func(r *rules) {
		r.ack = func(m *Machine, now time.Duration, a Ack) Outcome {
			change(m, now, m.held[a.Seq], &a)
			return m.Ack(now, a)
		}
	})
}

// rejecting does something before a rejection, and changes it.
func rejecting(change func(m *Machine, now time.Duration, e *entry, a *Ack, j *Rejection)) rules {
	return but(func(r *rules) {
		r.reject = func(m *Machine, now time.Duration, a Ack, j Rejection) Outcome {
			change(m, now, m.held[a.Seq], &a, &j)
			return m.Reject(now, a, j)
		}
	})
}

// taking does something to what was just taken.
func taking(change func(m *Machine, now time.Duration, x *Send, e *entry)) rules {
	return but(func(r *rules) {
		r.take = func(m *Machine, now time.Duration, id MemberID, events int, bytes int64) []Send {
			sends := m.Take(now, id, events, bytes, nil)
			for i := range sends {
				change(m, now, &sends[i], m.held[sends[i].Seq])
			}
			return sends
		}
	})
}

// seeking does something around a seek.
func seeking(before func(m *Machine), after func(m *Machine, now time.Duration)) rules {
	return but(func(r *rules) {
		r.seek = func(m *Machine, now time.Duration, target int64) {
			before(m)
			m.Seek(now, target)
			after(m, now)
		}
	})
}

// leaving does something to what a member has when it leaves.
func leaving(which func(c *member) *list) rules {
	return but(func(r *rules) {
		r.leave = func(m *Machine, now time.Duration, id MemberID, unsent ...Send) {
			if c := m.member(id); c != nil {
				for which(c).head != nil {
					remove(m, which(c).head)
				}
			}
			m.Leave(now, id, unsent...)
		}
	})
}

// remove forgets an entry as if it had been settled.
func remove(m *Machine, e *entry) {
	m.release(e)
	m.drop(e)
}
