package subscription

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"

	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

// An ack_id is, in URL-safe base64 without padding:
//
//	version, 1 byte | subscription, 4 | incarnation, 6 | sequence | attempt | seek epoch, each a varint
//
// The subscription is a digest of its name: an id of another one is told from a stale one. The incarnation is that of
// the subscription, mixed with what is drawn anew whenever a bridge is started: leases don't outlive that, so neither do their ids.
const (
	ackVersion   = 1
	ackOwnerSize = 4
	ackNonceSize = 6
	ackHeadSize  = 1 + ackOwnerSize + ackNonceSize
	ackRawSize   = ackHeadSize + 3*binary.MaxVarintLen64
)

var ackEncoding = base64.RawURLEncoding.Strict()

// issuer makes and reads the ack_ids of one incarnation of a subscription.
type issuer struct{ head [ackHeadSize]byte }

func newIssuer(name string, nonce [ackNonceSize]byte, incarnation uint64) issuer {
	var i issuer
	digest := sha256.Sum256([]byte(name))
	i.head[0] = ackVersion
	copy(i.head[1:], digest[:ackOwnerSize])
	for n := range nonce {
		i.head[1+ackOwnerSize+n] = nonce[n] ^ byte(incarnation>>(8*n))
	}
	return i
}

// append appends the ack_id of an attempt.
func (i *issuer) append(dst []byte, seq int64, attempt int32, epoch int64) []byte {
	var raw [ackRawSize]byte
	b := append(raw[:0], i.head[:]...)
	b = binary.AppendUvarint(b, uint64(seq))
	b = binary.AppendUvarint(b, uint64(attempt))
	b = binary.AppendUvarint(b, uint64(epoch))
	return ackEncoding.AppendEncode(dst, b)
}

// parse reads an ack_id; false if it is none of this subscription's. What it accepts is exactly what append writes.
func (i *issuer) parse(id string) (machine.Ack, bool) {
	var text, again [(ackRawSize*8 + 5) / 6]byte
	var buf [ackRawSize]byte
	if len(id) > len(text) {
		return machine.Ack{}, false
	}
	n, err := ackEncoding.Decode(buf[:], text[:copy(text[:], id)])
	if err != nil || n < ackHeadSize || [1 + ackOwnerSize]byte(buf[:]) != [1 + ackOwnerSize]byte(i.head[:]) {
		return machine.Ack{}, false
	}
	var fields [3]uint64
	rest := buf[ackHeadSize:n]
	for f := range fields {
		v, size := binary.Uvarint(rest)
		if size <= 0 || v > math.MaxInt64 {
			return machine.Ack{}, false
		}
		fields[f], rest = v, rest[size:]
	}
	if len(rest) > 0 || fields[1] > math.MaxInt32 {
		return machine.Ack{}, false
	}
	a := machine.Ack{
		Seq: int64(fields[0]), Attempt: int32(fields[1]), Epoch: int64(fields[2]),
		Current: [ackHeadSize]byte(buf[:]) == i.head,
	}
	// The decoders are forgiving (line breaks, long varints); an id has one spelling.
	made := issuer{head: [ackHeadSize]byte(buf[:])}
	return a, string(made.append(again[:0], a.Seq, a.Attempt, a.Epoch)) == id
}
