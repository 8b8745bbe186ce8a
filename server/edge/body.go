package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/semaphore"

	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/provider"
)

// firstRead is what a body is read into before its sender has shown that it sends more. It bounds what a connection can make
// the bridge allocate by merely announcing a length.
const firstRead = 16 << 10

// read reads the body of a request whole. One that a shutdown cuts off is no fault of its sender's. The caller calls release when it is done
// with the body, also after an error.
func (h *Handler) read(
	w http.ResponseWriter, r *http.Request, in io.Reader, s *provider.Source, started time.Time,
) (body []byte, release func(), err error) {
	if !h.running.read(w) {
		return nil, func() {}, fault.ErrShuttingDown
	}
	defer h.running.arrived(w)
	body, release, err = h.budget.read(r, in, s.MaxBody(), s.HoldUntil(started).Sub(h.cfg.Now()))
	unread := errors.Is(err, fault.ErrMalformedRequest) || errors.Is(err, fault.ErrRequestTimeout)
	if unread && h.running.isCutting() {
		// Why is for the log only, and is no reason for the sender.
		err = fmt.Errorf("%w: the body had not arrived: %v", fault.ErrShuttingDown, err)
	}
	return body, release, err
}

// budget bounds the bytes of bodies that are in memory at the same time. What a body takes is what was allocated for it, not what
// its Content-Length promises; while it grows, the quarter that it had before is briefly there as well. Room is always taken before
// it is allocated. What is given back stays in memory for the bodies that come next, or until the garbage collector has been through.
type budget struct {
	room   *semaphore.Weighted
	most   int64
	used   atomic.Int64
	spares spares
}

func newBudget(bytes int64) *budget { return &budget{room: semaphore.NewWeighted(bytes), most: bytes} }

// take takes room. Where there is none it waits as long as patience says, for senders that won't come again. Those who wait are in no
// queue: one that wants much doesn't keep out those who want little.
func (b *budget) take(ctx context.Context, bytes int64, patience time.Duration) bool {
	taken := b.room.TryAcquire(bytes)
	if !taken && patience > 0 {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		again := backoff.NewExponentialBackOff()
		again.InitialInterval, again.MaxInterval = 5*time.Millisecond, 100*time.Millisecond
		_, err := backoff.Retry(ctx, func() (struct{}, error) {
			if !b.room.TryAcquire(bytes) {
				return struct{}{}, fault.ErrOverloaded
			}
			return struct{}{}, nil
		}, backoff.WithBackOff(again))
		taken = err == nil
	}
	if taken {
		b.used.Add(bytes)
	}
	return taken
}

func (b *budget) release(bytes int64) {
	b.used.Add(-bytes)
	b.room.Release(bytes)
}

// read reads the whole body of a request, from in, of at most limit bytes. One byte more is ErrBodyTooLarge: nothing is ever cut off. The caller gives the
// bytes back with release when it is done with them, also after an error.
func (b *budget) read(r *http.Request, in io.Reader, limit int64, patience time.Duration) (whole []byte, release func(), err error) {
	var body []byte
	taken := int64(0)
	release = func() { b.release(taken) }
	if r.ContentLength > limit {
		return nil, release, tooLarge(limit)
	}
	most := limit
	if r.ContentLength >= 0 {
		most = r.ContentLength
	}
	grow := func(size int64) bool {
		if !b.take(r.Context(), size-taken, patience) {
			return false
		}
		taken = size
		next := b.spares.get(size)[:len(body)]
		copy(next, body)
		b.spares.put(body)
		body = next
		return true
	}
	defer func() {
		if err != nil { // nobody gets to see what was read
			whole = nil
			b.spares.put(body)
		}
	}()
	if !grow(min(most, firstRead)) {
		return nil, release, fault.ErrOverloaded
	}
	for {
		if int64(len(body)) == most {
			return body, release, atEnd(in, limit)
		}
		if len(body) == cap(body) && !grow(min(most, 4*int64(cap(body)))) {
			return nil, release, fault.ErrOverloaded
		}
		n, err := in.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case errors.Is(err, io.EOF):
			return body, release, nil
		case err != nil:
			return nil, release, readError(err)
		}
	}
}

// atEnd says whether a body ends where it must: one byte more tells one that is too large from one that is not.
func atEnd(body io.Reader, limit int64) error {
	var one [1]byte
	switch n, err := io.ReadFull(body, one[:]); {
	case n > 0:
		return tooLarge(limit)
	case errors.Is(err, io.EOF):
		return nil
	default:
		return readError(err)
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

// eventRoom is what an event of a list takes in memory beside its bytes, in each of the forms that it has on its way.
const eventRoom = 1 << 10

// events takes room for the events of a list, which may be many in a small body. The caller gives back what was taken. One that asks for
// more than there is beside their body takes what there is: it is bounded, and could never be had else.
func (b *budget) events(ctx context.Context, n, body int, patience time.Duration) (taken int64, ok bool) {
	if n <= 1 {
		return 0, true
	}
	taken = max(0, min(int64(n)*eventRoom, b.most-int64(body)))
	if !b.take(ctx, taken, patience) {
		return 0, false
	}
	return taken, true
}
