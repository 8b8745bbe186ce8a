package journal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// smallBlocks makes the server keep events in blocks of 32 KB.
const smallBlocks = 120_000

func openAt(t *testing.T, dir string, change func(*Config)) *Store {
	t.Helper()
	cfg := Config{Dir: dir, MaxBytes: 1 << 20, DeadLetterBytes: 1 << 20, MinFree: -1}
	if change != nil {
		change(&cfg)
	}
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t *testing.T, s *Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

// killed returns a copy of a journal's folder as kill -9 would leave it at this moment: what was written is there, and nothing was
// closed.
func killed(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "killed")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func appendNoise(t *testing.T, s *Store, id string) int64 {
	t.Helper()
	r, err := s.Append(t.Context(), &Entry{Source: "demo", Type: "test", ID: id, Event: []byte(id), Content: noise(id), DedupeWindow: -1})
	if err != nil || r.Duplicate {
		t.Fatalf("append %s: %+v, %v", id, r, err)
	}
	return r.Sequence
}

// What was erased is in no file any more, wherever it stood in its block, and stays so; all else is as it was.
func TestErasedBytesAreGoneFromDisk(t *testing.T) {
	const events = 40
	for name, erase := range map[string][]int{
		"the first":                     {0},
		"one in the middle":             {20},
		"the last":                      {39},
		"the last two, the last first":  {39, 38},
		"neighbours across two blocks":  {10, 11, 12, 13, 14, 15, 16, 17, 18},
		"a whole block and more":        {30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11},
		"all but the first":             numbers(1, events),
		"all, so that the store is new": numbers(0, events),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openAt(t, dir, func(c *Config) { c.MaxBytes = smallBlocks })
			for n := range events {
				if sequence := appendNoise(t, s, fmt.Sprint(n)); sequence != int64(n)+1 {
					t.Fatalf("event %d has sequence %d", n, sequence)
				}
			}
			for _, n := range erase {
				if holding(t, dir, noise(fmt.Sprint(n))) == "" {
					t.Fatalf("event %d is not found on disk before it is erased: the test looks for the wrong bytes", n)
				}
				if err := s.Erase(t.Context(), int64(n)+1); err != nil {
					t.Fatal(err)
				}
			}
			checkErased(t, "at once", s, dir, events, erase)
			after := killed(t, dir)
			checkErased(t, "after kill -9", openAt(t, after, func(c *Config) { c.MaxBytes = smallBlocks }), after, events, erase)
			closeStore(t, s)
			s = openAt(t, dir, func(c *Config) { c.MaxBytes = smallBlocks })
			checkErased(t, "after a restart", s, dir, events, erase)
			if sequence := appendNoise(t, s, "next"); sequence != events+1 {
				t.Errorf("the next event has sequence %d, want %d", sequence, events+1)
			}
		})
	}
}

func numbers(from, to int) []int {
	var all []int
	for n := from; n < to; n++ {
		all = append(all, n)
	}
	return all
}

func checkErased(t *testing.T, when string, s *Store, dir string, events int, erased []int) {
	t.Helper()
	var want, got []int64
	for n := range events {
		id, sequence := fmt.Sprint(n), int64(n)+1
		gone := slices.Contains(erased, n)
		if file := holding(t, dir, noise(id)); (file == "") != gone {
			t.Errorf("%s: event %d, erased: %v, is in file %q", when, n, gone, file)
		}
		if !gone {
			want = append(want, sequence)
		}
		if found, err := s.Lookup(t.Context(), "demo", id); err != nil || found != sequence {
			t.Errorf("%s: lookup of %s: want %d, got %d, %v", when, id, sequence, found, err)
		}
		if _, err := s.Get(t.Context(), sequence); errors.Is(err, ErrNotFound) != gone {
			t.Errorf("%s: get %d: %v", when, sequence, err)
		}
		// A provider's retry is a duplicate still.
		r, err := s.Append(t.Context(), &Entry{Source: "demo", Type: "test", ID: id, DedupeWindow: -1})
		if err != nil || r != (Receipt{Sequence: sequence, Duplicate: true}) {
			t.Errorf("%s: %s again: %+v, %v", when, id, r, err)
		}
	}
	for from := int64(1); from < s.Bounds().End; {
		page, err := s.Read(t.Context(), Query{From: from, MaxEvents: 7})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			got = append(got, e.Sequence)
		}
		from = page.Next
	}
	if !slices.Equal(got, want) || s.Bounds().End != int64(events)+1 {
		t.Errorf("%s: want %v, got %v to %d", when, want, got, s.Bounds().End)
	}
}

// Erased dead letters are in no file any more, and what else there was stays.
func TestErasedDeadLettersAreGoneFromDisk(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, func(c *Config) { c.DeadLetterBytes = smallBlocks })
	bodies := map[int64]string{}
	for n := range 40 {
		body := fmt.Sprint("letter ", n)
		ids, err := s.DeadLetters().Add(t.Context(), SideEntry{Owner: "billing", Payload: noise(body)})
		if err != nil {
			t.Fatal(err)
		}
		bodies[ids[0]] = body
	}
	erase := []int64{1, 14, 15, 16, 17, 40}
	if n, err := s.DeadLetters().Erase(t.Context(), "billing", erase...); err != nil || n != len(erase) {
		t.Fatalf("want %d erased, got %d, %v", len(erase), n, err)
	}
	for _, id := range slices.Sorted(maps.Keys(bodies)) {
		if file, gone := holding(t, dir, noise(bodies[id])), slices.Contains(erase, id); (file == "") != gone {
			t.Errorf("dead letter %d, erased: %v, is in file %q", id, gone, file)
		}
	}
}

// A process that is killed while the server rewrites a block leaves a copy of it, which the server doesn't remove.
func TestLeftoversOfBlocksAreRemoved(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, nil)
	appendNoise(t, s, "1")
	closeStore(t, s)
	messages := filepath.Join(streamFolder(filepath.Join(dir, "nats"), "hookbridge_events"), "msgs")
	for _, name := range []string{"1.blk.tmp", "1.new"} {
		if err := os.WriteFile(filepath.Join(messages, name), noise("leftover"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = openAt(t, dir, nil)
	if file := holding(t, dir, noise("leftover")); file != "" {
		t.Errorf("%s is still there", file)
	}
	if _, err := s.Get(t.Context(), 1); err != nil {
		t.Error(err)
	}
}
