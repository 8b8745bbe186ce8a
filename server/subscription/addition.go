package subscription

import (
	"context"
	"fmt"

	"github.com/hookbridge/hookbridge/server/journal"
)

// addition is what is being added to the side log. The other fields are set when done is closed.
type addition struct {
	done chan struct{}
	ids  []int64
	err  error
}

// errStillAdding is why nothing is stored while it isn't known what became of what was stored before.
var errStillAdding = fmt.Errorf("%w: no answer for %v", journal.ErrUnavailable, putTimeout)

// addAll adds to the side log. What that takes longer for than the context allows is stored all the same, and is left as adding.
func (b *burier) addAll(ctx, adds context.Context, entries []journal.SideEntry) ([]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	a := &addition{done: make(chan struct{})}
	b.additions.Go(func() {
		defer close(a.done)
		a.ids, a.err = b.m.journal.DeadLetters().Add(adds, entries...)
	})
	select {
	case <-a.done:
		return a.ids, a.err
	case <-ctx.Done():
		b.adding = a
		return nil, errStillAdding
	}
}

// added is nil when it is known what became of what was to be stored before. The caller holds digging.
func (b *burier) added() error {
	if b.adding == nil {
		return nil
	}
	select {
	case <-b.adding.done:
		b.adding = nil
		return nil
	default:
		return errStillAdding
	}
}

// quiet waits until nothing is being stored of what was to be stored before. Of a subscription that was condemned before that, nothing
// is stored after it.
func (b *burier) quiet(ctx context.Context) error {
	if err := b.digging.Acquire(ctx, 1); err != nil {
		return err
	}
	adding := b.adding
	b.digging.Release(1)
	if adding == nil {
		return nil
	}
	select {
	case <-adding.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// forgo says that no dead letters are left of a condemned subscription, so that it doesn't matter any more which were stored.
func (b *burier) forgo(ctx context.Context, s *subscription) error {
	if err := b.digging.Acquire(ctx, 1); err != nil {
		return err
	}
	defer b.digging.Release(1)
	delete(b.unsure, s)
	_ = b.complete(ctx) // they are kept, and it is tried with the next dead letters
	return nil
}

// known waits until it is known what became of all that was to be stored. The caller holds digging.
func (b *burier) known(ctx context.Context) error {
	if b.adding == nil {
		return nil
	}
	select {
	case <-b.adding.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
