package journaltest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/journal"
)

// all reads everything from a sequence on, in pages of so many events.
func (s *subject) all(from int64, page int) []int64 {
	s.t.Helper()
	found := []int64{}
	for from < s.Bounds().End {
		p, err := s.Read(s.ctx, journal.Query{From: from, MaxEvents: page})
		if err != nil || p.Next <= from {
			s.t.Fatalf("read from %d: next %d, %v", from, p.Next, err)
		}
		for _, e := range p.Events {
			found = append(found, e.Sequence)
		}
		from = p.Next
	}
	return found
}

// Locks in that a page isn't taken for the end, nor an event for another one, where some are missing.
func erasedAreSkipped(t *testing.T, s *subject) {
	sequences := s.fill(12)
	erased := []int64{sequences[0], sequences[1], sequences[4], sequences[5], sequences[6], sequences[9], sequences[11]}
	for _, sequence := range erased {
		if err := s.Erase(s.ctx, sequence); err != nil {
			t.Fatalf("erase %d: %v", sequence, err)
		}
	}
	left := slices.DeleteFunc(slices.Clone(sequences), func(n int64) bool { return slices.Contains(erased, n) })
	for _, page := range []int{1, 2, 3, 100} {
		for from := int64(1); from <= sequences[11]+1; from++ {
			want := left[min(len(left), slices.IndexFunc(append(slices.Clone(left), from), func(n int64) bool { return n >= from })):]
			if got := s.all(from, page); !slices.Equal(got, want) {
				t.Errorf("from %d in pages of %d: want %v, got %v", from, page, want, got)
			}
		}
	}
	if b := s.Bounds(); b.End != sequences[11]+1 || b.First > left[0] {
		t.Errorf("bounds %+v with %v left", b, left)
	}
	for i, sequence := range sequences {
		id := fmt.Sprint(i)
		_, err := s.Get(s.ctx, sequence)
		if want := slices.Contains(erased, sequence); errors.Is(err, journal.ErrNotFound) != want || !want && err != nil {
			t.Errorf("get %d: %v", sequence, err)
		}
		if found, err := s.Lookup(s.ctx, "demo", id); err != nil || found != sequence {
			t.Errorf("lookup of %s: want %d, got %d, %v", id, sequence, found, err)
		}
		if r, err := s.Append(s.ctx, entry(id)); err != nil || r != (journal.Receipt{Sequence: sequence, Duplicate: true}) {
			t.Errorf("%s again: want a duplicate of %d, got %+v, %v", id, sequence, r, err)
		}
	}
	for _, sequence := range append(erased, -1, 0, sequences[11]+1) {
		if err := s.Erase(s.ctx, sequence); !errors.Is(err, journal.ErrNotFound) {
			t.Errorf("erase %d, which isn't there: want ErrNotFound, got %v", sequence, err)
		}
	}
	if next := s.append(entry("next")); next != sequences[11]+1 {
		t.Errorf("the next event has sequence %d after %d", next, sequences[11])
	}
}

// Locks in that sequences go on from where they were when nothing is left.
func allErased(t *testing.T, s *subject) {
	sequences := s.fill(3)
	for _, sequence := range sequences {
		if err := s.Erase(s.ctx, sequence); err != nil {
			t.Fatalf("erase %d: %v", sequence, err)
		}
	}
	if b := s.Bounds(); b.First != b.End || b.End != sequences[2]+1 {
		t.Errorf("want nothing, ending at %d, got %+v", sequences[2]+1, b)
	}
	if got := s.all(1, 10); len(got) > 0 {
		t.Errorf("read %v", got)
	}
	next := s.append(entry("next"))
	if got := s.all(1, 10); next != sequences[2]+1 || !slices.Equal(got, []int64{next}) {
		t.Errorf("the next event has sequence %d after %d, and is read as %v", next, sequences[2], got)
	}
}

// Locks in that the event of an id that is forgotten is found by its sequence, and erased by it, which says nothing of the next one of that id.
func idsAreForgotten(t *testing.T, s *subject) {
	e := entry("1")
	e.DedupeWindow = time.Nanosecond
	first := s.append(e)
	if found, err := s.Lookup(s.ctx, "demo", "1"); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("lookup: want ErrNotFound, got %d, %v", found, err)
	}
	if got, err := s.Get(s.ctx, first); err != nil || got.ID != "1" {
		t.Errorf("get %d: %+v, %v", first, got, err)
	}
	second := s.append(entry("1"))
	if second <= first {
		t.Errorf("the next one of its id has sequence %d after %d", second, first)
	}
	if err := s.Erase(s.ctx, first); err != nil {
		t.Errorf("erase %d: %v", first, err)
	}
	if found, err := s.Lookup(s.ctx, "demo", "1"); err != nil || found != second {
		t.Errorf("lookup: want %d, got %d, %v", second, found, err)
	}
	if got, err := s.Get(s.ctx, second); err != nil || got.ID != "1" {
		t.Errorf("get %d: %+v, %v", second, got, err)
	}
}
