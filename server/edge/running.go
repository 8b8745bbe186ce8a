package edge

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// running is what is worked at, so that a shutdown can wait for it, and cut off what doesn't arrive. Its phases only go forward.
type running struct {
	phase atomic.Int32
	count atomic.Int64
	// left has a token when the last one has gone while somebody may wait for that.
	left chan struct{}

	mu sync.Mutex
	// reading are those whose bodies are being read.
	reading map[http.ResponseWriter]struct{}
}

const (
	// taking: everything is taken.
	taking int32 = iota
	// draining: what runs is finished, and nothing else is begun.
	draining
	// cutting: what has not arrived is waited for no longer.
	cutting
)

func newRunning() *running {
	return &running{left: make(chan struct{}, 1), reading: map[http.ResponseWriter]struct{}{}}
}

// Drain refuses what comes from now on with 503, so that senders try again elsewhere or later. Answers close their connections from now on.
func (h *Handler) Drain() { h.running.phase.CompareAndSwap(taking, draining) }

// Finish returns when the deliveries have ended that had begun before Drain, or the context's error when it ends before. Those who are
// refused meanwhile don't make it wait.
func (h *Handler) Finish(ctx context.Context) error { return h.running.wait(ctx) }

// Cut waits for bodies no longer, after Drain: who is still sending is told to send it again. Deliveries that have arrived go on. It returns how
// many were cut off.
func (h *Handler) Cut() int { return h.running.cut() }

// enter begins a delivery, unless it is too late for that.
func (r *running) enter() bool {
	if r.ending() {
		return false
	}
	r.count.Add(1)
	if r.ending() { // whoever waits may not have seen this one
		r.leave()
		return false
	}
	return true
}

// leave ends a delivery that was begun.
func (r *running) leave() {
	if r.count.Add(-1) > 0 || !r.ending() {
		return
	}
	select {
	case r.left <- struct{}{}:
	default: // there is a token
	}
}

// ending says that nothing is begun any more.
func (r *running) ending() bool { return r.phase.Load() >= draining }

// wait returns when nothing runs, or the context's error when it ends before. Deliveries must not be begun any more.
func (r *running) wait(ctx context.Context) error {
	for r.count.Load() > 0 {
		select {
		case <-r.left:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// read is called before the body of a request is read, and arrived after that. It is false when it is too late.
func (r *running) read(w http.ResponseWriter) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isCutting() {
		return false
	}
	r.reading[w] = struct{}{}
	return true
}

func (r *running) arrived(w http.ResponseWriter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.reading, w)
}

// cut lets the reading of bodies fail, and returns of how many.
func (r *running) cut() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phase.Store(cutting)
	for w := range r.reading {
		// One that has no deadlines, or whose connection is gone, can't be hurried.
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
	}
	return len(r.reading)
}

// isCutting says that bodies are cut off: what fails to arrive is our doing.
func (r *running) isCutting() bool { return r.phase.Load() >= cutting }
