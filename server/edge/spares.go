package edge

import "sync"

// spareSizes is how many sizes there are that a body grows through, each four times the one before, from firstRead on.
const spareSizes = 6

// spares keep what bodies were read into while they grew, or before they were refused, for the bodies that come next: what is thrown away
// stays in memory until the garbage collector has been through, and a flood throws away many times the budget by then. What has been handed
// out as a whole body never comes back, because somebody may still have a part of it. The collector empties the spares when nobody wants them.
type spares [spareSizes]sync.Pool

// of returns where those of a capacity are; nil for one that no body grows through.
func (s *spares) of(size int64) *sync.Pool {
	for n, one := 0, int64(firstRead); n < spareSizes; n, one = n+1, 4*one {
		if one == size {
			return &s[n]
		}
	}
	return nil
}

// get returns a buffer of a capacity. What is in it may be another sender's.
func (s *spares) get(size int64) []byte {
	if pool := s.of(size); pool != nil {
		if spare, ok := pool.Get().(*[]byte); ok {
			return (*spare)[:0]
		}
	}
	return make([]byte, 0, size)
}

// put takes a buffer that nobody has any more.
func (s *spares) put(spare []byte) {
	if pool := s.of(int64(cap(spare))); pool != nil {
		pool.Put(&spare)
	}
}
