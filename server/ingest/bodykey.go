package ingest

import (
	"crypto/sha256"
	"encoding/binary"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// bodyKeyBytes is how much of a body's digest tells it from others: only who has the secret could make two that are alike.
const bodyKeyBytes = 16

// bodyKey names the body of an event whose proof covers the body but neither the id nor the time: whoever saw such a delivery can send it
// again under another id. It is empty where the proof covers more, or less. In a list, an event is compared with those at its position:
// alike events of one delivery are no replay of each other.
func bodyKey(event *hookbridgev1.Event) string {
	auth := event.GetAuth()
	if !auth.GetBodyCovered() || auth.GetIdCovered() || auth.GetTimeCovered() {
		return ""
	}
	var sum [sha256.Size]byte
	if batch := event.GetBatch(); batch == nil {
		sum = sha256.Sum256(event.GetContent().GetBody())
	} else {
		h := sha256.New()
		h.Write(event.GetContent().GetBody())
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(batch.GetIndex())))
		h.Sum(sum[:0])
	}
	return string(sum[:bodyKeyBytes])
}
