package conformance

import (
	"encoding/json"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// replay starts a replay to the subscription a.
func (b *bridge) replay(req *hookbridgev1.StartReplayRequest) *hookbridgev1.Replay {
	b.t.Helper()
	req.Subscription = "a"
	return must(b.t, b.manage.StartReplay, req).GetReplay()
}

func replayRange(b *bridge) {
	m, other := b.join("a", nil), b.join("b", nil)
	mixed := func(first int64) {
		b.push(1)
		b.order("order.paid")
		b.order("refund")
		m.ack(m.gets(fresh(first, first+2)...)...)
	}
	mixed(1)
	since := time.Now()
	mixed(4)
	mixed(7)
	until := time.Now()
	mixed(10)
	other.ack(other.gets(fresh(1, 12)...)...)
	replay := b.replay(&hookbridgev1.StartReplayRequest{
		Filter: &hookbridgev1.Filter{Sources: []string{"shop"}, Types: []string{"order.*"}}, Since: timestamppb.New(since), Until: timestamppb.New(until),
	})
	equal(b.t, "from", replay.GetFromSequence(), 4)
	equal(b.t, "to", replay.GetToSequence(), 10)
	ds := m.gets(sent{5, 1, reasonReplay}, sent{8, 1, reasonReplay})
	for _, d := range ds {
		equal(b.t, "replay of the delivery", d.GetReplay(), replay.GetId())
	}
	m.ack(ds...)
	eventually(b.t, "the replay ends by itself", func() bool { return b.status("a").GetReplay() == nil })
	// Nobody else has it, and what is new is not marked.
	b.push(1)
	equal(b.t, "replay of a new event", m.gets(fresh(13, 13)...)[0].GetReplay(), "")
	other.gets(fresh(13, 13)...)
	if found := b.log.with("msg=audit", `action="start replay"`, "subscription=a", "from_sequence=4", "to_sequence=10", replay.GetId()); len(found) != 1 {
		b.t.Fatalf("want the replay audited once, got %q", found)
	}
}

func replayRate(b *bridge) {
	const n, rate = 6, 5
	m := b.acknowledged(n)
	since := time.Now()
	b.replay(&hookbridgev1.StartReplayRequest{MaxEventsPerSecond: rate})
	m.gets(again(1, n, 1, reasonReplay)...)
	// The first of them may come at once.
	atLeast(b.t, "it was through", since, (n-1)*time.Second/rate)
}

func replayCancelled(b *bridge) {
	const n = 60
	m := b.acknowledged(n)
	replay := b.replay(&hookbridgev1.StartReplayRequest{MaxEventsPerSecond: 1})
	_, err := b.manage.StartReplay(b.t.Context(), &hookbridgev1.StartReplayRequest{Subscription: "a"})
	refused(b.t, err, `FailedPrecondition REPLAY_RUNNING: subscription "a" has the replay `+replay.GetId()+`, which is running`)
	m.ack(m.gets(sent{1, 1, reasonReplay})...)
	stopped := must(b.t, b.manage.CancelReplay, &hookbridgev1.CancelReplayRequest{Subscription: "a"}).GetReplay()
	equal(b.t, "id", stopped.GetId(), replay.GetId())
	if stopped.GetEvents() < 1 || stopped.GetEvents() >= n {
		b.t.Fatalf("%d events were handed out of %d", stopped.GetEvents(), n)
	}
	// What it says that it has handed out is what came, and no more.
	m.gets(again(2, stopped.GetEvents(), 1, reasonReplay)...)
	m.quiet()
	_, err = b.manage.CancelReplay(b.t.Context(), &hookbridgev1.CancelReplayRequest{Subscription: "a"})
	refused(b.t, err, `NotFound REPLAY_NOT_FOUND: subscription "a" has no replay`)
	if found := b.log.with("msg=audit", `action="cancel replay"`, "subscription=a", replay.GetId()); len(found) != 1 {
		b.t.Fatalf("want it audited once, got %q", found)
	}
}

func replayRestart(b *bridge) {
	const n = 8
	m := b.acknowledged(n)
	replay := b.replay(&hookbridgev1.StartReplayRequest{MaxEventsPerSecond: 10})
	m.ack(m.gets(again(1, 2, 1, reasonReplay)...)...)
	b.restart()
	// Where it stood.
	m = b.join("a", nil)
	seen := map[int64]bool{1: true, 2: true}
	for len(seen) < n {
		d := m.next()
		seq := d.GetEvent().GetSequence()
		equal(b.t, "replay of the delivery", d.GetReplay(), replay.GetId())
		if seen[seq] {
			b.t.Fatalf("%d came although it was acknowledged", seq)
		}
		seen[seq] = true
		m.ack(d)
	}
	m.quiet()
}

// duplicate says whether a delivery was one that is known.
func (b *bridge) duplicate(source, typ, id, body string) bool {
	b.t.Helper()
	var receipt struct{ Duplicate bool }
	if err := json.Unmarshal([]byte(b.post(source, typ, id, body)), &receipt); err != nil {
		b.t.Fatal(err)
	}
	return receipt.Duplicate
}

const noEvent = "NotFound EVENT_NOT_FOUND: there is no such event, or none any more"

func eraseUnread(b *bridge) {
	b.create(&hookbridgev1.Subscription{Name: "a"})
	b.push(3)
	which := &hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Sequence{Sequence: 2}}
	equal(b.t, "erased", must(b.t, b.events.EraseEvent, which), &hookbridgev1.EraseEventResponse{Sequence: 2})
	_, err := b.events.EraseEvent(b.t.Context(), which)
	refused(b.t, err, noEvent)
	_, err = b.events.GetEvent(b.t.Context(), &hookbridgev1.GetEventRequest{Event: &hookbridgev1.GetEventRequest_Sequence{Sequence: 2}})
	refused(b.t, err, noEvent)
	for range 2 {
		m := b.join("", nil)
		m.gets(sent{1, 1, reasonNew}, sent{3, 1, reasonNew})
		m.leave()
		b.restart()
	}
	// Its id goes on counting.
	equal(b.t, "duplicate", b.duplicate("github", "push", "event-2", `{"ref":"refs/heads/main","repository":{"full_name":"acme/mugs"}}`), true)
}

func eraseDead(b *bridge) {
	m, other := b.given(4), b.join("b", nil)
	other.rejects(forGood("no"), other.gets(fresh(1, 4)...)[1])
	b.redrive("a", ofType("order.paid"), 2)
	m.gets(sent{2, 1, reasonRedriven}, sent{4, 1, reasonRedriven})
	which := &hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Key{Key: &hookbridgev1.EventKey{Source: "shop", Id: "event-2"}}}
	equal(b.t, "erased", must(b.t, b.events.EraseEvent, which), &hookbridgev1.EraseEventResponse{Sequence: 2, DeadLetters: 2})
	for range 2 {
		b.dead("a", letter{1, 1, deadRejected, "no", false}, letter{3, 1, deadRejected, "no", false}, letter{4, 1, deadRejected, "no", true})
		b.dead("b")
		_, err := b.events.EraseEvent(b.t.Context(), which)
		refused(b.t, err, noEvent)
		b.restart()
	}
	// It can't be sent again, neither from the journal nor from its dead letter.
	m = b.join("a", nil)
	ds := m.gets(sent{4, 2, reasonRestart})
	b.seek("a", beginning(), 1)
	m.ack(append(ds, m.gets(sent{1, 1, reasonNew}, sent{3, 1, reasonNew})...)...)
}
