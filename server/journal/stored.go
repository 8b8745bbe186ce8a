package journal

import (
	"fmt"
	"time"

	"github.com/klauspost/compress/s2"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
)

// maxContent bounds what a stored content may decompress to, so that a damaged length can't ask for all memory. An entry's
// content is never larger.
const maxContent = 256 << 20

// content is the stored, possibly compressed Content of an event.
type content struct {
	compression storagev1.Compression
	bytes       []byte
}

// NewStored returns what reading e back gives, for tests of those who read. Its content is not compressed.
func NewStored(e *Entry, sequence int64, at time.Time) *Stored {
	return &Stored{
		Sequence: sequence, Source: e.Source, Type: e.Type, ID: e.ID, Time: at,
		Event: e.Event, DataDropped: e.DataDropped, BodyBytes: e.BodyBytes, content: content{bytes: e.Content},
	}
}

// Content returns the encoded hookbridge.v1.Content. It decompresses each time it is called; the result may be shared with
// other readers and must not be changed.
func (s *Stored) Content() ([]byte, error) {
	switch s.content.compression {
	case storagev1.Compression_COMPRESSION_UNSPECIFIED:
		return s.content.bytes, nil
	case storagev1.Compression_COMPRESSION_S2:
		n, err := s2.DecodedLen(s.content.bytes)
		if err == nil && n > maxContent {
			err = fmt.Errorf("it claims to be %d bytes long", n)
		}
		var b []byte
		if err == nil {
			b, err = s2.Decode(nil, s.content.bytes)
		}
		if err != nil {
			return nil, fmt.Errorf("event %d: content: %w", s.Sequence, err)
		}
		return b, nil
	}
	return nil, fmt.Errorf("event %d: content: unknown compression %d", s.Sequence, s.content.compression)
}

// Marshal returns the event as a StoredEvent, encoded, for a copy of it elsewhere. Its window is not part of it, nor the key of its body, nor its
// sequence.
func (s *Stored) Marshal() []byte {
	b := assemble(nil, &Entry{
		Source: s.Source, Type: s.Type, ID: s.ID, Event: s.Event, DataDropped: s.DataDropped, BodyBytes: s.BodyBytes, DedupeWindow: -1,
	}, s.content, s.ReplayOf)
	stamp(b, s.Time)
	return b
}

// UnmarshalStored reads what Marshal returned, of the event with a sequence. What it returns points into b.
func UnmarshalStored(sequence int64, b []byte) (*Stored, error) {
	d, err := decode(sequence, b, make(names))
	if err != nil {
		return nil, err
	}
	return &d.Stored, nil
}

// Size is about how many bytes of memory the event holds.
func (s *Stored) Size() int {
	const overhead = 200
	return overhead + len(s.ID) + len(s.Event) + len(s.content.bytes)
}
