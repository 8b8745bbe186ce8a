package subscription

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"unicode/utf8"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/auth"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
)

// EraseEvent implements hookbridge.v1.EventService. To call it again after an error is safe, and finishes what was begun.
func (m *Manager) EraseEvent(ctx context.Context, req *hookbridgev1.EraseEventRequest) (*hookbridgev1.EraseEventResponse, error) {
	what, err := m.erasure(ctx, req)
	if err != nil {
		return nil, err
	}
	if err := m.serving(ctx); err != nil {
		return nil, err
	}
	// No copy of it is on its way meanwhile: what became a dead letter is found among them, what becomes one later is read from the journal.
	if err := m.burier.digging.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer m.burier.digging.Release(1)
	if err := m.burier.known(ctx); err != nil {
		return nil, err
	}
	// The copies are found first, as they say of an event whose id is forgotten which one it is, and erased last: a call that is repeated finds
	// by them what was begun.
	ids, sequences, err := m.copiesOf(ctx, what)
	if err != nil {
		return nil, err
	}
	if what.sequence > 0 && !slices.Contains(sequences, what.sequence) {
		sequences = append(sequences, what.sequence)
	}
	found := false
	for _, sequence := range sequences {
		is, err := m.eraseOne(ctx, sequence, len(ids) > 0)
		if err != nil {
			return nil, err
		}
		found = found || is
		what.sequence = cmp.Or(what.sequence, sequence)
	}
	if !found && len(ids) == 0 {
		return nil, fault.ErrEventNotFound
	}
	copies, err := 0, error(nil)
	if len(ids) > 0 {
		copies, err = m.journal.DeadLetters().Erase(ctx, "", ids...)
		m.deadCount.touch()
		err = journalFault(err)
	}
	m.audit(ctx, "erase event", "", err, slog.Int64("sequence", what.sequence), slog.Int("dead_letters", copies))
	if err != nil {
		return nil, err
	}
	return &hookbridgev1.EraseEventResponse{Sequence: what.sequence, DeadLetters: int64(copies)}, nil
}

// erasure is what is to be erased: a sequence, 0 while it isn't known, and a key where the request has one.
type erasure struct {
	sequence   int64
	source, id string
}

func (m *Manager) erasure(ctx context.Context, req *hookbridgev1.EraseEventRequest) (erasure, error) {
	switch which := req.GetEvent().(type) {
	case *hookbridgev1.EraseEventRequest_Sequence:
		if which.Sequence < 1 {
			return erasure{}, invalid("sequence", "want at least 1, got %d", which.Sequence)
		}
		return erasure{sequence: which.Sequence}, nil
	case *hookbridgev1.EraseEventRequest_Key:
		source, id := which.Key.GetSource(), which.Key.GetId()
		if !validSource(source) {
			return erasure{}, invalid("key.source", "want a letter and then at most 62 of a-z, 0-9 and '-', got %q", source)
		}
		if !validText(id, 1, maxText) {
			return erasure{}, invalid("key.id", "want 1 to %d characters, got %d", maxText, utf8.RuneCountInString(id))
		}
		// An id is forgotten after its window, and a dead letter of it may be there still.
		sequence, err := m.journal.Lookup(ctx, source, id)
		if err != nil && !errors.Is(err, journal.ErrNotFound) {
			return erasure{}, journalFault(err)
		}
		return erasure{sequence: sequence, source: source, id: id}, nil
	}
	return erasure{}, invalid("event", "want a sequence or a key")
}

// forget lets go of what is in memory of an event, so that nobody is sent it who has not taken it yet.
func (m *Manager) forget(sequence int64) {
	m.tail.forget(sequence)
	for s := range m.everyone() {
		s.mu.Lock()
		s.machine.DropPayload(sequence)
		s.mu.Unlock()
	}
}

// eraseOne erases an event from the journal and from memory, and says whether it was there. That it is erased is noted before, also where only
// copies are left of it.
func (m *Manager) eraseOne(ctx context.Context, sequence int64, copied bool) (found bool, err error) {
	// Who may not see an event is not told that there is one.
	ev, err := m.journal.Get(ctx, sequence)
	if err == nil {
		_, err = visible(ctx, ev)
	}
	if err != nil && !errors.Is(err, journal.ErrNotFound) {
		return false, journalFault(err)
	}
	if err == nil || copied {
		if err := m.burier.note(ctx, sequence); err != nil {
			return false, err
		}
	}
	err = m.journal.Erase(ctx, sequence)
	if err != nil && !errors.Is(err, journal.ErrNotFound) {
		return false, journalFault(err)
	}
	m.forget(sequence)
	return err == nil, nil
}

// copiesOf finds the dead letters that are copies of an event, redriven or not, and the sequences of what they are copies of.
func (m *Manager) copiesOf(ctx context.Context, what erasure) (ids, sequences []int64, err error) {
	err = m.letters(ctx, "", 0, func(e journal.SideEntry) (bool, error) {
		_, ev, err := decodeDeadLetter(e)
		if err != nil {
			return false, err // it could be the one
		}
		if !auth.From(ctx).MayRead(ev.Source, ev.Type) {
			return true, nil
		}
		if ev.Sequence == what.sequence || what.source != "" && ev.Source == what.source && ev.ID == what.id {
			ids = append(ids, e.ID)
			if !slices.Contains(sequences, ev.Sequence) {
				sequences = append(sequences, ev.Sequence)
			}
		}
		return true, nil
	})
	return ids, sequences, err
}
