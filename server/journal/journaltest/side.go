package journaltest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/hookbridge/hookbridge/server/journal"
)

// add stores dead letters of an owner and returns their ids.
func (s *subject) add(owner string, payloads ...string) []int64 {
	s.t.Helper()
	var entries []journal.SideEntry
	for _, p := range payloads {
		entries = append(entries, journal.SideEntry{Owner: owner, Payload: []byte(p)})
	}
	ids, err := s.DeadLetters().Add(s.ctx, entries...)
	if err != nil || len(ids) != len(payloads) {
		s.t.Fatalf("add %q: %v, %v", payloads, ids, err)
	}
	return ids
}

// letters returns the payloads of all dead letters of an owner, in pages of two.
func (s *subject) letters(owner string) []string {
	s.t.Helper()
	found := []string{}
	for from := int64(0); ; {
		page, err := s.DeadLetters().Read(s.ctx, journal.SideQuery{Owner: owner, From: from, MaxEntries: 2})
		if err != nil || len(page.Entries) > 2 || page.Next < from {
			s.t.Fatalf("read from %d: %d entries, next %d, %v", from, len(page.Entries), page.Next, err)
		}
		for _, e := range page.Entries {
			if owner != "" && e.Owner != owner {
				s.t.Errorf("a page of %q has one of %q", owner, e.Owner)
			}
			found = append(found, string(e.Payload))
		}
		if page.Next == from || len(page.Entries) == 0 {
			return found
		}
		from = page.Next
	}
}

func (s *subject) wantLetters(owner string, want ...string) {
	s.t.Helper()
	if got := s.letters(owner); !slices.Equal(got, want) {
		s.t.Errorf("dead letters of %q: want %q, got %q", owner, want, got)
	}
}

func sideEntriesComeBack(t *testing.T, s *subject) {
	// What a name may look like is not the journal's to say.
	owners := []string{"billing", "b.i-l_l", "ü", "*", ">", "%", "\x00", " "}
	ids := map[string]int64{}
	for n, owner := range owners {
		ids[owner] = s.add(owner, fmt.Sprint("of ", n))[0]
	}
	for n, owner := range owners {
		want := journal.SideEntry{ID: ids[owner], Owner: owner, Payload: fmt.Append(nil, "of ", n)}
		got, err := s.DeadLetters().Get(s.ctx, ids[owner])
		if err != nil || got.ID != want.ID || got.Owner != want.Owner || !bytes.Equal(got.Payload, want.Payload) {
			t.Errorf("want %+v, got %+v, %v", want, got, err)
		}
		s.wantLetters(owner, string(want.Payload))
	}
	for _, id := range []int64{-1, 0, ids[" "] + 1} {
		if _, err := s.DeadLetters().Get(s.ctx, id); !errors.Is(err, journal.ErrNotFound) {
			t.Errorf("get %d, which isn't there: want ErrNotFound, got %v", id, err)
		}
	}
	if _, err := s.DeadLetters().Add(s.ctx, journal.SideEntry{Payload: []byte("of nobody")}); err == nil {
		t.Error("one without an owner was taken")
	}
	if b := s.Bounds(); b.First != b.End {
		t.Errorf("dead letters are seen as events: %+v", b)
	}
	if r, err := s.Records(s.ctx); err != nil || len(r) > 0 {
		t.Errorf("dead letters are seen as records: %q, %v", r, err)
	}
}

func sideIDsGrow(t *testing.T, s *subject) {
	var last int64
	for n := range 5 {
		for _, id := range s.add(fmt.Sprint("owner", n%2), "1", "", "3") {
			if id <= last {
				t.Errorf("id %d after %d", id, last)
			}
			last = id
		}
	}
	var (
		mu   sync.Mutex
		work sync.WaitGroup
		all  = map[int64]string{}
	)
	for n := range 16 {
		work.Go(func() {
			payload := fmt.Sprint("concurrent ", n)
			ids, err := s.DeadLetters().Add(s.ctx, journal.SideEntry{Owner: "many", Payload: []byte(payload)}, journal.SideEntry{Owner: "many", Payload: []byte(payload)})
			if err != nil || len(ids) != 2 || ids[0] >= ids[1] {
				t.Errorf("ids %v, %v", ids, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			all[ids[0]], all[ids[1]] = payload, payload
		})
	}
	work.Wait()
	if len(all) != 32 {
		t.Errorf("%d ids for 32 entries", len(all))
	}
	for id, want := range all {
		if got, err := s.DeadLetters().Get(s.ctx, id); err != nil || string(got.Payload) != want {
			t.Errorf("%d: want %q, got %q, %v", id, want, got.Payload, err)
		}
	}
}

func sidePagesAreBounded(t *testing.T, s *subject) {
	var want []string
	for n := range 7 {
		s.add("other", "between")
		want = append(want, fmt.Sprint("letter ", n))
		s.add("billing", want[n])
	}
	s.wantLetters("billing", want...)
	for name, tc := range map[string]struct {
		query journal.SideQuery
		want  int
	}{
		"by count":       {journal.SideQuery{Owner: "billing", MaxEntries: 3}, 3},
		"by bytes":       {journal.SideQuery{Owner: "billing", MaxBytes: 1}, 1},
		"by neither":     {journal.SideQuery{Owner: "billing"}, 7},
		"of all owners":  {journal.SideQuery{}, 14},
		"of a stranger":  {journal.SideQuery{Owner: "stranger"}, 0},
		"beyond the end": {journal.SideQuery{Owner: "billing", From: 1 << 40}, 0},
	} {
		page, err := s.DeadLetters().Read(s.ctx, tc.query)
		if err != nil || len(page.Entries) != tc.want {
			t.Errorf("%s: want %d entries, got %d, %v", name, tc.want, len(page.Entries), err)
		}
		if n := len(page.Entries); n > 0 && page.Next <= page.Entries[n-1].ID || page.Next < tc.query.From {
			t.Errorf("%s: next %d after %+v", name, page.Next, page.Entries)
		}
	}
}

func sideLargest(t *testing.T, s *subject) {
	large := make([]byte, 25<<20)
	_, _ = rand.NewChaCha8([32]byte{3}).Read(large)
	got, err := s.DeadLetters().Get(s.ctx, s.add("billing", string(large))[0])
	if err != nil || !bytes.Equal(got.Payload, large) {
		t.Errorf("%d bytes came back as other %d, %v", len(large), len(got.Payload), err)
	}
	before := s.count()
	_, err = s.DeadLetters().Add(s.ctx, journal.SideEntry{Owner: "billing", Payload: []byte("small")},
		journal.SideEntry{Owner: "billing", Payload: make([]byte, journal.MaxRecord+1)})
	if !errors.Is(err, journal.ErrTooLarge) || !errors.Is(err, journal.ErrRefused) {
		t.Errorf("beyond the largest record: want ErrTooLarge and ErrRefused, got %v", err)
	}
	if after := s.count(); after.Entries != before.Entries {
		t.Errorf("of what was refused something is there: %d entries before, %d after", before.Entries, after.Entries)
	}
}

func (s *subject) count() journal.SideCount {
	s.t.Helper()
	c, err := s.DeadLetters().Count(s.ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func sideCounts(t *testing.T, s *subject) {
	if c := s.count(); c.Entries != 0 || c.Bytes != 0 || len(c.ByOwner) != 0 {
		t.Errorf("an empty log has %+v", c)
	}
	s.add("billing", "1", "2", "3")
	ids := s.add("audit", "4")
	c := s.count()
	if c.Entries != 4 || c.Bytes < 4 || len(c.ByOwner) != 2 || c.ByOwner["billing"] != 3 || c.ByOwner["audit"] != 1 {
		t.Errorf("got %+v", c)
	}
	if _, err := s.DeadLetters().Remove(s.ctx, "audit", ids...); err != nil {
		t.Fatal(err)
	}
	if less := s.count(); less.Entries != 3 || less.Bytes >= c.Bytes || len(less.ByOwner) != 1 || less.ByOwner["billing"] != 3 {
		t.Errorf("after one was removed: %+v", less)
	}
	if err := s.DeadLetters().Status(); err != nil {
		t.Errorf("status: %v", err)
	}
}

func sideRemoves(t *testing.T, s *subject) {
	remove, erase := s.DeadLetters().Remove, s.DeadLetters().Erase
	ids := s.add("billing", "0", "1", "2", "3", "4", "5", "6")
	other := s.add("audit", "other")
	for _, tc := range []struct {
		name   string
		remove func() (int, error)
		want   int
		left   []string
	}{
		{"nothing", func() (int, error) { return remove(s.ctx, "billing") }, 0, []string{"0", "1", "2", "3", "4", "5", "6"}},
		{"the first", func() (int, error) { return remove(s.ctx, "billing", ids[0]) }, 1, []string{"1", "2", "3", "4", "5", "6"}},
		{"it again", func() (int, error) { return remove(s.ctx, "billing", ids[0]) }, 0, []string{"1", "2", "3", "4", "5", "6"}},
		{"two in disorder, one twice", func() (int, error) { return remove(s.ctx, "billing", ids[4], ids[2], ids[4]) }, 2, []string{"1", "3", "5", "6"}},
		{"another's", func() (int, error) { return remove(s.ctx, "billing", other[0], ids[1]) }, 1, []string{"3", "5", "6"}},
		{"what never was", func() (int, error) { return remove(s.ctx, "billing", -1, 0, 1<<40) }, 0, []string{"3", "5", "6"}},
		{"erased", func() (int, error) { return erase(s.ctx, "billing", ids[3], other[0]) }, 1, []string{"5", "6"}},
		{"erased again", func() (int, error) { return erase(s.ctx, "billing", ids[3]) }, 0, []string{"5", "6"}},
		{"whosever it is", func() (int, error) { return remove(s.ctx, "", ids[5], ids[6]) }, 2, []string{}},
	} {
		if n, err := tc.remove(); err != nil || n != tc.want {
			t.Errorf("%s: want %d removed, got %d, %v", tc.name, tc.want, n, err)
		}
		s.wantLetters("billing", tc.left...)
	}
	s.wantLetters("audit", "other")
	for _, id := range ids {
		if _, err := s.DeadLetters().Get(s.ctx, id); !errors.Is(err, journal.ErrNotFound) {
			t.Errorf("get %d after its removal: want ErrNotFound, got %v", id, err)
		}
	}
	// Also when the log is empty no id is given again.
	if _, err := erase(s.ctx, "", other...); err != nil {
		t.Fatal(err)
	}
	if next := s.add("billing", "next")[0]; next <= other[0] {
		t.Errorf("id %d was given after %d", next, other[0])
	}
}

func sidePurges(t *testing.T, s *subject) {
	for n := range 100 {
		s.add([]string{"billing", "audit"}[n%2], fmt.Sprint(n))
	}
	if n, err := s.DeadLetters().Purge(s.ctx, "billing"); err != nil || n != 50 {
		t.Errorf("want 50 purged, got %d, %v", n, err)
	}
	s.wantLetters("billing")
	if left := s.letters("audit"); len(left) != 50 || left[0] != "1" || left[49] != "99" {
		t.Errorf("of the other owner there is %q", left)
	}
	for _, owner := range []string{"billing", "stranger"} {
		if n, err := s.DeadLetters().Purge(s.ctx, owner); err != nil || n != 0 {
			t.Errorf("purge of nothing of %s: %d, %v", owner, n, err)
		}
	}
	if _, err := s.DeadLetters().Purge(s.ctx, ""); err == nil {
		t.Error("everything was purged because of a missing name")
	}
	if got := s.count().Entries; got != 50 {
		t.Errorf("%d are left, want 50", got)
	}
}

// What is hidden is stored and seen by nobody but those who remove it. A whole page of it is not the end of the log.
func sideHides(t *testing.T, s *subject) {
	ids := s.add("billing", "0", "1", "2", "3", "4", "5", "6")
	other := s.add("audit", "other")
	hidden := []int64{ids[0], ids[1], ids[2], ids[3], ids[5], other[0], 1 << 40, -1}
	before := s.count()
	if err := s.DeadLetters().Hide(s.ctx, hidden...); err != nil {
		t.Fatal(err)
	}
	if err := s.DeadLetters().Hide(s.ctx, hidden[0]); err != nil {
		t.Fatalf("once more: %v", err)
	}
	s.wantLetters("billing", "4", "6")
	s.wantLetters("audit")
	s.wantLetters("", "4", "6")
	if _, err := s.DeadLetters().Get(s.ctx, ids[5]); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("get what is hidden: want ErrNotFound, got %v", err)
	}
	if c := s.count(); c.Entries != 2 || c.Bytes >= before.Bytes || len(c.ByOwner) != 1 || c.ByOwner["billing"] != 2 {
		t.Errorf("counted %+v", c)
	}
	if n, err := s.DeadLetters().Erase(s.ctx, "", ids[0], ids[1], ids[0]); err != nil || n != 2 {
		t.Errorf("want 2 erased, got %d, %v", n, err)
	}
	if n, err := s.DeadLetters().Remove(s.ctx, "audit", other...); err != nil || n != 1 {
		t.Errorf("want 1 removed, got %d, %v", n, err)
	}
	if c := s.count(); c.Entries != 2 || c.ByOwner["billing"] != 2 {
		t.Errorf("after some were removed: %+v", c)
	}
	s.wantLetters("billing", "4", "6")
	if n, err := s.DeadLetters().Purge(s.ctx, "billing"); err != nil || n != 5 {
		t.Errorf("want 5 purged, got %d, %v", n, err)
	}
	if c := s.count(); c.Entries != 0 || c.Bytes != 0 || len(c.ByOwner) != 0 {
		t.Errorf("an empty log has %+v", c)
	}
	s.add("audit", "new")
	s.wantLetters("", "new")
}
