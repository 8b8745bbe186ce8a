package subscription

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

// A record keeps everything that a subscription must know after a restart.
func TestRecordsAreWhole(t *testing.T) {
	filters := newConditions(nil, nil)
	all, err := filters.filter(&hookbridgev1.Filter{Sources: []string{"a*"}, Types: []string{"t"}})
	if err != nil {
		t.Fatal(err)
	}
	zero := time.UnixMilli(1700000000123)
	want := &record{
		zero: zero,
		name: "a", filter: all, created: time.Unix(1700000000, 5).UTC(), incarnation: 1 << 63,
		settings:      settings{ackDeadline: time.Minute, backoff: []time.Duration{0, time.Second}, maxAttempts: 5, ordered: true, paused: true},
		settledCopies: []int64{3, 99}, letters: 104,
		replay: &hookbridgev1.Replay{Id: "r", FromSequence: 1, ToSequence: 9, NextSequence: 4},
		state: machine.State{
			Position: 20, Epoch: 3, Settled: []int64{21, 30},
			Held: []machine.Held{
				{Seq: 3, Attempts: 2, Bytes: 10, ContentBytes: 5, Key: "k"}, {Seq: 7, Copy: 12, Bytes: 1}, {Seq: 8, Replayed: true}, {Seq: 25, Key: "l"},
				{Seq: 26, Attempts: 1, Due: 90 * time.Minute},
			},
		},
	}
	value, err := want.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeRecord(recordPrefix+"a", value, filters, zero)
	if err != nil {
		t.Fatal(err)
	}
	if !got.filter.equal(all) {
		t.Errorf("filter %s", got.filter)
	}
	got.filter = all
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(record{}, settings{}), protocmp.Transform(), cmp.Comparer(func(a, b *filter) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A time to wait is kept by the wall clock. One that has passed has come, and a clock that was set back makes nothing wait for ever.
func TestTimesToWaitInARecord(t *testing.T) {
	filters := newConditions(nil, nil)
	all, err := filters.filter(nil)
	if err != nil {
		t.Fatal(err)
	}
	zero := time.UnixMilli(1700000000000)
	value, err := (&record{name: "a", filter: all, zero: zero, state: machine.State{
		Position: 9, Held: []machine.Held{{Seq: 1}, {Seq: 2, Due: time.Hour}},
	}}).encode()
	if err != nil {
		t.Fatal(err)
	}
	for later, want := range map[time.Duration]time.Duration{
		0: time.Hour, 59 * time.Minute: time.Minute, time.Hour: 1, 1000 * time.Hour: 1, -time.Hour: 2 * time.Hour, -1000 * time.Hour: longestWait,
	} {
		r, err := decodeRecord(recordPrefix+"a", value, filters, zero.Add(later))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "waits for nothing", r.state.Held[0].Due, time.Duration(0))
		equal(t, "after "+later.String(), r.state.Held[1].Due, want)
	}
}
