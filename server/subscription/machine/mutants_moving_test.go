package machine

import "time"

func rejectionMutants() map[string]rules {
	return map[string]rules{
		"a stale rejection is applied": rejecting(func(_ *Machine, _ time.Duration, e *entry, a *Ack, _ *Rejection) {
			if e != nil {
				a.Attempt, a.Epoch, a.Current = max(1, e.attempts), e.epoch, true
			}
		}),
		"a rejected event is forgotten": rejecting(func(m *Machine, _ time.Duration, e *entry, a *Ack, _ *Rejection) {
			if e != nil && e.stage == leased && a.Attempt == e.attempts {
				remove(m, e)
			}
		}),
		"a rejected event does not wait": rejecting(func(_ *Machine, _ time.Duration, _ *entry, _ *Ack, j *Rejection) {
			if j.Action == Retry || j.Action == RetryAfter {
				j.Action = RetryNow
			}
		}),
		"a rejected event waits too long": rejecting(func(_ *Machine, _ time.Duration, _ *entry, _ *Ack, j *Rejection) { j.After += time.Second }),
		"rejecting twice begins the wait anew": rejecting(func(_ *Machine, _ time.Duration, e *entry, _ *Ack, _ *Rejection) {
			if e != nil {
				e.rejected = 0
			}
		}),
		"what the client said is lost": rejecting(func(_ *Machine, _ time.Duration, _ *entry, _ *Ack, j *Rejection) { j.Error = "" }),
		"an extension does nothing": but(func(r *rules) {
			r.extend = func(m *Machine, _ time.Duration, a Ack, _ time.Duration) Outcome {
				e, out := m.find(a)
				if out == Settled || out == Applied && e.stage != leased {
					return Stale
				}
				return out
			}
		}),
		"an extension forgets the order of deadlines": but(func(r *rules) {
			r.extend = func(m *Machine, now time.Duration, a Ack, d time.Duration) Outcome {
				e := m.held[a.Seq]
				if e == nil || e.stage != leased || d == 0 {
					return m.Extend(now, a, d)
				}
				was := e.due
				out := m.Extend(now, a, d)
				if out == Applied {
					e.due = was
					m.leases.fix(e)
					e.due = now + d
				}
				return out
			}
		}),
		"one attempt too many": limiting(func(cfg *Config) { cfg.MaxAttempts++ }),
		"a settled letter is buried": but(func(r *rules) {
			r.buried = func(m *Machine, now time.Duration, d DeadLetter) bool { m.Buried(now, d); return true }
		}),
		"a dead letter is settled before it is buried": but(func(r *rules) {
			r.letters = func(m *Machine) []DeadLetter {
				letters := m.DeadLetters(nil)
				for _, d := range letters {
					m.settle(m.held[d.Seq])
				}
				return letters
			}
		}),
		"a dead letter that was not stored is forgotten": but(func(r *rules) {
			r.buryFailed = func(m *Machine, now time.Duration, d DeadLetter) bool { return m.Buried(now, d) }
		}),
		"a dead letter that was not stored is not tried again": but(func(r *rules) {
			r.buryFailed = func(m *Machine, _ time.Duration, d DeadLetter) bool { return m.told(d) != nil }
		}),
		"a dead letter is sent on": but(func(r *rules) {
			r.buryFailed = func(m *Machine, now time.Duration, d DeadLetter) bool {
				e := m.told(d)
				if e != nil {
					m.release(e)
					m.wait(e)
					m.assign(now)
				}
				return e != nil
			}
		}),
		"a dying event can't be acknowledged": but(func(r *rules) {
			r.ack = func(m *Machine, now time.Duration, a Ack) Outcome {
				if e := m.held[a.Seq]; e != nil && e.grave != nil {
					_, out := m.find(a)
					return out
				}
				return m.Ack(now, a)
			}
		}),
	}
}

func orderMutants() map[string]rules {
	return map[string]rules{
		"a key is released when its event is taken": taking(func(m *Machine, now time.Duration, _ *Send, e *entry) {
			if e != nil && e.lane != nil {
				l := e.lane
				e.lane = nil
				m.promote(l)
				m.assign(now)
			}
		}),
		"a key is released when its event comes back": but(func(r *rules) {
			r.tick = func(m *Machine, now time.Duration) {
				m.Tick(now)
				for l := range m.waitingLanes() {
					l.owner.lane = nil
					m.promote(l)
				}
			}
		}),
		"a key lets the last go first": taking(func(m *Machine, _ time.Duration, _ *Send, e *entry) {
			if e == nil || e.lane == nil || e.lane.blocked.len() < 2 {
				return
			}
			b := e.lane.blocked.entries
			b[0], b[1] = b[1], b[0]
			b[0].index, b[1].index = 0, 1
		}),
		"keys don't count": but(func(r *rules) {
			r.offer = func(m *Machine, now time.Duration, ev Event) bool {
				ev.Key = ""
				return m.Offer(now, ev)
			}
		}),
		"a dead letter keeps its key busy": but(func(r *rules) {
			r.buried = func(m *Machine, now time.Duration, d DeadLetter) bool {
				if e := m.told(d); e != nil && e.lane != nil {
					e.lane.owner = nil
				}
				return m.Buried(now, d)
			}
		}),
		"a dead letter lets the next go before it is stored": but(func(r *rules) {
			r.letters = func(m *Machine) []DeadLetter {
				letters := m.DeadLetters(nil)
				for _, d := range letters {
					if e := m.held[d.Seq]; e.lane != nil {
						l := e.lane
						e.lane = nil
						m.promote(l)
					}
				}
				return letters
			}
		}),
	}
}

// waitingLanes are the lanes whose event was sent and waits.
func (m *Machine) waitingLanes() func(yield func(*lane) bool) {
	return func(yield func(*lane) bool) {
		for e := m.order.head; e != nil; e = e.links[byLine].next {
			if e.lane != nil && e.lane.owner == e && e.attempts > 0 && (e.stage == ready || e.stage == delayed) && !yield(e.lane) {
				return
			}
		}
	}
}

func movementMutants() map[string]rules {
	nothing := func(*Machine, time.Duration) {}
	return map[string]rules{
		"a seek drops leases": seeking(func(m *Machine) { m.dropAll(func(e *entry) bool { return e.stage == leased }) }, nothing),
		"a seek drops dead letters": seeking(func(m *Machine) {
			m.dropAll(func(e *entry) bool { return e.grave != nil })
		}, nothing),
		"a seek keeps what waits": but(func(r *rules) {
			r.seek = func(m *Machine, _ time.Duration, target int64) {
				m.epoch++
				m.DropBuffer()
				m.next, m.dirty = target, true
				clear(m.settled)
			}
		}),
		"a seek keeps the epoch":       seeking(func(m *Machine) { m.epoch-- }, nothing),
		"a seek keeps the settled":     but(func(r *rules) { r.seek = keepSettled }),
		"a seek brings what it left":   but(func(r *rules) { r.ack = forgetSettled }),
		"pausing does nothing":         but(func(r *rules) { r.pause = nothing }),
		"pausing leaves the outboxes":  but(func(r *rules) { r.pause = func(m *Machine, _ time.Duration) { m.paused = true } }),
		"copies are never deleted":     but(func(r *rules) { r.copies = func(m *Machine) []int64 { m.Copies(nil); return nil } }),
		"copies are deleted too early": but(func(r *rules) { r.inject = deleteInjected }),
		"what is held is replayed":     but(func(r *rules) { r.inject = injectHeld }),
		"an injected event counts on": but(func(r *rules) {
			r.inject = func(m *Machine, now time.Duration, events []Event) (int, int) {
				epoch := m.epoch
				done, held := m.Inject(now, events)
				for _, ev := range events[:done] {
					if e := m.held[ev.Seq]; e != nil && e.attempts == 0 {
						e.epoch = epoch
					}
				}
				m.epoch = epoch
				return done, held
			}
		}),
		"cancelling drops what was sent": but(func(r *rules) {
			r.cancel = func(m *Machine, now time.Duration) int {
				return m.CancelReplay(now) + m.dropAll(func(e *entry) bool { return e.replay && e.attempts > 0 })
			}
		}),
		"cancelling does nothing": but(func(r *rules) { r.cancel = func(*Machine, time.Duration) int { return 0 } }),
	}
}

func keepSettled(m *Machine, now time.Duration, target int64) {
	was := map[int64]struct{}{}
	for seq := range m.settled {
		if seq >= target {
			was[seq] = struct{}{}
		}
	}
	m.Seek(now, target)
	m.settled = was
}

func forgetSettled(m *Machine, now time.Duration, a Ack) Outcome {
	out := m.Ack(now, a)
	clear(m.settled)
	return out
}

func deleteInjected(m *Machine, now time.Duration, events []Event) (int, int) {
	done, held := m.Inject(now, events)
	for _, ev := range events[:done] {
		if ev.Copy != 0 {
			m.copies = append(m.copies, ev.Copy)
		}
	}
	return done, held
}

func injectHeld(m *Machine, now time.Duration, events []Event) (int, int) {
	for _, ev := range events {
		if e := m.held[ev.Seq]; e != nil && e.stage != leased {
			remove(m, e)
		}
	}
	return m.Inject(now, events)
}
