package subscription

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
	"github.com/hookbridge/hookbridge/server/journal"
)

const deadLetterFormat = 1

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
