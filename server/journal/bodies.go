package journal

import (
	"fmt"
	"sync"
	"time"
)

// bodyName is a body of a source, by Entry.BodyKey.
type bodyName struct{ source, key string }

// bodies are those of events that were published and that the index doesn't know yet, with the sequence of the first of each. Together
// with the index they say of an event, before it is published, whether it is the first with its body; as one goroutine publishes, of two
// that come at once one is. That holds for one bridge: two bridges of a cluster that take the same body at the same moment mark neither.
type bodies struct {
	mu      sync.Mutex
	pending map[bodyName]int64

	// seen is scratch of the goroutine that publishes.
	seen map[bodyName]bool
}

func (b *bodies) get(name bodyName) (first int64, found bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	first, found = b.pending[name]
	return first, found
}

// published notes what the stream has acknowledged.
func (b *bodies) published(group []*publication) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range group {
		if p.bodyKey == "" || p.err != nil || p.duplicate {
			continue
		}
		if b.pending == nil {
			b.pending = make(map[bodyName]int64)
		}
		b.pending[p.body()] = p.first()
	}
}

// indexed forgets what the index knows from now on.
func (b *bodies) indexed(group []*publication) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range group {
		if p.bodyKey != "" {
			delete(b.pending, p.body())
		}
	}
}

func (p *publication) body() bodyName { return bodyName{p.source, p.bodyKey} }

// first is the sequence of the first event with the body: that of this one, unless it is a replay.
func (p *publication) first() int64 {
	if p.replayOf != 0 {
		return p.replayOf
	}
	return p.sequence
}

// findReplays looks for the bodies of units that were there before, and marks the events that have them. It returns how many units at the
// front have no new body in common: the second event with a new body can only name the first when that has its sequence, so it goes into
// the next group.
func (s *Store) findReplays(c *session, units []*unit, now time.Time) (int, error) {
	var ix *index
	seen := c.bodies.seen
	clear(seen)
	for n, u := range units {
		for _, p := range u.publications {
			if p.bodyKey == "" {
				continue
			}
			first, found := c.bodies.get(p.body())
			if !found && seen[p.body()] {
				return n, nil
			}
			if !found {
				if ix == nil {
					var release func()
					var err error
					if ix, release, err = s.index.use(); err != nil {
						return len(units), fmt.Errorf("%w: %w", ErrUnavailable, err)
					}
					defer release()
				}
				var err error
				if first, found, err = ix.get(idKey{bodies: true, source: p.source, id: p.bodyKey}, now); err != nil {
					return len(units), fmt.Errorf("%w: %w", ErrUnavailable, err)
				}
			}
			switch {
			case found:
				p.replayOf = first
				markReplay(p.payload, first)
			case len(units) > 1:
				seen[p.body()] = true
			}
		}
	}
	return len(units), nil
}
