package machine

import (
	"slices"
	"testing"
	"time"
)

// What a dead letter settles that was stored and that nobody knew of.
func TestFound(t *testing.T) {
	restored := func(t *testing.T) *rig {
		m, err := New(Config{BufferEvents: 10, BufferBytes: 100, OutboxEvents: 10, OutboxBytes: 100, MaxHeld: 10, MaxInjected: 10, Stall: time.Hour}, State{
			Position: 5, Epoch: 2, Held: []Held{{Seq: 2, Attempts: 1, Bytes: 1}, {Seq: 3, Attempts: 1, Bytes: 1, Copy: 9}}, Settled: []int64{7},
		})
		if err != nil {
			t.Fatal(err)
		}
		return &rig{T: t, Machine: m}
	}
	for name, tc := range map[string]struct {
		seq, epoch int64
		want       bool
		copies     []int64
		settled    []int64
	}{
		"held":                      {2, 1, true, nil, []int64{7}},
		"held, of a dead letter":    {3, 2, true, []int64{9}, []int64{7}},
		"settled":                   {4, 2, false, nil, []int64{7}},
		"settled ahead":             {7, 2, false, nil, []int64{7}},
		"read since":                {6, 2, true, nil, []int64{6, 7}},
		"read since, after a seek":  {6, 3, true, nil, []int64{6, 7}},
		"not read since a seek":     {6, 1, false, nil, []int64{7}},
		"read since, at the border": {5, 2, true, nil, []int64{5, 7}},
	} {
		t.Run(name, func(t *testing.T) {
			r := restored(t)
			held := r.Held()
			equal(t, "found", r.Found(r.now, tc.seq, tc.epoch), tc.want)
			equal(t, "again", r.Found(r.now, tc.seq, tc.epoch), false)
			equal(t, "dead letters that may go", slices.Equal(r.Copies(nil), tc.copies), true)
			equal(t, "has to be durable", r.Dirty(), tc.want)
			s := r.State(nil)
			equal(t, "settled", slices.Equal(s.Settled, tc.settled), true)
			if tc.want && tc.seq < 5 {
				held--
			}
			equal(t, "held", len(s.Held), held)
		})
	}
	t.Run("of what is sent", func(t *testing.T) {
		r := newRig(t, plain)
		r.joins(1, 10, 100)
		r.offers("", "")
		sends := r.takes(1, 1, 2)
		equal(t, "with a member", r.Found(r.now, 1, 0), false)
		equal(t, "rejecting", r.Reject(r.now, ackOf(sends[0]), Rejection{Action: Bury}), Applied)
		equal(t, "of another epoch", r.Found(r.now, 1, 1), false)
		equal(t, "being buried", r.Found(r.now, 1, 0), true)
		equal(t, "held", r.Held(), 1)
	})
}
