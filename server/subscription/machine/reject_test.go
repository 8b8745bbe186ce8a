package machine

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	schedule := []time.Duration{time.Second, 10 * time.Second, 0, time.Minute}
	for attempt, want := range map[int32]time.Duration{1: time.Second, 2: 10 * time.Second, 3: 0, 4: time.Minute, 5: time.Minute, 1000: time.Minute} {
		m := &Machine{cfg: Config{Policy: Policy{Backoff: schedule}}}
		drawn := map[time.Duration]bool{}
		least, most := time.Duration(1<<62), time.Duration(0)
		for seq := range int64(10_000) {
			e := &entry{event: Event{Seq: seq}, attempts: attempt}
			d := m.backoff(e)
			drawn[d] = true
			least, most = min(least, d), max(most, d)
			equal(t, "once more", m.backoff(e), d)
		}
		if least < want-want/10 || most > want+want/10 {
			t.Errorf("attempt %d waits from %v to %v, want %v and a tenth", attempt, least, most, want)
		}
		if want > 0 && (len(drawn) < 9900 || least > want-want/11 || most < want+want/11) {
			t.Errorf("attempt %d waits from %v to %v, %d different times: it is not spread", attempt, least, most, len(drawn))
		}
	}
	m := &Machine{}
	equal(t, "no schedule", m.backoff(&entry{attempts: 1}), 0)
}

// What a rejection does, and when the event comes again: to whom, how often it was sent then, and why.
func TestReject(t *testing.T) {
	for name, test := range map[string]struct {
		rejection Rejection
		wait      time.Duration
		to        MemberID
	}{
		"by the backoff": {Rejection{Action: Retry}, 5 * time.Second, 2},
		"now":            {Rejection{Action: RetryNow}, 0, 2},
		"after a time":   {Rejection{Action: RetryAfter, After: 3 * time.Second}, 3 * time.Second, 2},
		"after none":     {Rejection{Action: RetryAfter}, 0, 2},
		"in the past":    {Rejection{Action: RetryAfter, After: -time.Hour}, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(cfg *Config) { cfg.Backoff = []time.Duration{5 * time.Second} })
			r.joins(1, 10, 100)
			r.offers("")
			x := r.takes(1, 1)[0]
			r.joins(2, 1, 100)
			equal(t, "rejecting", r.Reject(r.now, ackOf(x), test.rejection), Applied)
			if test.wait > 0 {
				r.takes(1)
				r.takes(2)
				at, ok := r.WakeAt()
				if ok = ok && at >= test.wait-test.wait/10 && at <= test.wait+test.wait/10; !ok {
					t.Fatalf("wakes at %v, want %v and a tenth", at, test.wait)
				}
				equal(t, "rejecting again", r.Reject(r.now, ackOf(x), test.rejection), Repeated)
				r.now = at - 1
				r.Tick(r.now)
				r.takes(2)
				r.now = at
				r.Tick(r.now)
			}
			again := r.takes(test.to, 1)[0]
			equal(t, "attempt", again.Attempt, 2)
			equal(t, "reason", again.Reason, Rejected)
			equal(t, "stale", r.Reject(r.now, ackOf(x), test.rejection), Stale)
			// There is nobody else who could have it.
			r.Leave(r.now, 1)
			equal(t, "rejecting", r.Reject(r.now, ackOf(again), Rejection{Action: RetryNow}), Applied)
			last := r.takes(2, 1)[0]
			r.acks(last)
			equal(t, "settled", r.Reject(r.now, ackOf(last), test.rejection), Stale)
			equal(t, "never sent", r.Reject(r.now, Ack{Seq: 1, Attempt: 0, Current: true}, test.rejection), Invalid)
		})
	}
}

// A time to wait outlives the machine, also behind a key, and in time that has gone by without one.
func TestATimeToWaitIsInTheState(t *testing.T) {
	r := newRig(t, ordered)
	r.joins(1, 10, 100)
	r.offers("a", "b", "c", "a")
	sends := r.takes(1, 1, 2, 3)
	for i, after := range []time.Duration{time.Minute, time.Second, 0} {
		r.Reject(r.now, ackOf(sends[i]), Rejection{Action: RetryAfter, After: after})
	}
	equal(t, "dirty", r.Dirty(), true)
	s := r.State(nil)
	for i, want := range []time.Duration{time.Minute, time.Second, 0} {
		equal(t, "due", s.Held[i].Due, want)
	}
	m, err := New(r.cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	r.Machine, r.now = m, 2*time.Second
	r.joins(2, 10, 100)
	r.offers("a") // behind the one that waits
	after := r.takes(2, 2, 3)
	equal(t, "reason", after[0].Reason, Rejected)
	equal(t, "reason", after[1].Reason, Restart)
	r.acks(after...)
	at, _ := r.WakeAt()
	equal(t, "wakes", at, time.Minute)
	r.now = at
	r.Tick(at)
	x := r.takes(2, 1)[0]
	equal(t, "reason", x.Reason, Rejected)
	equal(t, "attempt", x.Attempt, 2)
	equal(t, "sent, it waits for nothing", r.State(nil).Held[0].Due, 0)
	r.acks(x)
	r.takes(2, 4)
}

// A rejected event is in nobody's way, and settles all the same when its acknowledgement comes late.
func TestARejectedEventWaitsAside(t *testing.T) {
	r := newRig(t, plain)
	r.joins(1, 1, 100)
	r.offers("", "")
	x := r.takes(1, 1)[0]
	r.Reject(r.now, ackOf(x), Rejection{Action: RetryAfter, After: time.Minute})
	r.acks(r.takes(1, 2)...)
	r.acks(x)
	equal(t, "held", r.Held(), 0)
}

// What comes back by itself can still be rejected, as long as nobody has taken it anew.
func TestRejectAfterTheDeadline(t *testing.T) {
	r := newRig(t, plain)
	r.joins(1, 10, 100)
	r.offers("")
	x := r.takes(1, 1)[0]
	r.now = 10 * time.Second
	r.Tick(r.now)
	equal(t, "extending", r.Extend(r.now, ackOf(x), time.Minute), Stale)
	equal(t, "rejecting", r.Reject(r.now, ackOf(x), Rejection{Action: RetryAfter, After: time.Second}), Applied)
	r.takes(1)
	r.now = 11 * time.Second
	r.Tick(r.now)
	equal(t, "reason", r.takes(1, 1)[0].Reason, Rejected)
}

func TestExtend(t *testing.T) {
	for name, test := range map[string]struct{ by, want time.Duration }{
		"longer":              {time.Minute, 64 * time.Second},
		"shorter":             {time.Second, 5 * time.Second},
		"by the member's own": {0, 14 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, plain)
			r.joins(1, 10, 100)
			r.offers("", "")
			sends := r.takes(1, 1, 2)
			r.now = 4 * time.Second
			equal(t, "extending", r.Extend(r.now, ackOf(sends[0]), test.by), Applied)
			at, _ := r.WakeAt()
			equal(t, "wakes with another", at, min(test.want, 10*time.Second))
			r.acks(sends[1])
			r.now, _ = r.WakeAt()
			equal(t, "wakes", r.now, test.want)
			r.Tick(r.now - 1)
			r.takes(1)
			r.Tick(r.now)
			equal(t, "reason", r.takes(1, 1)[0].Reason, Deadline)
			equal(t, "stale", r.Extend(r.now, ackOf(sends[0]), test.by), Stale)
			equal(t, "settled", r.Extend(r.now, ackOf(sends[1]), test.by), Stale)
		})
	}
}

// What clients say is kept for the dead letter, up to a bound; what is said with the end is always kept.
func TestErrorsAreBounded(t *testing.T) {
	r := newRig(t, func(cfg *Config) { cfg.MaxHeld, cfg.BufferEvents = 10_000, 10_000 })
	r.joins(1, 10_000, 1<<20)
	n := maxErrorBytes/1024 + 1
	r.offers(make([]string, n)...)
	sends := r.Take(r.now, 1, n, 1<<20, nil)
	for _, x := range append(sends, r.Take(r.now, 1, n, 1<<20, nil)...) {
		r.Reject(r.now, ackOf(x), Rejection{Action: RetryAfter, After: time.Second, Error: strings.Repeat("x", 1024)})
	}
	for len(sends) < n {
		more := r.Take(r.now, 1, n, 1<<20, nil)
		if len(more) == 0 {
			break
		}
		for _, x := range more {
			r.Reject(r.now, ackOf(x), Rejection{Action: RetryAfter, After: time.Second, Error: strings.Repeat("x", 1024)})
		}
		sends = append(sends, more...)
	}
	equal(t, "kept", r.errorBytes, maxErrorBytes)
	r.now = time.Second
	r.Tick(r.now)
	x := r.Take(r.now, 1, 1, 1<<20, nil)[0]
	r.Reject(r.now, ackOf(x), Rejection{Action: Bury, Error: "the end"})
	equal(t, "kept", r.errorBytes, maxErrorBytes-1024+len("the end"))
	letters := r.DeadLetters(nil)
	equal(t, "letter", letters[0], DeadLetter{Seq: x.Seq, Attempts: 2, Reason: ForGood, Error: "the end"})
	r.Buried(r.now, letters[0])
	equal(t, "kept", r.errorBytes, maxErrorBytes-1024)
}

func TestBury(t *testing.T) {
	r := newRig(t, func(cfg *Config) { cfg.MaxAttempts = 2; cfg.Ordered = true })
	r.joins(1, 10, 100)
	r.offers("a", "a", "b", "c")
	first := r.takes(1, 1, 3, 4)
	r.Reject(r.now, ackOf(first[1]), Rejection{Action: Bury, Error: "broken"})
	r.Reject(r.now, ackOf(first[0]), Rejection{Action: RetryNow, Error: "busy"})
	r.Reject(r.now, ackOf(r.takes(1, 1)[0]), Rejection{Action: RetryNow, Error: "still busy"})
	r.acks(first[2])
	r.takes(1)
	letters := r.DeadLetters(nil)
	if want := []DeadLetter{
		{Seq: 3, Attempts: 1, Reason: ForGood, Error: "broken"},
		{Seq: 1, Attempts: 2, Reason: TooManyAttempts, Error: "still busy"},
	}; !slices.Equal(letters, want) {
		t.Fatalf("the dead letters are %+v, want %+v", letters, want)
	}
	equal(t, "told twice", len(r.DeadLetters(nil)), 0)
	equal(t, "stats", r.Stats(), Stats{Blocked: 1, Burying: 2})
	equal(t, "held", len(r.State(nil).Held), 3)
	equal(t, "an acknowledgement", r.Ack(r.now, ackOf(first[1])), Applied)
	equal(t, "too late", r.Buried(r.now, letters[0]), false)
	equal(t, "too late", r.BuryFailed(r.now, letters[0]), false)
	r.takes(1)
	// Its key goes on only when it is stored, which fails some times.
	for try, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		equal(t, "failing", r.BuryFailed(r.now, letters[1]), true)
		at, _ := r.WakeAt()
		if wait := at - r.now; wait < want*time.Second || wait > want*time.Second*11/10 {
			t.Fatalf("try %d waits for %v, want %v s and a tenth", try, wait, int(want))
		}
		r.now = at
		r.Tick(at)
		equal(t, "told", r.DeadLetters(nil)[0], letters[1])
	}
	r.takes(1)
	equal(t, "stored", r.Buried(r.now, letters[1]), true)
	equal(t, "stored twice", r.Buried(r.now, letters[1]), false)
	r.acks(r.takes(1, 2)...)
	equal(t, "held", r.Held(), 0)
}

// Whatever ends the last attempt ends the event.
func TestTheLastAttempt(t *testing.T) {
	for name, end := range map[string]func(r *rig, x Send){
		"deadline":      func(r *rig, _ Send) { r.now += 10 * time.Second; r.Tick(r.now) },
		"stream lost":   func(r *rig, _ Send) { r.Leave(r.now, 1) },
		"rejected":      func(r *rig, x Send) { r.Reject(r.now, ackOf(x), Rejection{Action: Retry}) },
		"rejected now":  func(r *rig, x Send) { r.Reject(r.now, ackOf(x), Rejection{Action: RetryNow}) },
		"lowered limit": func(r *rig, x Send) { r.Leave(r.now, 1); r.Configure(r.now, Policy{MaxAttempts: 1}) },
		"restart": func(r *rig, _ Send) {
			m, err := New(r.cfg, r.State(nil))
			if err != nil {
				r.Fatal(err)
			}
			r.Machine = m
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(cfg *Config) {
				if cfg.MaxAttempts = 1; name == "lowered limit" {
					cfg.MaxAttempts = 2
				}
			})
			r.joins(1, 10, 100)
			r.offers("")
			x := r.takes(1, 1)[0]
			end(r, x)
			r.joins(2, 10, 100)
			r.takes(2)
			letters := r.DeadLetters(nil)
			if want := (DeadLetter{Seq: 1, Attempts: 1, Reason: TooManyAttempts}); len(letters) != 1 || letters[0] != want {
				t.Fatalf("the dead letters are %+v, want %+v", letters, want)
			}
			equal(t, "stored", r.Buried(r.now, letters[0]), true)
			equal(t, "dirty", r.Dirty(), true)
			equal(t, "held", r.Held(), 0)
		})
	}
}

// Burying is what is to become a dead letter, until that was answered or the event was settled otherwise.
func TestBurying(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(r *rig, d DeadLetter, x Send)
		want bool
	}{
		"told":         {func(*rig, DeadLetter, Send) {}, true},
		"failed":       {func(r *rig, d DeadLetter, _ Send) { r.BuryFailed(r.now, d) }, true},
		"buried":       {func(r *rig, d DeadLetter, _ Send) { r.Buried(r.now, d) }, false},
		"acknowledged": {func(r *rig, _ DeadLetter, x Send) { r.Ack(r.now, ackOf(x)) }, false},
		"gone":         {func(r *rig, d DeadLetter, _ Send) { r.Gone(r.now, d.Seq, d.Attempts, d.Epoch) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, plain)
			r.joins(1, 10, 100)
			r.offers("", "")
			sends := r.takes(1, 1, 2)
			equal(t, "leased", r.Burying(1), false)
			r.Reject(r.now, ackOf(sends[0]), Rejection{Action: Bury})
			equal(t, "rejected", r.Burying(1), true)
			test.end(r, r.DeadLetters(nil)[0], sends[0])
			equal(t, "in the end", r.Burying(1), test.want)
			equal(t, "another", r.Burying(2), false)
			equal(t, "never heard of", r.Burying(9), false)
		})
	}
}

// What clients said about what can't be stored is bounded: beyond that, dead letters that have to wait go without.
func TestWhatClientsSaidIsBoundedWhileDeadLettersCannotBeStored(t *testing.T) {
	r := newRig(t, func(cfg *Config) { cfg.MaxHeld, cfg.BufferEvents = 1<<20, 1<<20 })
	r.joins(1, 1<<20, 1<<30)
	const said = 1 << 10
	most := maxErrorBytes / said
	for range most + 10 {
		r.offers("")
	}
	for {
		sends := r.Take(r.now, 1, 1000, 1<<30, nil)
		if len(sends) == 0 {
			break
		}
		for _, x := range sends {
			equal(t, "rejecting", r.Reject(r.now, ackOf(x), Rejection{Action: Bury, Error: strings.Repeat("x", said)}), Applied)
		}
	}
	for _, d := range r.DeadLetters(nil) {
		equal(t, "first", len(d.Error), said)
		equal(t, "storing", r.BuryFailed(r.now, d), true)
	}
	equal(t, "kept", r.errorBytes, maxErrorBytes)
	r.now += 2 * buryAgain
	r.Tick(r.now)
	with := 0
	for _, d := range r.DeadLetters(nil) {
		with += min(len(d.Error), 1)
		equal(t, "stored", r.Buried(r.now, d), true)
	}
	equal(t, "with what was said", with, most)
	equal(t, "kept in the end", r.errorBytes, 0)
}
