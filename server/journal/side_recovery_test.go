package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Locks in what nats-server 2.15 does otherwise: of a block that it keeps because of its marks of removals in other blocks, what was
// removed last comes back after kill -9.
func TestRemovedDeadLettersStayRemoved(t *testing.T) {
	for name, remove := range map[string]func(*Store, ...int64) (int, error){
		"removed": func(s *Store, ids ...int64) (int, error) { return s.DeadLetters().Remove(t.Context(), "", ids...) },
		"erased":  func(s *Store, ids ...int64) (int, error) { return s.DeadLetters().Erase(t.Context(), "", ids...) },
		"purged":  func(s *Store, _ ...int64) (int, error) { return s.DeadLetters().Purge(t.Context(), "billing") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openAt(t, dir, func(c *Config) { c.DeadLetterBytes = smallBlocks })
			letter := make([]byte, 2000)
			// The first block is the other owner's, and the marks of its removals are in the second.
			for range 16 {
				addLetters(t, s, "audit", letter)
			}
			first := addLetters(t, s, "billing", letter)[0]
			if _, err := s.DeadLetters().Remove(t.Context(), "audit", 3, 4, 5); err != nil {
				t.Fatal(err)
			}
			var ids []int64
			for range 12 {
				ids = append(ids, addLetters(t, s, "billing", letter)...)
			}
			for range 12 {
				addLetters(t, s, "audit", letter)
			}
			ids = append(ids, first)
			if n, err := remove(s, ids...); err != nil || n != len(ids) {
				t.Fatalf("want %d removed, got %d, %v", len(ids), n, err)
			}
			// Now nothing is left of the second block.
			if n, err := s.DeadLetters().Remove(t.Context(), "audit", numbers64(15, 34)...); err != nil || n != 6 {
				t.Fatalf("removed %d, %v", n, err)
			}
			want := remaining(t, s)
			if len(want) != 16+12-3-6 {
				t.Fatalf("%d are left: %v", len(want), want)
			}
			// More than once: what was removed again must not come back either.
			for n := range 3 {
				dir = killed(t, dir)
				s = openAt(t, dir, func(c *Config) { c.DeadLetterBytes = smallBlocks })
				if got := remaining(t, s); !slices.Equal(got, want) {
					t.Errorf("after kill -9 number %d: want %v, got %v", n+1, want, got)
				}
			}
		})
	}
}

// What came back is overwritten only where a copy of its block has room for certain: until then nobody sees it, also while the journal
// takes everything else. Overwriting something else is refused for as long.
func TestRemovedDeadLettersAreHiddenUntilThereIsRoom(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, nil)
	ids := addLetters(t, s, "billing", []byte("0"))
	ids = append(ids, addLetters(t, s, "audit", []byte("1"))...)
	appendNoise(t, s, "1")
	closeStore(t, s)
	if err := os.WriteFile(filepath.Join(dir, "dead_letters"), []byte("3\n1 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var free atomic.Int64
	free.Store(rewriteRoom - 1)
	s = openAt(t, dir, func(c *Config) {
		c.MinFree, c.free, c.housekeeping = -1, func(string) (int64, error) { return free.Load(), nil }, 10*time.Millisecond
	})
	stored := func() int64 {
		st, err := s.current.deadLetters.state(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return st.events
	}
	if got := remaining(t, s); !slices.Equal(got, ids[1:]) || stored() != 2 {
		t.Errorf("want %v to be seen of 2, got %v of %d", ids[1:], got, stored())
	}
	if c, err := s.DeadLetters().Count(t.Context()); err != nil || c.Entries != 1 || len(c.ByOwner) != 1 || c.ByOwner["audit"] != 1 {
		t.Errorf("counted %+v, %v", c, err)
	}
	ids = append(ids, addLetters(t, s, "billing", []byte("2"))...)
	if _, err := s.DeadLetters().Erase(t.Context(), "", ids[2]); !errors.Is(err, ErrFull) {
		t.Errorf("erasing a dead letter: want ErrFull, got %v", err)
	}
	if err := s.Erase(t.Context(), 1); !errors.Is(err, ErrFull) {
		t.Errorf("erasing an event: want ErrFull, got %v", err)
	}
	free.Store(rewriteRoom)
	within(t, "it is removed again", func() bool { return stored() == 2 })
	if got := remaining(t, s); !slices.Equal(got, ids[1:]) {
		t.Errorf("want %v, got %v", ids[1:], got)
	}
	if n, err := s.DeadLetters().Erase(t.Context(), "", ids[2]); err != nil || n != 1 {
		t.Errorf("erasing with room: %d, %v", n, err)
	}
	if err := s.Erase(t.Context(), 1); err != nil {
		t.Errorf("erasing an event with room: %v", err)
	}
	if c, err := s.DeadLetters().Count(t.Context()); err != nil || c.Entries != 1 || c.ByOwner["audit"] != 1 {
		t.Errorf("counted %+v, %v", c, err)
	}
}

func numbers64(from, to int64) []int64 {
	var all []int64
	for n := from; n < to; n++ {
		all = append(all, n)
	}
	return all
}

// Ids are names: they are not given again, also when the store has forgotten how far it was.
func TestDeadLetterIDsAreNotGivenAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		remove []int64
		lose   bool
	}{
		"the last was removed":                {[]int64{5}, false},
		"all were removed":                    {numbers64(1, 6), false},
		"the store begins anew":               {[]int64{5}, true},
		"nothing was removed, it begins anew": {nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openAt(t, dir, nil)
			for range 5 {
				addLetters(t, s, "billing", []byte("letter"))
			}
			if _, err := s.DeadLetters().Remove(t.Context(), "billing", tc.remove...); err != nil {
				t.Fatal(err)
			}
			closeStore(t, s)
			if tc.lose {
				if err := os.RemoveAll(streamFolder(filepath.Join(dir, "nats"), "hookbridge_dead_letters")); err != nil {
					t.Fatal(err)
				}
			}
			s = openAt(t, dir, nil)
			if id := addLetters(t, s, "billing", []byte("letter"))[0]; id != 6 {
				t.Errorf("want id 6, got %d", id)
			}
		})
	}
}

// When the store knows of fewer ids than were given, they are taken up by messages that nobody sees.
func TestDeadLetterIDsAreFilledUp(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, nil)
	addLetters(t, s, "billing", []byte("1"), []byte("2"))
	closeStore(t, s)
	if err := os.WriteFile(filepath.Join(dir, "dead_letters"), []byte("11\n2 3\n4 11\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir, nil)
	for range 2 {
		if id, want := addLetters(t, s, "billing", []byte("3"))[0], s.deadLetters.tail.get().End-1; id != want || id < 11 {
			t.Errorf("want id %d, at least 11, got %d", want, id)
		}
	}
	if got := remaining(t, s); !slices.Equal(got, []int64{1, 11, 12}) {
		t.Errorf("got %v", got)
	}
	for _, id := range []int64{2, 5, 10} {
		if _, err := s.DeadLetters().Get(t.Context(), id); !errors.Is(err, ErrNotFound) {
			t.Errorf("get %d: %v", id, err)
		}
	}
	count, err := s.DeadLetters().Count(t.Context())
	if err != nil || count.Entries != 3 || count.ByOwner["billing"] != 3 || len(count.ByOwner) != 1 {
		t.Errorf("got %+v, %v", count, err)
	}
}

// A journal that was made before there were dead letters gets their stream, and keeps the rest.
func TestOldJournalGetsDeadLetters(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, nil)
	appendNoise(t, s, "1")
	if err := s.PutRecords(t.Context(), map[string][]byte{"a": []byte("1")}); err != nil {
		t.Fatal(err)
	}
	addLetters(t, s, "billing", []byte("1"))
	closeStore(t, s)
	deleteStream(t, filepath.Join(dir, "nats"), "hookbridge_dead_letters")
	if err := os.Remove(filepath.Join(dir, "dead_letters")); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir, nil)
	if got := remaining(t, s); len(got) > 0 {
		t.Errorf("in a new stream there is %v", got)
	}
	if id := addLetters(t, s, "billing", []byte("1"))[0]; id != 1 {
		t.Errorf("want id 1, got %d", id)
	}
	if e, err := s.Get(t.Context(), 1); err != nil || e.ID != "1" {
		t.Errorf("the event: %+v, %v", e, err)
	}
	if records, err := s.Records(t.Context()); err != nil || len(records) != 1 || string(records["a"]) != "1" {
		t.Errorf("the records: %q, %v", records, err)
	}
}

// deleteStream removes a stream from a store that nobody has open.
func deleteStream(t *testing.T, store, name string) {
	t.Helper()
	e, err := startEmbedded(store, &serverLog{log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.stop()
	nc, err := nats.Connect("", e.dial())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}

// The journal doesn't open with a ledger that it can't read: what was removed would come back.
func TestDamagedLedger(t *testing.T) {
	dir := t.TempDir()
	closeStore(t, openAt(t, dir, nil))
	path := filepath.Join(dir, "dead_letters")
	if err := os.WriteFile(path, []byte("5\n2 9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Config{Dir: dir, MinFree: -1})
	want := fmt.Sprintf("journal: %s: line 2: want two ids, each above the one before and at most 5, got %q", path, "2 9")
	if err == nil || err.Error() != want {
		t.Errorf("want %q, got %v", want, err)
	}
}
