package machine

import (
	"slices"
	"testing"
	"time"
)

// rig is a machine with a clock, for tests that tell a story.
type rig struct {
	*testing.T
	*Machine
	now time.Duration
}

func newRig(t *testing.T, change func(cfg *Config)) *rig {
	t.Helper()
	cfg := Config{
		BufferEvents: 1000, BufferBytes: 1 << 20, OutboxEvents: 1000, OutboxBytes: 1 << 20, MaxHeld: 1000,
		MaxBlocked: 100, KeptBytes: 1 << 20, MaxInjected: 100, Stall: time.Hour,
	}
	change(&cfg)
	m, err := New(cfg, State{Position: 1})
	if err != nil {
		t.Fatal(err)
	}
	return &rig{T: t, Machine: m}
}

func plain(*Config) {}

func ordered(cfg *Config) { cfg.Ordered = true }

// joins adds a member with a window of that many events and bytes, and an ack deadline of 10 s.
func (r *rig) joins(id MemberID, events int, bytes int64) {
	r.Join(r.now, id, Member{WindowEvents: events, WindowBytes: bytes, AckDeadline: 10 * time.Second, MaxEventBytes: 1 << 20})
}

// offers offers events of one byte with the next sequences, one for each key.
func (r *rig) offers(keys ...string) {
	r.Helper()
	for _, key := range keys {
		if ev := (Event{Seq: r.Next(), Bytes: 1, Key: key, Payload: key}); !r.Offer(r.now, ev) {
			r.Fatalf("%+v is refused", ev)
		}
	}
}

// takes checks which sequences a member is sent.
func (r *rig) takes(id MemberID, want ...int64) []Send {
	r.Helper()
	sends := r.Take(r.now, id, 1000, 1<<30, nil)
	got := make([]int64, 0, len(sends))
	for _, x := range sends {
		got = append(got, x.Seq)
	}
	if !slices.Equal(got, want) {
		r.Fatalf("member %d is sent %v, want %v", id, got, want)
	}
	return sends
}

func ackOf(x Send) Ack { return Ack{Seq: x.Seq, Attempt: x.Attempt, Epoch: x.Epoch, Current: true} }

func (r *rig) acks(sends ...Send) {
	r.Helper()
	for _, x := range sends {
		equal(r.T, "acknowledging", r.Ack(r.now, ackOf(x)), Applied)
	}
}

func equal[V comparable](t *testing.T, what string, got, want V) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %+v, want %+v", what, got, want)
	}
}

func TestASlowMemberSlowsNobody(t *testing.T) {
	r := newRig(t, func(cfg *Config) { cfg.Stall = time.Second })
	r.joins(1, 2, 100)
	r.joins(2, 2, 100)
	r.offers("", "", "", "", "", "")
	r.acks(r.takes(2, 2, 4)...) // 1 and 3 are meant for member 1, which takes nothing
	r.acks(r.takes(2, 5, 6)...)
	r.now = time.Second
	r.Tick(r.now)
	is, _ := r.MemberStats(1)
	equal(t, "member 1", is, MemberStats{Stalled: true})
	sends := r.takes(2, 1, 3)
	equal(t, "why", sends[0].Reason, Deadline)
	equal(t, "attempt", sends[0].Attempt, int32(1))
}

// What a member let pass goes to another as fast as that takes it, not back to where nothing becomes of it. When the other takes
// nothing for a while, it goes back.
func TestWhatPassedItsDeadlineWaitsForAnotherMember(t *testing.T) {
	r := newRig(t, func(cfg *Config) { cfg.OutboxEvents, cfg.Elsewhere = 2, time.Second })
	r.joins(1, 100, 100)
	for seq := range int64(4) {
		r.offers("", "")
		r.takes(1, 2*seq+1, 2*seq+2)
	}
	r.joins(2, 100, 100)
	r.now = 10 * time.Second
	r.Tick(r.now)
	r.takes(1)
	r.acks(r.takes(2, 1, 2)...)
	r.takes(1)
	r.acks(r.takes(2, 3, 4)...)
	at, ok := r.WakeAt()
	equal(t, "wakes", ok, true)
	equal(t, "wakes at", at, 11*time.Second)
	r.now = at
	r.Tick(r.now)
	for _, x := range r.takes(1, 7, 8) {
		equal(t, "why", x.Reason, Deadline)
	}
	for _, x := range r.takes(2, 5, 6) {
		equal(t, "why", x.Reason, Deadline)
	}
}

// A member whose window is full is not waited for.
func TestWhatPassedItsDeadlineGoesBackWhereNobodyElseHasRoom(t *testing.T) {
	r := newRig(t, func(cfg *Config) { cfg.OutboxEvents, cfg.Elsewhere = 2, time.Second })
	r.joins(1, 100, 100)
	for seq := range int64(2) {
		r.offers("", "")
		r.takes(1, 2*seq+1, 2*seq+2)
	}
	r.joins(2, 2, 100)
	r.now = 10 * time.Second
	r.Tick(r.now)
	r.takes(1, 3, 4)
	r.takes(2, 1, 2)
}

func TestALargeEventIsOvertakenButNotForEver(t *testing.T) {
	r := newRig(t, plain)
	r.joins(1, 100, 100)
	r.Offer(r.now, Event{Seq: 1, Bytes: 95})
	large := r.takes(1, 1)[0]
	equal(t, "rejecting", r.Reject(r.now, ackOf(large), Rejection{Action: RetryAfter, After: time.Second}), Applied)
	// A window that is never empty: every acknowledged event is followed by a new one.
	var out []Send
	for range 10 {
		r.offers("")
	}
	out = r.takes(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
	r.now = time.Second
	r.Tick(r.now)
	overtaken := 0
	for range 1000 {
		r.acks(out[0])
		out = out[1:]
		if len(r.buffer.events) == 0 && overtaken < 500 {
			r.offers("")
		}
		sends := r.Take(r.now, 1, 10, 1000, nil)
		for _, x := range sends {
			if x.Seq == 1 {
				equal(t, "overtaken", overtaken, patience)
				return
			}
			overtaken++
		}
		out = append(out, sends...)
	}
	t.Fatalf("it was overtaken %d times and never sent", overtaken)
}

func TestOtherMembersGoOnWhileOneIsKeptFree(t *testing.T) {
	r := newRig(t, plain)
	r.joins(1, 100, 100)
	r.Offer(r.now, Event{Seq: 1, Bytes: 100})
	large := r.takes(1, 1)[0]
	r.joins(2, 100, 50)
	r.offers("")
	small := r.takes(2, 2)
	r.Reject(r.now, ackOf(large), Rejection{Action: RetryAfter, After: time.Second})
	r.offers("")
	held := r.takes(1, 3) // the window of member 1 is never empty
	r.now = time.Second
	r.Tick(r.now)
	for seq := int64(4); r.claim.seq == 0; seq++ {
		r.offers("")
		if sends := r.Take(r.now, 2, 10, 1000, nil); len(sends) > 0 {
			r.acks(sends...)
		}
		if seq > 1000 {
			t.Fatal("no member is kept free")
		}
	}
	equal(t, "claim", r.claim, claim{1, 1})
	_ = r.Take(r.now, 1, 100, 1000, nil)
	before, _ := r.MemberStats(1)
	for range 100 {
		r.offers("")
		sends := r.Take(r.now, 2, 10, 1000, nil)
		equal(t, "sent to member 2", len(sends), 1)
		r.acks(sends...)
	}
	after, _ := r.MemberStats(1)
	equal(t, "member 1", after, before)
	r.acks(held...)
	for e := r.members[0].leases.head; e != nil; e = r.members[0].leases.head {
		r.acks(Send{Seq: e.event.Seq, Attempt: e.attempts, Epoch: e.epoch})
	}
	r.takes(1, 1)
	r.acks(small...)
}

func TestInjectedEventsTakeTurns(t *testing.T) {
	r := newRig(t, plain)
	r.joins(1, 100, 100)
	r.offers("", "", "", "")
	r.acks(r.takes(1, 1, 2, 3, 4)...)
	r.Pause(r.now)
	r.offers("", "", "", "", "")
	done, held := r.Inject(r.now, []Event{{Seq: 1, Bytes: 1}, {Seq: 2, Bytes: 1, Copy: 7}, {Seq: 3, Bytes: 1}, {Seq: 7, Bytes: 1}})
	equal(t, "dealt with", done, 4)
	equal(t, "held", held, 3)
	r.Resume(r.now)
	sends := r.takes(1, 1, 5, 2, 6, 3, 7, 8, 9)
	equal(t, "reason", sends[0].Reason, Replay)
	equal(t, "mark", sends[0].Replay, true)
	equal(t, "reason", sends[2].Reason, Redriven)
	equal(t, "copy", sends[2].Copy, int64(7))
	equal(t, "attempt", sends[2].Attempt, int32(1))
	r.acks(sends...)
	if got := r.Copies(nil); !slices.Equal(got, []int64{7}) {
		t.Errorf("copies to be deleted: %v, want 7", got)
	}
}

func TestAPauseKeepsTheOrder(t *testing.T) {
	r := newRig(t, plain)
	r.joins(1, 2, 100)
	r.joins(2, 2, 100)
	r.offers("", "", "", "", "")
	r.Pause(r.now)
	r.takes(1)
	r.takes(2)
	equal(t, "waiting", r.Stats(), Stats{Waiting: 4})
	_, wakes := r.WakeAt()
	equal(t, "wakes", wakes, false)
	equal(t, "hungry", r.Hungry(), false)
	r.Resume(r.now)
	for _, x := range append(r.takes(1, 1, 3), r.takes(2, 2, 4)...) {
		equal(t, "reason", x.Reason, First)
	}
}

func TestEphemeral(t *testing.T) {
	r := newRig(t, func(cfg *Config) { cfg.Ephemeral, cfg.Ordered = true, true })
	r.joins(1, 3, 100)
	r.offers("a", "a", "b")
	r.takes(1, 1, 3)
	sends := r.takes(1, 2)
	equal(t, "held", r.Held(), 0)
	equal(t, "acknowledging", r.Ack(r.now, ackOf(sends[0])), Settled)
	equal(t, "rejecting", r.Reject(r.now, ackOf(sends[0]), Rejection{Action: Retry}), Stale)
	equal(t, "counted", r.Counted(), false)
}

// What the owner asks before it reads, and for its metrics.
func TestWhatTheOwnerAsks(t *testing.T) {
	r := newRig(t, func(cfg *Config) { cfg.BufferEvents, cfg.BufferBytes = 3, 10 })
	room := func(events int, bytes int64) {
		t.Helper()
		e, b := r.Room()
		equal(t, "room for events", e, events)
		equal(t, "room for bytes", b, bytes)
	}
	room(0, 0)
	equal(t, "without members", r.Offer(r.now, Event{Seq: 1, Bytes: 1}), false)
	r.joins(1, 1, 10)
	equal(t, "members", r.Members(), 1)
	equal(t, "hungry", r.Hungry(), true)
	for seq, bytes := range []int64{1, 4, 5} {
		equal(t, "offering", r.Offer(r.now, Event{Seq: int64(seq) + 2, Time: int64(seq) + 20, Bytes: bytes}), true)
	}
	equal(t, "hungry", r.Hungry(), false)
	room(1, 1)
	equal(t, "offering", r.Offer(r.now, Event{Seq: 9, Bytes: 100}), true)
	room(0, 0)
	equal(t, "too much", r.Offer(r.now, Event{Seq: 10, Bytes: 1}), false)
	equal(t, "once more", r.Offer(r.now, Event{Seq: 9, Bytes: 100}), true)
	equal(t, "buffered", r.Buffered(), 3)
	equal(t, "low", r.Low(), 2)
	equal(t, "time", r.LowTime(), 20)
	equal(t, "another attempt", r.Gone(r.now, 2, 1, 0), false)
	x := r.takes(1, 2)[0]
	equal(t, "counted", r.Counted(), true)
	equal(t, "dirty", r.Dirty(), false)
	equal(t, "gone", r.Gone(r.now, x.Seq, x.Attempt, x.Epoch), true)
	equal(t, "dirty", r.Dirty(), true)
	equal(t, "low", r.Low(), 3)
	r.DropBuffer()
	r.Leave(r.now, 1)
	r.Leave(r.now, 1)
	equal(t, "low", r.Low(), 3)
	r.joins(2, 1, 10)
	r.Advance(20)
	equal(t, "position", r.Position(), 20)
	equal(t, "time", r.LowTime(), 21)
	r.acks(r.takes(2, 3)...)
	equal(t, "time", r.LowTime(), 0)
	r.Pause(r.now)
	equal(t, "paused", r.Paused(), true)
	_, ok := r.MemberStats(1)
	equal(t, "a member that left", ok, false)
	r.takes(1)
}

// BenchmarkTakeAndAcknowledge is catching up with explicit acknowledgements.
func BenchmarkTakeAndAcknowledge(b *testing.B) {
	for name, change := range map[string]func(cfg *Config){"unordered": plain, "ordered": ordered} {
		b.Run(name, func(b *testing.B) {
			cfg := Config{
				BufferEvents: 1024, BufferBytes: 1 << 20, OutboxEvents: 256, OutboxBytes: 256 << 10, MaxHeld: 100_000,
				MaxBlocked: 10_000, KeptBytes: 1 << 20, MaxInjected: 10_000, Stall: time.Hour,
			}
			change(&cfg)
			m, err := New(cfg, State{Position: 1})
			if err != nil {
				b.Fatal(err)
			}
			for id := range MemberID(4) {
				m.Join(0, id+1, Member{WindowEvents: 1000, WindowBytes: 1 << 30, AckDeadline: time.Minute, MaxEventBytes: 1 << 20})
			}
			keys := [...]string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"}
			var sends []Send
			b.ReportAllocs()
			for n := 0; n < b.N; {
				for ok := true; ok; {
					seq := m.Next()
					ok = m.Offer(time.Duration(n), Event{Seq: seq, Bytes: 700, ContentBytes: 1000, Key: keys[seq%11]})
				}
				for id := range MemberID(4) {
					sends = m.Take(time.Duration(n), id+1, 128, 1<<20, sends[:0])
					for _, x := range sends {
						if m.Ack(time.Duration(n), Ack{Seq: x.Seq, Attempt: x.Attempt, Epoch: x.Epoch, Current: true}) != Applied {
							b.Fatalf("%+v is not acknowledged", x)
						}
					}
					n += len(sends)
				}
			}
		})
	}
}
