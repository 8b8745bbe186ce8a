package edge

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"golang.org/x/sync/semaphore"

	"github.com/hookbridge/hookbridge/server/fault"
)

// firstRead is what a body is read into before its sender has shown that it sends more. It bounds what a connection can make
// the bridge allocate by merely announcing a length.
const firstRead = 16 << 10

// budget bounds the bytes of bodies that are in memory at the same time. What a body takes is what was allocated for it, not what
// its Content-Length promises.
type budget struct{ room *semaphore.Weighted }

func newBudget(bytes int64) budget { return budget{room: semaphore.NewWeighted(bytes)} }

// read reads a whole body of at most limit bytes. One byte more is ErrBodyTooLarge: nothing is ever cut off. The caller gives the
// bytes back with release when it is done with them, also after an error.
func (b budget) read(r *http.Request, limit int64) (body []byte, release func(), err error) {
	taken := int64(0)
	release = func() { b.room.Release(taken) }
	grow := func(size int64) bool {
		if !b.room.TryAcquire(size - taken) {
			return false
		}
		taken = size
		next := make([]byte, len(body), size)
		copy(next, body)
		body = next
		return true
	}
	if r.ContentLength > limit {
		return nil, release, tooLarge(limit)
	}
	// One byte beyond the limit tells a body that is too large from one that is not; one beyond the announced length lets the
	// reader see its end without growing.
	most := limit + 1
	if r.ContentLength >= 0 {
		most = r.ContentLength + 1
	}
	if !grow(min(most, firstRead)) {
		return nil, release, fault.ErrOverloaded
	}
	for {
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if int64(len(body)) > limit {
			return nil, release, tooLarge(limit)
		}
		switch {
		case errors.Is(err, io.EOF):
			return body, release, nil
		case err != nil:
			return nil, release, readError(err)
		}
		if len(body) == cap(body) {
			if !grow(min(most, 4*int64(cap(body)))) {
				return nil, release, fault.ErrOverloaded
			}
		}
	}
}

func tooLarge(limit int64) error {
	return fault.Detail(fault.ErrBodyTooLarge, "the body is larger than the %d bytes that this source takes", limit)
}

// readError says what went wrong while the sender was sending. None of it is an answer that anybody may get to see.
func readError(err error) error {
	var timeout net.Error
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("%w: %w", fault.ErrRequestTimeout, err)
	}
	return fmt.Errorf("%w: %w", fault.ErrMalformedRequest, err)
}
