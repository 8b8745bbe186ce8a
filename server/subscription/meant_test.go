package subscription

import (
	"testing"
	"testing/synctest"
	"time"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// What was meant for a member that reads nothing, or whose stream ended, says so, and was not sent before: its attempt is the first.
func TestWhatWasMeantForAnotherMemberSaysWhy(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(first *stream)
		want hookbridgev1.Delivery_Reason
		soon bool
	}{
		"it reads nothing": {func(*stream) { elapse(11 * second) }, reasonDeadline, false},
		"its stream ended": {func(first *stream) { first.cancel() }, reasonLost, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				req := &hookbridgev1.SubscribeRequest{Subscription: "a", MaxOutstandingBytes: 256 << 20, IncludeContent: true}
				first := b.open(req) // and never reads
				synctest.Wait()
				for n := range 20 {
					b.append(entry(n, "push", 100_000))
				}
				synctest.Wait()
				var unsent int
				b.with("a", func(s *subscription, _ time.Duration) {
					for _, h := range s.machine.State(nil).Held {
						if h.Attempts == 0 {
							unsent++
						}
					}
				})
				if unsent == 0 {
					t.Fatal("everything was sent to a stream that nobody reads")
				}
				other, _ := b.subscribe(req)
				at := time.Now()
				tc.end(first)
				for got, all := 0, 0; got < unsent; all++ {
					if all == 20 {
						t.Fatalf("%d events came for the first time and with this reason, want %d", got, unsent)
					}
					d := other.delivery()
					if d.GetAttempt() == 1 && d.GetReason() == tc.want {
						got++
					}
					other.ack(d)
				}
				if tc.soon {
					equal(t, "after", time.Since(at), time.Duration(0))
				}
			})
		})
	}
}
