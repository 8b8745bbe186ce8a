package journal

import (
	"fmt"
	"sync"
)

// bodyName is a body of a source, by Entry.BodyKey.
type bodyName struct{ source, key string }

// bodies are those of events that were published and that the index doesn't know yet, with the sequence of the first of each. Together
// with the index they say of an event, before it is published, whether it is the first with its body; as one goroutine publishes, of two
// that come at once one is. That holds for one bridge: two bridges of a cluster that take the same body at the same moment mark neither.
type bodies struct {
	mu      sync.Mutex
	pending map[bodyName]int64
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

// distinct returns how many units at the front have no body in common. The second event with a body can only name the first when that
// has its sequence, so it goes into the next group.
func distinct(units []*unit) int {
	var seen map[bodyName]bool
	for n, u := range units {
		for _, p := range u.publications {
			if p.bodyKey == "" {
				continue
			}
			name := p.body()
			if seen[name] {
				return n
			}
			if len(units) > 1 {
				if seen == nil {
					seen = make(map[bodyName]bool, len(units))
				}
				seen[name] = true
			}
		}
	}
	return len(units)
}

// findReplays looks for the bodies of a group that were there before, and marks the events that have them.
func (s *Store) findReplays(c *session, group []*publication) error {
	var ix *index
	for _, p := range group {
		if p.bodyKey == "" {
			continue
		}
		first, found := c.bodies.get(p.body())
		if !found {
			if ix == nil {
				var release func()
				var err error
				if ix, release, err = s.index.use(); err != nil {
					return fmt.Errorf("%w: %w", ErrUnavailable, err)
				}
				defer release()
			}
			var err error
			if first, found, err = ix.get(idKey{bodies: true, source: p.source, id: p.bodyKey}, p.at); err != nil {
				return fmt.Errorf("%w: %w", ErrUnavailable, err)
			}
		}
		if found {
			p.replayOf = first
			markReplay(p.payload, first)
		}
	}
	return nil
}
