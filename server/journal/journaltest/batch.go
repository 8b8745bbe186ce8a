package journaltest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/hookbridge/hookbridge/server/journal"
)

// A batch is stored whole, in its order, beside what others append.
func batchIsStored(t *testing.T, s *subject) {
	const size = 500
	var others sync.WaitGroup
	for n := range 8 {
		others.Go(func() { _, _ = s.Append(s.ctx, entry(fmt.Sprint("other", n))) })
	}
	receipts, err := s.AppendBatch(s.ctx, batch("", size))
	if err != nil || len(receipts) != size {
		t.Fatalf("%d receipts, %v", len(receipts), err)
	}
	others.Wait()
	last := int64(0)
	for n, r := range receipts {
		if r.Duplicate || r.Sequence <= last {
			t.Fatalf("receipt %d: %+v after %d", n, r, last)
		}
		last = r.Sequence
		if got, err := s.Get(s.ctx, r.Sequence); err != nil || got.ID != fmt.Sprint(n) {
			t.Fatalf("receipt %d names %+v, %v", n, got, err)
		}
	}
}

// A retry of a batch adds only what is missing, and in a batch an id counts once.
func batchIsRetried(t *testing.T, s *subject) {
	known := s.append(entry("1"))
	again := append(batch("", 4), entry("2"))
	receipts, err := s.AppendBatch(s.ctx, again)
	if err != nil {
		t.Fatal(err)
	}
	var fresh []bool
	for _, r := range receipts {
		fresh = append(fresh, !r.Duplicate)
	}
	if got := fmt.Sprint(fresh); got != "[true false true true false]" {
		t.Errorf("stored %s", got)
	}
	if receipts[1].Sequence != known || receipts[4].Sequence != receipts[2].Sequence {
		t.Errorf("duplicates name other events: %+v", receipts)
	}
	second, err := s.AppendBatch(s.ctx, again)
	if err != nil {
		t.Fatal(err)
	}
	for n, r := range second {
		if !r.Duplicate || r.Sequence != receipts[n].Sequence {
			t.Errorf("retry of %d: %+v, want a duplicate of %d", n, r, receipts[n].Sequence)
		}
	}
}

// Batches that share ids in opposite orders don't wait for each other for ever.
func batchesCross(t *testing.T, s *subject) {
	const size, rounds = 50, 20
	for round := range rounds {
		forth := batch(fmt.Sprint(round, "-"), size)
		back := make([]*journal.Entry, size)
		for n, e := range forth {
			back[size-1-n] = e
		}
		var work sync.WaitGroup
		var receipts [2][]journal.Receipt
		for n, entries := range [][]*journal.Entry{forth, back} {
			work.Go(func() {
				var err error
				if receipts[n], err = s.AppendBatch(s.ctx, entries); err != nil {
					t.Error(err)
				}
			})
		}
		work.Wait()
		if t.Failed() {
			return
		}
		for n := range size {
			a, b := receipts[0][n], receipts[1][size-1-n]
			if a.Sequence != b.Sequence || a.Duplicate == b.Duplicate {
				t.Fatalf("round %d, entry %d: %+v and %+v", round, n, a, b)
			}
		}
	}
}

// Of an empty batch nothing is stored, nor of one with an entry that is refused: the sender must not be told that it was refused after a part of
// it was stored.
func batchErrors(t *testing.T, s *subject) {
	if receipts, err := s.AppendBatch(s.ctx, nil); err != nil || len(receipts) != 0 {
		t.Errorf("an empty batch: %v, %v", receipts, err)
	}
	large := entry("large")
	large.Event = make([]byte, journal.MaxRecord+1)
	before := s.Bounds()
	if receipts, err := s.AppendBatch(s.ctx, []*journal.Entry{entry("fits"), large}); !errors.Is(err, journal.ErrTooLarge) || receipts != nil {
		t.Errorf("want ErrTooLarge, got %v, %v", receipts, err)
	}
	if receipt, err := s.Append(s.ctx, entry("fits")); err != nil || receipt.Duplicate || receipt.Sequence < before.End {
		t.Errorf("an entry beside it: %+v, %v", receipt, err)
	}
}

func batch(prefix string, size int) []*journal.Entry {
	entries := make([]*journal.Entry, size)
	for n := range entries {
		entries[n] = entry(prefix + fmt.Sprint(n))
	}
	return entries
}
