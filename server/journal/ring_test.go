package journal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// ringOf returns the payloads of the ring log, the newest first.
func ringOf(t *testing.T, s *Store) []string {
	t.Helper()
	var found []string
	for before := int64(0); ; {
		page, err := s.Rejections().Before(t.Context(), RingQuery{Before: before})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			found = append(found, string(bytes.TrimRight(e.Payload, " ")))
		}
		if before = page.Next; before == 0 {
			return found
		}
	}
}

// The oldest go where there is no room, the newest stay over kill -9, and ids go on.
func TestTheOldestRejectionsGo(t *testing.T) {
	dir := t.TempDir()
	small := func(c *Config) { c.RejectionBytes = 64 << 10 }
	s := openAt(t, dir, small)
	const added, size = 200, 1000
	var last int64
	for n := range added {
		var err error
		if last, err = s.Rejections().Add(t.Context(), "github", fmt.Appendf(nil, "%-*d", size, n)); err != nil {
			t.Fatal(err)
		}
	}
	kept := ringOf(t, s)
	if most := 64 << 10 / size; len(kept) > most || len(kept) < most/2 {
		t.Errorf("want %d to %d to be kept, got %d", most/2, most, len(kept))
	}
	for n, text := range kept {
		if want := fmt.Sprint(added - 1 - n); text != want {
			t.Fatalf("want %s at %d, got %s", want, n, text)
		}
	}
	s = openAt(t, killed(t, dir), small)
	if again := ringOf(t, s); len(again) != len(kept) || again[0] != kept[0] {
		t.Errorf("after kill -9: want %d, got %d", len(kept), len(again))
	}
	if id, err := s.Rejections().Add(t.Context(), "github", []byte("more")); err != nil || id != last+1 {
		t.Errorf("want id %d, got %d, %v", last+1, id, err)
	}
}

// A log of refusals that could not be recovered is not worth a start: what can be read of it goes on.
func TestBrokenRejectionsStopNothing(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, nil)
	if _, err := s.Rejections().Add(t.Context(), "github", []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	broken := streamFolder(filepath.Join(dir, "nats"), "hookbridge_rejections")
	if err := os.WriteFile(filepath.Join(broken, "meta.inf"), []byte("no more"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir, nil)
	if _, err := s.Rejections().Add(t.Context(), "github", []byte("two")); err != nil {
		t.Error(err)
	}
	if got := ringOf(t, s); !slices.Equal(got, []string{"two", "one"}) {
		t.Errorf("want two and one, got %q", got)
	}
}
