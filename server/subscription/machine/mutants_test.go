package machine

import (
	"maps"
	"slices"
	"time"
)

// mutants are machines with one broken rule each.
func mutants() map[string]rules {
	all := deliveryMutants()
	maps.Copy(all, durabilityMutants())
	maps.Copy(all, rejectionMutants())
	maps.Copy(all, orderMutants())
	maps.Copy(all, movementMutants())
	maps.Copy(all, grantMutants())
	return all
}

func grantMutants() map[string]rules {
	return map[string]rules{
		"who lost its grant keeps what it held": but(func(r *rules) { r.withdraw = func(*Machine, time.Duration, []MemberID) {} }),
		"of those who lost their grant one stays": but(func(r *rules) {
			r.withdraw = func(m *Machine, now time.Duration, ids []MemberID) {
				for _, id := range ids[1:] {
					m.Leave(now, id)
				}
			}
		}),
		"what was with who lost its grant is forgotten": but(func(r *rules) {
			r.withdraw = func(m *Machine, now time.Duration, ids []MemberID) {
				for _, id := range ids {
					for c := m.member(id); c != nil && c.leases.head != nil; {
						remove(m, c.leases.head)
					}
					m.Leave(now, id)
				}
			}
		}),
	}
}

func deliveryMutants() map[string]rules {
	return map[string]rules{
		"a stale acknowledgement is applied": acking(func(m *Machine, now time.Duration, e *entry, a *Ack) {
			if e != nil {
				a.Attempt, a.Epoch = max(1, e.attempts), e.epoch
			}
		}),
		"the incarnation is not looked at": acking(func(_ *Machine, _ time.Duration, _ *entry, a *Ack) { a.Current = true }),
		"the epoch is not looked at": acking(func(_ *Machine, _ time.Duration, e *entry, a *Ack) {
			if e != nil {
				a.Epoch = e.epoch
			}
		}),
		"what a lost stream held is forgotten":             leaving(func(c *member) *list { return &c.leases }),
		"what a lost stream was not yet sent is forgotten": leaving(func(c *member) *list { return &c.outbox }),
		"a lost stream keeps what it held":                 but(func(r *rules) { r.leave = func(*Machine, time.Duration, MemberID, ...Send) {} }),
		"what was taken and not sent is an attempt": but(func(r *rules) {
			r.leave = func(m *Machine, now time.Duration, id MemberID, _ ...Send) { m.Leave(now, id) }
		}),
		"what is gone for one is gone for the next": but(func(r *rules) {
			r.gone = func(m *Machine, now time.Duration, seq int64, attempt int32, epoch int64) bool {
				if e := m.held[seq]; e != nil {
					epoch = e.epoch
				}
				return m.Gone(now, seq, attempt, epoch)
			}
		}),
		"deadlines never pass": but(func(r *rules) { r.tick = func(*Machine, time.Duration) {} }),
		"deadlines pass early": but(func(r *rules) {
			r.tick = func(m *Machine, now time.Duration) { m.Tick(now + 50*time.Millisecond) }
		}),
		"the window of events is off by one": joining(func(want *Member) { want.WindowEvents++ }),
		"the window of bytes is ignored":     joining(func(want *Member) { want.WindowBytes *= 2 }),
		"the content does not count":         joining(func(want *Member) { want.Content = false }),
		"an acknowledged event that waits is sent again": but(func(r *rules) {
			r.ack = func(m *Machine, now time.Duration, a Ack) Outcome {
				e := m.held[a.Seq]
				again := e != nil && e.stage == ready
				ev, attempts := Event{}, int32(0)
				if again {
					ev, attempts = e.event, e.attempts
				}
				out := m.Ack(now, a)
				if again && out == Applied && m.held[ev.Seq] == nil {
					e := m.read(ev)
					e.attempts, e.reason = attempts, Deadline
					m.wait(e)
				}
				return out
			}
		}),
		"events swap places": but(func(r *rules) {
			r.offer = func(m *Machine, now time.Duration, ev Event) bool {
				ok := m.Offer(now, ev)
				if n := len(m.buffer.events); m.buffer.len() == 3 {
					m.buffer.events[n-1], m.buffer.events[n-2] = m.buffer.events[n-2], m.buffer.events[n-1]
				}
				return ok
			}
		}),
		"attempts are not counted": taking(func(_ *Machine, _ time.Duration, x *Send, _ *entry) { x.Attempt = 1 }),
		"the reason is wrong": taking(func(_ *Machine, _ time.Duration, x *Send, _ *entry) {
			if x.Reason == Rejected {
				x.Reason = Deadline
			}
		}),
		"there seems to be room": but(func(r *rules) {
			r.offer = func(m *Machine, now time.Duration, ev Event) bool { return ev.Seq%50 != 0 && m.Offer(now, ev) }
		}),
		"an event that does not fit is dropped": but(func(r *rules) {
			r.offer = func(m *Machine, now time.Duration, ev Event) bool {
				if !m.Offer(now, ev) {
					m.Advance(ev.Seq + 1)
				}
				return true
			}
		}),
		"a stalled member keeps what it was given": but(func(r *rules) {
			r.tick = func(m *Machine, now time.Duration) {
				for _, c := range m.members {
					c.taken = now
				}
				m.Tick(now)
			}
		}),
		"a member is not woken": but(func(r *rules) {
			n := 0
			r.woken = func(m *Machine) []MemberID {
				if n++; n%50 == 0 {
					m.woken = m.woken[:0]
				}
				return m.Woken(nil)
			}
		}),
	}
}

func durabilityMutants() map[string]rules {
	return map[string]rules{
		"what is held is not stored":                           storing(func(_ *Machine, s *State) { s.Held = nil }),
		"the stored position skips what is buffered":           storing(func(m *Machine, s *State) { s.Position = m.next }),
		"the stored position stands still":                     storing(func(_ *Machine, s *State) { *s = State{Position: min(1, s.Position)} }),
		"acknowledgements are answered before they are stored": but(func(r *rules) { r.answer = func(applied, _ []settled) []settled { return applied } }),
		"attempts are not stored": storing(func(_ *Machine, s *State) {
			for i := range s.Held {
				s.Held[i].Attempts = 0
			}
		}),
		"keys are not stored": storing(func(_ *Machine, s *State) {
			for i := range s.Held {
				s.Held[i].Key = ""
			}
		}),
		"the wait of a rejected event is not stored": storing(func(_ *Machine, s *State) {
			for i := range s.Held {
				s.Held[i].Due = 0
			}
		}),
		"a restart ends the wait of a rejected event": but(func(r *rules) {
			r.make = func(cfg Config, s State) (*Machine, error) {
				s.Held = slices.Clone(s.Held)
				for i := range s.Held {
					s.Held[i].Due = min(1, s.Held[i].Due)
				}
				return New(cfg, s)
			}
		}),
		"the copy is not stored": storing(func(_ *Machine, s *State) {
			for i := range s.Held {
				s.Held[i].Copy = 0
			}
		}),
		"the mark of a replay is not stored": storing(func(_ *Machine, s *State) {
			for i := range s.Held {
				s.Held[i].Replayed = false
			}
		}),
		"what was settled ahead is not stored": storing(func(_ *Machine, s *State) { s.Settled = nil }),
		"the buffer has no bound":              limiting(func(cfg *Config) { cfg.BufferEvents *= 2; cfg.BufferBytes *= 2 }),
		"held events have no bound":            limiting(func(cfg *Config) { cfg.MaxHeld += 1000 }),
		"blocked events have no bound":         limiting(func(cfg *Config) { cfg.MaxBlocked += 1000 }),
		"kept payloads have no bound":          limiting(func(cfg *Config) { cfg.KeptBytes += 10_000 }),
		"injected events have no bound":        limiting(func(cfg *Config) { cfg.MaxInjected++ }),
		"what is to be durable is not told": but(func(r *rules) {
			r.ack = func(m *Machine, now time.Duration, a Ack) Outcome {
				was := m.dirty
				out := m.Ack(now, a)
				m.dirty = was
				return out
			}
		}),
		"a gap is not told": but(func(r *rules) {
			r.lost = func(m *Machine, now time.Duration, first int64) []Range { m.Lost(now, first); return nil }
		}),
		"a redriven event is lost with the journal's": but(func(r *rules) {
			r.lost = func(m *Machine, now time.Duration, first int64) []Range {
				lost := m.Lost(now, first)
				for e := m.copied.head; e != nil && e.event.Seq < first; e = m.copied.head {
					lost = append(lost, Range{e.event.Seq, e.event.Seq + 1})
					remove(m, e)
				}
				return lost
			}
		}),
	}
}
