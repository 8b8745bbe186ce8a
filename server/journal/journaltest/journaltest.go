// Package journaltest is the law of journals: what every implementation of journal.Journal promises, as tests that each calls.
//
//	journaltest.Run(t, func(t *testing.T) journal.Journal { return open(t) })
//
// Each case opens a journal of its own, which must be empty. Durability is not tested here: it takes a crash, and each kind of
// storage has its own.
package journaltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/journal"
)

// Open opens an empty journal, which is closed with the test. Its dedupe window is at least an hour.
type Open func(t *testing.T) journal.Journal

// patience is how long a case waits for what should take milliseconds.
const patience = 20 * time.Second

// Run runs all cases.
func Run(t *testing.T, open Open) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *subject)
	}{
		{"a receipt names the event", receiptNamesTheEvent},
		{"sequences grow in the order of appends", sequencesGrow},
		{"of concurrent appends under one id one is stored", oneOfConcurrentAppends},
		{"an id counts within its source", idsBelongToSources},
		{"without a window every append is an event", noWindow},
		{"after its window an id is forgotten, and its event is not", idsAreForgotten},
		{"a batch is stored whole and in order", batchIsStored},
		{"a retry of a batch adds what is missing", batchIsRetried},
		{"batches that cross don't block", batchesCross},
		{"a refused entry is an error of its batch", batchErrors},
		{"the same body under another id names the first", bodiesAreKnown},
		{"of concurrent appends with one body one is the first", bodiesOfConcurrentAppends},
		{"in a batch the second with a body names the first", bodiesInABatch},
		{"a body of 25 MB comes back whole", largeBody},
		{"a read goes on where the last one ended", pages},
		{"a read is bounded", boundedRead},
		{"a hint never hides what matches", hints},
		{"a wait ends when there is more", waits},
		{"a wait ends with its context", waitsEnd},
		{"an event is found by time", byTime},
		{"records are replaced and deleted", records},
		{"an erased event is skipped and its id still counts", erasedAreSkipped},
		{"when all is erased sequences go on", allErased},
		{"dead letters come back as they were", sideEntriesComeBack},
		{"ids of dead letters grow", sideIDsGrow},
		{"pages of dead letters are bounded", sidePagesAreBounded},
		{"a dead letter of 25 MB comes back whole", sideLargest},
		{"dead letters are counted by owner", sideCounts},
		{"removed dead letters are gone", sideRemoves},
		{"a purge takes all of one owner", sidePurges},
		{"hidden dead letters are as good as removed, and can be", sideHides},
		{"rejections come back, the newest first", ringEntriesComeBack},
		{"pages of rejections are bounded", ringPagesAreBounded},
		{"a closed journal takes nothing", closed},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			c.test(t, &subject{Journal: open(t), t: t, ctx: ctx})
		})
	}
}

// subject is the journal of a case.
type subject struct {
	journal.Journal
	t   *testing.T
	ctx context.Context
}

func entry(id string) *journal.Entry {
	return &journal.Entry{Source: "demo", Type: "push", ID: id, Event: []byte("event " + id), Content: []byte("content " + id), BodyBytes: 7, DedupeWindow: -1}
}

// append stores an entry, which must be new, and returns its sequence.
func (s *subject) append(e *journal.Entry) int64 {
	s.t.Helper()
	r, err := s.Append(s.ctx, e)
	if err != nil || r.Duplicate {
		s.t.Fatalf("append %s: %+v, %v", e.ID, r, err)
	}
	return r.Sequence
}

// fill stores so many entries and returns their sequences.
func (s *subject) fill(n int) []int64 {
	s.t.Helper()
	var sequences []int64
	for i := range n {
		sequences = append(sequences, s.append(entry(fmt.Sprint(i))))
	}
	return sequences
}

func receiptNamesTheEvent(t *testing.T, s *subject) {
	want := entry("1")
	sequence := s.append(want)
	got, err := s.Get(s.ctx, sequence)
	if err != nil {
		t.Fatal(err)
	}
	content, err := got.Content()
	if err != nil || got.Sequence != sequence || got.Source != want.Source || got.Type != want.Type || got.ID != want.ID || got.BodyBytes != want.BodyBytes ||
		!bytes.Equal(got.Event, want.Event) || !bytes.Equal(content, want.Content) || got.DataDropped {
		t.Errorf("want %+v, got %+v with content %q, %v", want, got, content, err)
	}
	if found, err := s.Lookup(s.ctx, "demo", "1"); err != nil || found != sequence {
		t.Errorf("by id: want %d, got %d, %v", sequence, found, err)
	}
	if b := s.Bounds(); b.First != sequence || b.End != sequence+1 {
		t.Errorf("want bounds from %d to %d, got %+v", sequence, sequence+1, b)
	}
	for name, get := range map[string]func() error{
		"by sequence": func() error { _, err := s.Get(s.ctx, sequence+1); return err },
		"by id":       func() error { _, err := s.Lookup(s.ctx, "demo", "2"); return err },
	} {
		if err := get(); !errors.Is(err, journal.ErrNotFound) {
			t.Errorf("one that isn't there, %s: want ErrNotFound, got %v", name, err)
		}
	}
}

func sequencesGrow(t *testing.T, s *subject) {
	last := int64(0)
	for _, sequence := range s.fill(20) {
		if sequence <= last {
			t.Errorf("%d after %d", sequence, last)
		}
		last = sequence
	}
}

func oneOfConcurrentAppends(t *testing.T, s *subject) {
	const together = 32
	receipts := make([]journal.Receipt, together)
	var work sync.WaitGroup
	for n := range receipts {
		work.Go(func() {
			var err error
			if receipts[n], err = s.Append(s.ctx, entry("same")); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	fresh := 0
	for _, r := range receipts {
		if r.Sequence != receipts[0].Sequence {
			t.Errorf("receipts with sequences %d and %d", receipts[0].Sequence, r.Sequence)
		}
		if !r.Duplicate {
			fresh++
		}
	}
	if fresh != 1 {
		t.Errorf("%d of %d were stored, want 1", fresh, together)
	}
	if r, err := s.Append(s.ctx, entry("same")); err != nil || !r.Duplicate || r.Sequence != receipts[0].Sequence {
		t.Errorf("later: want a duplicate of %d, got %+v, %v", receipts[0].Sequence, r, err)
	}
}

func idsBelongToSources(_ *testing.T, s *subject) {
	s.append(entry("1"))
	other := entry("1")
	other.Source = "another"
	s.append(other)
}

func noWindow(t *testing.T, s *subject) {
	e := entry("1")
	e.DedupeWindow = 0
	if first, second := s.append(e), s.append(e); first == second {
		t.Errorf("both have sequence %d", first)
	}
}

func largeBody(t *testing.T, s *subject) {
	e := entry("large")
	e.Content = make([]byte, 25<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(e.Content)
	got, err := s.Get(s.ctx, s.append(e))
	if err != nil {
		t.Fatal(err)
	}
	if content, err := got.Content(); err != nil || !bytes.Equal(content, e.Content) {
		t.Errorf("%d bytes came back as other %d, %v", len(e.Content), len(content), err)
	}
	e.ID, e.Content = "larger", make([]byte, journal.MaxRecord+1)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(e.Content)
	if _, err := s.Append(s.ctx, e); !errors.Is(err, journal.ErrTooLarge) {
		t.Errorf("beyond the largest record: want ErrTooLarge, got %v", err)
	}
}

func pages(t *testing.T, s *subject) {
	want := s.fill(25)
	var got []int64
	for from := int64(1); from < s.Bounds().End; {
		page, err := s.Read(s.ctx, journal.Query{From: from, MaxEvents: 10})
		if err != nil || page.Next <= from {
			t.Fatalf("read from %d: next %d, %v", from, page.Next, err)
		}
		for _, e := range page.Events {
			got = append(got, e.Sequence)
		}
		from = page.Next
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("want %v, got %v", want, got)
	}
	if page, err := s.Read(s.ctx, journal.Query{From: s.Bounds().End}); err != nil || len(page.Events) > 0 || page.Next != s.Bounds().End {
		t.Errorf("at the end: %+v, %v", page, err)
	}
}

func boundedRead(t *testing.T, s *subject) {
	s.fill(10)
	if page, err := s.Read(s.ctx, journal.Query{From: 1, MaxEvents: 3}); err != nil || len(page.Events) != 3 {
		t.Errorf("of at most 3 events: %d, %v", len(page.Events), err)
	}
	if page, err := s.Read(s.ctx, journal.Query{From: 1, MaxBytes: 1}); err != nil || len(page.Events) != 1 {
		t.Errorf("of at most 1 byte: %d events, %v, want one all the same", len(page.Events), err)
	}
}

func hints(t *testing.T, s *subject) {
	for n, typ := range []string{"push", "pull_request.opened", "pull_request", "a*b", "", "...", "ü.\x00", "push.pull"} {
		e := entry(fmt.Sprint(n))
		e.Type = typ
		s.append(e)
	}
	for _, typ := range []string{"push", "pull_request.*", "a*b", "*", "...", "ü.\x00"} {
		page, err := s.Read(s.ctx, journal.Query{From: 1, MaxEvents: 100, Sources: []string{"demo"}, Types: []string{typ}})
		if err != nil {
			t.Fatal(err)
		}
		exact := map[string]string{"push": "push", "pull_request.*": "pull_request.opened", "a*b": "a*b", "*": "push", "...": "...", "ü.\x00": "ü.\x00"}[typ]
		found := false
		for _, e := range page.Events {
			found = found || e.Type == exact
		}
		if !found {
			t.Errorf("types %q hide %q", typ, exact)
		}
	}
}

func waits(t *testing.T, s *subject) {
	end := s.Bounds().End
	woken := make(chan journal.Bounds, 1)
	go func() {
		b, err := s.Wait(s.ctx, end)
		if err != nil {
			t.Error(err)
		}
		woken <- b
	}()
	sequence := s.append(entry("1"))
	if b := <-woken; b.End <= sequence {
		t.Errorf("woken at %+v by event %d", b, sequence)
	}
}

func waitsEnd(t *testing.T, s *subject) {
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, err := s.Wait(ctx, s.Bounds().End); !errors.Is(err, context.Canceled) {
		t.Errorf("want the context's error, got %v", err)
	}
}

func byTime(t *testing.T, s *subject) {
	first := s.append(entry("1"))
	e, err := s.Get(s.ctx, first)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		at   time.Time
		want int64
	}{
		"long before": {e.Time.Add(-time.Hour), first},
		"exactly":     {e.Time, first},
		"long after":  {e.Time.Add(time.Hour), s.Bounds().End},
	} {
		if got, err := s.SequenceAt(s.ctx, tc.at); err != nil || got != tc.want {
			t.Errorf("%s: want %d, got %d, %v", name, tc.want, got, err)
		}
	}
}

func records(t *testing.T, s *subject) {
	for _, put := range []map[string][]byte{{"a": []byte("1"), "b.c d": []byte("2")}, {"a": []byte("3"), "e": {}}, {"b.c d": nil}} {
		if err := s.PutRecords(s.ctx, put); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Records(s.ctx)
	if err != nil || len(got) != 2 || string(got["a"]) != "3" || len(got["e"]) != 0 {
		t.Errorf("got %q, %v", got, err)
	}
	if b := s.Bounds(); b.First != b.End {
		t.Errorf("records are seen as events: %+v", b)
	}
}

func closed(t *testing.T, s *subject) {
	if err := s.Close(s.ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(s.ctx, entry("1")); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("want ErrClosed, got %v", err)
	}
	for name, call := range map[string]func() error{
		"erase": func() error { return s.Erase(s.ctx, 1) },
		"add a dead letter": func() error {
			_, err := s.DeadLetters().Add(s.ctx, journal.SideEntry{Owner: "billing"})
			return err
		},
		"read dead letters":      func() error { _, err := s.DeadLetters().Read(s.ctx, journal.SideQuery{}); return err },
		"get a dead letter":      func() error { _, err := s.DeadLetters().Get(s.ctx, 1); return err },
		"count dead letters":     func() error { _, err := s.DeadLetters().Count(s.ctx); return err },
		"remove a dead letter":   func() error { _, err := s.DeadLetters().Remove(s.ctx, "billing", 1); return err },
		"hide a dead letter":     func() error { return s.DeadLetters().Hide(s.ctx, 1) },
		"purge dead letters":     func() error { _, err := s.DeadLetters().Purge(s.ctx, "billing"); return err },
		"status":                 s.Status,
		"status of dead letters": func() error { return s.DeadLetters().Status() },
	} {
		if err := call(); !errors.Is(err, journal.ErrClosed) {
			t.Errorf("%s: want ErrClosed, got %v", name, err)
		}
	}
	if err := s.Close(s.ctx); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}
