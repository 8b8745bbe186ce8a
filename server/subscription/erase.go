package subscription

import (
	"context"
	"errors"
	"log/slog"
	"maps"
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
	// The copies are found first, as they say of an event whose id is forgotten which one it is.
	events, err := m.copiesOf(ctx, what)
	if err != nil {
		return nil, err
	}
	if _, ok := events[what.sequence]; !ok && what.sequence > 0 {
		events[what.sequence] = nil
	}
	resp := &hookbridgev1.EraseEventResponse{}
	for _, sequence := range slices.Sorted(maps.Keys(events)) {
		found, letters, err := m.eraseOne(ctx, sequence, events[sequence])
		if err != nil {
			return nil, err
		}
		if found {
			resp.Sequence = sequence
		}
		resp.DeadLetters += int64(letters)
	}
	if resp.GetSequence() == 0 {
		return nil, fault.ErrEventNotFound
	}
	return resp, nil
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

// eraseOne erases an event from the journal and from memory, and then the dead letters that are copies of it: a call that is repeated
// finds by them what was begun. It says whether any of that was there, and how many dead letters, and has it in the audit.
func (m *Manager) eraseOne(ctx context.Context, sequence int64, copies []int64) (found bool, letters int, err error) {
	ev, err := m.journal.Get(ctx, sequence)
	there := err == nil
	switch {
	case err != nil && !errors.Is(err, journal.ErrNotFound):
		return false, 0, journalFault(err)
	case there && !auth.From(ctx).MayRead(ev.Source, ev.Type):
		return false, 0, nil // who may not see an event is not told that there is one
	case !there && len(copies) == 0:
		m.forget(sequence) // it may have been erased after a call was answered that it could not be
		return false, 0, nil
	}
	defer func() {
		m.audit(ctx, "erase event", "", err, slog.Int64("sequence", sequence), slog.Int("dead_letters", letters))
	}()
	// That it is erased is noted before, also where only copies are left of it.
	if err := m.burier.note(ctx, sequence); err != nil {
		return false, 0, err
	}
	if there {
		err = m.journal.Erase(ctx, sequence)
	}
	m.forget(sequence) // whatever became of it
	if err != nil && !errors.Is(err, journal.ErrNotFound) {
		return false, 0, journalFault(err)
	}
	err = nil
	if len(copies) > 0 {
		letters, err = m.journal.DeadLetters().Erase(ctx, "", copies...)
		m.deadCount.touch()
	}
	return true, letters, journalFault(err)
}

// copiesOf finds the dead letters that are copies of an event, redriven or not, by the sequences of what they are copies of: an id may
// have had several events, each after it was forgotten.
func (m *Manager) copiesOf(ctx context.Context, what erasure) (events map[int64][]int64, err error) {
	events = map[int64][]int64{}
	err = m.letters(ctx, "", 0, func(e journal.SideEntry) (bool, error) {
		_, ev, err := decodeDeadLetter(e)
		if err != nil {
			return false, err // it could be the one
		}
		if !auth.From(ctx).MayRead(ev.Source, ev.Type) {
			return true, nil
		}
		if ev.Sequence == what.sequence || what.source != "" && ev.Source == what.source && ev.ID == what.id {
			events[ev.Sequence] = append(events[ev.Sequence], e.ID)
		}
		return true, nil
	})
	return events, err
}
