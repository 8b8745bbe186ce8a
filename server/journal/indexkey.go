package journal

import "encoding/binary"

// The keys: a generation's ids are 'i', the generation, the length of the source, the source, the id.
const (
	keyID      = 'i'
	keyThrough = "mthrough"
	keyStream  = "mstream"
)

func generationPrefix(g uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{keyID}, g)
}

func appendID(dst []byte, g uint64, source, id string) []byte {
	dst = append(dst, keyID)
	dst = binary.BigEndian.AppendUint64(dst, g)
	dst = binary.AppendUvarint(dst, uint64(len(source)))
	dst = append(dst, source...)
	return append(dst, id...)
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
