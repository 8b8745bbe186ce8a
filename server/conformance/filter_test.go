package conformance

import (
	"fmt"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// opened stores a pull request into a branch.
func (b *bridge) opened(branch string) {
	b.t.Helper()
	b.event("github", "pull_request.opened", fmt.Sprintf(
		`{"action":"opened","number":7,"pull_request":{"number":7,"base":{"ref":%q}},"repository":{"full_name":"acme/mugs"}}`, branch))
}

func filterPatterns(b *bridge) {
	b.push(1)              // 1
	b.opened("main")       // 2
	b.order("order.paid")  // 3
	b.order("order.moved") // 4
	b.order("refund")      // 5
	for _, tc := range []struct {
		sources, types []string
		want           []int64
	}{
		{nil, nil, []int64{1, 2, 3, 4, 5}},
		{[]string{"github"}, nil, []int64{1, 2}},
		{[]string{"s*"}, nil, []int64{3, 4, 5}},
		{nil, []string{"order.*"}, []int64{3, 4}},
		{nil, []string{"push", "refund"}, []int64{1, 5}},
		{[]string{"*hub", "shop"}, []string{"*.paid", "pull_request.*"}, []int64{2, 3}},
		{[]string{"github"}, []string{"order.*", "push"}, []int64{1}},
	} {
		m := b.join("", only(&hookbridgev1.Filter{Sources: tc.sources, Types: tc.types}))
		var got []int64
		for range tc.want {
			got = append(got, m.next().GetEvent().GetSequence())
		}
		equal(b.t, fmt.Sprint("sources ", tc.sources, " types ", tc.types), got, tc.want)
		m.quiet()
		m.leave()
	}
}

func filterExpression(b *bridge) {
	m := b.join("a", only(&hookbridgev1.Filter{
		Types: []string{"pull_request.*"}, Expression: `event.type == "pull_request.opened" && data.pull_request.base.ref == "main"`,
	}))
	b.opened("main")
	b.opened("next")
	b.push(1)
	b.opened("main")
	m.ack(m.gets(sent{1, 1, reasonNew}, sent{4, 1, reasonNew})...)
	m.quiet()
	// The subscription keeps it, also through a restart.
	b.restart()
	m = b.join("a", nil)
	b.opened("next")
	b.opened("main")
	m.gets(sent{6, 1, reasonNew})
	m.quiet()
}

func filterColumn(b *bridge) {
	for expression, want := range map[string]string{
		`event.type == "pull_request.opened" && data.pull_request.bse.ref == "main"`: "filter.expression:1:58: undefined field 'bse' of hookbridge.github.v1.PullRequest; did you mean base?",
		`event.type == "pull_request.opened" && data.number == "seven"`:              "filter.expression:1:52: found no matching overload for '==' applied to '(int, string)'",
		`event.typ == "push"`: "filter.expression:1:7: undefined field 'typ' of hookbridge.v1.Event; did you mean type?",
	} {
		m := b.attempt(b.events, "a", only(&hookbridgev1.Filter{Sources: []string{"github"}, Expression: expression}))
		refused(b.t, m.ended(), "InvalidArgument INVALID_ARGUMENT: "+want)
	}
	list := must(b.t, b.manage.ListSubscriptions, &hookbridgev1.ListSubscriptionsRequest{})
	equal(b.t, "subscriptions", list.GetSubscriptions(), nil)
}

func filterCostsNothing(b *bridge) {
	const n = 30
	paid := only(&hookbridgev1.Filter{Types: []string{"order.paid"}})
	m := b.join("a", func(req *hookbridgev1.SubscribeRequest) { window(1, 0)(req); paid(req) })
	for range n {
		b.push(1)
	}
	b.order("order.paid")
	// A window of one was never filled, and nothing has to be acknowledged before.
	m.ack(m.gets(sent{n + 1, 1, reasonNew})...)
	b.push(n)
	eventually(b.t, "the position moves past what doesn't match", func() bool { return b.status("a").GetPosition() == 2*n+2 })
	s := b.status("a")
	equal(b.t, "sent", s.GetSentEvents(), 1)
	equal(b.t, "lag", s.GetLagEvents(), 0)
	// Also for one that had to read what is stored.
	late := b.join("b", paid)
	late.ack(late.gets(sent{n + 1, 1, reasonNew})...)
	eventually(b.t, "the position moves past what is stored", func() bool { return b.status("b").GetPosition() == 2*n+2 })
	equal(b.t, "sent to the other", b.status("b").GetSentEvents(), 1)
}

func filterLag(b *bridge) {
	main := &hookbridgev1.Filter{Types: []string{"pull_request.opened"}, Expression: `data.pull_request.base.ref == "main"`}
	b.create(&hookbridgev1.Subscription{Name: "a", Filter: main})
	for range 3 {
		b.opened("next")
	}
	b.opened("main")
	lag := func(events int64, bound bool) {
		b.t.Helper()
		s := b.status("a")
		equal(b.t, "lag", s.GetLagEvents(), events)
		equal(b.t, "lag is an upper bound", s.GetLagIsUpperBound(), bound)
	}
	// Nobody has looked at them.
	lag(4, true)
	m := b.join("a", nil)
	ds := m.gets(sent{4, 1, reasonNew})
	eventually(b.t, "all is examined", func() bool { return !b.status("a").GetLagIsUpperBound() })
	lag(1, false)
	m.ack(ds...)
	lag(0, false)
}
