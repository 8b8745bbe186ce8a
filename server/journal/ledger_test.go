package journal

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A ledger that is read again says what was noted, whatever the order.
func TestLedgerRemembers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	random := rand.New(rand.NewPCG(1, 2))
	l, err := openLedger(osDisk{}, path)
	if err != nil {
		t.Fatal(err)
	}
	const ids = 200
	gone := map[int64]bool{}
	for range 60 {
		var some []int64
		for range 1 + random.IntN(5) {
			some = append(some, 1+random.Int64N(ids))
		}
		slices.Sort(some)
		some = slices.Compact(some)
		for _, id := range some {
			gone[id] = true
		}
		if err := l.note(ids+1, 1, some); err != nil {
			t.Fatal(err)
		}
		if l, err = openLedger(osDisk{}, path); err != nil {
			t.Fatal(err)
		}
		for id := int64(1); id <= ids; id++ {
			if got := len(l.within(id, id+1)) == 1; got != gone[id] {
				t.Fatalf("%d is gone: want %v, got %v; spans %v", id, gone[id], got, l.gone)
			}
		}
	}
	if l.end != ids+1 {
		t.Errorf("want end %d, got %d", ids+1, l.end)
	}
}

func TestLedgerForgetsWhatIsBeforeTheLog(t *testing.T) {
	for name, tc := range map[string]struct {
		first int64
		want  string
	}{
		"nothing":        {1, "20\n2 4\n6 8\n"},
		"inside a range": {7, "20\n6 8\n"},
		"behind a range": {4, "20\n6 8\n"},
		"all":            {20, "20\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ledger")
			l, err := openLedger(osDisk{}, path)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.note(20, tc.first, []int64{2, 3, 6, 7}); err != nil {
				t.Fatal(err)
			}
			// An end that is lower than what was noted is an old one.
			if err := l.note(10, tc.first, nil); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != tc.want {
				t.Errorf("want %q, got %q, %v", tc.want, got, err)
			}
		})
	}
}

// A ledger is refused or read in order and without overlap, and one that is read is written as it was.
func FuzzLedger(f *testing.F) {
	for _, text := range []string{"1\n", "20\n2 4\n6 8\n", "", "x\n", "0\n", "5\n3 3\n", "5\n3 2\n", "9\n1 5\n4 6\n", "5\n1 9\n", "5\n1 2 3\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		end, gone, err := parseLedger(b)
		if err != nil {
			return
		}
		last := int64(0)
		for _, s := range gone {
			if s.from <= last || s.to <= s.from || s.to > end {
				t.Fatalf("%q is read as end %d, %v", b, end, gone)
			}
			last = s.to
		}
		path := filepath.Join(t.TempDir(), "ledger")
		l := &ledger{path: path, disk: osDisk{}, end: end, gone: gone}
		if err := l.note(end, 0, nil); err != nil {
			t.Fatal(err)
		}
		again, err := openLedger(osDisk{}, path)
		if err != nil || again.end != end || !slices.Equal(again.gone, gone) {
			t.Errorf("%q is read as end %d, %v, and then as %+v, %v", b, end, gone, again, err)
		}
	})
}
