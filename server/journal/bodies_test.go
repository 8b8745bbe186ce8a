package journal

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func withBody(id string) *Entry {
	return &Entry{Source: "demo", Type: "push", ID: id, Event: []byte("event"), Content: []byte("content"), DedupeWindow: -1, BodyKey: "body"}
}

// appendBody stores an event and returns its sequence and the event that it is said to be a replay of.
func appendBody(t *testing.T, s *Store, id string) (sequence, replayOf int64) {
	t.Helper()
	r, err := s.Append(t.Context(), withBody(id))
	if err != nil || r.Duplicate {
		t.Fatalf("append %s: %+v, %v", id, r, err)
	}
	got, err := s.Get(t.Context(), r.Sequence)
	if err != nil {
		t.Fatal(err)
	}
	return r.Sequence, got.ReplayOf
}

// A body is known after a restart, after kill -9, and when the index had to be made anew, from whatever event is left with it.
func TestBodiesAreKnownAfterARestart(t *testing.T) {
	for name, restart := range map[string]func(t *testing.T, s *Store, dir string) string{
		"closed": func(t *testing.T, s *Store, dir string) string { closeStore(t, s); return dir },
		"killed": func(t *testing.T, _ *Store, dir string) string { return killed(t, dir) },
		"without an index": func(t *testing.T, s *Store, dir string) string {
			index := s.folder.index()
			closeStore(t, s)
			if err := os.RemoveAll(index); err != nil {
				t.Fatal(err)
			}
			return dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openAt(t, dir, func(*Config) {})
			first, of := appendBody(t, s, "1")
			if of != 0 {
				t.Fatalf("the first is a replay of %d", of)
			}
			if _, of := appendBody(t, s, "2"); of != first {
				t.Fatalf("a replay of %d, want %d", of, first)
			}
			s = openAt(t, restart(t, s, dir), func(*Config) {})
			if _, of := appendBody(t, s, "3"); of != first {
				t.Errorf("a replay of %d, want %d", of, first)
			}
		})
	}
}

// A body counts for the window of the last event that had it, and no longer.
func TestBodiesCountForTheirWindow(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC).UnixNano())
	s := openAt(t, t.TempDir(), func(c *Config) {
		c.DedupeWindow = time.Hour
		c.Now = func() time.Time { return time.Unix(0, now.Load()) }
	})
	first, _ := appendBody(t, s, "1")
	for n, step := range []struct {
		after time.Duration
		again bool
	}{{59 * time.Minute, true}, {59 * time.Minute, true}, {time.Hour, false}} {
		now.Add(int64(step.after))
		sequence, of := appendBody(t, s, fmt.Sprint("later ", n))
		want := int64(0)
		if step.again {
			want = first
		}
		if of != want {
			t.Errorf("event %d is a replay of %d, want %d", sequence, of, want)
		}
	}
}

// A copy of an event elsewhere, as of a dead letter, still says what it was a replay of.
func TestCopiesSayWhatTheyReplay(t *testing.T) {
	s := openAt(t, t.TempDir(), func(*Config) {})
	first, _ := appendBody(t, s, "1")
	sequence, _ := appendBody(t, s, "2")
	e, err := s.Get(t.Context(), sequence)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := UnmarshalStored(sequence, e.Marshal()); err != nil || again.ReplayOf != first {
		t.Errorf("the copy is a replay of %d, %v, want %d", again.ReplayOf, err, first)
	}
}

// A batch of a thousand events is a few commits, not a thousand, whether their bodies differ or are one.
func TestABatchTakesFewCommits(t *testing.T) {
	for name, body := range map[string]func(int) string{
		"a thousand bodies": func(n int) string { return fmt.Sprint("body ", n) },
		"ten bodies":        func(n int) string { return fmt.Sprint("body ", n%10) },
		"one body":          func(int) string { return "body" },
	} {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			s := openAt(t, t.TempDir(), func(c *Config) { c.Registerer = registry })
			const size, most = 1000, 20
			entries := make([]*Entry, size)
			for n := range entries {
				entries[n] = withBody(fmt.Sprint(n))
				entries[n].BodyKey = body(n)
			}
			receipts, err := s.AppendBatch(t.Context(), entries)
			if err != nil {
				t.Fatal(err)
			}
			if n := commits(t, registry); n < 1 || n > most {
				t.Errorf("%d commits, want at most %d", n, most)
			}
			firsts := map[string]int64{}
			for n, r := range receipts {
				e, err := s.Get(t.Context(), r.Sequence)
				if err != nil {
					t.Fatal(err)
				}
				if first := firsts[body(n)]; e.ReplayOf != first {
					t.Fatalf("the event %d is a replay of %d, want %d", n, e.ReplayOf, first)
				} else if first == 0 {
					firsts[body(n)] = r.Sequence
				}
			}
		})
	}
}

// commits is how many commits there were.
func commits(t *testing.T, registry *prometheus.Registry) uint64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if strings.HasSuffix(f.GetName(), "commit_events") {
			return f.GetMetric()[0].GetHistogram().GetSampleCount()
		}
	}
	t.Fatal("no metric of commits")
	return 0
}

// What keeping bodies costs an append: compare with and without.
func BenchmarkAppend(b *testing.B) {
	for _, keyed := range []bool{false, true} {
		b.Run(fmt.Sprintf("body=%v", keyed), func(b *testing.B) {
			s, err := Open(b.Context(), Config{Dir: b.TempDir(), MinFree: -1, MaxBytes: 4 << 30, DeadLetterBytes: 64 << 20})
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				if err := s.Close(ctx); err != nil {
					b.Error(err)
				}
			}()
			event, content := make([]byte, 900), make([]byte, 900)
			var n atomic.Int64
			b.SetParallelism(64)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					id := fmt.Sprintf("%036d", n.Add(1))
					e := &Entry{Source: "github", Type: "push", ID: id, Event: event, Content: content, DedupeWindow: -1}
					if keyed {
						e.BodyKey = id[20:]
					}
					if _, err := s.Append(b.Context(), e); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
