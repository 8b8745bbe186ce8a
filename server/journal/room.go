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

// owe notes what the opening has to write and a full disk is in the way of. Nothing is appended until it is done; see pay.
func (c *session) owe(why error, do func(context.Context) error) {
	why = c.store.classify(why)
	c.behind.Store(&why)
	if do != nil {
		c.debts = append(c.debts, do)
	}
}

// incomplete returns why nothing can be appended: something that belongs to the opening is still to be written.
func (c *session) incomplete() error {
	if err := c.behind.Load(); err != nil {
		return *err
	}
	return nil
}

// pay writes what the opening owes when there is room, in its order, and at last what the index of ids lacks. Then deliveries are taken.
func (c *session) pay(ctx context.Context, created time.Time) {
	s := c.store
	s.log.Error("there is no room for what belongs to the opening of the journal: what is stored can be read, and deliveries are refused until there is",
		"folder", s.folder.path, "wanted", roomAgain, "error", c.incomplete())
	c.whenThereIsRoom(ctx, roomAgain, func(ctx context.Context) error {
		for len(c.debts) > 0 {
			if err := c.debts[0](ctx); err != nil {
				return err
			}
			c.debts = c.debts[1:]
		}
		if err := s.completeIndex(ctx, c, created); err != nil {
			return err
		}
		s.log.Info("there is room again: the journal is complete")
		if c.server != nil {
			s.lookForRoom()
		}
		return nil
	})
}

// whenThereIsRoom does something that a full disk was in the way of, once so much is free, and again if that was not enough. Another error
// gives the session up. It ends with the context.
func (c *session) whenThereIsRoom(ctx context.Context, want int64, do func(context.Context) error) {
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
		if next = indexRetry; !s.space.has(want) {
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
				c.whenThereIsRoom(background, roomAgain, func(ctx context.Context) error {
					_, err := changeLimits(ctx, js, st, want)
					return err
				})
			})
			return st, nil
		}
	}
	return changeLimits(ctx, js, st, want)
}
