package subscription

import (
	"testing"

	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

// Events that are sent again are read some at a time. One of them that was erased before the stream took it is not sent out of what was read.
func TestAnErasedEventIsNotSentOutOfWhatAStreamReadAhead(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(20, "push")
		load := loader{m: b.manager}
		event := func(first, last int64) *journal.Stored {
			t.Helper()
			var sends []machine.Send
			for seq := first; seq <= last; seq++ {
				sends = append(sends, machine.Send{Seq: seq})
			}
			ev, err := load.event(t.Context(), sends)
			if err != nil {
				t.Fatal(err)
			}
			return ev
		}
		equal(t, "the first", event(1, 8).Sequence, int64(1))
		reads := b.journal.Reads()
		equal(t, "one that comes later", event(9, 9).Sequence, int64(9))
		equal(t, "reads for that", b.journal.Reads()-reads, 0)
		must(t, b.client.EraseEvent, eraseBySequence(10))
		equal(t, "the erased one", event(10, 10), (*journal.Stored)(nil))
		equal(t, "the next", event(11, 20).Sequence, int64(11))
	})
}
