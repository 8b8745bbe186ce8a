package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/s2"
	"google.golang.org/protobuf/encoding/protowire"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
)

// The format of what is written. A reader takes every format up to it and refuses newer ones.
const format = 1

// The fields of storage.v1.StoredEvent. It is coded by hand because it is on the path of every event: nothing is copied on the
// way out, and the journal's time is filled in after encoding.
const (
	fieldFormat       protowire.Number = 1
	fieldSource       protowire.Number = 2
	fieldType         protowire.Number = 3
	fieldID           protowire.Number = 4
	fieldDedupeWindow protowire.Number = 5
	fieldEvent        protowire.Number = 6
	fieldDataDropped  protowire.Number = 7
	fieldBodyBytes    protowire.Number = 8
	fieldCompression  protowire.Number = 9
	fieldContent      protowire.Number = 10
	fieldStoredAt     protowire.Number = 11
	fieldBodyKey      protowire.Number = 12
	fieldReplayOf     protowire.Number = 13
)

// Compressing less than this is not worth the time.
const minCompress = 192

// Scratch space and payloads above this are not kept.
const maxScratch = 64 << 10

// codec encodes entries.
type codec struct{ scratch, payloads sync.Pool }

// release takes back what encode returned and nobody reads any more.
func (c *codec) release(payload []byte) {
	if cap(payload) <= maxScratch {
		c.payloads.Put(&payload)
	}
}

// encode returns the entry as a StoredEvent whose last eight bytes are its time, to be set by stamp.
func (c *codec) encode(e *Entry) []byte {
	stored := content{bytes: e.Content}
	if len(e.Content) >= minCompress {
		buf, _ := c.scratch.Get().(*[]byte)
		if buf == nil {
			buf = new([]byte)
		}
		if n := s2.MaxEncodedLen(len(e.Content)); cap(*buf) < n {
			*buf = make([]byte, n)
		}
		if cap(*buf) <= maxScratch {
			defer c.scratch.Put(buf)
		}
		packed := s2.Encode((*buf)[:cap(*buf)], e.Content)
		// Less than a sixteenth saved does not pay for decompressing.
		if len(packed) < len(e.Content)-len(e.Content)/16 {
			stored = content{storagev1.Compression_COMPRESSION_S2, packed}
		}
	}
	var b []byte
	if used, _ := c.payloads.Get().(*[]byte); used != nil {
		b = *used
	}
	return assemble(b, e, stored, 0)
}

// assemble encodes an entry, whose content is encoded already, over b. replayOf is that of a copy; else markReplay may set it.
func assemble(b []byte, e *Entry, stored content, replayOf int64) []byte {
	const framing = 108
	n := framing + len(e.BodyKey) + len(e.Source) + len(e.Type) + len(e.ID) + len(e.Event) + len(stored.bytes)
	b = slices.Grow(b[:0], n)
	b = appendVarint(b, fieldFormat, format)
	b = appendBytes(b, fieldSource, e.Source)
	b = appendBytes(b, fieldType, e.Type)
	b = appendBytes(b, fieldID, e.ID)
	if e.DedupeWindow >= 0 {
		b = appendBytes(b, fieldDedupeWindow, appendDuration(nil, e.DedupeWindow))
	}
	b = appendBytes(b, fieldEvent, e.Event)
	if e.DataDropped {
		b = appendVarint(b, fieldDataDropped, 1)
	}
	b = appendVarint(b, fieldBodyBytes, uint64(e.BodyBytes))
	if stored.compression != 0 {
		b = appendVarint(b, fieldCompression, uint64(stored.compression))
	}
	b = appendBytes(b, fieldContent, stored.bytes)
	if e.BodyKey != "" {
		b = appendBytes(b, fieldBodyKey, e.BodyKey)
	}
	if e.BodyKey != "" || replayOf != 0 {
		b = protowire.AppendTag(b, fieldReplayOf, protowire.Fixed64Type)
		b = protowire.AppendFixed64(b, uint64(replayOf))
	}
	b = protowire.AppendTag(b, fieldStoredAt, protowire.Fixed64Type)
	return protowire.AppendFixed64(b, 0)
}

// markReplay says in an encoded entry with a BodyKey which event has the same.
func markReplay(payload []byte, first int64) {
	const end = 8 + 1 // stored_at and its tag come after
	binary.LittleEndian.PutUint64(payload[len(payload)-end-8:], uint64(first))
}

// stamp sets the time of an encoded entry.
func stamp(payload []byte, at time.Time) {
	binary.LittleEndian.PutUint64(payload[len(payload)-8:], uint64(at.UnixNano()))
}

func appendVarint(b []byte, n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
}

func appendBytes[T string | []byte](b []byte, n protowire.Number, v T) []byte {
	b = protowire.AppendTag(b, n, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(len(v)))
	return append(b, v...)
}

// appendDuration appends a non-negative google.protobuf.Duration.
func appendDuration(b []byte, d time.Duration) []byte {
	if s := d / time.Second; s > 0 {
		b = appendVarint(b, 1, uint64(s))
	}
	if n := d % time.Second; n > 0 {
		b = appendVarint(b, 2, uint64(n))
	}
	return b
}

// decoded is a StoredEvent read back. window is negative where the journal's applies.
type decoded struct {
	Stored
	window  time.Duration
	bodyKey string
}

// firstWithBody is the sequence of the first event with the body: that of this one, unless it is a replay.
func (d *decoded) firstWithBody() int64 {
	if d.ReplayOf != 0 {
		return d.ReplayOf
	}
	return d.Sequence
}

// names shares the strings of sources and types, of which a page has few.
type names map[string]string

func (n names) intern(b []byte) string {
	if s, ok := n[string(b)]; ok {
		return s
	}
	s := string(b)
	n[s] = s
	return s
}

// decode reads a StoredEvent. What it returns points into payload. Unknown fields are ignored.
func decode(sequence int64, payload []byte, shared names) (*decoded, error) {
	d, err := decodeFields(payload, shared)
	if err != nil {
		return nil, fmt.Errorf("event %d: %w", sequence, err)
	}
	d.Sequence = sequence
	return d, nil
}

func decodeFields(b []byte, shared names) (*decoded, error) {
	d := &decoded{window: -1}
	var read uint64
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		b = b[n:]
		var (
			v     uint64
			bytes []byte
		)
		switch typ {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			v, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			bytes, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		b = b[n:]
		switch num {
		case fieldFormat:
			read = v
		case fieldSource:
			d.Source = shared.intern(bytes)
		case fieldType:
			d.Type = shared.intern(bytes)
		case fieldID:
			d.ID = string(bytes)
		case fieldDedupeWindow:
			w, err := consumeDuration(bytes)
			if err != nil {
				return nil, err
			}
			d.window = w
		case fieldEvent:
			d.Event = bytes
		case fieldDataDropped:
			d.DataDropped = v != 0
		case fieldBodyBytes:
			d.BodyBytes = int64(v)
		case fieldCompression:
			d.content.compression = storagev1.Compression(v)
		case fieldContent:
			d.content.bytes = bytes
		case fieldBodyKey:
			d.bodyKey = string(bytes)
		case fieldReplayOf:
			d.ReplayOf = int64(v)
		case fieldStoredAt:
			d.Time = time.Unix(0, int64(v))
		}
	}
	if read < 1 || read > format {
		return nil, fmt.Errorf("stored in format %d; this version reads 1 to %d", read, format)
	}
	return d, nil
}

func consumeDuration(b []byte) (time.Duration, error) {
	var d time.Duration
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		if typ != protowire.VarintType {
			return 0, errors.New("duration: want a varint")
		}
		v, m := protowire.ConsumeVarint(b[n:])
		if m < 0 {
			return 0, protowire.ParseError(m)
		}
		b = b[n+m:]
		switch num {
		case 1:
			d += time.Duration(v) * time.Second
		case 2:
			d += time.Duration(v)
		}
	}
	return d, nil
}
