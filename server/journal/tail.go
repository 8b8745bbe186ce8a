package journal

import (
	"context"
	"sync"
)

// tail is what can be read: First <= sequence < End, and who waits for more.
type tail struct {
	mu      sync.Mutex
	bounds  Bounds
	changed chan struct{} // closed when End grows; nil while nobody waits
}

func (t *tail) get() Bounds {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bounds
}

// advance moves the end forward.
func (t *tail) advance(end int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if end <= t.bounds.End {
		return
	}
	t.bounds.End = end
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// trim moves the beginning forward, at most to the end.
func (t *tail) trim(first int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bounds.First = max(t.bounds.First, min(first, t.bounds.End))
}

// wait returns when End is greater than end.
func (t *tail) wait(ctx context.Context, closed <-chan struct{}, end int64) (Bounds, error) {
	for {
		t.mu.Lock()
		if b := t.bounds; b.End > end {
			t.mu.Unlock()
			return b, nil
		}
		if t.changed == nil {
			t.changed = make(chan struct{})
		}
		changed := t.changed
		t.mu.Unlock()
		select {
		case <-changed:
		case <-closed:
			return t.get(), ErrClosed
		case <-ctx.Done():
			return t.get(), ctx.Err()
		}
	}
}
