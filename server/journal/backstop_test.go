package journal

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// What is stored is never taken for less than it is: not when the server is asked while something is on its way to it.
func TestUsageWhileSomethingIsUnderWay(t *testing.T) {
	u := &usage{}
	u.set(100, u.begin())
	for _, step := range []struct {
		what string
		do   func()
		want int64
	}{
		{"admitted", func() { u.admit(10, 200) }, 110},
		{"asked before it is stored", func() { u.set(100, u.begin()) }, 110},
		{"admitted, and asked again", func() { u.admit(5, 200); u.set(100, u.begin()) }, 115},
		{"the first has landed, and the server says so", func() { u.landed(10); u.set(110, u.begin()) }, 115},
		{"admitted after it was asked", func() { begun := u.begin(); u.admit(7, 200); u.set(110, begun) }, 122},
		{"all have landed", func() { u.allLanded(); u.set(122, u.begin()) }, 122},
		{"no room", func() { u.admit(79, 200); u.set(122, u.begin()) }, 122},
	} {
		if step.do(); u.get() != step.want {
			t.Errorf("%s: got %d, want %d", step.what, u.get(), step.want)
		}
	}
}

// crowd appends events of about 80 KB, 64 at a time, and returns what became of each.
func crowd(t *testing.T, s *Store, each int) (receipts map[string]Receipt, refusals map[string]error) {
	t.Helper()
	receipts, refusals = map[string]Receipt{}, map[string]error{}
	var all sync.WaitGroup
	var mu sync.Mutex
	for sender := range 64 {
		all.Go(func() {
			for n := range each {
				id := fmt.Sprintf("%d-%d", sender, n)
				var content []byte
				for part := range 40 {
					content = append(content, noise(fmt.Sprintf("%s-%d", id, part))...)
				}
				r, err := s.Append(t.Context(), &Entry{Source: "demo", Type: "test", ID: id, Event: []byte(id), Content: content, DedupeWindow: -1})
				mu.Lock()
				if receipts[id] = r; err != nil {
					delete(receipts, id)
					refusals[id] = err
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return receipts, refusals
}

// A crowd at max_bytes is refused by us, however often the server is asked meanwhile what it has, and never by the stream, whose refusals cost the
// whole group and have the store opened anew.
func TestCrowdAtMaxBytes(t *testing.T) {
	s := openAt(t, t.TempDir(), func(c *Config) { c.housekeeping, c.MaxBytes = time.Millisecond, 8<<20 })
	s.SetHolds(func() Holds { return Holds{All: 1} })
	_, refusals := crowd(t, s, 4)
	for id, err := range refusals {
		if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "max_bytes is 8388608") {
			t.Errorf("%s: %v", id, err)
		}
	}
	if len(refusals) == 0 {
		t.Error("it found room for all")
	}
	if n := testutil.ToFloat64(s.metrics.reopened); n != 0 || s.usage.get() > 8<<20 {
		t.Errorf("the store was opened anew %v times, and has %d bytes", n, s.usage.get())
	}
}

// A group that the stream refuses all the same: what was answered is stored under its number, all others are told that there is no room, and when there
// is some the journal takes them, without a restart, each once.
func TestGroupRefusedByTheStream(t *testing.T) {
	s := openAt(t, t.TempDir(), nil)
	s.SetHolds(func() Holds { return Holds{All: 1} })
	first := appendNoise(t, s, "first")
	s.usage.set(-1<<30, s.usage.begin())
	receipts, refusals := crowd(t, s, 1)
	receipts["first"] = Receipt{Sequence: first}
	for id, err := range refusals {
		if !errors.Is(err, ErrFull) {
			t.Errorf("%s: want ErrFull, got %v", id, err)
		}
	}
	if len(refusals) == 0 {
		t.Error("the stream found room for all")
	}
	within(t, "the store is open again", func() bool { _, err := s.readable(); return err == nil && testutil.ToFloat64(s.metrics.reopened) > 0 })
	for id, r := range receipts {
		if e, err := s.Get(t.Context(), r.Sequence); err != nil || e.ID != id {
			t.Errorf("%s: want it at %d, got %+v, %v", id, r.Sequence, e, err)
		}
	}
	page, err := s.Read(t.Context(), Query{From: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Events) == 0 {
		t.Fatal("nothing can be read")
	}
	for _, e := range page.Events {
		knownAs(t, s, e.ID, e.Sequence)
	}
	// What was stored and not answered is known, so that it is not stored twice; a new one makes room.
	s.SetHolds(func() Holds { return Holds{} })
	within(t, "the journal takes events again", func() bool { return s.Status() == nil })
	if got := appendNoise(t, s, "new"); got != page.Events[len(page.Events)-1].Sequence+1 {
		t.Errorf("a new event is at %d, want it behind %d", got, page.Events[len(page.Events)-1].Sequence)
	}
}
