package subscription

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
)

// dead makes the subscription a, that has acknowledged n events of the types push and pull in turns and has a dead letter of each.
func (b *bridge) dead(n int) (ids []int64) {
	b.t.Helper()
	for i := range n {
		b.fill(1, []string{"push", "pull"}[i%2])
		ids = append(ids, b.letter("a", int64(i+1)))
	}
	b.establish(&hookbridgev1.Subscription{Name: "a"})
	b.seek("a", at(int64(n+1)))
	return ids
}

func (b *bridge) resend(name string, which *hookbridgev1.DeadLetterSelection) *hookbridgev1.RedriveDeadLettersResponse {
	b.t.Helper()
	return must(b.t, b.manage.RedriveDeadLetters, &hookbridgev1.RedriveDeadLettersRequest{Subscription: name, Selection: which})
}

func (b *bridge) purge(name string, which *hookbridgev1.DeadLetterSelection) int64 {
	b.t.Helper()
	return must(b.t, b.manage.PurgeDeadLetters, &hookbridgev1.PurgeDeadLettersRequest{Subscription: name, Selection: which}).GetPurged()
}

func TestDeadLettersAreListedOldestFirst(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		when := time.Now()
		ids := b.dead(5)
		b.letter("b", 1) // another one's
		list := func(req *hookbridgev1.ListDeadLettersRequest) (pages [][]int64) {
			req.Subscription = "a"
			for more := true; more; more = req.GetPageToken() != "" {
				resp := must(t, b.manage.ListDeadLetters, req)
				var page []int64
				for _, d := range resp.GetDeadLetters() {
					page = append(page, d.GetId())
				}
				pages, req.PageToken = append(pages, page), resp.GetNextPageToken()
			}
			return pages
		}
		equal(t, "pages", list(&hookbridgev1.ListDeadLettersRequest{PageSize: 2}), [][]int64{ids[:2], ids[2:4], ids[4:]})
		equal(t, "a type", list(&hookbridgev1.ListDeadLettersRequest{Filter: &hookbridgev1.Filter{Types: []string{"pul*"}}}), [][]int64{{ids[1], ids[3]}})
		equal(t, "another type", list(&hookbridgev1.ListDeadLettersRequest{Filter: &hookbridgev1.Filter{Types: []string{"x"}}}), [][]int64{nil})

		event := must(t, b.client.GetEvent, &hookbridgev1.GetEventRequest{Event: &hookbridgev1.GetEventRequest_Sequence{Sequence: 1}, IncludeContent: true}).GetEvent()
		want := &hookbridgev1.DeadLetter{
			Id: ids[0], Event: event, Reason: hookbridgev1.DeadLetter_REASON_REJECTED, Attempts: 3, Error: "no such customer", DeadLetteredAt: timestamppb.New(when),
		}
		one := func(content bool) *hookbridgev1.DeadLetter {
			return must(t, b.manage.ListDeadLetters, &hookbridgev1.ListDeadLettersRequest{Subscription: "a", PageSize: 1, IncludeContent: content}).GetDeadLetters()[0]
		}
		equal(t, "with content", one(true), want)
		event.Content = nil
		equal(t, "without", one(false), want)

		first := must(t, b.manage.ListDeadLetters, &hookbridgev1.ListDeadLettersRequest{Subscription: "a", PageSize: 1})
		_, err := b.manage.ListDeadLetters(t.Context(), &hookbridgev1.ListDeadLettersRequest{Subscription: "b", PageToken: first.GetNextPageToken()})
		refused(t, err, "InvalidArgument INVALID_ARGUMENT: page_token: is of a listing with other fields; repeat them for every page")
		elapse(recount)
		equal(t, "counted", b.show("a").GetStatus().GetDeadLetters(), int64(5))
	})
}

// What is redriven is sent again as if for the first time, also after a crash; it stays a dead letter meanwhile, and is not purged.
func TestRedrivenDeadLettersAreSentAgain(t *testing.T) {
	for _, tc := range []struct {
		name  string
		which func(ids []int64) *hookbridgev1.DeadLetterSelection
		want  []int64 // the sequences
	}{
		{"all", func([]int64) *hookbridgev1.DeadLetterSelection { return every() }, []int64{1, 2, 3, 4, 5}},
		{"by id", func(ids []int64) *hookbridgev1.DeadLetterSelection {
			return these(ids[3], ids[1], ids[1], 999, ids[4]+1)
		}, []int64{2, 4}},
		{"by filter", func([]int64) *hookbridgev1.DeadLetterSelection { return ofTypes("push") }, []int64{1, 3, 5}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				ids := b.dead(5)
				b.letter("b", 1) // not a's, whoever names its id
				equal(t, "answer", b.resend("a", tc.which(ids)), &hookbridgev1.RedriveDeadLettersResponse{Redriven: int64(len(tc.want))})
				var redriven []int64
				for _, seq := range tc.want {
					redriven = append(redriven, ids[seq-1])
				}
				for _, when := range []string{"at once", "after a crash"} {
					left, marked := b.left("a")
					equal(t, when+": kept", left, ids)
					equal(t, when+": marked", marked, redriven)
					equal(t, when+": twice", b.resend("a", tc.which(ids)).GetRedriven(), int64(0))
					if when == "at once" {
						b = b.crash()
					}
				}
				defer b.stop()
				equal(t, "purged", b.purge("a", every()), int64(5-len(tc.want)))
				left, _ := b.left("a")
				equal(t, "not purged", left, redriven)

				s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
				var want []sent
				for _, seq := range tc.want {
					want = append(want, sent{seq, 1, reasonOfRedrive})
				}
				ds := s.deliveries(len(tc.want))
				equal(t, "sent", short(ds...), want)
				s.ack(ds...)
				s.quiet()
				_, marked := b.left("a")
				equal(t, "acknowledged", marked, []int64(nil))
			})
		})
	}
}

func TestRedriveTakesNoMoreThanThereIsRoomFor(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(1, "push")
		b.establish(&hookbridgev1.Subscription{Name: "a"})
		b.seek("a", at(2))
		const n = maxRedriven + 3
		b.fill(n-1, "push")
		for seq := range int64(n) {
			b.letter("a", seq+1)
		}
		b.seek("a", at(n+1))
		equal(t, "first", b.resend("a", every()), &hookbridgev1.RedriveDeadLettersResponse{Redriven: maxRedriven, More: true})
		equal(t, "no room", b.resend("a", every()), &hookbridgev1.RedriveDeadLettersResponse{More: true})
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		s.ack(s.deliveries(1)...)
		equal(t, "room for one", b.resend("a", these(maxRedriven+1)), &hookbridgev1.RedriveDeadLettersResponse{Redriven: 1})
	})
}

// An event that is with a client, or waits to be sent, is not sent once more: its dead letter stays as it is.
func TestRedrivePassesOverWhatIsHeld(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(2, "push")
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning()})
		ds := s.deliveries(2)
		id := b.letter("a", 1)
		equal(t, "held", b.resend("a", every()), &hookbridgev1.RedriveDeadLettersResponse{})
		s.ack(ds...)
		s.quiet()
		left, marked := b.left("a")
		equal(t, "kept", left, []int64{id})
		equal(t, "marked", marked, []int64(nil))
	})
}

func TestPurgedDeadLettersAreGone(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		ids := b.dead(6)
		others := b.letter("b", 1)
		equal(t, "by id", b.purge("a", these(ids[0], others, 999)), int64(1))
		equal(t, "by filter", b.purge("a", ofTypes("pull")), int64(3))
		left, _ := b.left("a")
		equal(t, "left", left, []int64{ids[2], ids[4]})
		b = b.crash()
		defer b.stop()
		left, _ = b.left("a")
		equal(t, "left after a crash", left, []int64{ids[2], ids[4]})
		equal(t, "all", b.purge("a", every()), int64(2))
		equal(t, "none", b.purge("a", every()), int64(0))
		equal(t, "counted", b.show("a").GetStatus().GetDeadLetters(), int64(0))
	})
}

// While dead letters can't be removed nothing is answered but that, and a subscription is not half deleted.
func TestDeadLettersThatCannotBeRemovedStay(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		ids := b.dead(1)
		b.journal.FailDeadLetters(fmt.Errorf("%w: disk", journal.ErrUnavailable))
		const trouble = "Unavailable JOURNAL_UNAVAILABLE: the journal can't be reached or can't write; try again"
		_, err := b.manage.PurgeDeadLetters(t.Context(), &hookbridgev1.PurgeDeadLettersRequest{Subscription: "a", Selection: every()})
		refused(t, err, trouble)
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		_, err = b.manage.DeleteSubscription(t.Context(), &hookbridgev1.DeleteSubscriptionRequest{Name: "a"})
		refused(t, err, trouble)
		s.quiet()
		b.journal.FailDeadLetters(nil)
		left, _ := b.left("a")
		equal(t, "left", left, ids)
		b.remove("a")
	})
}

// An erased event is in no answer any more: not in the journal, not among dead letters, redriven or not, and with nobody who has not
// taken it yet.
func TestAnErasedEventIsNowhere(t *testing.T) {
	sequence := func(n int64) *hookbridgev1.EraseEventRequest {
		return &hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Sequence{Sequence: n}}
	}
	key := func(id string) *hookbridgev1.EraseEventRequest {
		return &hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Key{Key: &hookbridgev1.EventKey{Source: "src", Id: id}}}
	}
	for _, tc := range []struct {
		name string
		req  *hookbridgev1.EraseEventRequest
	}{{"by sequence", sequence(3)}, {"by key", key("3")}} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				b.fill(4, "push")
				slow, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning(), MaxOutstandingEvents: 1})
				b.establish(&hookbridgev1.Subscription{Name: "b"})
				first := slow.deliveries(1)
				synctest.Wait() // the rest is read ahead
				b.letter("a", 3)
				kept := b.letter("a", 4)
				b.letter("b", 3)
				b.resend("b", every())
				equal(t, "answer", must(t, b.client.EraseEvent, tc.req), &hookbridgev1.EraseEventResponse{Sequence: 3, DeadLetters: 2})
				_, err := b.client.EraseEvent(t.Context(), tc.req)
				refused(t, err, "NotFound EVENT_NOT_FOUND: there is no such event, or none any more")
				_, err = b.client.GetEvent(t.Context(), &hookbridgev1.GetEventRequest{Event: &hookbridgev1.GetEventRequest_Sequence{Sequence: 3}})
				refused(t, err, "NotFound EVENT_NOT_FOUND: there is no such event, or none any more")
				letters, _ := b.left("a")
				equal(t, "dead letters", letters, []int64{kept})

				slow.ack(first...)
				slow.ack(slow.deliveries(1)...)
				equal(t, "what was read ahead", slow.recv().GetGap(), &hookbridgev1.Gap{FromSequence: 3, ToSequence: 4})
				equal(t, "then", short(slow.delivery()), run(4, 4, 1, reasonNew))
			})
		})
	}
}

// Its dead letters are erased also when retention has removed the event, or a first try was cut off between the two.
func TestDeadLettersOfAGoneEventAreErased(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(2, "push")
		b.establish(&hookbridgev1.Subscription{Name: "a"})
		b.letter("a", 1)
		b.journal.Trim(2)
		equal(t, "answer", must(t, b.client.EraseEvent, &hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Sequence{Sequence: 1}}),
			&hookbridgev1.EraseEventResponse{Sequence: 1, DeadLetters: 1})
		letters, _ := b.left("a")
		equal(t, "left", letters, []int64(nil))
	})
}
