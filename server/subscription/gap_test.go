package subscription

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal/journalfake"
)

// Whoever comes back after retention overtook its subscription is told what it will never see. It was not: what was lost was told
// to the members that were there before it, and there were none.
func TestASubscriberThatComesBackIsToldOfTheGap(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		req := &hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning()}
		s, _ := b.subscribe(req)
		b.fill(2, "push")
		s.ack(s.deliveries(2)...)
		s.close()
		b.fill(8, "push")
		b.journal.Trim(7)
		s, confirmed := b.subscribe(req)
		equal(t, "position", confirmed.GetPosition(), int64(7))
		equal(t, "gap", s.recv().GetGap(), &hookbridgev1.Gap{FromSequence: 3, ToSequence: 7})
		equal(t, "events", short(s.deliveries(4)...), run(7, 10, 1, reasonNew))
		s.quiet()
	})
}

// What was outstanding and is gone is a gap too, one for each range.
func TestOutstandingEventsThatAreGoneAreGaps(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		req := &hookbridgev1.SubscribeRequest{Subscription: "a"}
		s, _ := b.subscribe(req)
		b.fill(3, "push")
		s.ack(s.deliveries(3)[1])
		b.fill(1, "push")
		s.delivery()
		after := b.crash()
		defer after.stop()
		after.journal.Trim(4)
		s, _ = after.subscribe(req)
		for _, seq := range []int64{1, 3} {
			equal(t, "gap", s.recv().GetGap(), &hookbridgev1.Gap{FromSequence: seq, ToSequence: seq + 1})
		}
		equal(t, "next", s.delivery().GetEvent().GetSequence(), int64(4))
		equal(t, "counted", after.manager.totals.counters("a").lost.Load(), uint64(2))
	})
}

// Attempts outlive an orderly restart also where nothing but they changed since the record was written.
func TestAttemptsOutliveAnOrderlyRestart(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		req := &hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(5 * second)}
		s, _ := b.subscribe(req)
		b.fill(1, "push")
		s.deliveries(1)
		elapse(12 * second) // stored by the sweep, and sent again since
		for attempt := int32(2); attempt <= 4; attempt++ {
			equal(t, "attempt", s.delivery().GetAttempt(), attempt)
		}
		if err := b.stop(); err != nil {
			t.Fatal(err)
		}
		after := start(t, b.journal.Crash(), nil)
		defer after.stop()
		s, _ = after.subscribe(req)
		equal(t, "after", short(s.delivery()), []sent{{1, 5, reasonRestart}})
	})
}

// Data that was not stored is made again with the content type that the body came with, whether or not the content is asked for.
func TestDroppedDataIsMadeAgainWithItsContentType(t *testing.T) {
	for _, content := range []bool{false, true} {
		t.Run(fmt.Sprintf("content=%v", content), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, journalfake.New(), func(cfg *Config) {
					cfg.Redecode = func(e *hookbridgev1.Event, body []byte) (*anypb.Any, *hookbridgev1.Decoding) {
						return &anypb.Any{TypeUrl: e.GetContent().GetContentType(), Value: body}, e.GetDecoding()
					}
				})
				e := entry(1, "push", 10)
				e.DataDropped = true
				b.append(e)
				want := &anypb.Any{TypeUrl: "application/json", Value: make([]byte, 10)}
				s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Start: beginning(), IncludeContent: content})
				ev := s.delivery().GetEvent()
				equal(t, "delivered", ev.GetData(), want)
				equal(t, "content", proto.Size(ev.GetContent()) > 0, content)
				got, err := b.client.GetEvent(t.Context(), &hookbridgev1.GetEventRequest{
					Event: &hookbridgev1.GetEventRequest_Sequence{Sequence: 1}, IncludeContent: content,
				})
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "got", got.GetEvent(), ev)
				if err := b.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A thousand subscriptions that an event doesn't match are not looked at for it: their filters are asked once for each source and
// type, and nothing of theirs is touched, read for or woken.
func TestAThousandIdleSubscriptionsCostNothingPerEvent(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		hour := durationpb.New(5 * time.Minute)
		var idle []*stream
		for i := range 1000 {
			s := b.open(&hookbridgev1.SubscribeRequest{
				Subscription: fmt.Sprintf("idle%d", i), HeartbeatInterval: hour, Filter: &hookbridgev1.Filter{Types: []string{"never"}},
			})
			idle = append(idle, s)
		}
		busy, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "busy", HeartbeatInterval: hour})
		synctest.Wait()
		equal(t, "attached", b.manager.tail.attached.Load(), int64(1001))
		b.fill(1, "push") // the first of its type: all filters are asked
		busy.ack(busy.delivery())
		synctest.Wait()
		tried, handed := b.manager.routes.tried.Load(), b.manager.tail.handed.Load()
		reads := b.journal.Reads()
		const events = 200
		for range events {
			b.fill(1, "push")
			busy.delivery()
		}
		synctest.Wait()
		equal(t, "filters asked", b.manager.routes.tried.Load()-tried, int64(0))
		equal(t, "events handed to subscriptions", b.manager.tail.handed.Load()-handed, int64(events))
		if got := b.journal.Reads() - reads; got > events {
			t.Errorf("%d reads of the journal, want at most one for each of %d events", got, events)
		}
		for _, s := range idle {
			x, err := b.manager.find(s.name)
			if err != nil {
				t.Fatal(err)
			}
			x.mu.Lock()
			next, inbox := x.machine.Next(), cap(x.inbox)
			x.mu.Unlock()
			if next != 1 || inbox != 0 {
				t.Fatalf("%s was touched: it stands at %d, inbox of %d", s.name, next, inbox)
			}
		}
	})
}
