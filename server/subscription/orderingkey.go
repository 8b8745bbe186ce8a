package subscription

import (
	"crypto/sha256"
	"encoding/base64"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// eventOrderingKey is the field of hookbridge.v1.Event.
	eventOrderingKey protowire.Number = 8
	// longKey is from which length on a digest stands for a key: the keys of what is held are in memory and in the record.
	longKey = 64
)

// orderingKey returns what the ordering key of an encoded event is held under; empty for none, and for what is no event. It shares no
// memory with the event, which may be large and is not kept for its key.
func orderingKey(event []byte) string {
	var key []byte
	for len(event) > 0 {
		num, typ, n := protowire.ConsumeTag(event)
		if n < 0 {
			return ""
		}
		event = event[n:]
		if num == eventOrderingKey && typ == protowire.BytesType {
			key, n = protowire.ConsumeBytes(event)
		} else {
			n = protowire.ConsumeFieldValue(num, typ, event)
		}
		if n < 0 {
			return ""
		}
		event = event[n:]
	}
	// A record can hold nothing but text.
	if len(key) < longKey && utf8.Valid(key) {
		return string(key)
	}
	digest := sha256.Sum256(key)
	return "sha256:" + base64.RawURLEncoding.EncodeToString(digest[:])
}
