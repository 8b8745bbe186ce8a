package journal

import (
	"context"
	"errors"
	"fmt"
)

// Erase removes the content of one event for good. See Journal.
//
// The server overwrites the message in a copy of its block, up to 8 MiB large, syncs the copy and renames it over the block; then we
// sync the folder. What the disk keeps of the old file's blocks until they are used again is not this program's to say. In a
// cluster the content is also in the replicas' logs, until the servers compact them.
//
// What the message alone told, the id, is written to the index of ids before. An index that is lost and made anew from the journal
// doesn't know it any more: then a provider that delivers the event again has it stored again.
func (s *Store) Erase(ctx context.Context, sequence int64) error {
	c, err := s.readable()
	if err != nil {
		return err
	}
	s.retaining.Lock()
	defer s.retaining.Unlock()
	if _, err := s.Get(ctx, sequence); err != nil {
		return err
	}
	if err := c.mayRemove(true); err != nil {
		return err
	}
	ix, release, err := s.index.use()
	if err != nil {
		return s.readError(fmt.Errorf("%w: %w", ErrUnavailable, err))
	}
	err = ix.flushPast(ctx, sequence+1)
	release()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if c.server != nil {
		// If it is the newest, the server may forget its sequence in a power cut.
		if err := s.folder.setEnd(s.tail.get().End); err != nil {
			return fmt.Errorf("note the journal's end: %w", s.refused(err))
		}
	}
	removed, err := c.removeAll(ctx, c.events, []int64{sequence}, true)
	if err == nil && removed == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return s.readError(err)
	}
	s.metrics.erased.Inc()
	if err := s.refresh(ctx, c); err != nil && !errors.Is(err, ErrClosed) {
		s.log.Warn("the journal's bounds are looked at later", "error", err)
	}
	return nil
}
