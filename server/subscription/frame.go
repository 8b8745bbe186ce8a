package subscription

import (
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

// frame is a SubscribeResponse with a delivery, on the wire. Codec knows it.
type frame struct{ wire mem.BufferSlice }

// The fields that are written here by hand; event_service.proto and event.proto.
const (
	responseDelivery protowire.Number = 2
	deliveryEvent    protowire.Number = 1
	deliveryAckID    protowire.Number = 2
	deliveryAttempt  protowire.Number = 3
	deliveryReason   protowire.Number = 4
	deliveryReplay   protowire.Number = 5
	eventSequence    protowire.Number = 5
	eventAuth        protowire.Number = 11
	eventContent     protowire.Number = 12
	authSuspected    protowire.Number = 7
	authReplayOf     protowire.Number = 8
)

// copied is up to which size a frame is copied into one buffer: cheaper than more buffers for small events.
const copied = 16 << 10

// framer makes the messages of one stream.
type framer struct {
	frame frame
	ack   []byte
	// replay is the id of the replay that the event is part of; empty for none.
	replay string
}

// delivery returns the message for an event: a frame, which is valid until the next call, or a *SubscribeResponse where parts have to be
// left out or made again.
func (f *framer) delivery(w *sender, ev *journal.Stored, x *machine.Send) (any, error) {
	f.ack = f.ack[:0]
	if !w.s.ephemeral {
		f.ack = w.s.issuer.append(f.ack, x.Seq, x.Attempt, x.Epoch)
	}
	f.replay = ""
	if x.Replay {
		f.replay = w.replay
	}
	var content []byte
	size := len(ev.Event) + sizeVarint(eventSequence, uint64(ev.Sequence))
	if ev.ReplayOf != 0 {
		size += sizeBytes(eventAuth, sizeReplay(ev))
	}
	if w.mem.content {
		var err error
		if content, err = ev.Content(); err != nil {
			return nil, fmt.Errorf("content of sequence %d: %w", ev.Sequence, err)
		}
		size += sizeBytes(eventContent, len(content))
	}
	if ev.DataDropped || size > w.mem.maxBytes {
		return f.rebuilt(w, ev, x)
	}
	f.frame.wire = f.build(ev, x, content, size, w.mem.content)
	return &f.frame, nil
}

// build puts the stored bytes of an event of that size into the messages around it.
func (f *framer) build(ev *journal.Stored, x *machine.Send, content []byte, size int, withContent bool) mem.BufferSlice {
	delivery := sizeBytes(deliveryEvent, size) + sizeVarint(deliveryAttempt, uint64(x.Attempt)) + sizeVarint(deliveryReason, uint64(x.Reason))
	if len(f.ack) > 0 {
		delivery += sizeBytes(deliveryAckID, len(f.ack))
	}
	if f.replay != "" {
		delivery += sizeBytes(deliveryReplay, len(f.replay))
	}
	total := sizeBytes(responseDelivery, delivery)
	if total > copied {
		return f.split(ev, x, content, size, delivery, total, withContent)
	}
	pool := mem.DefaultBufferPool()
	buf := pool.Get(total)
	b := appendHead((*buf)[:0], size, delivery)
	b = append(b, ev.Event...)
	b = appendMiddle(b, ev, len(content), withContent)
	b = append(b, content...)
	f.appendRest(b, x)
	return mem.BufferSlice{mem.NewBuffer(buf, pool)}
}

// split does the same without copying the event and its content.
func (f *framer) split(ev *journal.Stored, x *machine.Send, content []byte, size, delivery, total int, withContent bool) mem.BufferSlice {
	b := appendHead(make([]byte, 0, total-len(ev.Event)-len(content)), size, delivery)
	head := len(b)
	b = appendMiddle(b, ev, len(content), withContent)
	middle := len(b)
	b = f.appendRest(b, x)
	wire := mem.BufferSlice{mem.SliceBuffer(b[:head]), mem.SliceBuffer(ev.Event)}
	if len(content) == 0 {
		return append(wire, mem.SliceBuffer(b[head:]))
	}
	return append(wire, mem.SliceBuffer(b[head:middle]), mem.SliceBuffer(content), mem.SliceBuffer(b[middle:]))
}

// appendHead appends what comes before the event.
func appendHead(b []byte, event, delivery int) []byte {
	b = protowire.AppendTag(b, responseDelivery, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(delivery))
	b = protowire.AppendTag(b, deliveryEvent, protowire.BytesType)
	return protowire.AppendVarint(b, uint64(event))
}

// appendMiddle appends the event's fields that are not stored with it, up to the bytes of the content.
func appendMiddle(b []byte, ev *journal.Stored, content int, withContent bool) []byte {
	b = protowire.AppendTag(b, eventSequence, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(ev.Sequence))
	if ev.ReplayOf != 0 {
		// A message that comes in two parts is put together by whoever reads it.
		b = protowire.AppendTag(b, eventAuth, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(sizeReplay(ev)))
		b = protowire.AppendTag(b, authSuspected, protowire.VarintType)
		b = protowire.AppendVarint(b, 1)
		b = protowire.AppendTag(b, authReplayOf, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(ev.ReplayOf))
	}
	if withContent {
		b = protowire.AppendTag(b, eventContent, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(content))
	}
	return b
}

// appendRest appends what comes after the event.
func (f *framer) appendRest(b []byte, x *machine.Send) []byte {
	if len(f.ack) > 0 {
		b = protowire.AppendTag(b, deliveryAckID, protowire.BytesType)
		b = protowire.AppendBytes(b, f.ack)
	}
	b = protowire.AppendTag(b, deliveryAttempt, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(x.Attempt))
	b = protowire.AppendTag(b, deliveryReason, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(x.Reason))
	if f.replay != "" {
		b = protowire.AppendTag(b, deliveryReplay, protowire.BytesType)
		b = protowire.AppendString(b, f.replay)
	}
	return b
}

// sizeReplay is the size of what is said of a suspected replay.
func sizeReplay(ev *journal.Stored) int {
	return sizeVarint(authSuspected, 1) + sizeVarint(authReplayOf, uint64(ev.ReplayOf))
}

func sizeBytes(field protowire.Number, n int) int {
	return protowire.SizeTag(field) + protowire.SizeBytes(n)
}

func sizeVarint(field protowire.Number, v uint64) int {
	return protowire.SizeTag(field) + protowire.SizeVarint(v)
}

// rebuilt returns the message for an event that can't go as it is stored.
func (f *framer) rebuilt(w *sender, ev *journal.Stored, x *machine.Send) (*hookbridgev1.SubscribeResponse, error) {
	event, err := w.s.m.event(ev, w.mem.content, w.mem.maxBytes)
	if err != nil {
		return nil, err
	}
	return &hookbridgev1.SubscribeResponse{Message: &hookbridgev1.SubscribeResponse_Delivery{Delivery: &hookbridgev1.Delivery{
		Event: event, AckId: string(f.ack), Attempt: x.Attempt, Reason: reasons[x.Reason],
		Replay: f.replay,
	}}}, nil
}

// reasons are the machine's in the words of the API. Their numbers are the same, which build relies on.
var reasons = [...]hookbridgev1.Delivery_Reason{
	machine.First:      hookbridgev1.Delivery_REASON_NEW,
	machine.Deadline:   hookbridgev1.Delivery_REASON_DEADLINE,
	machine.StreamLost: hookbridgev1.Delivery_REASON_STREAM_LOST,
	machine.Restart:    hookbridgev1.Delivery_REASON_RESTART,
	machine.Rejected:   hookbridgev1.Delivery_REASON_REJECTED,
	machine.Redriven:   hookbridgev1.Delivery_REASON_REDRIVEN,
	machine.Replay:     hookbridgev1.Delivery_REASON_REPLAY,
}
