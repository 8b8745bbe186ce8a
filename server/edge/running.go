package edge

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// running is what is worked at, so that a shutdown can wait for it, and cut off what doesn't arrive.
type running struct {
	// state is twice how many there are, and one more from when on no other is begun: what is begun and that it is too late are one step.
	state atomic.Int64
	// left is closed when the last one has gone and no other is begun.
	left chan struct{}

	mu sync.Mutex
	// reading are those whose bodies are being read.
	reading map[http.ResponseWriter]struct{}
	// until is when their reading fails; zero for as long as nothing is cut off.
	until time.Time
	// unread is how many were cut off.
	unread int
}

func newRunning() *running {
	return &running{left: make(chan struct{}), reading: map[http.ResponseWriter]struct{}{}}
}

// Drain refuses what comes from now on with 503, so that senders try again elsewhere or later. Answers close their connections from now on.
func (h *Handler) Drain() { h.running.drain() }

// Finish returns when the deliveries have ended that had begun before Drain, or the context's error when it ends before. Those who are
// refused meanwhile don't make it wait.
func (h *Handler) Finish(ctx context.Context) error { return h.running.wait(ctx) }

// Cut waits for bodies no longer than that, after Drain: who is still sending then is told to send it again. Deliveries that have arrived go on, and
// so do those whose last bytes are here and were not read yet: for that it should be no less than some milliseconds.
func (h *Handler) Cut(within time.Duration) { h.running.cut(within) }

// CutOff is how many were told so until now.
func (h *Handler) CutOff() int {
	h.running.mu.Lock()
	defer h.running.mu.Unlock()
	return h.running.unread
}

// drain lets nothing be begun any more.
func (r *running) drain() { r.state.Or(1) }

// ending says that nothing is begun any more.
func (r *running) ending() bool { return r.state.Load()&1 == 1 }

// enter begins a delivery, unless it is too late for that.
func (r *running) enter() bool {
	for {
		state := r.state.Load()
		if state&1 == 1 {
			return false
		}
		if r.state.CompareAndSwap(state, state+2) {
			return true
		}
	}
}

// leave ends a delivery that was begun.
func (r *running) leave() {
	if r.state.Add(-2) == 1 {
		close(r.left)
	}
}

// wait returns when nothing runs, or the context's error when it ends before. Deliveries must not be begun any more.
func (r *running) wait(ctx context.Context) error {
	if r.state.Load() <= 1 {
		return nil
	}
	select {
	case <-r.left:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read is called before the body of a request is read, and arrived after that.
func (r *running) read(w http.ResponseWriter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reading[w] = struct{}{}
	if !r.until.IsZero() {
		hurry(w, r.until)
	}
}

// arrived says whether a body was cut off: what fails to arrive by then is our doing.
func (r *running) arrived(w http.ResponseWriter, whole, unread bool) (cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.reading, w)
	switch {
	case r.until.IsZero():
	case whole:
		// The server reads on, to see whether the sender is still there. That it hears nothing from then on is no sign that it isn't.
		hurry(w, time.Time{})
	case unread:
		r.unread++
		return true
	}
	return false
}

// cut lets the reading of bodies fail before long.
func (r *running) cut(within time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = time.Now().Add(within)
	for w := range r.reading {
		hurry(w, r.until)
	}
}

// hurry sets when the reading of a body fails; zero for never. One that has no deadlines, or whose connection is gone, can't be hurried.
func hurry(w http.ResponseWriter, until time.Time) {
	_ = http.NewResponseController(w).SetReadDeadline(until)
}
