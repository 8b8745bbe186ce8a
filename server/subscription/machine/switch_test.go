package machine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// A subscription becomes ordered and unordered again between its members, with events in every stage, over restarts too: no key is stuck,
// and what was read since it is ordered goes in the order of its key.
func TestOrderedIsSwitchedBothWays(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := &switching{rig: newRig(t, func(cfg *Config) { cfg.MaxHeld, cfg.MaxBlocked = 40, 10 }), rng: rand.New(rand.NewPCG(seed, 3))}
			for range 2000 {
				w.operate()
			}
			w.drain()
		})
	}
}

// switching is a machine with at most two members, and what they were sent.
type switching struct {
	*rig
	rng     *rand.Rand
	last    MemberID
	members []MemberID
	sent    []Send
	// since is the first sequence that was read since it is ordered, 0 while it isn't; settled the last that was settled of each key since.
	since   int64
	settled map[string]int64
}

func (w *switching) key(seq int64) string { return [...]string{"", "a", "b"}[seq%3] }

func (w *switching) operate() {
	w.now += time.Duration(w.rng.IntN(200)) * time.Millisecond
	switch n := w.rng.IntN(100); {
	case n < 25:
		seq := w.Next()
		w.Offer(w.now, Event{Seq: seq, Bytes: 1, Key: w.key(seq), Payload: seq})
	case n < 30 && len(w.members) < 2:
		w.last++
		w.members = append(w.members, w.last)
		w.joins(w.last, 1+w.rng.IntN(8), 100)
	case n < 36 && len(w.members) > 0:
		w.Leave(w.now, w.members[0])
		w.members = w.members[1:]
	case n < 55 && len(w.members) > 0:
		w.sent = w.Take(w.now, w.members[w.rng.IntN(len(w.members))], 3, 100, w.sent)
	case n < 75 && len(w.sent) > 0:
		w.answer(w.rng.IntN(len(w.sent)), w.rng.IntN(3) == 0)
	case n < 85:
		w.Tick(w.now)
	case n < 90:
		w.bury()
	case n < 95 && len(w.members) == 0:
		w.turn()
	case n < 96:
		w.restart()
	}
}

// answer acknowledges or rejects one that was sent.
func (w *switching) answer(i int, reject bool) {
	x := w.sent[i]
	w.sent[i] = w.sent[len(w.sent)-1]
	w.sent = w.sent[:len(w.sent)-1]
	if reject {
		w.Reject(w.now, ackOf(x), Rejection{Action: Action(1 + w.rng.IntN(4)), After: time.Second})
		return
	}
	if w.Ack(w.now, ackOf(x)) == Applied {
		w.settles(x.Seq)
	}
}

func (w *switching) settles(seq int64) {
	key := w.key(seq)
	if key == "" || w.since == 0 || seq < w.since {
		return
	}
	if before := w.settled[key]; before > seq {
		w.Fatalf("%d is settled after %d of the same key", seq, before)
	}
	w.settled[key] = seq
}

func (w *switching) bury() {
	for _, d := range w.DeadLetters(nil) {
		if w.rng.IntN(3) == 0 {
			equal(w.T, "failing", w.BuryFailed(w.now, d), true)
		} else if w.Buried(w.now, d) {
			w.settles(d.Seq)
		}
	}
}

// turn switches, without members.
func (w *switching) turn() {
	p := Policy{Ordered: !w.cfg.Ordered, MaxAttempts: w.rng.Int32N(4)}
	equal(w.T, "switching", w.Configure(w.now, p), true)
	w.since, w.settled = 0, map[string]int64{}
	if p.Ordered {
		w.since = w.Next()
	}
}

func (w *switching) restart() {
	m, err := New(w.cfg, w.State(nil))
	if err != nil {
		w.Fatal(err)
	}
	w.Machine, w.members, w.sent = m, nil, nil
}

// drain has one good member get all that is left.
func (w *switching) drain() {
	for _, id := range w.members {
		w.Leave(w.now, id)
	}
	w.joins(w.last+1, 5, 100)
	for range 1000 {
		w.now += time.Minute
		w.Tick(w.now)
		for _, x := range w.Take(w.now, w.last+1, 5, 100, nil) {
			if w.Ack(w.now, ackOf(x)) == Applied {
				w.settles(x.Seq)
			}
		}
		w.bury()
	}
	equal(w.T, "held", w.Held(), 0)
	equal(w.T, "buffered", w.Buffered(), 0)
	equal(w.T, "position", w.Position(), w.Next())
	equal(w.T, "busy keys", len(w.lanes), 0)
	equal(w.T, "blocked", w.blocked, 0)
}
