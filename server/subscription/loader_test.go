package subscription

import (
	"strings"
	"testing"
	"testing/synctest"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Events that are sent again are read some at a time. One of them that was erased before the stream took it is not sent out of what was read.
func TestAnErasedEventIsNotSentOutOfWhatAStreamReadAhead(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.establish(&hookbridgev1.Subscription{Name: "a"})
		for n := range 20 {
			e := entry(n+1, "push", 10)
			e.Event = append(e.Event, encode(&hookbridgev1.Event{OrderingKey: strings.Repeat("x", 31<<10)}, &hookbridgev1.Content{}).Event...)
			b.append(e)
		}
		first := b.patient("a")
		first.deliveries(20)
		first.close()
		b.manager.tail.ring.reset(21)

		s := b.open(&hookbridgev1.SubscribeRequest{Subscription: "a", MaxOutstandingEvents: 10})
		next := func() *hookbridgev1.SubscribeResponse {
			t.Helper()
			resp, err := s.rpc.Recv()
			if err != nil {
				t.Fatal(err)
			}
			return resp
		}
		next()          // its confirmation
		synctest.Wait() // it has taken the first eight, and waits amid them for the client to read on
		must(t, b.client.EraseEvent, eraseBySequence(10))
		for n := range int64(9) {
			equal(t, "delivery", short(next().GetDelivery()), run(n+1, n+1, 2, reasonLost))
		}
		equal(t, "the erased one", next().GetGap(), &hookbridgev1.Gap{FromSequence: 10, ToSequence: 11})
	})
}
