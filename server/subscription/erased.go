package subscription

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
)

const (
	// erasedKey is the key of the record of erasures that may not be complete.
	erasedKey    = "erased"
	erasedFormat = 1
	// maxErased bounds that record. Beyond it, erasures wait until the journal says what it has stored.
	maxErased = 10_000
)

// note remembers that an event is erased, for copies of it that nobody knows of yet: on disk, because the bridge may end before they are
// found. Without such copies it does nothing. The caller holds digging.
func (b *burier) note(ctx context.Context, sequence int64) error {
	if len(b.unsure) == 0 {
		return nil
	}
	if _, ok := b.erased[sequence]; ok {
		return nil
	}
	if len(b.erased) >= maxErased {
		return fault.Detail(fault.ErrJournalUnavailable, "%d events were erased while it isn't known which dead letters are stored; try again later", len(b.erased))
	}
	b.erased[sequence] = struct{}{}
	value, err := proto.Marshal(&storagev1.ErasedEvents{Format: erasedFormat, Sequences: slices.Sorted(maps.Keys(b.erased))})
	if err == nil {
		err = b.m.journal.PutRecords(ctx, map[string][]byte{erasedKey: value})
	}
	if err != nil {
		delete(b.erased, sequence) // it isn't answered
	}
	return journalFault(err)
}

// complete forgets the erasures once all copies are known, and those that were hidden are erased. The caller holds digging.
func (b *burier) complete(ctx context.Context) error {
	if len(b.unsure) > 0 || len(b.erased) == 0 {
		return nil
	}
	if len(b.hidden) > 0 {
		n, err := b.m.journal.DeadLetters().Erase(ctx, "", b.hidden...)
		if err != nil {
			return err
		}
		b.m.log.Info("dead letters of erased events were found and erased", "dead_letters", n)
		b.hidden = nil
	}
	if err := b.m.journal.PutRecords(ctx, map[string][]byte{erasedKey: nil}); err != nil {
		return err
	}
	clear(b.erased)
	return nil
}

// finishErasures erases the copies of events whose erasure was answered before the bridge ended, and that nobody knew of then. Nothing
// is served before that; where there is no room for it, before they are hidden, and Run erases them when there is.
func (m *Manager) finishErasures(ctx context.Context, record []byte) error {
	if record == nil {
		return nil
	}
	var in storagev1.ErasedEvents
	if err := proto.Unmarshal(record, &in); err != nil {
		return fmt.Errorf("record %q: %w", erasedKey, err)
	}
	if in.GetFormat() != erasedFormat {
		return fmt.Errorf("record %q: format %d, want %d: it was written by another version", erasedKey, in.GetFormat(), erasedFormat)
	}
	b := m.burier
	for _, sequence := range in.GetSequences() {
		b.erased[sequence] = struct{}{}
	}
	err := m.letters(ctx, "", 0, func(e journal.SideEntry) (bool, error) {
		_, ev, err := decodeDeadLetter(e)
		if err != nil {
			return false, err // it could be one
		}
		if _, ok := b.erased[ev.Sequence]; ok {
			b.hidden = append(b.hidden, e.ID)
		}
		return true, nil
	})
	if err == nil {
		err = b.complete(ctx)
	}
	if errors.Is(err, journal.ErrFull) {
		m.log.Warn("there is no room to erase the dead letters of erased events; they are hidden, and erased when there is",
			"dead_letters", len(b.hidden), "error", err)
		b.doubtful = true
		err = m.journal.DeadLetters().Hide(ctx, b.hidden...)
	}
	if err != nil {
		return fmt.Errorf("finish what was erased before the start: %w", err)
	}
	return nil
}
