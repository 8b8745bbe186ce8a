package subscription

import (
	"testing"
	"testing/synctest"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// A dead letter is redriven, given up again, erased and replayed, and what is settled leaves no copy behind.
func TestDeadLettersGoRound(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(6, "push")
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning()})
		ds := s.deliveries(6)
		if _, err := b.reject("a", forGood("x"), ids(ds[:3])...); err != nil {
			t.Fatal(err)
		}
		s.ack(ds[3:]...)
		left, marked := b.left("a")
		equal(t, "left", len(left), 3)
		equal(t, "marked", len(marked), 0)
		equal(t, "redriven", b.resend("a", every()).GetRedriven(), int64(3))
		again := s.deliveries(3)
		equal(t, "sent", short(again...), run(1, 3, 1, reasonOfRedrive))
		s.ack(again[0])
		synctest.Wait()
		left, marked = b.left("a")
		equal(t, "left", left, marked)
		equal(t, "left", len(left), 2)
		if _, err := b.reject("a", forGood("y"), ids(again[1:2])...); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		left, marked = b.left("a")
		equal(t, "left", len(left), 2)
		equal(t, "marked", len(marked), 1)
		equal(t, "erased", must(t, b.client.EraseEvent, &hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Sequence{Sequence: 2}}).GetDeadLetters(), int64(1))
		s.ack(again[2])
		r := b.replay(&hookbridgev1.StartReplayRequest{})
		for _, d := range s.deliveries(5) {
			equal(t, "replay id", d.GetReplay(), r.GetId())
			s.ack(d)
		}
		s.quiet()
		b.remove("a")
	})
}
