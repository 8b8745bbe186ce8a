package journal

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// An index that did not close when it should have is left to itself, and another one is opened in its folder, with what was written before.
// What the first one does late changes nothing of that.
func TestAnIndexThatDoesNotCloseWritesNothingMore(t *testing.T) {
	dir, created := t.TempDir(), time.Now()
	sp := &space{path: dir, free: func(string) (int64, error) { return math.MaxInt64, nil }, try: func(string) error { return nil }}
	opened := func() *index {
		t.Helper()
		ix, err := openIndex(dir, time.Hour, created, sp, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return ix
	}
	put := func(ix *index, id string, sequence int64) {
		t.Helper()
		b := ix.batch()
		if err := errors.Join(b.add(idKey{source: "demo", id: id}, sequence, created.Add(time.Hour)), b.commit(sequence+1)); err != nil {
			t.Fatal(err)
		}
	}
	wantIDs := func(ix *index, want map[string]int64) {
		t.Helper()
		ix.loading.Wait()
		for id, sequence := range want {
			got, found, err := ix.get(idKey{source: "demo", id: id}, created)
			if err != nil || got != sequence || found != (sequence > 0) {
				t.Errorf("%s: want %d, got %d, %t, %v", id, sequence, got, found, err)
			}
		}
	}
	first := opened()
	put(first, "1", 1)
	if err := first.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := first.awaitClose(over, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("want it not to end, got %v", err)
	}
	second := opened()
	wantIDs(second, map[string]int64{"1": 1})
	put(second, "2", 2)
	// The first one finds something to write after all.
	late := first.batch()
	err := errors.Join(late.add(idKey{source: "demo", id: "late"}, 9, created.Add(time.Hour)), late.batch.Commit(pebble.NoSync))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.db.AsyncFlush(); err != nil {
		t.Fatal(err)
	}
	<-first.broken
	// Which file it came to first is its own affair.
	if got, want := first.cause.Error(), ": "+errIndexClosed.Error(); !strings.HasSuffix(got, want) {
		t.Errorf("it was broken by %q, want it to end in %q", got, want)
	}
	if err := first.close(t.Context()); !errors.Is(err, errIndexClosed) {
		t.Errorf("it ends at last: want what it writes at its end to be refused, got %v", err)
	}
	if err := second.close(t.Context()); err != nil {
		t.Errorf("close the second: %v", err)
	}
	third := opened()
	wantIDs(third, map[string]int64{"1": 1, "2": 2, "late": 0})
	if got := third.watermark(); got != 3 {
		t.Errorf("want it to go on from 3, got %d", got)
	}
	if err := third.close(t.Context()); err != nil {
		t.Errorf("close the third: %v", err)
	}
}
