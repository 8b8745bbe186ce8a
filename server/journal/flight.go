package journal

import "sync"

// flightKey is what makes two deliveries the same.
type flightKey struct{ source, id string }

// flight is an id that is being appended. Whoever brings the same one meanwhile waits for its outcome.
type flight struct {
	done    chan struct{}
	receipt Receipt // these two are valid when done is closed
	err     error
}

// flights are the ids that are being appended. One is in here from before the index is asked until after it knows.
type flights struct {
	mu     sync.Mutex
	flying map[flightKey]*flight
}

// board returns the flight of an id, and whether the caller is the first and has to land it.
func (f *flights) board(key flightKey) (*flight, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl, ok := f.flying[key]; ok {
		return fl, false
	}
	if f.flying == nil {
		f.flying = make(map[flightKey]*flight)
	}
	fl := &flight{done: make(chan struct{})}
	f.flying[key] = fl
	return fl, true
}

// land makes the outcome known.
func (f *flights) land(key flightKey, fl *flight, receipt Receipt, err error) {
	f.mu.Lock()
	delete(f.flying, key)
	f.mu.Unlock()
	fl.receipt, fl.err = receipt, err
	close(fl.done)
}
