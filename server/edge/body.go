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

const (
	// smallBody is the largest body for which a part of the budget is reserved. How large it is is what its sender announces; without that
	// it is one up to firstRead.
	smallBody = 64 << 10
	// reservedPart is how much of the budget that is: one part of so many.
	reservedPart = 8
)

// read reads the body of a request whole. One that a shutdown cuts off is no fault of its sender's. The caller calls release when it is done
// with the body, also after an error.
func (h *Handler) read(
	w http.ResponseWriter, r *http.Request, in io.Reader, s *provider.Source, started time.Time,
) (body []byte, release func(), err error) {
	h.running.read(w)
	defer func() {
		unread := errors.Is(err, fault.ErrMalformedRequest) || errors.Is(err, fault.ErrRequestTimeout)
		if h.running.arrived(w, err == nil, unread) {
			// Why is for the log only, and is no reason for the sender.
			err = fmt.Errorf("%w: the body had not arrived: %v", fault.ErrShuttingDown, err)
		}
	}()
	return h.budget.read(r, in, s.MaxBody(), s.HoldUntil(started).Sub(h.cfg.Now()))
}

// budget bounds the bytes of bodies that are in memory at the same time. What a body takes is what was allocated for it, not what
// its Content-Length promises; while it grows, the quarter that it had before is briefly there as well. Room is always taken before
// it is allocated. What is given back stays in memory for the bodies that come next, or until the garbage collector has been through.
//
// Large bodies never take all of it: else a few senders without a secret would have all room, with bodies that they announce and hold back.
// What they leave is for small ones, which may take of the rest as well. A body that is larger than what large ones share takes all of that, and
// the remainder like a small one: a budget that is as large as its largest body holds that.
type budget struct {
	room *semaphore.Weighted
	most int64
	// large is what large bodies share, of shared bytes.
	large  *semaphore.Weighted
	shared int64
	used   atomic.Int64
	spares spares
}

func newBudget(bytes int64) *budget {
	shared := bytes - bytes/reservedPart
	return &budget{room: semaphore.NewWeighted(bytes), most: bytes, large: semaphore.NewWeighted(shared), shared: shared}
}

// claim is room of the budget: how much of the whole, and how much of that is of what large bodies share.
type claim struct{ bytes, large int64 }

// claim is the room that a body of a size needs, whose sender announced a length; -1 for none.
func (b *budget) claim(size, announced int64) claim {
	if announced > smallBody || announced < 0 && size > firstRead {
		return claim{size, min(size, b.shared)}
	}
	return claim{bytes: size}
}

// try takes room, or nothing.
func (b *budget) try(c claim) bool {
	if !b.large.TryAcquire(c.large) {
		return false
	}
	if !b.room.TryAcquire(c.bytes) {
		b.large.Release(c.large)
		return false
	}
	b.used.Add(c.bytes)
	return true
}

// take takes room. Where there is none it waits as long as patience says, for senders that won't come again. Those who wait are in no
// queue: one that wants much doesn't keep out those who want little.
func (b *budget) take(ctx context.Context, c claim, patience time.Duration) bool {
	taken := b.try(c)
	if !taken && patience > 0 {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		again := backoff.NewExponentialBackOff()
		again.InitialInterval, again.MaxInterval = 5*time.Millisecond, 100*time.Millisecond
		_, err := backoff.Retry(ctx, func() (struct{}, error) {
			if !b.try(c) {
				return struct{}{}, fault.ErrOverloaded
			}
			return struct{}{}, nil
		}, backoff.WithBackOff(again))
		taken = err == nil
	}
	return taken
}

func (b *budget) release(c claim) {
	b.used.Add(-c.bytes)
	b.room.Release(c.bytes)
	b.large.Release(c.large)
}

// read reads the whole body of a request, from in, of at most limit bytes. One byte more is ErrBodyTooLarge: nothing is ever cut off. The caller gives the
// bytes back with release when it is done with them, also after an error.
func (b *budget) read(r *http.Request, in io.Reader, limit int64, patience time.Duration) (whole []byte, release func(), err error) {
	var body []byte
	var taken claim
	release = func() { b.release(taken) }
	if r.ContentLength > limit {
		return nil, release, tooLarge(limit)
	}
	most := limit
	if r.ContentLength >= 0 {
		most = r.ContentLength
	}
	grow := func(size int64) bool {
		want := b.claim(size, r.ContentLength)
		if !b.take(r.Context(), claim{want.bytes - taken.bytes, want.large - taken.large}, patience) {
			return false
		}
		taken = want
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
// more than there is beside their body takes what there is: it is bounded, and could never be had else. What is verified may take what is reserved.
func (b *budget) events(ctx context.Context, n, body int, patience time.Duration) (taken claim, ok bool) {
	if n <= 1 {
		return claim{}, true
	}
	taken.bytes = max(0, min(int64(n)*eventRoom, b.most-int64(body)))
	if !b.take(ctx, taken, patience) {
		return claim{}, false
	}
	return taken, true
}
