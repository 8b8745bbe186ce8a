package subscription

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
	"github.com/hookbridge/hookbridge/server/journal"
)

const (
	// deletedPrefix begins the keys of the marks of deleted subscriptions whose dead letters may be left.
	deletedPrefix = "deleted/"
	deletedFormat = 1
)

// deletedMark is the record that says that a subscription was deleted, and its dead letters maybe not yet.
func deletedMark(name string) ([]byte, error) {
	return proto.Marshal(&storagev1.DeletedSubscription{Format: deletedFormat, Name: name})
}

// finishDeletions removes the dead letters of subscriptions whose records were deleted before the bridge ended, and their dead letters
// not. Nothing is served before that, so that nobody inherits them. Without such a mark nothing is removed: a record that is missing for
// another reason would take with it what somebody may want. Those letters are the next one's of that name.
func (m *Manager) finishDeletions(ctx context.Context, records map[string][]byte) error {
	for _, key := range slices.Sorted(maps.Keys(records)) {
		if !strings.HasPrefix(key, deletedPrefix) {
			continue
		}
		var in storagev1.DeletedSubscription
		if err := proto.Unmarshal(records[key], &in); err != nil {
			return fmt.Errorf("record %q: %w", key, err)
		}
		switch {
		case in.GetFormat() != deletedFormat:
			return fmt.Errorf("record %q: format %d, want %d: it was written by another version", key, in.GetFormat(), deletedFormat)
		case key != deletedPrefix+in.GetName():
			return fmt.Errorf("record %q: is of the subscription %q", key, in.GetName())
		}
		if err := m.finishDeletion(ctx, in.GetName(), records[recordPrefix+in.GetName()] != nil); err != nil {
			return fmt.Errorf("finish the deletion of subscription %q: %w", in.GetName(), err)
		}
	}
	return nil
}

// finishDeletion finishes one. Where the subscription is still there, its deletion was not answered, and comes to nothing.
func (m *Manager) finishDeletion(ctx context.Context, name string, there bool) error {
	if !there {
		purged, err := m.journal.DeadLetters().Purge(ctx, name)
		if err != nil {
			return err
		}
		if purged > 0 {
			m.log.Info("dead letters that the deletion of a subscription had left were removed", "subscription", name, "dead_letters", purged)
		}
	}
	return m.finished(ctx, deletedPrefix+name)
}

// finished deletes the record of what had to be finished before anything is served. Where there is no room for that, it stays: the next start finds
// nothing left to do, and a full disk is no reason not to serve what can be read.
func (m *Manager) finished(ctx context.Context, key string) error {
	err := m.journal.PutRecords(ctx, map[string][]byte{key: nil})
	if errors.Is(err, journal.ErrFull) {
		m.log.Warn("the record of what was finished is kept until the next start", "record", key, "error", err)
		return nil
	}
	return err
}
