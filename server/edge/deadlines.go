package edge

import (
	"context"
	"sync"
	"time"
)

// deadlines make contexts that end at a time. Those that end within the same moment share a timer, and what waits on them: one of its own for
// each delivery, with the request's context above it, cost four parts in a hundred of a delivery.
type deadlines struct {
	began time.Time
	mu    sync.Mutex
	// ends are the contexts by when they end, in moments since began.
	ends map[time.Duration]context.Context
}

// moment is how much earlier than asked for a context may end.
const moment = 100 * time.Millisecond

func newDeadlines() *deadlines {
	return &deadlines{began: time.Now(), ends: map[time.Duration]context.Context{}}
}

// within returns a context with the values of another one that ends after a time, or a moment before that, whatever becomes of the other one.
// As many are kept as there are moments in the longest time.
func (d *deadlines) within(values context.Context, t time.Duration) context.Context {
	return &lasting{Context: d.shared(t), values: values}
}

func (d *deadlines) shared(t time.Duration) context.Context {
	now := time.Since(d.began)
	end := (now + t) / moment
	d.mu.Lock()
	defer d.mu.Unlock()
	if ctx, ok := d.ends[end]; ok {
		return ctx
	}
	ctx, cancel := context.WithTimeout(context.Background(), end*moment-now)
	d.ends[end] = ctx
	context.AfterFunc(ctx, func() {
		cancel()
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.ends, end)
	})
	return ctx
}

// lasting is a context with another one's values.
type lasting struct {
	context.Context
	values context.Context
}

// Value is the other one's. What package context asks contexts for is this one's own: it is how children join it.
func (l *lasting) Value(key any) any {
	if own := l.Context.Value(key); own != nil {
		return own
	}
	return l.values.Value(key)
}
