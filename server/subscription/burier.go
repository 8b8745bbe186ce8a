package subscription

import (
	"context"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/semaphore"
)

// doubtfulFor is about how long it may not be known whether something was stored of which that failed, where nothing else is buried meanwhile.
// The machine asks again for what is still to be buried before that.
const doubtfulFor = 5 * time.Second

// burier stores the dead letters of all subscriptions, and removes those whose events are settled. What it can't store is the
// machines' to ask for again.
type burier struct {
	m    *Manager
	wake chan struct{}

	mu sync.Mutex
	// queue are the subscriptions with something to be buried, in their turn; each once.
	queue  []*subscription
	queued map[*subscription]struct{}
	// spent are those with dead letters to be removed.
	spent  map[*subscription]struct{}
	closed bool
	// additions are the goroutines that add to the side log.
	additions sync.WaitGroup

	// failing says that what was stored last could not be, doubtful that since then there may be copies in the side log that nobody
	// knows of, or that are still to be erased. They are run's.
	failing, doubtful bool
	// digging is held while events are read and their copies stored, and while one is erased everywhere: no copy of an event is stored
	// after its erasure was answered. It guards what follows.
	digging *semaphore.Weighted
	// adding is what is being stored for longer than was waited for; until it is known what became of it nothing else is stored.
	adding *addition
	// unsure are the subscriptions of which dead letters may be stored although that failed, and erased the events that were erased
	// while there were such; they are in a record, too. hidden are copies of those that a full disk kept from being erased.
	unsure map[*subscription]struct{}
	erased map[int64]struct{}
	hidden []int64
}

func newBurier(m *Manager) *burier {
	return &burier{
		m: m, wake: make(chan struct{}, 1), queued: map[*subscription]struct{}{}, spent: map[*subscription]struct{}{},
		digging: semaphore.NewWeighted(1), unsure: map[*subscription]struct{}{}, erased: map[int64]struct{}{},
	}
}

// add queues a subscription that has something to be buried, and whose lock the caller has. False: nothing is buried any more.
func (b *burier) add(s *subscription) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	if _, ok := b.queued[s]; !ok {
		b.queued[s] = struct{}{}
		b.queue = append(b.queue, s)
	}
	b.rouse()
	return true
}

// remove notes that a subscription has dead letters that may go.
func (b *burier) remove(s *subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent[s] = struct{}{}
	b.rouse()
}

func (b *burier) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// pop takes the next subscription out of the queue; nil when there is none.
func (b *burier) pop() *subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		return nil
	}
	s := b.queue[0]
	b.queue[0] = nil
	b.queue = b.queue[1:]
	delete(b.queued, s)
	return s
}

// run buries until the context ends. What is being stored then is finished, if that doesn't take long.
func (b *burier) run(ctx context.Context) {
	defer b.close()
	// What takes long is stored all the same, and found after the next start if it takes longer than this bridge lives.
	adds, stop := outlive(ctx)
	defer func() {
		stop()
		b.additions.Wait()
	}()
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = time.Second, time.Minute
	doubts := backoff.NewExponentialBackOff()
	doubts.InitialInterval, doubts.MaxInterval = doubtfulFor, time.Minute
	var again, ask <-chan time.Time // when to try once more to remove, and to find out what is stored
	for {
		if b.doubtful && ask == nil {
			ask = time.After(doubts.NextBackOff())
		}
		select {
		case <-b.wake:
		case <-again:
		case <-ask:
			if ask = nil; b.ascertain(ctx) == nil {
				doubts.Reset()
			}
		case <-ctx.Done():
			return
		}
		for ctx.Err() == nil {
			group := b.take()
			if len(group) == 0 {
				break
			}
			b.bury(ctx, adds, group)
		}
		err := b.removeAll(ctx)
		again = nil
		switch {
		case err == nil:
			pause.Reset()
		case ctx.Err() == nil:
			b.m.log.Warn("dead letters of settled events can't be removed; it is tried again", "error", err)
			again = time.After(pause.NextBackOff())
		}
	}
}

// close ends all burials that were not begun with.
func (b *burier) close() {
	b.mu.Lock()
	left := b.queue
	b.queue, b.closed = nil, true
	clear(b.queued)
	b.mu.Unlock()
	for _, s := range left {
		s.mu.Lock()
		s.unlaid()
		s.mu.Unlock()
	}
}

// outlive returns a context that ends finalCommit after its parent: what is being stored when Run ends is better finished than stored
// twice.
func outlive(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	unhook := context.AfterFunc(parent, func() {
		late := time.AfterFunc(finalCommit, cancel)
		context.AfterFunc(ctx, func() { late.Stop() })
	})
	return ctx, func() {
		unhook()
		cancel()
	}
}
