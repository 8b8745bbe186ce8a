package client

import (
	"context"
	"sync"
	"time"
)

// dispatcher has what came and is not settled: what waits for a worker, what waits for its key, and what is being handled or to be
// acknowledged.
//
// It is bounded by the window, which the bridge keeps to. Beyond twice the window, which is there where deadlines passed of what waits and was
// not dropped yet, receiving waits. Without acknowledgements there is no window, and receiving waits for the workers.
type dispatcher struct {
	working context.Context // after which no handler starts

	mu    sync.Mutex
	room  *sync.Cond
	limit int
	count int
	// shared is the lane of handlers that have no concurrency of their own.
	shared *lane
	lanes  map[*handler]*lane
	// keys are those of which a delivery is ready or with a worker, with what waits behind it.
	keys map[orderingKey]*queue
}

// orderingKey is an ordering key in its source.
type orderingKey struct{ source, key string }

// session is one stream. The dispatcher's lock guards what it holds.
type session struct {
	ctx      context.Context // ends with the stream: then what it brought comes again, by another one
	deadline time.Duration   // the ack deadline; 0 where nothing is acknowledged
	held     []*delivery     // what is to be extended
}

// spare is how much an ephemeral subscription receives ahead of its workers.
const spare = 16

func newDispatcher(working context.Context, r *router, concurrency int) *dispatcher {
	p := &dispatcher{working: working, lanes: map[*handler]*lane{}, keys: map[orderingKey]*queue{}}
	p.room = sync.NewCond(&p.mu)
	p.shared = &lane{wake: sync.NewCond(&p.mu), workers: concurrency}
	p.limit = spare + concurrency
	for _, h := range r.byMessage {
		if h.concurrency > 0 {
			p.lanes[h] = &lane{wake: sync.NewCond(&p.mu), workers: h.concurrency}
			p.limit += h.concurrency
		}
	}
	return p
}

// every calls f for each lane.
func (p *dispatcher) every(f func(*lane)) {
	f(p.shared)
	for _, l := range p.lanes {
		f(l)
	}
}

func (p *dispatcher) lane(h *handler) *lane {
	if l, own := p.lanes[h]; own {
		return l
	}
	return p.shared
}

// widen takes over the window of a subscription whose events are acknowledged.
func (p *dispatcher) widen(window int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = max(p.limit, 2*window)
}

// push hands a delivery over, when there is room. It returns false if it came to nothing: the stream ended or nothing more is to be handled.
func (p *dispatcher) push(d *delivery) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count >= p.limit {
		defer context.AfterFunc(d.session.ctx, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.room.Broadcast()
		})()
	}
	for p.count >= p.limit && p.working.Err() == nil && d.session.ctx.Err() == nil {
		p.room.Wait()
	}
	if p.working.Err() != nil || d.session.ctx.Err() != nil {
		return false
	}
	p.count++
	d.counted, d.index = true, -1
	if d.ackID != "" {
		d.index = len(d.session.held)
		d.session.held = append(d.session.held, d)
	}
	if key, ok := d.key(); ok {
		if behind, busy := p.keys[key]; busy {
			behind.push(d)
			return true
		}
		p.keys[key] = &queue{}
	}
	p.makeReady(d)
	return true
}

// key is what keeps the delivery in order, if anything.
func (d *delivery) key() (orderingKey, bool) {
	key := d.event.GetOrderingKey()
	return orderingKey{d.event.GetSource(), key}, d.handler.ordered && key != ""
}

func (p *dispatcher) makeReady(d *delivery) {
	l := p.lane(d.handler)
	l.ready.push(d)
	l.wake.Signal()
}

// take returns the next delivery of a lane, and nil when no more is to be handled.
func (p *dispatcher) take(l *lane) *delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.working.Err() == nil {
		d := l.ready.first
		if d == nil {
			l.wake.Wait()
			continue
		}
		// What is settled by being sent is handled in any case; what comes again is left to that time.
		if d.ackID != "" && (d.session.ctx.Err() != nil || !d.until.IsZero() && time.Now().After(d.until)) {
			p.drop(d)
			continue
		}
		d.leave()
		d.begun = true
		return d
	}
	return nil
}

// done says that a worker has no more to do with a delivery, which is not settled by that.
func (p *dispatcher) done(d *delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release(d)
	if d.ackID == "" {
		p.forget(d)
	}
}

// settled says that the bridge was told about deliveries, or can't be.
func (p *dispatcher) settled(batch []*delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range batch {
		p.forget(d)
	}
}

// over ends a session: what it brought and no worker has comes again, by another one.
func (p *dispatcher) over(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(s.held) > 0 {
		d := s.held[len(s.held)-1]
		if d.begun {
			p.unhold(d)
		} else {
			p.drop(d)
		}
	}
	s.held = nil
}

// stop wakes whoever waits, when working has ended: every worker returns when it is done with what it has.
func (p *dispatcher) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.room.Broadcast()
	p.every(func(l *lane) { l.wake.Broadcast() })
}

// drop takes back a delivery that no worker has.
func (p *dispatcher) drop(d *delivery) {
	first := d.in == &p.lane(d.handler).ready
	d.leave()
	if first {
		p.release(d)
	}
	p.forget(d)
}

// release lets the next delivery of a key go on.
func (p *dispatcher) release(d *delivery) {
	key, ok := d.key()
	if !ok {
		return
	}
	if next := p.keys[key].pop(); next != nil {
		p.makeReady(next)
	} else {
		delete(p.keys, key)
	}
}

// forget makes room.
func (p *dispatcher) forget(d *delivery) {
	p.unhold(d)
	if d.counted {
		d.counted = false
		p.count--
		p.room.Signal()
	}
}

// unhold lets the deadline of a delivery pass.
func (p *dispatcher) unhold(d *delivery) {
	if d.index < 0 {
		return
	}
	held := d.session.held
	last := held[len(held)-1]
	held[d.index], last.index = last, d.index
	held[len(held)-1] = nil
	d.session.held = held[:len(held)-1]
	d.index = -1
}
