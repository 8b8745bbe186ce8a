package journal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// unit is what is committed together and answered together: one event, or the records of one PutRecords.
type unit struct {
	publications []*publication
	bytes        int64
	// settled is called once, when the outcome is known and before done is closed.
	settled func(error)
	done    chan struct{}
	err     error // valid when done is closed
}

// settle makes the outcome known. err is that of the whole unit; without one, the first that a message of it had.
func (u *unit) settle(err error) {
	for _, p := range u.publications {
		if err == nil {
			err = p.err
		}
	}
	u.err = err
	if u.settled != nil {
		u.settled(err)
	}
	close(u.done)
}

// committer is the group commit of one stream. Everything that arrives while a group is being published goes into the next
// group, and all groups published while a sync runs share the next sync.
//
//	queue -> publish, await acknowledgements -> sync, index, answer
//
// Both halves are a goroutine each, so the next group is published while the one before is synced.
type committer struct {
	queue     unitQueue
	publisher *publisher
	timeout   time.Duration
	// health says why waiting for an acknowledgement is in vain.
	health func() error
	// prepare readies units for being published as one group: those at the front that can be, at least one; it returns how many. It may
	// refuse publications, by setting their err.
	prepare func([]*unit) int
	// published is told what was acknowledged, before the next group is prepared.
	published func([]*publication)
	// sync makes durable what was acknowledged.
	sync func() error
	// committed is told what is durable, in the order of the stream, before it is answered.
	committed func([]*publication) error
	// fail is told that the store is in doubt. Everything after is refused with this error.
	fail func(error)
	// observe is told how long a sync with everything before and after took, and of how many messages.
	observe func(time.Duration, int)

	groups chan []*unit
}

const (
	// Bounds of a group. One unit is always taken, however large.
	maxGroup      = 1024
	maxGroupBytes = 16 << 20
	// How many published groups may wait for the sync.
	maxPublished = 64
)

// run works until the queue is closed and empty.
func (c *committer) run(group *sync.WaitGroup) {
	c.groups = make(chan []*unit, maxPublished)
	group.Go(c.publish)
	group.Go(c.commit)
}

// publish is the first half.
func (c *committer) publish() {
	defer close(c.groups)
	for {
		units, err := c.queue.take()
		if len(units) == 0 {
			return
		}
		for len(units) > 0 {
			n := len(units)
			if err == nil {
				n = c.prepare(units)
				err = c.publishGroup(units[:n])
			}
			if err != nil {
				for _, u := range units {
					u.settle(err)
				}
				break
			}
			c.groups <- units[:n:n]
			units = units[n:]
		}
	}
}

func (c *committer) publishGroup(units []*unit) error {
	if err := c.publisher.send(publications(units), c.timeout, c.health); err != nil {
		err = inDoubt(err)
		c.abort(err)
		return err
	}
	c.published(publications(units))
	return nil
}

// commit is the second half.
func (c *committer) commit() {
	var broken error
	for units := range c.groups {
	more:
		for {
			select {
			case next, ok := <-c.groups:
				if !ok {
					break more
				}
				units = append(units, next...)
			default:
				break more
			}
		}
		if broken == nil {
			if broken = c.commitGroup(units); broken != nil {
				broken = inDoubt(broken)
				c.abort(broken)
			}
		}
		for _, u := range units {
			u.settle(broken)
		}
	}
}

func (c *committer) commitGroup(units []*unit) error {
	start := time.Now()
	stored := publications(units)
	if len(stored) == 0 {
		return nil
	}
	if err := c.sync(); err != nil {
		return err
	}
	if err := c.committed(stored); err != nil {
		return err
	}
	c.observe(time.Since(start), len(stored))
	return nil
}

// inDoubt is the error of those whose fate is unknown. That there was no room is worth knowing.
func inDoubt(err error) error {
	if noSpace(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// abort refuses everything from now on.
func (c *committer) abort(err error) {
	c.queue.close(err)
	c.fail(err)
}

// publications returns those that were not refused.
func publications(units []*unit) []*publication {
	all := make([]*publication, 0, len(units))
	for _, u := range units {
		for _, p := range u.publications {
			if p.err == nil {
				all = append(all, p)
			}
		}
	}
	return all
}

// unitQueue is the queue before the first half. Its bound is the budget that submit's caller holds.
type unitQueue struct {
	mu     sync.Mutex
	units  []*unit
	closed error
	wake   chan struct{}
}

func newUnitQueue() unitQueue { return unitQueue{wake: make(chan struct{}, 1)} }

// errDrained closes a queue for new units; those in it are still committed.
var errDrained = errors.New("drained")

// put adds a unit, or says why it can't.
func (q *unitQueue) put(u *unit) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed != nil {
		return q.closed
	}
	q.units = append(q.units, u)
	q.signal()
	return nil
}

// close refuses new units with err. Those in the queue are refused with it too, unless it is errDrained.
func (q *unitQueue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed == nil || errors.Is(q.closed, errDrained) {
		q.closed = err
	}
	q.signal()
}

func (q *unitQueue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take waits for units and returns a group of them; none when the queue is closed and empty. With an error they are to be
// refused.
func (q *unitQueue) take() ([]*unit, error) {
	for {
		q.mu.Lock()
		if len(q.units) > 0 || q.closed != nil {
			break
		}
		q.mu.Unlock()
		<-q.wake
	}
	defer q.mu.Unlock()
	n, count, bytes := 0, 0, int64(0)
	for n < len(q.units) {
		u := q.units[n]
		if n > 0 && (count+len(u.publications) > maxGroup || bytes+u.bytes > maxGroupBytes) {
			break
		}
		n, count, bytes = n+1, count+len(u.publications), bytes+u.bytes
	}
	units := q.units[:n:n]
	if q.units = q.units[n:]; len(q.units) == 0 {
		q.units = nil
	}
	if errors.Is(q.closed, errDrained) {
		return units, nil
	}
	return units, q.closed
}

// await returns the outcome of a unit, or the context's error; the unit is committed all the same then.
func await(ctx context.Context, u *unit) error {
	select {
	case <-u.done:
		return u.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
