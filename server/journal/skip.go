package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// skipTo makes the stream's next sequence at least end. The server counts from the last message that it has; when all events
// were removed and the power failed, it may have forgotten where it was. On a full disk that is owed: what is returned is what it comes to,
// and until it has nothing is appended. after, which may be nil, is done then.
func (c *session) skipTo(ctx context.Context, in *stream, st state, end int64, after func(context.Context, *session) error) (state, error) {
	if st.end >= end {
		return st, nil
	}
	lack := c.store.space.exhausted()
	if lack == nil {
		return c.skip(ctx, in, st, end)
	}
	c.owe(lack, func(ctx context.Context) error {
		st, err := in.state(ctx)
		if err == nil && st.end < end {
			_, err = c.skip(ctx, in, st, end)
		}
		if err == nil && after != nil {
			err = after(ctx, c)
		}
		return err
	})
	if st.events == 0 {
		st.first = end
	}
	st.end = end
	return st, nil
}

func (c *session) skip(ctx context.Context, in *stream, st state, end int64) (state, error) {
	c.store.log.Warn("the journal had come further than its store knows; sequences are skipped", "stream", in.name, "from", st.end, "to", end)
	if st.events == 0 {
		if err := in.Purge(ctx, jetstream.WithPurgeSequence(uint64(end))); err != nil {
			return st, fmt.Errorf("skip to sequence %d: %w", end, err)
		}
	} else if err := c.fill(in, end-st.end); err != nil {
		return st, fmt.Errorf("skip to sequence %d: %w", end, err)
	}
	st, err := in.state(ctx)
	if err == nil && st.end < end {
		err = fmt.Errorf("skip to sequence %d: the stream is at %d", end, st.end)
	}
	if err == nil {
		err = in.blocks.syncAll()
	}
	return st, err
}

// fill takes up n sequences with messages that are no events. A purge, which is how else sequences are skipped, would remove
// the events that there are.
func (c *session) fill(in *stream, n int64) error {
	p, err := newPublisher(c.write, in.name, c.server == nil)
	if err != nil {
		return err
	}
	for n > 0 {
		group := make([]*publication, min(n, maxGroup))
		for i := range group {
			group[i] = &publication{subject: in.filler, payload: (&codec{}).encode(&Entry{})}
		}
		if err := p.send(group, c.store.cfg.PublishTimeout, func() error { return nil }); err != nil {
			return err
		}
		for _, m := range group {
			if m.err != nil {
				return m.err
			}
		}
		n -= int64(len(group))
	}
	return errors.Join(p.sub.Unsubscribe())
}

// What follows the root in the subject of messages that only take up a sequence. No event has the one: events have a source and a
// type. No entry of a side log has the other: it has an owner and nothing else.
const (
	fillerToken      = "%00"
	sideFillerTokens = "%00.%00"
)
