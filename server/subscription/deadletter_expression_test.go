package subscription

import (
	"testing"
	"time"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/auth"
)

func byExpression(expression string) *hookbridgev1.DeadLetterSelection {
	return &hookbridgev1.DeadLetterSelection{Which: &hookbridgev1.DeadLetterSelection_Filter{Filter: only(expression)}}
}

// buriedStars makes the subscription a with dead letters of: mugs, cups, a push without data, mugs, mugs. It returns their ids.
func (b *bridge) buriedStars() (ids []int64) {
	b.t.Helper()
	b.stars("acme/mugs", "acme/cups")
	b.fill(1, "push")
	b.stars("acme/mugs", "acme/mugs")
	for seq := range int64(5) {
		ids = append(ids, b.letter("a", seq+1))
	}
	b.establish(&hookbridgev1.Subscription{Name: "a"})
	b.seek("a", at(6))
	return ids
}

const mugsData = `data.repository.full_name == "acme/mugs"`

// Dead letters are listed by what is in their events. What has no data to ask about, and what was erased, doesn't match.
func TestDeadLettersAreListedByExpression(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		ids := b.buriedStars()
		list := func(expression string, size int32) (pages [][]int64) {
			req := &hookbridgev1.ListDeadLettersRequest{Subscription: "a", Filter: only(expression), PageSize: size}
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
		equal(t, "by data", list(mugsData, 0), [][]int64{{ids[0], ids[3], ids[4]}})
		equal(t, "in pages", list(mugsData, 2), [][]int64{{ids[0], ids[3]}, {ids[4]}})
		b.manager.askFor = 0
		equal(t, "without time", list(mugsData, 0), [][]int64{{ids[0]}, nil, nil, {ids[3]}, {ids[4]}})
		b.manager.askFor = maxExamining
		equal(t, "by the envelope", list(`event.type == "push" || event.sequence == 2`, 0), [][]int64{{ids[1], ids[2]}})
		must(t, b.client.EraseEvent, &hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Sequence{Sequence: 4}})
		equal(t, "after one was erased", list(mugsData, 0), [][]int64{{ids[0], ids[4]}})
	})
}

// What an expression chooses is redriven or purged, and nothing else; one call asks about so many and says where to go on.
func TestDeadLettersAreChosenByExpression(t *testing.T) {
	for _, tc := range []struct {
		name string
		ask  int // about how many in one call
		time time.Duration
		// redrives and purges are the answers of one call after the other, in redriven or purged, and next.
		redrives, purges [][2]int64
	}{
		{"at once", 5, maxExamining, [][2]int64{{3, 0}}, [][2]int64{{1, 0}}},
		{"in parts", 2, maxExamining, [][2]int64{{1, 2}, {1, 4}, {1, 0}}, [][2]int64{{1, 2}, {0, 4}, {0, 0}}},
		{"without time", 5, 0, [][2]int64{{1, 1}, {0, 2}, {0, 3}, {1, 4}, {1, 0}}, [][2]int64{{0, 1}, {1, 2}, {0, 3}, {0, 4}, {0, 0}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				ids := b.buriedStars()
				b.manager.askLetters, b.manager.askFor = tc.ask, tc.time
				next := func(index int64) int64 {
					if index == 0 {
						return 0
					}
					return ids[index]
				}
				from := int64(0)
				for i, want := range tc.redrives {
					got := must(t, b.manage.RedriveDeadLetters, &hookbridgev1.RedriveDeadLettersRequest{Subscription: "a", Selection: byExpression(mugsData), FromId: from})
					equal(t, "redrive", got, &hookbridgev1.RedriveDeadLettersResponse{Redriven: want[0], More: want[1] != 0, NextId: next(want[1])})
					if from = got.GetNextId(); i == len(tc.redrives)-1 {
						break
					}
				}
				_, redriven := b.left("a")
				equal(t, "redriven", redriven, []int64{ids[0], ids[3], ids[4]})
				from = 0
				for _, want := range tc.purges {
					got := must(t, b.manage.PurgeDeadLetters, &hookbridgev1.PurgeDeadLettersRequest{
						Subscription: "a", Selection: byExpression(`has(data.repository)`), FromId: from,
					})
					equal(t, "purge", got, &hookbridgev1.PurgeDeadLettersResponse{Purged: want[0], NextId: next(want[1])})
					from = got.GetNextId()
				}
				left, _ := b.left("a")
				equal(t, "left", left, []int64{ids[0], ids[2], ids[3], ids[4]})
			})
		})
	}
}

// from_id counts for every way to choose.
func TestDeadLettersFromAnIdOn(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		ids := b.dead(6)
		purge := func(which *hookbridgev1.DeadLetterSelection, from int64) int64 {
			return must(t, b.manage.PurgeDeadLetters, &hookbridgev1.PurgeDeadLettersRequest{Subscription: "a", Selection: which, FromId: from}).GetPurged()
		}
		redriven := must(t, b.manage.RedriveDeadLetters, &hookbridgev1.RedriveDeadLettersRequest{Subscription: "a", Selection: every(), FromId: ids[5]})
		equal(t, "redriven", redriven, &hookbridgev1.RedriveDeadLettersResponse{Redriven: 1})
		equal(t, "of ids", purge(these(ids[0], ids[1], ids[4]), ids[4]), int64(1))
		equal(t, "of a filter", purge(ofTypes("pull"), ids[2]), int64(1))
		equal(t, "of all", purge(every(), ids[2]), int64(1))
		equal(t, "of no ids", purge(these(ids[0]), ids[1]), int64(0))
		left, _ := b.left("a")
		equal(t, "left", left, []int64{ids[0], ids[1], ids[5]})
	})
}

// An expression says something about an event's content, so it isn't asked about what its caller may not read.
func TestExpressionsTellNothingOfWhatMayNotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		boss, ops := auth.NewToken(), auth.NewToken()
		b.replace(
			of("boss", boss, auth.Grants{Sources: everything, Types: everything, Subscriptions: everything, Manage: true}),
			of("ops", ops, auth.Grants{Sources: []string{"github"}, Types: everything, Subscriptions: everything, Manage: true}),
		)
		b.at("stripe-eu", "invoice.paid")
		b.at("github", "push")
		as := b.as(boss)
		as.establish(&hookbridgev1.Subscription{Name: "a"})
		as.seek("a", at(3))
		b.letter("a", 1)
		b.letter("a", 2)
		const both = `event.sequence < 3`
		equal(t, "redriven by ops", b.as(ops).resend("a", byExpression(both)), &hookbridgev1.RedriveDeadLettersResponse{Redriven: 1})
		equal(t, "redriven by the boss", as.resend("a", byExpression(both)), &hookbridgev1.RedriveDeadLettersResponse{Redriven: 1})
	})
}
