package journal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/internal/chance"
)

// Guarantee 2, 2xx means on disk: after a power cut at any moment, every event whose append was answered is there, once, under its
// sequence, and so is every record; whatever became of the bytes that were not synced. With little room the server's blocks are
// small, so that the cuts also hit moments when a new one was begun, or an old one removed.
func TestPowerCut(t *testing.T) {
	// When the power is cut, and what is left then, is drawn. What the writers have written by then is up to how they run.
	seed := chance.Seed(t)
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	tails := map[string]func(*rand.Rand, []byte) []byte{
		"nothing unsynced is left": func(*rand.Rand, []byte) []byte { return nil },
		"a part of it is left":     func(r *rand.Rand, b []byte) []byte { return b[:r.IntN(len(b)+1)] },
		"zeros are left":           func(r *rand.Rand, b []byte) []byte { return make([]byte, r.IntN(len(b)+1)) },
	}
	var erased, letters, removed int
	for room, maxBytes := range map[string]int64{"much room": 1 << 20, "little room": 120_000} {
		for name, left := range tails {
			t.Run(room+", "+name, func(t *testing.T) {
				total := 0
				for round := range rounds {
					random := chance.Of(seed, room, name, round)
					answered := cutPower(t, maxBytes, 1+random.IntN(100), false, func(b []byte) []byte { return left(random, b) })
					for _, problem := range answered.missing(t) {
						t.Error(problem)
					}
					total += len(answered.events)
					erased, letters, removed = erased+len(answered.erased), letters+len(answered.letters), removed+len(answered.removed)
				}
				t.Logf("%d cuts, %d events answered", rounds, total)
				if total == 0 {
					t.Error("no event was answered before a cut: nothing was tested")
				}
			})
		}
	}
	t.Logf("answered: %d events erased, %d dead letters, %d of them removed", erased, letters, removed)
	if erased == 0 || letters == 0 || removed == 0 {
		t.Error("something was never answered before a cut: it was not tested")
	}
}

// The test above can fail: on a disk that answers a sync without doing it, events are lost.
func TestPowerCutWithoutSync(t *testing.T) {
	answered := cutPower(t, 1<<20, 60, true, func([]byte) []byte { return nil })
	if len(answered.events) == 0 {
		t.Fatal("no event was answered")
	}
	if lost := len(answered.missing(t)); lost < len(answered.events) {
		t.Errorf("of %d events that were answered and not synced only %d are missed", len(answered.events), lost)
	}
}

// answered is what the journal said it has, and what is left of it after the cut.
type answered struct {
	dir      string
	maxBytes int64
	mu       sync.Mutex
	events   map[string]int64
	records  map[string]string
	// end follows the highest sequence that was answered.
	end int64
	// erased are the sequences of events whose erasure was answered, by id.
	erased map[string]int64
	// letters are the dead letters by id, removed those of them whose removal was answered, and whether they were erased.
	letters map[int64]string
	removed map[int64]bool
}

// cutPower fills a journal until so many syncs were done, and cuts the power.
func cutPower(t *testing.T, maxBytes int64, syncs int, lies bool, left remains) *answered {
	t.Helper()
	root := t.TempDir()
	before := filepath.Join(root, "before")
	disk := newPlatter()
	defer disk.close(t)
	s, err := Open(t.Context(), Config{
		Dir: before, MaxBytes: maxBytes, DeadLetterBytes: maxBytes, MinFree: -1, PublishTimeout: time.Minute, disk: disk,
	})
	if err != nil {
		t.Fatal(err)
	}
	disk.set(syncs, lies)
	a := &answered{
		maxBytes: maxBytes, dir: filepath.Join(root, "after"), events: map[string]int64{}, records: map[string]string{},
		erased: map[string]int64{}, letters: map[int64]string{}, removed: map[int64]bool{},
	}
	var writers sync.WaitGroup
	const concurrency = 8
	for writer := range concurrency {
		writers.Go(func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%d-%d", writer, n)
				// A liar never gets to its last sync by itself: its power is cut after enough events.
				if lies && n == 20 {
					return
				}
				if !a.append(t.Context(), s, id) {
					return
				}
				if writer == 0 && n%4 == 0 && !a.put(t.Context(), s, "record", fmt.Sprintf("%08d", n)) {
					return
				}
				if writer == 1 && n%4 == 0 && !lies && !a.erase(t.Context(), s, id) {
					return
				}
			}
		})
	}
	if !lies {
		writers.Go(func() { a.keepLetters(t.Context(), s) })
	}
	writers.Wait()
	disk.set(0, lies)
	if err := disk.restore(before, a.dir, left); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	// Without power it can't end well.
	_ = s.Close(ctx)
	return a
}

func (a *answered) append(ctx context.Context, s *Store, id string) bool {
	entry := &Entry{Source: "demo", Type: "test", ID: id, Event: []byte(id), Content: noise(id), DedupeWindow: -1}
	receipt, err := s.Append(ctx, entry)
	for errors.Is(err, ErrFull) {
		// Retention makes room in a moment.
		receipt, err = s.Append(ctx, entry)
	}
	if err != nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events[id] = receipt.Sequence
	a.end = max(a.end, receipt.Sequence+1)
	return true
}

// noise is a body that doesn't compress.
func noise(id string) []byte {
	body := make([]byte, 2000)
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte(id))).Read(body)
	return body
}

func (a *answered) put(ctx context.Context, s *Store, key, value string) bool {
	if s.PutRecords(ctx, map[string][]byte{key: []byte(value)}) != nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.records[key] = value
	return true
}

// missing opens what is left and says what of the answered is not as it was answered.
func (a *answered) missing(t *testing.T) []string {
	t.Helper()
	s, err := Open(t.Context(), Config{Dir: a.dir, MaxBytes: a.maxBytes, DeadLetterBytes: a.maxBytes, MinFree: -1})
	if err != nil {
		return []string{fmt.Sprintf("the journal does not open: %v", err)}
	}
	defer func() {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	var problems []string
	stored := map[string][]int64{}
	for from := s.Bounds().First; from < s.Bounds().End; {
		page, err := s.Read(t.Context(), Query{From: from})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			stored[e.ID] = append(stored[e.ID], e.Sequence)
			if string(e.Event) != e.ID {
				problems = append(problems, fmt.Sprintf("event %d is damaged", e.Sequence))
			}
		}
		from = page.Next
	}
	for id, sequence := range a.events {
		// Retention removed it. The first sequence is on disk only with the next event, so more may be left.
		if sequence < s.Bounds().First {
			continue
		}
		if at := stored[id]; len(at) != 1 || at[0] != sequence {
			problems = append(problems, fmt.Sprintf("%s was answered with sequence %d, and is at %v", id, sequence, at))
		}
	}
	for id, at := range stored {
		receipt, err := s.Append(t.Context(), &Entry{Source: "demo", Type: "test", ID: id, Event: []byte(id), DedupeWindow: -1})
		if want := (Receipt{Sequence: at[0], Duplicate: true}); err != nil || receipt != want || len(at) != 1 {
			problems = append(problems, fmt.Sprintf("%s is at %v; appended again it gets %v, %v", id, at, receipt, err))
		}
	}
	records, err := s.Records(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range a.records {
		// One that was not answered may have come after it.
		if got := string(records[key]); got < value {
			problems = append(problems, fmt.Sprintf("record %s was answered as %s, and is %q", key, value, got))
		}
	}
	return append(problems, a.notErased(t, s, stored)...)
}
