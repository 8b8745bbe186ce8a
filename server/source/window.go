package source

import (
	"sync"
	"time"
)

// windows are the times within which a handshake may bring the secret of a source.
type windows struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// open opens a window, or moves the end of one that is open.
func (w *windows) open(source string, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.until == nil {
		w.until = map[string]time.Time{}
	}
	w.until[source] = until
}

// end returns when the window of a source closes; false where none is open.
func (w *windows) end(source string, now time.Time) (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	until, ok := w.until[source]
	if ok && !now.Before(until) {
		delete(w.until, source)
		return time.Time{}, false
	}
	return until, ok
}

// shut closes the window of a source.
func (w *windows) shut(source string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.until, source)
}
