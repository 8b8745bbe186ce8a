package journal

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/nats-io/nats.go"
)

// Whoever waits at the end of the journal reads with every event: what a read allocates for nothing, the garbage collector pays for in
// the latency of all. Once it was half a megabyte.
func TestReadAllocatesWhatItReturns(t *testing.T) {
	s := openAt(t, t.TempDir(), nil)
	const rounds = 200
	read := func(from int64) {
		page, err := s.Read(t.Context(), Query{From: from, MaxEvents: 512})
		if err != nil || len(page.Events) != 1 {
			t.Fatalf("read from %d: %d events, %v", from, len(page.Events), err)
		}
	}
	seq := appendNoise(t, s, "one")
	read(seq)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		read(seq)
	}
	runtime.ReadMemStats(&after)
	// Of the whole process, with the server inside it.
	if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > 64<<10 {
		t.Errorf("a read of one event allocates %d bytes, want at most 64 KiB", each)
	}
}

// A read that waits for an answer ends when its session does, not when it has waited long enough.
func TestReadEndsWithItsSession(t *testing.T) {
	s := openAt(t, t.TempDir(), nil)
	s.mu.Lock()
	c := s.current
	s.mu.Unlock()
	asked := make(chan *nats.Msg, 1)
	if _, err := c.read.ChanSubscribe("$JS.API.DIRECT.GET.silent", asked); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		_, err := c.request(context.Background(), &stream{name: "silent"}, fetchRequest{Sequence: 1, Batch: 1})
		ended <- err
	}()
	<-asked
	givenUp := errors.New("given up")
	c.fail(givenUp)
	if err := <-ended; !errors.Is(err, ErrUnavailable) || !errors.Is(err, givenUp) {
		t.Errorf("got %v, want %v: %v", err, ErrUnavailable, givenUp)
	}
}
