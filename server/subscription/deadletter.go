package subscription

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

const deadLetterFormat = 1

// deadLetterFraming is more than what a dead letter has beside its event, its error and the name of its subscription.
const deadLetterFraming = 256

// deaths are the machine's reasons in the words of the API.
var deaths = [...]hookbridgev1.DeadLetter_Reason{
	machine.ForGood:         hookbridgev1.DeadLetter_REASON_REJECTED,
	machine.TooManyAttempts: hookbridgev1.DeadLetter_REASON_MAX_ATTEMPTS,
}

// encodeDeadLetter writes a dead letter as it is stored. A copy that would be too large for the side log goes without its data, which
// is made again out of the body when it is read.
func encodeDeadLetter(s *subscription, d machine.DeadLetter, ev *journal.Stored, at time.Time) ([]byte, error) {
	out := &storagev1.StoredDeadLetter{
		Format: deadLetterFormat, Subscription: s.name, Incarnation: s.incarnation, SeekEpoch: d.Epoch, Sequence: d.Seq, Reason: deaths[d.Reason], Attempts: d.Attempts,
		Error: d.Error, DeadLetteredAt: timestamppb.New(at), StoredEvent: ev.Marshal(),
	}
	if !ev.DataDropped && len(out.GetStoredEvent())+len(d.Error)+deadLetterFraming > journal.MaxRecord {
		slim, err := withoutData(ev)
		if err != nil {
			return nil, err
		}
		out.StoredEvent = slim.Marshal()
	}
	return proto.Marshal(out)
}

// withoutData returns a copy of an event whose data has to be made again.
func withoutData(ev *journal.Stored) (*journal.Stored, error) {
	var event hookbridgev1.Event
	if err := proto.Unmarshal(ev.Event, &event); err != nil {
		return nil, fmt.Errorf("event of sequence %d: %w", ev.Sequence, err)
	}
	event.Data = nil
	encoded, err := proto.Marshal(&event)
	if err != nil {
		return nil, fmt.Errorf("event of sequence %d: %w", ev.Sequence, err)
	}
	slim := *ev
	slim.Event, slim.DataDropped = encoded, true
	return &slim, nil
}

// decodeDeadLetter reads a dead letter and the event in it.
func decodeDeadLetter(e journal.SideEntry) (*storagev1.StoredDeadLetter, *journal.Stored, error) {
	var in storagev1.StoredDeadLetter
	if err := proto.Unmarshal(e.Payload, &in); err != nil {
		return nil, nil, fmt.Errorf("dead letter %d: %w", e.ID, err)
	}
	if in.GetFormat() != deadLetterFormat {
		return nil, nil, fmt.Errorf("dead letter %d: format %d, want %d: it was written by another version", e.ID, in.GetFormat(), deadLetterFormat)
	}
	ev, err := journal.UnmarshalStored(in.GetSequence(), in.GetStoredEvent())
	if err != nil {
		return nil, nil, fmt.Errorf("dead letter %d: %w", e.ID, err)
	}
	return &in, ev, nil
}

// copied reads the event of a dead letter; nil when there is none any more.
func (m *Manager) copied(ctx context.Context, id int64) (*journal.Stored, error) {
	entry, err := m.journal.DeadLetters().Get(ctx, id)
	if errors.Is(err, journal.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, journalFault(err)
	}
	_, ev, err := decodeDeadLetter(entry)
	return ev, err
}
