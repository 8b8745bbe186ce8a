package expression

import "sync"

// maxScratch is the size above which a buffer is not kept.
const maxScratch = 64 << 10

// scratch is room for the parts of a message that are decoded. Decoding copies out of it.
type scratch struct{ bytes []byte }

// buffers are empty scratches.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *scratch {
	if s, ok := b.pool.Get().(*scratch); ok {
		return s
	}
	return &scratch{}
}

func (b *buffers) put(s *scratch) {
	if cap(s.bytes) <= maxScratch {
		s.bytes = s.bytes[:0]
		b.pool.Put(s)
	}
}
