package edge

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/iotest"
)

func unannounced(t *testing.T) *http.Request {
	return (&http.Request{ContentLength: -1}).WithContext(t.Context())
}

var errCutOff = errors.New("cut off")

// Bodies that fail throw nothing away: hundreds of them need little more memory than one.
func TestFailedBodiesAreReadIntoTheSameMemory(t *testing.T) {
	const size, bodies = 4 << 20, 200
	b := newBudget(16 << 20)
	half := bytes.Repeat([]byte("x"), size-1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range bodies {
		body, release, err := b.read(unannounced(t), io.MultiReader(bytes.NewReader(half), iotest.ErrReader(errCutOff)), 16<<20, 0)
		if body != nil || !errors.Is(err, errCutOff) {
			t.Fatalf("%d bytes, %v", len(body), err)
		}
		release()
	}
	runtime.ReadMemStats(&after)
	// The collector empties the spares now and then, and under the race detector some of them are dropped.
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(bodies*size/2); got > most {
		t.Errorf("%d bytes were allocated for %d bodies of %d, want at most %d", got, bodies, size, most)
	}
}

// A whole body stays as it is, whatever comes after it, and however the others end.
func TestAWholeBodyIsNobodyElses(t *testing.T) {
	const limit = 1 << 20
	b := newBudget(64 << 20)
	var work sync.WaitGroup
	for sender := range 8 {
		work.Go(func() {
			var whole, want [][]byte
			for n := range 40 {
				sent := bytes.Repeat([]byte{byte(sender*40 + n)}, firstRead<<(n%6)+n)
				ends := io.Reader(bytes.NewReader(sent))
				if n%2 == 1 {
					ends = io.MultiReader(ends, iotest.ErrReader(errCutOff))
				}
				r := unannounced(t)
				if n%4 == 0 {
					r.ContentLength = int64(len(sent))
				}
				body, release, err := b.read(r, ends, limit, 0)
				release()
				switch {
				case n%2 == 1:
					if body != nil || !errors.Is(err, errCutOff) {
						t.Errorf("cut off: %d bytes, %v", len(body), err)
					}
				case err != nil:
					t.Errorf("%d bytes: %v", len(sent), err)
				default:
					whole, want = append(whole, body), append(want, sent)
				}
			}
			for n, body := range whole {
				if !bytes.Equal(body, want[n]) {
					t.Errorf("sender %d: body %d, of %d bytes, is not what was sent", sender, n, len(want[n]))
				}
			}
		})
	}
	work.Wait()
}
