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
	want := &record{
		name: "a", filter: all, created: time.Unix(1700000000, 5).UTC(), incarnation: 1 << 63,
		settings:      settings{ackDeadline: time.Minute, backoff: []time.Duration{0, time.Second}, maxAttempts: 5, ordered: true, paused: true},
		settledCopies: []int64{3, 99}, letters: 104,
		replay: &hookbridgev1.Replay{Id: "r", FromSequence: 1, ToSequence: 9, NextSequence: 4},
		state: machine.State{
			Position: 20, Epoch: 3, Settled: []int64{21, 30},
			Held: []machine.Held{
				{Seq: 3, Attempts: 2, Bytes: 10, ContentBytes: 5, Key: "k"}, {Seq: 7, Copy: 12, Bytes: 1}, {Seq: 8, Replayed: true}, {Seq: 25, Key: "l"},
			},
		},
	}
	value, err := want.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeRecord(recordPrefix+"a", value, filters)
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
