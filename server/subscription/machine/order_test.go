package machine

import (
	"testing"
	"time"
)

func TestKeys(t *testing.T) {
	r := newRig(t, ordered)
	r.joins(1, 10, 100)
	r.joins(2, 10, 100)
	r.offers("a", "a", "b", "", "a", "", "b")
	one, two := r.takes(1, 1, 4), r.takes(2, 3, 6) // two of each key wait for the first, those without a key don't
	equal(t, "stats", r.Stats(), Stats{Outstanding: 4, Blocked: 3})
	// Redelivered ones go first, and to another member where there is one.
	equal(t, "rejecting", r.Reject(r.now, ackOf(one[0]), Rejection{Action: RetryNow}), Applied)
	r.acks(r.takes(2, 1)[0])
	// Whoever has room gets the next.
	r.acks(r.takes(1, 2)...)
	r.acks(r.takes(1, 5)...)
	r.acks(two[0])
	r.acks(r.takes(2, 7)...)
	r.acks(one[1], two[1])
	equal(t, "held", r.Held(), 0)
	equal(t, "lanes", len(r.lanes), 0)
}

// A rejected event keeps its key, and only that, waiting.
func TestARejectedEventKeepsItsKey(t *testing.T) {
	r := newRig(t, ordered)
	r.joins(1, 1, 100)
	r.offers("a", "a", "b")
	x := r.takes(1, 1)[0]
	r.Reject(r.now, ackOf(x), Rejection{Action: RetryAfter, After: time.Minute})
	r.acks(r.takes(1, 3)...)
	r.takes(1)
	r.now = time.Minute
	r.Tick(r.now)
	r.acks(r.takes(1, 1)...)
	r.acks(r.takes(1, 2)...)
}

// Order holds over restarts, and what was blocked is read again when its turn comes.
func TestOrderOutlivesARestart(t *testing.T) {
	r := newRig(t, ordered)
	r.joins(1, 10, 100)
	r.offers("a", "a", "b", "a")
	r.takes(1, 1, 3)
	m, err := New(r.cfg, r.State(nil))
	if err != nil {
		t.Fatal(err)
	}
	r.Machine = m
	r.joins(2, 10, 100)
	r.offers("a", "b")
	sends := r.takes(2, 1, 3)
	r.acks(sends...)
	for _, want := range []int64{2, 4, 5} {
		sends = r.takes(2, map[int64][]int64{2: {2, 6}, 4: {4}, 5: {5}}[want]...)
		equal(t, "read again", sends[0].Payload == nil, want < 5)
		r.acks(sends...)
	}
	equal(t, "held", r.Held(), 0)
}

// What is behind a busy key is bounded in number, and its payloads in bytes.
func TestWhatIsBlockedIsBounded(t *testing.T) {
	r := newRig(t, func(cfg *Config) { cfg.Ordered, cfg.MaxBlocked, cfg.KeptBytes = true, 2, 1 })
	r.joins(1, 10, 100)
	r.offers("a", "a", "b", "a", "c", "a", "d")
	first := r.takes(1, 1, 3, 5) // 6 finds no room behind its key, and 7 is behind it
	equal(t, "stats", r.Stats(), Stats{Outstanding: 3, Blocked: 2})
	equal(t, "buffered", r.Buffered(), 2)
	r.acks(first...)
	sends := r.takes(1, 2, 7)
	equal(t, "kept", sends[0].Payload, any("a"))
	r.acks(sends...)
	sends = r.takes(1, 4)
	equal(t, "kept", sends[0].Payload, nil)
	r.acks(sends...)
	equal(t, "kept", r.takes(1, 6)[0].Payload, any("a")) // when it was blocked, there was room again
}

// An injected event has its place in its key, behind the one that is on its way.
func TestInjectingIntoAKey(t *testing.T) {
	r := newRig(t, ordered)
	r.joins(1, 10, 100)
	r.offers("a", "a")
	r.acks(r.takes(1, 1)...)
	second := r.takes(1, 2)
	r.offers("a")
	done, held := r.Inject(r.now, []Event{{Seq: 1, Bytes: 1, Key: "a"}, {Seq: 2, Bytes: 1, Key: "a"}})
	equal(t, "dealt with", done, 2)
	equal(t, "held", held, 1)
	r.takes(1)
	r.acks(second...)
	x := r.takes(1, 1)[0]
	equal(t, "reason", x.Reason, Replay)
	equal(t, "cancelled", r.CancelReplay(r.now), 0)
	r.acks(x)
	r.acks(r.takes(1, 3)...)
	// Cancelling frees the key.
	r.Inject(r.now, []Event{{Seq: 2, Bytes: 1, Key: "a"}, {Seq: 3, Bytes: 1, Key: "a"}})
	r.offers("a")
	equal(t, "cancelled", r.CancelReplay(r.now), 2)
	r.acks(r.takes(1, 4)...)
	equal(t, "lanes", len(r.lanes), 0)
}

func TestConfigureOrdered(t *testing.T) {
	r := newRig(t, ordered)
	r.joins(1, 10, 100)
	r.offers("a", "a", "b", "a")
	r.takes(1, 1, 3)
	equal(t, "with a member", r.Configure(r.now, Policy{}), false)
	equal(t, "is ordered", r.cfg.Ordered, true)
	r.Leave(r.now, 1)
	equal(t, "without one", r.Configure(r.now, Policy{}), true)
	equal(t, "stats", r.Stats(), Stats{Waiting: 4})
	equal(t, "key", r.State(nil).Held[0].Key, "")
	r.joins(2, 10, 100)
	r.acks(r.takes(2, 1, 2, 3, 4)...)
	r.Leave(r.now, 2)
	equal(t, "and back", r.Configure(r.now, Policy{Ordered: true}), true)
	r.joins(3, 10, 100)
	r.offers("a", "a")
	r.acks(r.takes(3, 5)...)
	r.acks(r.takes(3, 6)...)
}
