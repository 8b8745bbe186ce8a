package journal

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// patience is how long a test waits for what should take milliseconds.
const patience = 20 * time.Second

func addLetters(t *testing.T, s *Store, owner string, payloads ...[]byte) []int64 {
	t.Helper()
	var entries []SideEntry
	for _, p := range payloads {
		entries = append(entries, SideEntry{Owner: owner, Payload: p})
	}
	ids, err := s.DeadLetters().Add(t.Context(), entries...)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// remaining returns the ids of the dead letters of all owners.
func remaining(t *testing.T, s *Store) []int64 {
	t.Helper()
	var ids []int64
	for from := int64(0); ; {
		page, err := s.DeadLetters().Read(t.Context(), SideQuery{From: from})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Entries) == 0 {
			return ids
		}
		for _, e := range page.Entries {
			ids = append(ids, e.ID)
		}
		from = page.Next
	}
}

// A full log refuses: a dead letter that has no room must leave its event waiting, so nothing goes to make room for it.
func TestFullDeadLetters(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := openAt(t, t.TempDir(), func(c *Config) { c.DeadLetterBytes, c.Registerer = 64<<10, registry })
	letter := make([]byte, 10_000)
	var ids []int64
	var err error
	for err == nil && len(ids) < 100 {
		var added []int64
		added, err = s.DeadLetters().Add(t.Context(), SideEntry{Owner: "billing", Payload: letter})
		ids = append(ids, added...)
	}
	want := "journal is full: dead_letter_bytes is 65536, and that much waits to be redriven or purged"
	if !errors.Is(err, ErrFull) || !errors.Is(err, ErrRefused) || err.Error() != want || len(ids) != 6 {
		t.Errorf("want %q after 6, got %v after %d", want, err, len(ids))
	}
	if err := s.DeadLetters().Status(); !errors.Is(err, ErrFull) {
		t.Errorf("status of the full log: %v", err)
	}
	// Deliveries are taken all the same.
	if err := s.Status(); err != nil {
		t.Errorf("status of the journal: %v", err)
	}
	appendNoise(t, s, "1")
	if got := remaining(t, s); !slices.Equal(got, ids) {
		t.Errorf("want %v, got %v", ids, got)
	}
	checkMetrics(t, registry, map[string]float64{
		"hookbridge_journal_dead_letters": 6, "hookbridge_journal_dead_letter_max_bytes": 65536,
		"hookbridge_journal_dead_letter_bytes": 6 * float64(recordSize("hookbridge.dead_letters.billing", 0, len(letter))),
	})
	if _, err := s.DeadLetters().Remove(t.Context(), "billing", ids[3]); err != nil {
		t.Fatal(err)
	}
	if err := s.DeadLetters().Status(); err != nil {
		t.Errorf("status when there is room again: %v", err)
	}
	addLetters(t, s, "billing", letter)
	checkMetrics(t, registry, map[string]float64{"hookbridge_journal_dead_letters": 6, "hookbridge_journal_erased_events_total": 0})
	if err := s.Erase(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	checkMetrics(t, registry, map[string]float64{"hookbridge_journal_erased_events_total": 1})
}

func checkMetrics(t *testing.T, registry *prometheus.Registry, want map[string]float64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		m := f.GetMetric()[0]
		got[f.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
	}
	for name, value := range want {
		if v, ok := got[name]; !ok || v != value {
			t.Errorf("%s: want %v, got %v, %v", name, value, v, ok)
		}
	}
}

// With too little free space a dead letter is refused like a delivery is, and can be removed.
func TestDeadLettersOnAFullDisk(t *testing.T) {
	var free atomic.Int64
	free.Store(1 << 40)
	s := openAt(t, t.TempDir(), func(c *Config) {
		c.MinFree, c.free = 1<<20, func(string) (int64, error) { return free.Load(), nil }
	})
	ids := addLetters(t, s, "billing", []byte("1"))
	free.Store(1 << 10)
	if err := s.space.check(); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	if _, err := s.DeadLetters().Add(t.Context(), SideEntry{Owner: "billing"}); !errors.Is(err, ErrFull) || !errors.Is(err, ErrRefused) {
		t.Errorf("want ErrFull and ErrRefused, got %v", err)
	}
	if n, err := s.DeadLetters().Remove(t.Context(), "billing", ids...); err != nil || n != 1 {
		t.Errorf("remove: %d, %v", n, err)
	}
}

// With an age dead letters go by themselves; without one they stay.
func TestDeadLettersAge(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, nil)
	addLetters(t, s, "billing", []byte("1"))
	config := func(s *Store) time.Duration {
		c, err := s.readable()
		if err != nil {
			t.Fatal(err)
		}
		return c.deadLetters.CachedInfo().Config.MaxAge
	}
	if age := config(s); age != 0 {
		t.Errorf("without an age the stream has %v", age)
	}
	closeStore(t, s)
	s = openAt(t, dir, func(c *Config) { c.DeadLetterMaxAge = time.Second })
	if age := config(s); age != time.Second {
		t.Errorf("the stream has age %v, want 1s", age)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for len(remaining(t, s)) > 0 {
		select {
		case <-ctx.Done():
			t.Fatal("it is still there")
		case <-ticker.C:
		}
	}
	if id := addLetters(t, s, "billing", []byte("2"))[0]; id != 2 {
		t.Errorf("want id 2, got %d", id)
	}
}

// faultyDisk fails a sync of a dead letters' block when it is told to.
type faultyDisk struct {
	osDisk
	fail atomic.Bool
}

var errSync = errors.New("input/output error")

func (d *faultyDisk) SyncFile(path string) error {
	if filepath.Base(filepath.Dir(filepath.Dir(path))) == "hookbridge_dead_letters" && d.fail.CompareAndSwap(true, false) {
		return errSync
	}
	return d.osDisk.SyncFile(path)
}

// A dead letter that could not be synced is not answered, and the store is opened anew.
func TestDeadLettersAfterAFailedSync(t *testing.T) {
	disk := &faultyDisk{}
	s := openAt(t, t.TempDir(), func(c *Config) { c.disk = disk })
	first := addLetters(t, s, "billing", []byte("1"))[0]
	disk.fail.Store(true)
	ids, err := s.DeadLetters().Add(t.Context(), SideEntry{Owner: "billing", Payload: []byte("2")})
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, errSync) {
		t.Fatalf("want ErrUnavailable because of the disk, got %v, %v", ids, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for ids, err = nil, ErrUnavailable; errors.Is(err, ErrUnavailable); <-ticker.C {
		ids, err = s.DeadLetters().Add(ctx, SideEntry{Owner: "billing", Payload: []byte("3")})
	}
	if err != nil {
		t.Fatal(err)
	}
	last, got := ids[0], remaining(t, s)
	if got[0] != first || got[len(got)-1] != last || last < first+2 {
		t.Errorf("after %d the new one is %d, and there is %v", first, last, got)
	}
	appendNoise(t, s, "1")
}
