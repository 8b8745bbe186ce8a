package subscription

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
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
	// incarnation tells the subscription from others that had its name before.
	incarnation uint64
	settings    settings
	// replay is the one that is running; nil for none.
	replay *hookbridgev1.Replay
	state  machine.State
	// zero is when the clock of the state stood at 0.
	zero time.Time
	// settledCopies are the dead letters whose events are settled in the state, and which may not be removed yet.
	settledCopies []int64
	// letters is the last dead letter that is accounted for.
	letters int64
}

// encode writes a record as the journal stores it.
func (r *record) encode() ([]byte, error) {
	held := r.state.Held
	out := &storagev1.SubscriptionRecord{
		Format: recordFormat, Name: r.name, Filter: r.filter.proto(), CreatedAt: timestamppb.New(r.created),
		Position: r.state.Position, SeekEpoch: r.state.Epoch,
		UnsettledSequences: make([]int64, len(held)), UnsettledAttempts: make([]int32, len(held)),
		UnsettledBytes: make([]int64, len(held)), UnsettledContentBytes: make([]int64, len(held)),
		Incarnation: r.incarnation, Replay: r.replay, SettledCopies: r.settledCopies, DeadLettersThrough: r.letters,
		Backoff: fromDurations(r.settings.backoff), MaxAttempts: r.settings.maxAttempts, Ordered: r.settings.ordered, Paused: r.settings.paused,
	}
	if r.settings.ackDeadline > 0 {
		out.AckDeadline = durationpb.New(r.settings.ackDeadline)
	}
	last := int64(0)
	for i, h := range held {
		out.UnsettledSequences[i], last = h.Seq-last, h.Seq
		out.UnsettledAttempts[i] = h.Attempts
		out.UnsettledBytes[i], out.UnsettledContentBytes[i] = h.Bytes, h.ContentBytes
		if h.Copy != 0 {
			if out.UnsettledCopies == nil {
				out.UnsettledCopies = make([]int64, len(held))
			}
			out.UnsettledCopies[i] = h.Copy
		}
		if h.Replayed {
			out.Replayed = append(out.Replayed, int32(i))
		}
		if h.Due != 0 {
			out.Delayed = append(out.Delayed, int32(i))
			out.DelayedUntilMs = append(out.DelayedUntilMs, r.zero.Add(h.Due).UnixMilli())
		}
		if h.Key != "" && r.settings.ordered {
			out.Keyed, out.Keys = append(out.Keyed, int32(i)), append(out.Keys, h.Key)
		}
	}
	last = 0
	for _, seq := range r.state.Settled {
		out.SettledSequences, last = append(out.SettledSequences, seq-last), seq
	}
	return proto.Marshal(out)
}

// longestWait bounds how long a rejected event waits after a restart: retry_after and backoff are at most 24 h, give or take a tenth.
const longestWait = 27 * time.Hour

// due is when the time of an event comes that waits until a time, by a clock that stood at 0 at zero.
func due(untilMs int64, zero time.Time) time.Duration {
	return min(max(time.UnixMilli(untilMs).Sub(zero), 1), longestWait)
}

// decodeRecord reads the record under a key. Its state is in the time of a clock that stands at 0 at zero, about now.
func decodeRecord(key string, value []byte, filters *conditions, zero time.Time) (*record, error) {
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
	for _, at := range slices.Concat(in.GetReplayed(), in.GetKeyed(), in.GetDelayed()) {
		if at < 0 || int(at) >= n {
			return nil, fmt.Errorf("record %q: names the unsettled event %d of %d", key, at, n)
		}
	}
	if len(in.GetKeys()) != len(in.GetKeyed()) || len(in.GetUnsettledCopies()) != 0 && len(in.GetUnsettledCopies()) != n {
		return nil, fmt.Errorf("record %q: lists of different lengths: %d keys of %d, %d copies of %d", key,
			len(in.GetKeys()), len(in.GetKeyed()), len(in.GetUnsettledCopies()), n)
	}
	if len(in.GetDelayed()) != len(in.GetDelayedUntilMs()) {
		return nil, fmt.Errorf("record %q: lists of different lengths: %d times of %d", key, len(in.GetDelayedUntilMs()), len(in.GetDelayed()))
	}
	f, err := filters.stored(in.GetFilter())
	if err != nil {
		return nil, fmt.Errorf("record %q: %w", key, err)
	}
	r := &record{
		name: in.GetName(), filter: f, created: in.GetCreatedAt().AsTime(), incarnation: in.GetIncarnation(), replay: in.GetReplay(),
		settledCopies: in.GetSettledCopies(), letters: in.GetDeadLettersThrough(), zero: zero,
		settings: settings{
			ackDeadline: in.GetAckDeadline().AsDuration(), backoff: toDurations(in.GetBackoff()), maxAttempts: in.GetMaxAttempts(),
			ordered: in.GetOrdered(), paused: in.GetPaused(),
		},
	}
	r.state = machine.State{Position: in.GetPosition(), Epoch: in.GetSeekEpoch(), Held: make([]machine.Held, n)}
	seq := int64(0)
	for i := range n {
		seq += in.GetUnsettledSequences()[i]
		r.state.Held[i] = machine.Held{
			Seq: seq, Attempts: in.GetUnsettledAttempts()[i],
			Bytes: in.GetUnsettledBytes()[i], ContentBytes: in.GetUnsettledContentBytes()[i],
		}
		if copies := in.GetUnsettledCopies(); len(copies) > 0 {
			r.state.Held[i].Copy = copies[i]
		}
	}
	for _, at := range in.GetReplayed() {
		r.state.Held[at].Replayed = true
	}
	for i, at := range in.GetKeyed() {
		r.state.Held[at].Key = in.GetKeys()[i]
	}
	for i, at := range in.GetDelayed() {
		r.state.Held[at].Due = due(in.GetDelayedUntilMs()[i], zero)
	}
	seq = 0
	for _, step := range in.GetSettledSequences() {
		seq += step
		r.state.Settled = append(r.state.Settled, seq)
	}
	return r, nil
}
