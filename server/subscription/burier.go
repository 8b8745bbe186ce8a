package subscription

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/semaphore"

	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

// How many dead letters are stored at a time, of all subscriptions together, how many of one of them before others have their turn,
// and after how many bytes of them a commit is made.
const (
	graveEvents = 256
	graveTurn   = 64
	graveBytes  = 4 << 20
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

// grave is a burial and whose it is.
type grave struct {
	*burial
	s *subscription
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

// take returns what is buried together next.
func (b *burier) take() []grave {
	var group []grave
	for len(group) < graveEvents {
		s := b.pop()
		if s == nil {
			break
		}
		some, more := s.laid(min(graveTurn, graveEvents-len(group)))
		for _, one := range some {
			group = append(group, grave{one, s})
		}
		if more {
			b.add(s)
		}
	}
	return group
}

// bury stores a group of dead letters, within the life of adds, and tells their machines.
func (b *burier) bury(ctx, adds context.Context, group []grave) {
	ctx, cancel := outlive(ctx)
	defer cancel()
	if err := b.digging.Acquire(ctx, 1); err != nil {
		unburied(group, err)
		return
	}
	defer b.digging.Release(1)
	if err := b.added(); err != nil {
		unburied(group, err)
		return
	}
	group = b.reckoned(ctx, group)
	sends := make([]machine.Send, len(group))
	for i, g := range group {
		sends[i] = machine.Send{Seq: g.letter.Seq, Copy: g.letter.Copy}
	}
	load := loader{m: b.m}
	read := func(sends []machine.Send) (*journal.Stored, error) {
		ctx, cancel := context.WithTimeout(ctx, putTimeout)
		defer cancel()
		return load.event(ctx, sends)
	}
	var batch []grave
	var entries []journal.SideEntry
	size := 0
	for i, g := range group {
		if !g.s.awaits(g.burial) {
			continue
		}
		ev, err := read(sends[i:])
		if err == nil && ev == nil {
			g.s.vanished(g.burial)
			continue
		}
		var payload []byte
		if err == nil {
			payload, err = encodeDeadLetter(g.s, g.letter, ev, b.m.wall())
		}
		if err != nil {
			b.trouble(err)
			g.s.unburied(g.burial, unburiable(err))
			if errors.Is(err, journal.ErrUnavailable) || errors.Is(err, journal.ErrFull) || errors.Is(err, context.DeadlineExceeded) {
				// Neither can the others be read, and to find that out of each would take as long.
				unburied(group[i+1:], err)
				break
			}
			continue
		}
		batch, entries = append(batch, g), append(entries, journal.SideEntry{Owner: g.s.name, Payload: payload})
		if size += len(payload); size >= graveBytes {
			if err := b.store(ctx, adds, batch, entries); err != nil {
				// What else there is of the same subscriptions must not be accounted for before this is.
				unburied(group[i+1:], err)
				return
			}
			batch, entries, size = nil, nil, 0
		}
	}
	if len(batch) > 0 {
		_ = b.store(ctx, adds, batch, entries) // it has told everybody
	}
}

// store adds dead letters to the side log, all in one commit. Their events are settled after that, never before.
func (b *burier) store(ctx, adds context.Context, batch []grave, entries []journal.SideEntry) error {
	ids, err := b.addAll(ctx, adds, entries)
	b.m.deadCount.touch()
	if err != nil {
		b.trouble(err)
		for _, g := range batch {
			b.unsure[g.s] = struct{}{}
		}
		b.doubtful = true
		unburied(batch, err)
		return err
	}
	if b.failing {
		b.failing = false
		b.m.log.Info("dead letters can be stored again")
	}
	for i, g := range batch {
		g.s.buried(g.burial, ids[i])
	}
	return nil
}

func unburied(group []grave, err error) {
	for _, g := range group {
		g.s.unburied(g.burial, unburiable(err))
	}
}

// trouble is logged once, until something can be stored again.
func (b *burier) trouble(err error) {
	if !b.failing {
		b.failing = true
		b.m.log.Error("dead letters can't be stored; their events are kept, and it is tried again", "error", err)
	}
}

// unburiable gives an error in storing a dead letter the face that callers know.
func unburiable(err error) error {
	if errors.Is(err, journal.ErrFull) {
		return fmt.Errorf("%w: %w", fault.Detail(fault.ErrJournalFull, "there is no room for dead letters; redrive or purge some"), err)
	}
	return fmt.Errorf("%w: %w", fault.Detail(fault.ErrJournalUnavailable, "the dead letter can't be stored now; the bridge tries on"), err)
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
