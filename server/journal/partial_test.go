package journal

import (
	"errors"
	"fmt"
	"testing"
)

// Of a batch that is stored in part, the receipts say which part.
func TestReceiptsOfAPart(t *testing.T) {
	s := openAt(t, t.TempDir(), func(c *Config) { c.MaxBytes = 64 << 10 })
	s.SetHolds(func() Holds { return Holds{Bounded: 1, All: 1} })
	entries := make([]*Entry, 20)
	for n := range entries {
		entries[n] = &Entry{Source: "demo", Type: "thing.done", ID: fmt.Sprint(n), Event: make([]byte, 8000), DedupeWindow: -1}
	}
	receipts, err := s.AppendBatch(t.Context(), entries)
	if !errors.Is(err, ErrFull) || len(receipts) != len(entries) {
		t.Fatalf("want ErrFull and %d receipts, got %v and %d", len(entries), err, len(receipts))
	}
	stored := 0
	for n, r := range receipts {
		sequence, err := s.Lookup(t.Context(), "demo", entries[n].ID)
		if r.Sequence == 0 {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("entry %d has no receipt, and the journal has it at %d, %v", n, sequence, err)
			}
			continue
		}
		stored++
		if err != nil || sequence != r.Sequence || r.Duplicate {
			t.Errorf("entry %d has the receipt %+v, and the journal has it at %d, %v", n, r, sequence, err)
		}
	}
	if stored == 0 || stored == len(entries) {
		t.Errorf("%d of %d are stored, which is no part", stored, len(entries))
	}
}
