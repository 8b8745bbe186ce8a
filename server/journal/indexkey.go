package journal

import "encoding/binary"

// The keys: a generation's ids are 'i', the generation, the length of the source, the source, the id. The bodies of a source are those
// of a source with a zero byte in front of its name.
const (
	keyID      = 'i'
	keyThrough = "mthrough"
	keyStream  = "mstream"
)

func generationPrefix(g uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{keyID}, g)
}

// idKey is what the index knows: an id of a source or, with bodies, the key of a body.
type idKey struct {
	bodies     bool
	source, id string
}

// bodiesMark stands in front of a source's name for the keys of its bodies. No source's name begins with it, so that no id can be
// taken for a body.
const bodiesMark = 0

func appendID(dst []byte, g uint64, k idKey) []byte {
	dst = append(dst, keyID)
	dst = binary.BigEndian.AppendUint64(dst, g)
	if k.bodies {
		dst = binary.AppendUvarint(dst, uint64(len(k.source)+1))
		dst = append(dst, bodiesMark)
	} else {
		dst = binary.AppendUvarint(dst, uint64(len(k.source)))
	}
	dst = append(dst, k.source...)
	return append(dst, k.id...)
}

func encodeNumber(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// An entry is the sequence and the time at which it stops counting.
func encodeEntry(sequence, expires int64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(make([]byte, 0, 16), uint64(sequence)), uint64(expires))
}

func decodeEntry(v []byte) (sequence, expires int64) {
	s, n := binary.Uvarint(v)
	if n <= 0 {
		return 0, 0
	}
	e, _ := binary.Uvarint(v[n:])
	return int64(s), int64(e)
}
