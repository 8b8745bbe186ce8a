package subscription

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/hookbridge/hookbridge/server/journal"
)

// How much of the journal's end is read at a time.
const (
	tailEvents = 512
	tailBytes  = 4 << 20
)

// tail follows the end of the journal for all subscriptions that are caught up (attached), and hands each event to those of them
// that want it. When nobody is attached it reads nothing.
type tail struct {
	m    *Manager
	wake chan struct{}
	// next is the first sequence that was not dispatched.
	next atomic.Int64
	// attached counts the subscriptions that are.
	attached atomic.Int64
	ring     ring
	// handed counts events that were handed to a subscription, each once for each of them.
	handed atomic.Int64

	// mu is held while a page is dispatched and while a subscription attaches: none attaches amid a page. It comes before the
	// locks of subscriptions.
	mu      sync.Mutex
	running bool
	touched []*subscription
}

func newTail(m *Manager) *tail { return &tail{m: m, wake: make(chan struct{}, 1)} }

// attach lets a subscription follow from where it stands. From memory it gets what the tail has passed; false, if that doesn't
// reach back far enough and it has to read on by itself. When it has no room for all of that, it is not attached either, and
// follows when it has.
func (t *tail) attach(s *subscription) (done bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.members) == 0 || s.deleted {
		s.catching = false
		return true
	}
	now := t.m.now()
	next := s.machine.Next()
	if !t.running {
		// Not beyond the end, where a subscription may begin: others attach before it.
		at := min(next, t.m.journal.Bounds().End)
		t.next.Store(at)
		t.ring.reset(at)
		t.running = true
	}
	if s.filter.condition != nil && !t.near(s.filter, next) {
		return false
	}
	var refused *journal.Stored
	var broken error
	if next < t.next.Load() && !t.ring.since(next, func(ev *journal.Stored) bool {
		passes, err := s.passes(s.filter, ev)
		if err != nil || (passes && !s.machine.Offer(now, s.weigh(ev))) {
			refused, broken = ev, err
		}
		return refused == nil
	}) {
		return false
	}
	s.catching = false
	if refused == nil {
		s.attached.Store(true)
		if t.attached.Add(1) == 1 {
			select {
			case t.wake <- struct{}{}:
			default:
			}
		}
	} else {
		s.machine.Advance(refused.Sequence)
	}
	if broken != nil {
		s.breakOff(broken)
	}
	s.after(now)
	return true
}

// near says whether an expression would be asked about few events from a sequence to where the tail is.
func (t *tail) near(f *filter, next int64) bool {
	n := 0
	return t.ring.since(next, func(ev *journal.Stored) bool {
		if f.match(ev.Source, ev.Type) {
			n++
		}
		return n <= attachExamine
	}) && n <= attachExamine
}

// run follows while somebody is attached, until the context ends.
func (t *tail) run(ctx context.Context) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, 2*time.Second
	for {
		select {
		case <-t.wake:
		case <-ctx.Done():
			return
		}
		for !t.stopped() {
			err := t.step(ctx)
			if err == nil {
				pause.Reset()
				continue
			}
			if ctx.Err() != nil {
				return
			}
			t.m.log.Error("the end of the journal can't be read; subscriptions stand still until it can", "error", err)
			select {
			case <-time.After(pause.NextBackOff()):
			case <-ctx.Done():
				return
			}
		}
	}
}

// stopped stops the tail if nobody is attached.
func (t *tail) stopped() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.attached.Load() > 0 {
		return false
	}
	t.running = false
	t.ring.reset(0)
	return true
}

// step waits for events, reads a page and dispatches it.
func (t *tail) step(ctx context.Context) error {
	next := t.next.Load()
	bounds, err := t.m.journal.Wait(ctx, next)
	if err != nil {
		return err
	}
	if t.attached.Load() == 0 {
		return nil
	}
	if bounds.First > next {
		t.overtaken()
		return nil
	}
	erasures := t.m.erasures.Load()
	page, err := t.m.journal.Read(ctx, journal.Query{From: next, MaxEvents: tailEvents, MaxBytes: tailBytes})
	if err != nil {
		return err
	}
	t.dispatch(page, erasures)
	return nil
}

// dispatch hands a page to those that want something of it, unless something was erased since it was read.
func (t *tail) dispatch(page journal.Page, erasures int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m.erasures.Load() != erasures {
		return
	}
	t.ring.push(page.Events, page.Next)
	for _, ev := range page.Events {
		for _, s := range t.m.routes.lookup(ev.Source, ev.Type) {
			if !s.attached.Load() {
				continue
			}
			if len(s.inbox) == 0 {
				t.touched = append(t.touched, s)
			}
			s.inbox = append(s.inbox, ev)
			t.handed.Add(1)
		}
	}
	until := t.m.now() + t.m.examineFor
	for _, s := range t.touched {
		s.take(s.inbox, until)
		clear(s.inbox)
		s.inbox = s.inbox[:0]
	}
	clear(t.touched)
	t.touched = t.touched[:0]
	t.next.Store(page.Next)
}

// forget lets go of an event that was erased. Whoever has read it and not handed it on reads again: erasures has grown.
func (t *tail) forget(seq int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ring.drop(seq)
	t.m.erasures.Add(1)
}

// overtaken detaches everybody: retention removed what comes next. Each finds out by itself what it lost.
func (t *tail) overtaken() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.m.routes.members() {
		s.mu.Lock()
		s.detach(t.next.Load())
		s.after(t.m.now())
		s.mu.Unlock()
	}
	// Whoever attaches next begins where it stands, not where this stood: otherwise it would be detached again for the same reason.
	t.running = false
	t.ring.reset(0)
}
