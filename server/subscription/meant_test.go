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
		end   func(first *stream)
		want  hookbridgev1.Delivery_Reason
		after time.Duration
	}{
		"it reads nothing": {func(*stream) {}, reasonDeadline, 10 * second},
		"its stream ended": {func(first *stream) { first.cancel() }, reasonLost, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				req := &hookbridgev1.SubscribeRequest{Subscription: "a", MaxOutstandingBytes: 256 << 20, IncludeContent: true}
				first := b.open(req) // and never reads
				synctest.Wait()
				var unsent int64 // the first event that its stream doesn't take
				for n := int64(1); unsent == 0; n++ {
					b.append(entry(int(n), "push", 100_000))
					synctest.Wait()
					b.with("a", func(s *subscription, _ time.Duration) {
						held := s.machine.State(nil).Held
						if last := held[len(held)-1]; last.Attempts == 0 {
							unsent = last.Seq
						}
					})
					if n > 100 {
						t.Fatal("everything was sent to a stream that nobody reads")
					}
				}
				at := time.Now()
				other, _ := b.subscribe(req)
				tc.end(first)
				d := other.delivery()
				for d.GetEvent().GetSequence() != unsent {
					d = other.delivery()
				}
				equal(t, "delivery", short(d), run(unsent, unsent, 1, tc.want))
				equal(t, "after", time.Since(at), tc.after)
			})
		})
	}
}
