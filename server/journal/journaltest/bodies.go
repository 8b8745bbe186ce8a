package journaltest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/journal"
)

func entryWithBody(id, key string) *journal.Entry {
	e := entry(id)
	e.BodyKey = key
	return e
}

// replayOf stores an entry and returns which event it is said to be a replay of.
func (s *subject) replayOf(e *journal.Entry) int64 {
	s.t.Helper()
	got, err := s.Get(s.ctx, s.append(e))
	if err != nil {
		s.t.Fatal(err)
	}
	return got.ReplayOf
}

// The same body under another id is stored and names the first event with it, within its source.
func bodiesAreKnown(t *testing.T, s *subject) {
	first := s.append(entryWithBody("1", "body"))
	for _, tc := range []struct {
		name   string
		change func(*journal.Entry)
		want   int64
	}{
		{"another id", func(*journal.Entry) {}, first},
		{"a third id", func(*journal.Entry) {}, first},
		{"another body", func(e *journal.Entry) { e.BodyKey = "other" }, 0},
		{"another source", func(e *journal.Entry) { e.Source = "another" }, 0},
		{"no key", func(e *journal.Entry) { e.BodyKey = "" }, 0},
		{"an id that looks like a body's", func(e *journal.Entry) { e.ID, e.BodyKey = "body", "" }, 0},
		{"without a window", func(e *journal.Entry) { e.DedupeWindow = 0 }, 0},
		{"with a window of its own", func(e *journal.Entry) { e.DedupeWindow = time.Minute }, first},
	} {
		e := entryWithBody(tc.name, "body")
		tc.change(e)
		if got := s.replayOf(e); got != tc.want {
			t.Errorf("%s: a replay of %d, want %d", tc.name, got, tc.want)
		}
	}
	if r, err := s.Append(s.ctx, entryWithBody("1", "body")); err != nil || !r.Duplicate || r.Sequence != first {
		t.Errorf("under the same id: %+v, %v, want a duplicate of %d", r, err, first)
	}
	if e, err := s.Get(s.ctx, first); err != nil || e.ReplayOf != 0 {
		t.Errorf("the first: %+v, %v", e, err)
	}
}

// Of events with one body that are appended concurrently exactly one is the first.
func bodiesOfConcurrentAppends(t *testing.T, s *subject) {
	const together, rounds = 16, 5
	for round := range rounds {
		sequences := make([]int64, together)
		var work sync.WaitGroup
		for n := range together {
			work.Go(func() {
				r, err := s.Append(s.ctx, entryWithBody(fmt.Sprint(round, "-", n), fmt.Sprint("body", round)))
				if err != nil {
					t.Error(err)
				}
				sequences[n] = r.Sequence
			})
		}
		work.Wait()
		first, others := []int64(nil), map[int64]int{}
		for _, sequence := range sequences {
			e, err := s.Get(s.ctx, sequence)
			if err != nil {
				t.Fatal(err)
			}
			if e.ReplayOf == 0 {
				first = append(first, sequence)
			} else {
				others[e.ReplayOf]++
			}
		}
		if len(first) != 1 || others[first[0]] != together-1 {
			t.Fatalf("round %d: first are %v, the others name %v", round, first, others)
		}
	}
}

// In a batch, too.
func bodiesInABatch(t *testing.T, s *subject) {
	receipts, err := s.AppendBatch(s.ctx, []*journal.Entry{entryWithBody("1", "a"), entryWithBody("2", "b"), entryWithBody("3", "a"), entryWithBody("4", "a")})
	if err != nil {
		t.Fatal(err)
	}
	want := []int64{0, 0, receipts[0].Sequence, receipts[0].Sequence}
	for n, r := range receipts {
		if e, err := s.Get(s.ctx, r.Sequence); err != nil || e.ReplayOf != want[n] {
			t.Errorf("entry %d is a replay of %d, %v, want %d", n, e.ReplayOf, err, want[n])
		}
	}
}
