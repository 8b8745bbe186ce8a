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
	"github.com/hookbridge/hookbridge/server/subscription/machine"
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
// not. Nothing is served before that, or before they are kept from everybody, so that nobody inherits them. Without such a mark nothing
// is removed: a record that is missing for another reason would take with it what somebody may want. Those letters are the next one's of
// that name.
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

// finishDeletion finishes one. Where the subscription is still there, its deletion was not answered, and comes to nothing: a mark that there
// is no room to delete is deleted by the next start, or with the subscription. Where there is no room to remove what is left of one that is
// gone, Run does so when there is.
func (m *Manager) finishDeletion(ctx context.Context, name string, there bool) error {
	purged, err := 0, error(nil)
	if !there {
		purged, err = m.journal.DeadLetters().Purge(ctx, name)
	}
	if purged > 0 {
		m.log.Info("dead letters that the deletion of a subscription had left were removed", "subscription", name, "dead_letters", purged)
	}
	if err == nil {
		err = m.journal.PutRecords(ctx, map[string][]byte{deletedPrefix + name: nil})
	}
	if !errors.Is(err, journal.ErrFull) {
		return err
	}
	m.log.Warn("there is no room to finish the deletion of a subscription; it is finished when there is", "subscription", name, "error", err)
	if there {
		return nil
	}
	return m.restoreDeleted(name)
}

// restoreDeleted makes a subscription of which the record is gone, and maybe not its dead letters. Nobody sees it, and its name isn't free before
// they are.
func (m *Manager) restoreDeleted(name string) error {
	f, err := m.filters.filter(nil)
	if err != nil {
		return err
	}
	s, err := m.newSubscription(&record{name: name, filter: f, created: m.wall(), state: machine.State{Position: 1}})
	if err != nil {
		return err
	}
	s.deleted, s.abandoned, s.broken = true, true, errDeleted(name)
	s.removal = newCommit()
	close(s.removal.done)
	m.subs[name] = s
	return nil
}
