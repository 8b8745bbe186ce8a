package subscription

import (
	"context"
	"sync"
	"time"

	"github.com/hookbridge/hookbridge/server/journal"
)

const (
	// recount is after how long dead letters are counted again although nothing is known to have changed.
	recount = time.Minute
	// countTimeout is how long that may take.
	countTimeout = 10 * time.Second
)

// deadCount is how many dead letters there are, as it was some seconds ago: counting asks the store.
type deadCount struct {
	journal journal.Journal

	mu      sync.Mutex
	touched bool
	at      time.Time
	byOwner map[string]int64
}

// touch says that the number has changed.
func (d *deadCount) touch() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.touched = true
}

// of is how many a subscription has.
func (d *deadCount) of(name string) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.byOwner[name]
}

// refresh counts again where that is needed. What can't be counted stays as it was.
func (d *deadCount) refresh(ctx context.Context) {
	d.mu.Lock()
	needed := d.touched || d.byOwner == nil || time.Since(d.at) >= recount
	d.touched = false
	d.mu.Unlock()
	if !needed {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	count, err := d.journal.DeadLetters().Count(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.touched = true // whoever needs the dead letters will say what is wrong
		return
	}
	d.at, d.byOwner = time.Now(), count.ByOwner
	if d.byOwner == nil {
		d.byOwner = map[string]int64{}
	}
}
