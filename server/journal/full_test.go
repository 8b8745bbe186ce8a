package journal

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// fullness is a disk that is full or not, as the test says. Only what is asked of it knows: what is written all the same is written.
type fullness struct{ full atomic.Bool }

func (f *fullness) free(string) (int64, error) {
	if f.full.Load() {
		return 0, nil
	}
	return math.MaxInt64, nil
}

func (f *fullness) probe(path string) error {
	if f.full.Load() {
		return &os.PathError{Op: "write", Path: path, Err: syscall.ENOSPC}
	}
	return nil
}

func (f *fullness) change(c *Config) {
	c.free, c.probe, c.housekeeping = f.free, f.probe, 10*time.Millisecond
}

// knownAs appends an event that is there already.
func knownAs(t *testing.T, s *Store, id string, sequence int64) {
	t.Helper()
	r, err := s.Append(t.Context(), &Entry{Source: "demo", Type: "test", ID: id, Event: []byte(id), DedupeWindow: -1})
	if err != nil || !r.Duplicate || r.Sequence != sequence {
		t.Errorf("%s: want a duplicate of %d, got %+v, %v", id, sequence, r, err)
	}
}

// wantOnlyReading says that a journal must have five events, and take nothing.
func wantOnlyReading(t *testing.T, s *Store) {
	t.Helper()
	_, appending := s.Append(t.Context(), &Entry{Source: "demo", Type: "test", ID: "new", Event: []byte("new"), DedupeWindow: -1})
	_, always := s.Append(t.Context(), &Entry{Source: "demo", Type: "test", ID: "new", Event: []byte("new")})
	_, burying := s.DeadLetters().Add(t.Context(), SideEntry{Owner: "billing", Payload: []byte("1")})
	for what, err := range map[string]error{
		"the status": s.Status(), "an append": appending, "one without a window": always, "a dead letter": burying,
		"records": s.PutRecords(t.Context(), map[string][]byte{"a": []byte("2")}),
	} {
		if !errors.Is(err, ErrFull) {
			t.Errorf("%s: want ErrFull, got %v", what, err)
		}
	}
	page, err := s.Read(t.Context(), Query{From: 1})
	if err != nil || len(page.Events) != 5 || s.Bounds() != (Bounds{First: 1, End: 6}) {
		t.Errorf("want five events, got %d within %+v, %v", len(page.Events), s.Bounds(), err)
	}
	if e, err := s.Get(t.Context(), 5); err != nil || e.ID != "5" {
		t.Errorf("the fifth: %+v, %v", e, err)
	}
	if records, err := s.Records(t.Context()); err != nil || string(records["a"]) != "1" {
		t.Errorf("the records: %q, %v", records, err)
	}
}

// wantAllKnown says that a journal takes events again, and knows those that it has.
func wantAllKnown(t *testing.T, s *Store) {
	t.Helper()
	within(t, "the journal takes events again", func() bool { return s.Status() == nil })
	for n := int64(1); n <= 5; n++ {
		knownAs(t, s, strconv.FormatInt(n, 10), n)
	}
	if got := appendNoise(t, s, "new"); got != 6 {
		t.Errorf("want a new event at 6, got %d", got)
	}
}

// A journal on a full disk opens, however it ended before: what is stored can be read, nothing is taken, and when there is room again it
// takes events by itself and knows all ids, those that its index had not on disk too. It can be closed and opened again before that.
func TestOpeningOnAFullDisk(t *testing.T) {
	for name, tc := range map[string]struct {
		killed, gone bool
		// How many of the five events an earlier process stored and had indexed on disk, and up to which id all are known on the full disk.
		before, known int
	}{
		"closed":                      {known: 5},
		"killed":                      {killed: true},
		"killed after an earlier end": {killed: true, before: 3, known: 3},
		"closed, without its index":   {gone: true},
		"killed, without its index":   {killed: true, gone: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir, disk := t.TempDir(), &fullness{}
			s := openAt(t, dir, disk.change)
			for n := 1; n <= 5; n++ {
				appendNoise(t, s, strconv.Itoa(n))
				if n == tc.before {
					closeStore(t, s)
					s = openAt(t, dir, disk.change)
				}
			}
			if err := s.PutRecords(t.Context(), map[string][]byte{"a": []byte("1")}); err != nil {
				t.Fatal(err)
			}
			if tc.killed {
				dir = killed(t, dir)
			} else {
				closeStore(t, s)
			}
			if tc.gone {
				if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
					t.Fatal(err)
				}
			}
			disk.full.Store(true)
			for range 2 {
				s = openAt(t, dir, disk.change)
				wantOnlyReading(t, s)
				for n := 1; n <= 5; n++ {
					id := strconv.Itoa(n)
					if n <= tc.known {
						knownAs(t, s, id, int64(n))
						continue
					}
					// It may be known: nobody can tell yet.
					if _, err := s.Lookup(t.Context(), "demo", id); !errors.Is(err, ErrFull) {
						t.Errorf("looking up %s: want ErrFull, got %v", id, err)
					}
				}
				closeStore(t, s)
			}
			s = openAt(t, dir, disk.change)
			disk.full.Store(false)
			wantAllKnown(t, s)
		})
	}
}

// With a cluster only the index is on the disk: without it events are read, other bridges' too, and none is taken.
func TestIndexOfAClusterOnAFullDisk(t *testing.T) {
	disk, url := &fullness{}, peer(t)
	change := func(c *Config) {
		disk.change(c)
		c.NATS, c.follow = &NATSConfig{URL: url, Replicas: 1}, 10*time.Millisecond
		c.MaxBytes, c.DeadLetterBytes = 256<<20, 64<<20
	}
	other := openAt(t, t.TempDir(), func(c *Config) { change(c); c.free, c.probe = nil, nil })
	appendNoise(t, other, "1")
	disk.full.Store(true)
	s := openAt(t, t.TempDir(), change)
	for n := int64(2); n <= 5; n++ {
		appendNoise(t, other, strconv.FormatInt(n, 10))
	}
	if b, err := s.Wait(t.Context(), 5); err != nil || b.End != 6 {
		t.Errorf("want to see the five events of the other bridge, got %+v, %v", b, err)
	}
	if _, err := s.Append(t.Context(), &Entry{Source: "demo", Type: "test", ID: "5", Event: []byte("5"), DedupeWindow: -1}); !errors.Is(err, ErrFull) {
		t.Errorf("an append: want ErrFull, got %v", err)
	}
	disk.full.Store(false)
	wantAllKnown(t, s)
}

// What finds the disk full while the journal runs stops deliveries and no reading. Nothing is written, not even what may go below min_free, until
// there is enough: the last bytes would be found to be too few at once.
func TestReadingWhenTheDiskFills(t *testing.T) {
	for name, find := range map[string]func(c *session, ix *index){
		"an index that waits for room": func(_ *session, ix *index) { ix.awaitRoom() }, // as a write of the database does
		// Somebody else took the room that was there again.
		"an index that waited in vain": func(_ *session, ix *index) {
			ix.awaitRoom()
			ix.fail(fmt.Errorf("flush: %w", syscall.ENOSPC))
		},
		"a write that failed": func(c *session, _ *index) { c.fail(errors.New("write error: no space left on device")) },
	} {
		t.Run(name, func(t *testing.T) {
			disk := &fullness{}
			s := openAt(t, t.TempDir(), disk.change)
			for n := 1; n <= 5; n++ {
				appendNoise(t, s, strconv.Itoa(n))
			}
			if err := s.PutRecords(t.Context(), map[string][]byte{"a": []byte("1")}); err != nil {
				t.Fatal(err)
			}
			before, ix := s.current, s.index.index
			disk.full.Store(true)
			found := make(chan struct{})
			go func() {
				defer close(found)
				find(before, ix)
			}()
			within(t, "the store is open again", func() bool {
				c, err := s.readable()
				return err == nil && c != before
			})
			wantOnlyReading(t, s)
			disk.full.Store(false)
			<-found
			wantAllKnown(t, s)
		})
	}
}

// Limits that are changed by a start on a full disk hold when there is room.
func TestLimitsAreChangedWhenThereIsRoom(t *testing.T) {
	dir, disk := t.TempDir(), &fullness{}
	closeStore(t, openAt(t, dir, disk.change))
	disk.full.Store(true)
	s := openAt(t, dir, func(c *Config) { disk.change(c); c.MaxBytes = 512 << 10 })
	limit := func() int64 {
		info, err := s.current.events.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info.Config.MaxBytes
	}
	if got, want := limit(), int64(1<<20+1<<16); got != want {
		t.Errorf("on the full disk: want %d, got %d", want, got)
	}
	disk.full.Store(false)
	within(t, "the limits are changed", func() bool { return limit() == 512<<10+32<<10 })
}
