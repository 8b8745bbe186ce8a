package machine

import (
	"testing"
	"time"
)

// A redriven event passed its deadline with a member that is slow to read it, was taken back by a seek, and is with somebody again, out of
// the journal. That its dead letter is gone by now, which the slow one finds, is nothing to the other.
func TestWhatIsGoneOfAnEarlierDeliveryIsNotGone(t *testing.T) {
	r := newRig(t, plain)
	r.joins(1, 10, 100)
	r.offers("")
	r.acks(r.takes(1, 1)...)
	r.Inject(r.now, []Event{{Seq: 1, Bytes: 1, Copy: 7}})
	slow := r.takes(1, 1)[0]
	r.Pause(r.now)
	r.now += time.Minute // longer than any deadline
	r.Tick(r.now)
	r.Seek(r.now, 1)
	r.Resume(r.now)
	r.offers("")
	again := r.takes(1, 1)[0]
	equal(t, "attempt", again.Attempt, slow.Attempt)
	equal(t, "gone for the slow one", r.Gone(r.now, slow.Seq, slow.Attempt, slow.Epoch), false)
	equal(t, "held", r.Held(), 1)
	r.acks(again)
}
