package journal

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// ringPatience is how long the opening of a session waits for the log of refused deliveries.
	ringPatience = 2 * time.Second
	// ringRetryMost bounds the time between two attempts to open it.
	ringRetryMost = time.Minute
)

var errRingNotOpened = errors.New("it was not tried yet")

// ringStream is the stream of refused deliveries as a session has it. It is on nobody's way: what is wrong with it is wrong with nothing
// else, and while it can't be opened the session goes on without it.
type ringStream struct{ opened atomic.Pointer[ringOpening] }

// ringOpening is how the last attempt to open it ended.
type ringOpening struct {
	stream *stream
	err    error
}

// get returns the stream, or why there is none.
func (r *ringStream) get() (*stream, error) {
	last := r.opened.Load()
	if last == nil {
		last = &ringOpening{err: errRingNotOpened}
	}
	if last.err != nil {
		return nil, fmt.Errorf("%w: the log of refused deliveries can't be opened: %w", ErrUnavailable, last.err)
	}
	return last.stream, nil
}

// openRejections tries once. A stream that could not be recovered is made again, around what is left of it: it is not worth a start.
func (c *session) openRejections(ctx context.Context, js jetstream.JetStream, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cfg := rejectionsConfig(&c.store.cfg)
	opened, err := ensureStream(ctx, js, cfg)
	if err != nil {
		c.rejections.opened.Store(&ringOpening{err: err})
		return err
	}
	c.rejections.opened.Store(&ringOpening{
		stream: &stream{Stream: opened, name: cfg.Name, root: prefix(&c.store.cfg) + ".rejections."},
	})
	return nil
}

// keepOpening tries to open the log of refused deliveries until it is open or the context ends.
func (c *session) keepOpening(ctx context.Context, js jetstream.JetStream) {
	pause := backoff.ExponentialBackOff{
		InitialInterval: c.store.cfg.ringRetry, MaxInterval: ringRetryMost, Multiplier: 2, RandomizationFactor: 0.5,
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause.NextBackOff()):
		}
		if c.openRejections(ctx, js, requestTimeout) == nil {
			c.store.log.Info("the log of refused deliveries is open again")
			return
		}
	}
}
