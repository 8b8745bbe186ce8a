package machine

import (
	"slices"
	"testing"
)

// What acknowledgements of before a seek do after it.
func TestAcknowledgingAfterASeek(t *testing.T) {
	for name, test := range map[string]struct {
		target int64
		read   int64 // up to which sequence, not included, reading has come again
		want   [5]Outcome
	}{
		// 1 was acknowledged, 2 is leased, 3 passed its deadline and waits, 4 is being buried, 5 is in an outbox with an attempt behind it.
		"back":               {1, 1, [5]Outcome{Stale, Applied, Stale, Applied, Stale}},
		"back and read":      {1, 6, [5]Outcome{Stale, Applied, Stale, Applied, Stale}},
		"amid":               {3, 3, [5]Outcome{Settled, Applied, Stale, Applied, Stale}},
		"forward":            {6, 6, [5]Outcome{Settled, Applied, Settled, Applied, Settled}},
		"beyond what exists": {100, 100, [5]Outcome{Settled, Applied, Settled, Applied, Settled}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, plain)
			r.joins(1, 5, 100)
			r.offers("", "", "", "", "")
			sends := r.takes(1, 1, 2, 3, 4, 5)
			r.acks(sends[0])
			r.Reject(r.now, ackOf(sends[2]), Rejection{Action: RetryAfter, After: 1})
			r.Reject(r.now, ackOf(sends[3]), Rejection{Action: Bury})
			r.Reject(r.now, ackOf(sends[4]), Rejection{Action: RetryNow})
			equal(t, "before", r.Stats(), Stats{Outstanding: 2, Waiting: 1, Burying: 1})
			r.Seek(r.now, test.target)
			equal(t, "after", r.Stats(), Stats{Outstanding: 1, Burying: 1})
			equal(t, "position", r.Position(), test.target)
			for r.Next() < test.read {
				r.offers("")
			}
			for i, want := range test.want {
				equal(t, "acknowledging", r.Ack(r.now, ackOf(sends[i])), want)
			}
			equal(t, "again", r.Ack(r.now, ackOf(sends[1])), Settled)
			equal(t, "never made", r.Ack(r.now, Ack{Seq: 200, Attempt: 1, Epoch: 1, Current: true}), Invalid)
			// What the seek brings is all but what it left, which was settled since.
			for r.Next() < 6 {
				r.offers("")
			}
			var want []int64
			for _, seq := range []int64{1, 3, 5} {
				if seq >= test.target {
					want = append(want, seq)
				}
			}
			for i, x := range r.takes(1, want...) {
				equal(t, "attempt", x.Attempt, 1)
				equal(t, "reason", x.Reason, First)
				equal(t, "the old one", r.Ack(r.now, ackOf(sends[x.Seq-1])), Stale)
				equal(t, "the new one", r.Ack(r.now, ackOf(x)), Applied)
				equal(t, "the old one", r.Ack(r.now, ackOf(sends[want[i]-1])), Settled)
			}
			equal(t, "held", r.Held(), 0)
		})
	}
}

// What a seek left with a member and is settled does not come again, wherever reading is, also after a restart.
func TestASeekLeavesLeases(t *testing.T) {
	r := newRig(t, plain)
	r.joins(1, 10, 100)
	r.offers("", "", "")
	sends := r.takes(1, 1, 2, 3)
	r.Seek(r.now, 1)
	r.acks(sends[1])
	s := r.State(nil)
	equal(t, "position", s.Position, 1)
	if !slices.Equal(s.Settled, []int64{2}) || len(s.Held) != 2 {
		t.Fatalf("the state is %+v, want 2 settled and two held", s)
	}
	m, err := New(r.cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	r.Machine = m
	r.joins(2, 10, 100)
	again := r.takes(2, 1, 3)
	r.offers("", "", "", "")
	equal(t, "reason", again[0].Reason, Restart)
	equal(t, "attempt", again[0].Attempt, 2)
	r.takes(2, 4)
	if s = r.State(nil); len(s.Settled) != 0 || s.Position != 5 {
		t.Fatalf("the state is %+v, want the position 5 and nothing settled ahead", s)
	}
	// Another seek asks for everything again.
	r.acks(again...)
	r.Seek(r.now, 1)
	r.offers("", "", "", "")
	r.takes(2, 1, 2, 3)
}

func TestNewRefusesWhatItCouldNotHaveStored(t *testing.T) {
	held := func(h ...Held) State { return State{Position: 10, Held: h} }
	for want, s := range map[string]State{
		"held {Seq:0 Attempts:0 Bytes:0 ContentBytes:0 Copy:0 Replayed:false Key: Due:0s}: want the sequence above 0, and nothing negative":   held(Held{}),
		"held {Seq:2 Attempts:0 Bytes:0 ContentBytes:0 Copy:0 Replayed:false Key: Due:0s}: want the sequence above 2, and nothing negative":   held(Held{Seq: 2}, Held{Seq: 2}),
		"held {Seq:1 Attempts:-1 Bytes:0 ContentBytes:0 Copy:0 Replayed:false Key: Due:0s}: want the sequence above 0, and nothing negative":  held(Held{Seq: 1, Attempts: -1}),
		"held {Seq:1 Attempts:0 Bytes:-1 ContentBytes:0 Copy:0 Replayed:false Key: Due:0s}: want the sequence above 0, and nothing negative":  held(Held{Seq: 1, Bytes: -1}),
		"held {Seq:1 Attempts:0 Bytes:0 ContentBytes:-1 Copy:0 Replayed:false Key: Due:0s}: want the sequence above 0, and nothing negative":  held(Held{Seq: 1, ContentBytes: -1}),
		"held {Seq:1 Attempts:0 Bytes:0 ContentBytes:0 Copy:-1 Replayed:false Key: Due:0s}: want the sequence above 0, and nothing negative":  held(Held{Seq: 1, Copy: -1}),
		"held {Seq:1 Attempts:0 Bytes:0 ContentBytes:0 Copy:0 Replayed:false Key: Due:-1ns}: want the sequence above 0, and nothing negative": held(Held{Seq: 1, Due: -1}),
		"settled 9: want it above 9, and not held":   {Position: 10, Settled: []int64{9}},
		"settled 12: want it above 12, and not held": {Position: 10, Settled: []int64{12, 12}},
		"settled 12: want it above 9, and not held":  {Position: 10, Held: []Held{{Seq: 12}}, Settled: []int64{12}},
	} {
		if _, err := New(Config{}, s); err == nil || err.Error() != want {
			t.Errorf("%+v\n got %v\nwant %s", s, err, want)
		}
	}
}

// What is redriven comes from its dead letter: it needs nothing from the journal, and does not go with it.
func TestARedrivenEventNeedsNoJournal(t *testing.T) {
	r := newRig(t, plain)
	r.joins(1, 1, 100)
	r.offers("", "", "")
	r.acks(r.takes(1, 1)...)
	r.Leave(r.now, 1)
	done, held := r.Inject(r.now, []Event{{Seq: 1, Bytes: 1, Copy: 5, Time: 1}, {Seq: 9, Bytes: 1, Copy: 6}, {Seq: 1, Bytes: 1, Copy: 7}})
	equal(t, "dealt with", done, 3)
	equal(t, "held", held, 2)
	equal(t, "dirty", r.Dirty(), true)
	equal(t, "low", r.Low(), 2)
	if lost := r.Lost(r.now, 5); !slices.Equal(lost, []Range{{2, 5}}) {
		t.Fatalf("lost %v, want 2 to 5", lost)
	}
	r.joins(2, 10, 100)
	sends := r.takes(2, 1, 9)
	equal(t, "copy", sends[0].Copy, 5)
	r.acks(sends...)
	r.offers("", "", "", "", "", "") // 9 was settled ahead of reading
	r.takes(2, 5, 6, 7, 8, 10)
	if got := r.Copies(nil); !slices.Equal(got, []int64{5, 6}) {
		t.Fatalf("copies to be deleted: %v, want 5 and 6", got)
	}
	equal(t, "low", r.Low(), 5)
}

// A dead letter that is redriven in vain gives way to a new one. One that a seek drops is a plain dead letter again.
func TestTheCopyOfARedrivenEvent(t *testing.T) {
	r := newRig(t, plain)
	r.joins(1, 10, 100)
	r.offers("", "")
	r.acks(r.takes(1, 1, 2)...)
	r.Inject(r.now, []Event{{Seq: 1, Bytes: 1, Copy: 5}})
	r.Reject(r.now, ackOf(r.takes(1, 1)[0]), Rejection{Action: Bury})
	letter := r.DeadLetters(nil)[0]
	equal(t, "letter", letter, DeadLetter{Seq: 1, Attempts: 1, Epoch: 1, Reason: ForGood, Copy: 5})
	equal(t, "copies", len(r.Copies(nil)), 0)
	equal(t, "stored", r.Buried(r.now, letter), true)
	if got := r.Copies(nil); !slices.Equal(got, []int64{5}) {
		t.Fatalf("copies to be deleted: %v, want 5", got)
	}
	r.Inject(r.now, []Event{{Seq: 1, Bytes: 1, Copy: 6}})
	r.Seek(r.now, 3)
	equal(t, "held", r.Held(), 0)
	equal(t, "copies", len(r.Copies(nil)), 0)
	equal(t, "room", r.InjectRoom(), 100)
}

func TestInjectRoom(t *testing.T) {
	r := newRig(t, func(cfg *Config) { cfg.MaxInjected, cfg.MaxHeld = 3, 5 })
	r.joins(1, 10, 100)
	r.offers("", "", "", "", "", "", "", "")
	r.acks(r.takes(1, 1, 2, 3, 4, 5)...)
	equal(t, "room", r.InjectRoom(), 2)
	var events []Event
	for seq := range int64(5) {
		events = append(events, Event{Seq: seq + 1, Bytes: 1})
	}
	done, held := r.Inject(r.now, events)
	equal(t, "dealt with", done, 2)
	equal(t, "held", held, 2)
	r.acks(r.takes(1, 6, 7, 8, 1, 2)...)
	equal(t, "room", r.InjectRoom(), 3)
	done, held = r.Inject(r.now, append(events[2:3:3], events...))
	equal(t, "dealt with", done, 4)
	equal(t, "held", held, 3)
	equal(t, "room", r.InjectRoom(), 0)
	// Those that are injected already need no room.
	done, held = r.Inject(r.now, events[:4])
	equal(t, "dealt with", done, 3)
	equal(t, "held", held, 0)
}
