package subscription

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

const (
	recordFormat = 1
	recordPrefix = "subscription/"
)

// record is the durable part of a subscription.
type record struct {
	name    string
	filter  *filter
	created time.Time
	state   machine.State
}

// encode writes a record as the journal stores it.
func (r *record) encode() ([]byte, error) {
	held := r.state.Held
	out := &storagev1.SubscriptionRecord{
		Format: recordFormat, Name: r.name, Filter: r.filter.proto(), CreatedAt: timestamppb.New(r.created),
		Position: r.state.Position, SeekEpoch: r.state.Epoch,
		UnsettledSequences: make([]int64, len(held)), UnsettledAttempts: make([]int32, len(held)),
		UnsettledBytes: make([]int64, len(held)), UnsettledContentBytes: make([]int64, len(held)),
	}
	last := int64(0)
	for i, h := range held {
		out.UnsettledSequences[i], last = h.Seq-last, h.Seq
		out.UnsettledAttempts[i] = h.Attempts
		out.UnsettledBytes[i], out.UnsettledContentBytes[i] = h.Bytes, h.ContentBytes
	}
	return proto.Marshal(out)
}

// decodeRecord reads the record under a key.
func decodeRecord(key string, value []byte, filters *conditions) (*record, error) {
	var in storagev1.SubscriptionRecord
	if err := proto.Unmarshal(value, &in); err != nil {
		return nil, fmt.Errorf("record %q: %w", key, err)
	}
	n := len(in.GetUnsettledSequences())
	switch {
	case in.GetFormat() != recordFormat:
		return nil, fmt.Errorf("record %q: format %d, want %d: it was written by another version", key, in.GetFormat(), recordFormat)
	case key != recordPrefix+in.GetName():
		return nil, fmt.Errorf("record %q: is of the subscription %q", key, in.GetName())
	case len(in.GetUnsettledAttempts()) != n || len(in.GetUnsettledBytes()) != n || len(in.GetUnsettledContentBytes()) != n:
		return nil, fmt.Errorf("record %q: lists of different lengths: %d sequences, %d attempts, %d and %d sizes", key,
			n, len(in.GetUnsettledAttempts()), len(in.GetUnsettledBytes()), len(in.GetUnsettledContentBytes()))
	}
	f, err := filters.stored(in.GetFilter())
	if err != nil {
		return nil, fmt.Errorf("record %q: %w", key, err)
	}
	r := &record{name: in.GetName(), filter: f, created: in.GetCreatedAt().AsTime()}
	r.state = machine.State{Position: in.GetPosition(), Epoch: in.GetSeekEpoch(), Held: make([]machine.Held, n)}
	seq := int64(0)
	for i := range n {
		seq += in.GetUnsettledSequences()[i]
		r.state.Held[i] = machine.Held{
			Seq: seq, Attempts: in.GetUnsettledAttempts()[i],
			Bytes: in.GetUnsettledBytes()[i], ContentBytes: in.GetUnsettledContentBytes()[i],
		}
	}
	return r, nil
}
