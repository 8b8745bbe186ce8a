package journaltest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/hookbridge/hookbridge/server/journal"
)

// reject stores an entry of the ring log and returns its id.
func (s *subject) reject(owner, payload string) int64 {
	s.t.Helper()
	id, err := s.Rejections().Add(s.ctx, owner, []byte(payload))
	if err != nil {
		s.t.Fatalf("add %q: %v", payload, err)
	}
	return id
}

// rejections returns the payloads of all entries of an owner, in pages of at most so many entries and bytes.
func (s *subject) rejections(owner string, entries, bytes int) (found []string, pages int) {
	s.t.Helper()
	for before := int64(0); ; pages++ {
		page, err := s.Rejections().Before(s.ctx, journal.RingQuery{Owner: owner, Before: before, MaxEntries: entries, MaxBytes: bytes})
		if err != nil {
			s.t.Fatal(err)
		}
		for _, e := range page.Entries {
			if owner != "" && e.Owner != owner {
				s.t.Errorf("a page of %q has one of %q", owner, e.Owner)
			}
			found = append(found, string(e.Payload))
		}
		if page.Next == 0 {
			return found, pages + 1
		}
		if before > 0 && page.Next >= before {
			s.t.Fatalf("after the page before %d comes one before %d", before, page.Next)
		}
		before = page.Next
	}
}

func ringEntriesComeBack(t *testing.T, s *subject) {
	if got, _ := s.rejections("", 0, 0); got != nil {
		t.Errorf("an empty log has %q", got)
	}
	// An owner is not needed, and what a name may look like is not the journal's to say.
	owners := []string{"git-hub", "", "g.i-t_h", "ü", "*", ">", "%"}
	var all []string
	last := int64(0)
	for n, owner := range owners {
		id := s.reject(owner, fmt.Sprint("of ", n))
		if id <= last {
			t.Errorf("the id %d follows %d", id, last)
		}
		last = id
		all = append([]string{fmt.Sprint("of ", n)}, all...)
	}
	if got, _ := s.rejections("", 0, 0); !slices.Equal(got, all) {
		t.Errorf("want %q, got %q", all, got)
	}
	for n, owner := range owners {
		want := []string{fmt.Sprint("of ", n)}
		if owner == "" {
			continue
		}
		if got, _ := s.rejections(owner, 0, 0); !slices.Equal(got, want) {
			t.Errorf("of %q: want %q, got %q", owner, want, got)
		}
	}
	if _, err := s.Rejections().Add(s.ctx, "demo", make([]byte, journal.MaxRecord+1)); !errors.Is(err, journal.ErrTooLarge) {
		t.Errorf("one that is too large: want ErrTooLarge, got %v", err)
	}
}

// The one owner's few are found behind very many of the other's.
func ringPagesAreBounded(t *testing.T, s *subject) {
	var few, many []string
	for n := range 3 {
		few = append([]string{fmt.Sprint("few ", n)}, few...)
		s.reject("few", few[0])
	}
	for n := range 700 {
		many = append([]string{fmt.Sprintf("many %04d", n)}, many...)
		s.reject("many", many[0])
	}
	for _, c := range []struct {
		owner          string
		entries, bytes int
		want           []string
		pages          int
	}{
		{"", 0, 0, slices.Concat(many, few), 8},
		{"", 350, 0, slices.Concat(many, few), 3},
		{"few", 2, 0, few, 2},
		{"many", 0, 100 * len("many 0000"), many, 7},
		// One is returned, however large it is.
		{"few", 0, 1, few, 3},
	} {
		got, pages := s.rejections(c.owner, c.entries, c.bytes)
		if !slices.Equal(got, c.want) || pages != c.pages {
			t.Errorf("%q in pages of %d entries and %d bytes: want %d in %d pages, got %d in %d", c.owner, c.entries, c.bytes, len(c.want), c.pages, len(got), pages)
		}
	}
}
