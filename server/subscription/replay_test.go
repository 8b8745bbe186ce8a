package subscription

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
)

func (b *bridge) replay(req *hookbridgev1.StartReplayRequest) *hookbridgev1.Replay {
	b.t.Helper()
	req.Subscription = "a"
	return must(b.t, b.manage.StartReplay, req).GetReplay()
}

// acknowledged makes the subscription a, with all there is acknowledged, and returns a stream of it.
func (b *bridge) acknowledged(filter *hookbridgev1.Filter) *stream {
	b.t.Helper()
	b.establish(&hookbridgev1.Subscription{Name: "a", Filter: filter})
	b.seek("a", at(b.journal.Bounds().End))
	s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
	return s
}

func TestAReplaySendsAPartOfTheJournalAgain(t *testing.T) {
	for _, tc := range []struct {
		name   string
		filter *hookbridgev1.Filter // the subscription's
		req    func(noon time.Time) *hookbridgev1.StartReplayRequest
		want   []int64
		from   int64
		to     int64
	}{
		{"all", nil, func(time.Time) *hookbridgev1.StartReplayRequest { return &hookbridgev1.StartReplayRequest{} }, []int64{2, 3, 4, 5, 6}, 2, 7},
		{"since", nil, func(noon time.Time) *hookbridgev1.StartReplayRequest {
			return &hookbridgev1.StartReplayRequest{Since: timestamppb.New(noon)}
		}, []int64{4, 5, 6}, 4, 7},
		{"until", nil, func(noon time.Time) *hookbridgev1.StartReplayRequest {
			return &hookbridgev1.StartReplayRequest{Until: timestamppb.New(noon)}
		}, []int64{2, 3}, 2, 4},
		{"of a type", nil, func(time.Time) *hookbridgev1.StartReplayRequest {
			return &hookbridgev1.StartReplayRequest{Filter: &hookbridgev1.Filter{Types: []string{"pu*l"}}}
		}, []int64{2, 4, 6}, 2, 7},
		{"of an expression", nil, func(time.Time) *hookbridgev1.StartReplayRequest {
			return &hookbridgev1.StartReplayRequest{Filter: &hookbridgev1.Filter{Expression: `event.id in ["3", "6"]`}}
		}, []int64{3, 6}, 2, 7},
		{"the subscription's filter counts too", &hookbridgev1.Filter{Types: []string{"push"}}, func(time.Time) *hookbridgev1.StartReplayRequest {
			return &hookbridgev1.StartReplayRequest{Filter: &hookbridgev1.Filter{Expression: `event.id in ["3", "6"]`}}
		}, []int64{3}, 2, 7},
		{"nothing", nil, func(noon time.Time) *hookbridgev1.StartReplayRequest {
			return &hookbridgev1.StartReplayRequest{Since: timestamppb.New(noon.Add(time.Hour))}
		}, nil, 7, 7},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				for i := range 6 {
					if i == 3 {
						elapse(time.Minute)
					}
					b.fill(1, []string{"push", "pull"}[i%2])
				}
				noon := time.Now()
				b.journal.Trim(2)
				s := b.acknowledged(tc.filter)
				req := tc.req(noon)
				got := b.replay(req)
				equal(t, "replay", got, &hookbridgev1.Replay{
					Id: got.GetId(), Filter: req.GetFilter(), FromSequence: tc.from, ToSequence: tc.to, NextSequence: tc.from,
					MaxEventsPerSecond: 100, StartedAt: timestamppb.New(noon),
				})
				var want []sent
				for _, seq := range tc.want {
					want = append(want, sent{seq, 1, reasonOfReplay})
				}
				ds := s.deliveries(len(want))
				equal(t, "sent", short(ds...), want)
				if len(ds) > 0 {
					s.ack(ds...)
				}
				// Beside it comes what comes anyway; and it has ended by itself.
				b.fill(1, "push")
				equal(t, "new", short(s.delivery()), run(7, 7, 1, reasonNew))
				s.quiet()
				equal(t, "ended", b.show("a").GetStatus().GetReplay(), (*hookbridgev1.Replay)(nil))
			})
		})
	}
}

// What was not sent yet, and what is outstanding, comes by itself.
func TestAReplayLeavesOutWhatComesAnyway(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(6, "push")
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning(), MaxOutstandingEvents: 3, AckDeadline: durationpb.New(time.Hour)})
		ds := s.deliveries(3)
		s.ack(ds[0])
		ds = append(ds, s.delivery()) // 2, 3 and 4 are outstanding
		b.replay(&hookbridgev1.StartReplayRequest{MaxEventsPerSecond: 1000})
		s.quiet()
		s.ack(ds[1], ds[2], ds[3])
		got := map[int64]sent{}
		for range 3 {
			d := s.delivery()
			got[d.GetEvent().GetSequence()] = short(d)[0]
		}
		s.quiet()
		equal(t, "1 by the replay, 5 and 6 by themselves", got, map[int64]sent{1: {1, 1, reasonOfReplay}, 5: {5, 1, reasonNew}, 6: {6, 1, reasonNew}})
	})
}

func TestAReplayIsNoFasterThanItMayBe(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(1000, "push")
		s := b.acknowledged(nil)
		b.replay(&hookbridgev1.StartReplayRequest{}) // 100 a second
		handed := func() int64 { return b.show("a").GetStatus().GetReplay().GetEvents() }
		for _, step := range []struct {
			after time.Duration
			want  int64
		}{{50 * time.Millisecond, 0}, {60 * time.Millisecond, 10}, {890 * time.Millisecond, 100}, {2 * second, 300}} {
			elapse(step.after)
			equal(t, step.after.String(), handed(), step.want)
		}
		s.ack(s.deliveries(300)...)
		elapse(7 * second)
		equal(t, "all", short(s.deliveries(700)...), run(301, 1000, 1, reasonOfReplay))
	})
}

// One at a time; cancelled, it sends no more, and takes back what nobody was sent.
func TestAReplayCanBeCancelled(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(5000, "push")
		b.establish(&hookbridgev1.Subscription{Name: "a"})
		b.seek("a", at(5001))
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", MaxOutstandingEvents: 4})
		replay := b.replay(&hookbridgev1.StartReplayRequest{MaxEventsPerSecond: 100_000})
		sentByThen := s.deliveries(4)
		elapse(second)
		is := b.show("a").GetStatus()
		equal(t, "handed out as far as there is room", is.GetReplay().GetEvents(), int64(replayAhead))
		equal(t, "waiting", is.GetWaitingEvents(), int64(replayAhead-4))
		_, err := b.manage.StartReplay(t.Context(), &hookbridgev1.StartReplayRequest{Subscription: "a"})
		refused(t, err, `FailedPrecondition REPLAY_RUNNING: subscription "a" has the replay `+replay.GetId()+`, which is running`)

		stopped := must(t, b.manage.CancelReplay, &hookbridgev1.CancelReplayRequest{Subscription: "a"}).GetReplay()
		equal(t, "id", stopped.GetId(), replay.GetId())
		equal(t, "events", stopped.GetEvents(), int64(4))
		_, err = b.manage.CancelReplay(t.Context(), &hookbridgev1.CancelReplayRequest{Subscription: "a"})
		refused(t, err, `NotFound REPLAY_NOT_FOUND: subscription "a" has no replay`)
		s.ack(sentByThen...)
		elapse(second)
		s.quiet()
		b = b.crash()
		defer b.stop()
		s, _ = b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		elapse(second)
		s.quiet()
		// And there may be another.
		b.replay(&hookbridgev1.StartReplayRequest{MaxEventsPerSecond: 100_000})
		equal(t, "another", short(s.delivery()), run(1, 1, 1, reasonOfReplay))
	})
}

// It goes on where it stood, whether or not somebody is connected, and sends nothing twice that was acknowledged.
func TestAReplaySurvivesARestart(t *testing.T) {
	for _, tc := range []struct {
		name    string
		restart func(*testing.T, *bridge) *bridge
	}{
		{"after a crash", func(_ *testing.T, b *bridge) *bridge { return b.crash() }},
		{"after a shutdown", func(t *testing.T, b *bridge) *bridge {
			if err := b.stop(); err != nil {
				t.Error(err)
			}
			return start(t, b.journal, nil)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				b.fill(500, "push")
				s := b.acknowledged(nil)
				replay := b.replay(&hookbridgev1.StartReplayRequest{})
				elapse(2 * second)
				ds := s.deliveries(200)
				s.ack(ds[:150]...)
				s.close()
				b = tc.restart(t, b)
				defer b.stop()
				is := b.show("a").GetStatus().GetReplay()
				equal(t, "id", is.GetId(), replay.GetId())
				equal(t, "next", is.GetNextSequence(), int64(201))
				equal(t, "events", is.GetEvents(), int64(200))
				elapse(10 * second)
				s, _ = b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
				got := map[int64]int{}
				for _, d := range s.deliveries(350) {
					got[d.GetEvent().GetSequence()]++
				}
				s.quiet()
				want := map[int64]int{}
				for seq := int64(151); seq <= 500; seq++ {
					want[seq] = 1
				}
				equal(t, "the rest, once", got, want)
				equal(t, "ended", b.show("a").GetStatus().GetReplay(), (*hookbridgev1.Replay)(nil))
			})
		})
	}
}

// A replay stands still while the journal can't be read or written, and while its subscription has no room; then it goes on. Retention
// may take what it has not read.
func TestAReplayWaitsOutTrouble(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(400, "push")
		s := b.acknowledged(nil)
		b.replay(&hookbridgev1.StartReplayRequest{})
		elapse(second)
		b.journal.FailReads(journal.ErrUnavailable)
		elapse(10 * second)
		b.journal.FailReads(nil)
		b.journal.FailRecords(journal.ErrUnavailable)
		elapse(10 * second)
		b.journal.FailRecords(nil)
		b.journal.Trim(300)
		elapse(10 * second)
		ds := s.deliveries(int(b.show("a").GetStatus().GetSentEvents()))
		last := short(ds[len(ds)-101:]...)
		equal(t, "from what there is still", last, run(300, 400, 1, reasonOfReplay))
		for i, d := range ds {
			if seq := d.GetEvent().GetSequence(); i < 100 && seq != int64(i+1) {
				t.Errorf("number %d is %d", i, seq)
			}
		}
		equal(t, "ended", b.show("a").GetStatus().GetReplay(), (*hookbridgev1.Replay)(nil))
	})
}

// Deleting the subscription ends it; a filter that changes meanwhile counts for what was not handed out.
func TestAReplayFollowsItsSubscription(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		for range 100 {
			b.fill(1, "push")
			b.fill(1, "pull")
		}
		s := b.acknowledged(nil)
		b.replay(&hookbridgev1.StartReplayRequest{})
		elapse(second)
		equal(t, "all types", short(s.deliveries(100)...), run(1, 100, 1, reasonOfReplay))
		b.update(&hookbridgev1.Subscription{Name: "a", Filter: &hookbridgev1.Filter{Types: []string{"pull"}}}, "filter")
		elapse(300 * time.Millisecond)
		for _, d := range s.deliveries(20) {
			equal(t, "only the new one", d.GetEvent().GetType(), "pull")
		}
		b.remove("a")
		synctest.Wait()
		b.establish(&hookbridgev1.Subscription{Name: "a"})
		equal(t, "none of the old one", b.show("a").GetStatus().GetReplay(), (*hookbridgev1.Replay)(nil))
	})
}
