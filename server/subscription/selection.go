package subscription

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/auth"
	"github.com/hookbridge/hookbridge/server/journal"
)

// letter is a dead letter that was read.
type letter struct {
	id     int64
	stored *storagev1.StoredDeadLetter
	event  *journal.Stored
}

// maxSelected is how many dead letters may be named.
const maxSelected = 10_000

// selection chooses dead letters of one subscription.
type selection struct {
	// ids are in order; nil for all.
	ids    []int64
	filter *filter
	// from is the lowest id that counts.
	from int64
}

// An expression is asked about so many dead letters for one call, and for so long, which is some thousands of the dearest.
const (
	maxExamined  = 20_000
	maxExamining = 10 * time.Second
)

// selection reads what a request chooses, from an id on.
func (c *conditions) selection(in *hookbridgev1.DeadLetterSelection, from int64) (selection, error) {
	if from < 0 {
		return selection{}, invalid("from_id", "want at least 0, got %d", from)
	}
	switch which := in.GetWhich().(type) {
	case *hookbridgev1.DeadLetterSelection_All:
		return selection{from: from}, nil
	case *hookbridgev1.DeadLetterSelection_Ids_:
		if n := len(which.Ids.GetIds()); n < 1 || n > maxSelected {
			return selection{}, invalid("selection.ids.ids", "want 1 to %d, got %d", maxSelected, n)
		}
		ids := slices.DeleteFunc(slices.Clone(which.Ids.GetIds()), func(id int64) bool { return id < from })
		slices.Sort(ids)
		return selection{ids: slices.Compact(ids), from: from}, nil
	case *hookbridgev1.DeadLetterSelection_Filter:
		f, err := c.filter(which.Filter)
		return selection{filter: f, from: from}, err
	}
	return selection{}, invalid("selection", "want all, ids or filter")
}

// all says that it chooses everything.
func (s *selection) all() bool { return s.ids == nil && s.filter == nil && s.from == 0 }

// chosen calls yield with the dead letters of a subscription that a selection chooses, in the order of their ids, until it returns
// false. Those that can't be read are told in the log, and left out. An expression is asked, within the bounds of one call, about those whose
// events the caller may read, and about no others, because what it says of one tells what is in it; next is the first that is left, 0 for none.
func (m *Manager) chosen(ctx context.Context, owner string, sel selection, yield func(letter) (bool, error)) (next int64, err error) {
	may, examined, until := auth.From(ctx).MayRead, 0, m.now()+m.askFor
	visit := func(e journal.SideEntry) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		stored, ev, err := decodeDeadLetter(e)
		if err != nil {
			m.log.Error("a dead letter can't be read and is left out", "subscription", owner, "error", err)
			return true, nil
		}
		if sel.filter != nil && !sel.filter.match(ev.Source, ev.Type) {
			return true, nil
		}
		if sel.filter != nil && sel.filter.condition != nil {
			if !may(ev.Source, ev.Type) {
				return true, nil
			}
			if examined == m.askLetters || examined > 0 && m.now() >= until {
				next = e.ID
				return false, nil
			}
			examined++
			if passes, err := sel.filter.lets(m, ev); err != nil || !passes {
				return true, err
			}
		}
		return yield(letter{e.ID, stored, ev})
	}
	if sel.ids == nil {
		err = m.letters(ctx, owner, sel.from, visit)
		return next, err
	}
	for _, id := range sel.ids {
		e, err := m.journal.DeadLetters().Get(ctx, id)
		if errors.Is(err, journal.ErrNotFound) || err == nil && e.Owner != owner {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("dead letter %d: %w", id, journalFault(err))
		}
		if more, err := visit(e); err != nil || !more {
			return 0, err
		}
	}
	return 0, nil
}

// letterBytes is how much of the dead letters is read at a time.
const letterBytes = 4 << 20

// letters calls yield with the dead letters of a subscription from an id on, those of all for "", until it returns false.
func (m *Manager) letters(ctx context.Context, owner string, from int64, yield func(journal.SideEntry) (bool, error)) error {
	for {
		page, err := m.journal.DeadLetters().Read(ctx, journal.SideQuery{Owner: owner, From: from, MaxBytes: letterBytes})
		if err != nil {
			return journalFault(err)
		}
		for _, e := range page.Entries {
			if more, err := yield(e); err != nil || !more {
				return err
			}
		}
		if len(page.Entries) == 0 {
			return nil
		}
		from = page.Next
	}
}

// redriven are the dead letters whose events are held.
func (s *subscription) redriven() map[int64]struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Those whose events were settled are about to go.
	s.settling = s.machine.Copies(s.settling)
	ids := slices.Concat(s.machine.Redriven(nil), s.settling, s.removing)
	out := make(map[int64]struct{}, len(ids))
	for _, id := range ids {
		out[id] = struct{}{}
	}
	return out
}
