package journal

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go/jetstream"
)

// lookForRoom looks at the disk, and says so when it becomes full and when it no longer is.
func (s *Store) lookForRoom() {
	before := s.space.lack()
	switch err := s.space.check(); {
	case err != nil && before == nil:
		s.log.Warn("deliveries are refused", "error", err)
	case err == nil && before != nil:
		s.log.Info("there is room again on the journal's disk")
	}
}

// whenThereIsRoom does something that a full disk was in the way of, once there is room, and again if that was not enough. Another error
// gives the session up. It ends with the context.
func (c *session) whenThereIsRoom(ctx context.Context, do func(context.Context) error) {
	s := c.store
	pause := backoff.ExponentialBackOff{
		InitialInterval: reopenInterval, MaxInterval: reopenMaxInterval, Multiplier: 2, RandomizationFactor: 0.5,
	}
	for next := indexRetry; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(next/2 + rand.N(next)):
		}
		if next = indexRetry; !s.space.room() {
			continue
		}
		err := do(ctx)
		switch {
		case err == nil || ctx.Err() != nil:
			return
		case !noSpace(err):
			c.fail(err)
			return
		}
		s.log.Warn("there is not enough room yet", "error", err)
		next = pause.NextBackOff()
	}
}

// ensureStream returns a stream with the limits that it should have. On a full disk it keeps those that it has until there is room: the
// server writes them into two files, and takes a stream of which only one was written for damaged.
func (c *session) ensureStream(ctx, background context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	st, err := findStream(ctx, js, want)
	if err != nil {
		return nil, err
	}
	if _, differs := limited(st.CachedInfo().Config, want); !differs {
		return st, nil
	}
	if c.server != nil {
		if err := c.store.space.probe(); err != nil && noSpace(err) {
			c.store.log.Warn("there is no room to change a stream's limits; they are changed when there is", "stream", want.Name, "error", err)
			c.work.Go(func() {
				c.whenThereIsRoom(background, func(ctx context.Context) error {
					_, err := changeLimits(ctx, js, st, want)
					return err
				})
			})
			return st, nil
		}
	}
	return changeLimits(ctx, js, st, want)
}
