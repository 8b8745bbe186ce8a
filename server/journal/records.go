package journal

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
)

// PutRecords stores records by key. See Journal. All of one call are in one commit, and calls at the same time share one, but a
// crash in the middle of it may leave some of them; they are on disk, all of them, when it returns without error. A record is at
// most MaxRecord large. A deleted key goes on taking up about a hundred bytes.
func (s *Store) PutRecords(ctx context.Context, records map[string][]byte) error {
	if len(records) == 0 {
		return nil
	}
	// Progress of subscriptions is what makes room: min_free doesn't stop it. A disk without any does.
	c, err := s.readable()
	if err == nil && c.server != nil {
		err = s.space.exhausted()
	}
	if err != nil {
		return err
	}
	pubs := make([]*publication, 0, len(records))
	for _, key := range slices.Sorted(maps.Keys(records)) {
		value := records[key]
		payload, err := proto.Marshal(&storagev1.StoredRecord{Format: format, Key: key, Deleted: value == nil, Value: value})
		if err != nil {
			return fmt.Errorf("record %q: %w", key, err)
		}
		pubs = append(pubs, &publication{subject: recordSubject(c.records.root, key), payload: payload})
	}
	u, err := s.submit(ctx, c, c.recordLog, pubs, nil)
	if err != nil {
		return err
	}
	return await(ctx, u)
}

// Records returns all records. See Journal. It may already show what a PutRecords that is running stores.
func (s *Store) Records(ctx context.Context) (map[string][]byte, error) {
	c, err := s.readable()
	if err != nil {
		return nil, err
	}
	st, err := c.records.state(ctx)
	if err != nil {
		return nil, s.readError(fmt.Errorf("%w: %w", ErrUnavailable, err))
	}
	records := make(map[string][]byte)
	for at := st.first; at < st.end; {
		messages, next, err := c.fetch(ctx, c.records, at, st.end, maxReadEvents, maxReadBytes, "")
		if err != nil {
			return nil, s.readError(err)
		}
		for _, m := range messages {
			var r storagev1.StoredRecord
			if err := proto.Unmarshal(m.payload, &r); err != nil {
				return nil, fmt.Errorf("record at %d: %w", m.sequence, err)
			}
			if r.GetFormat() < 1 || r.GetFormat() > format {
				return nil, fmt.Errorf("record %q: stored in format %d; this version reads 1 to %d", r.GetKey(), r.GetFormat(), format)
			}
			if r.GetDeleted() {
				delete(records, r.GetKey())
			} else {
				records[r.GetKey()] = append([]byte{}, r.GetValue()...)
			}
		}
		at = next
	}
	return records, nil
}
