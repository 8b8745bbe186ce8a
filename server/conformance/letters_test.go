package conformance

import (
	"fmt"
	"slices"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// given makes a subscription that has given up n events, each other of them an order; and returns its stream.
func (b *bridge) given(n int) *member {
	b.t.Helper()
	m := b.join("a", nil)
	for i := range n {
		if i%2 == 0 {
			b.push(1)
		} else {
			b.order("order.paid")
		}
	}
	m.rejects(forGood("no"), m.gets(fresh(1, int64(n))...)...)
	return m
}

// letters expects the dead letters that given made of some sequences.
func given(seqs ...int64) (all []letter) {
	for _, seq := range seqs {
		all = append(all, letter{seq, 1, deadRejected, "no", false})
	}
	return all
}

func lettersListed(b *bridge) {
	const n, page = 60, 50
	b.given(n)
	for range 2 {
		all, pages := b.letters("a")
		equal(b.t, "pages", pages, []int{page, n - page})
		if !slices.IsSortedFunc(all, func(a, b *hookbridgev1.DeadLetter) int { return int(a.GetId() - b.GetId()) }) {
			b.t.Fatalf("want the oldest first, got %v", all)
		}
		for i, d := range all {
			equal(b.t, "sequence", d.GetEvent().GetSequence(), int64(i+1))
		}
		b.restart()
	}
	// Only some of them, and less at a time.
	req := &hookbridgev1.ListDeadLettersRequest{Subscription: "a", Filter: &hookbridgev1.Filter{Sources: []string{"shop"}}, PageSize: 20}
	resp := must(b.t, b.manage.ListDeadLetters, req)
	equal(b.t, "orders on the first page", len(resp.GetDeadLetters()), 20)
	req.PageToken = resp.GetNextPageToken()
	resp = must(b.t, b.manage.ListDeadLetters, req)
	equal(b.t, "orders on the second page", len(resp.GetDeadLetters()), n/2-20)
	equal(b.t, "another page", resp.GetNextPageToken(), "")
	equal(b.t, "the last", resp.GetDeadLetters()[n/2-21].GetEvent().GetSequence(), int64(n))
	// Another subscription has none of them.
	b.create(&hookbridgev1.Subscription{Name: "b"})
	b.dead("b")
}

func redriveAll(b *bridge) {
	const n = 60
	m := b.given(n)
	b.redrive("a", everything(), n)
	ds := m.gets(again(1, n, 1, reasonRedriven)...)
	all, _ := b.letters("a")
	if len(all) != n || slices.ContainsFunc(all, func(d *hookbridgev1.DeadLetter) bool { return !d.GetRedriven() }) {
		b.t.Fatalf("want %d dead letters, all redriven, got %v", n, all)
	}
	// They are sent again already.
	b.redrive("a", everything(), 0)
	// The copy of what is acknowledged goes, and what is given up again has a new one in its place.
	m.ack(ds[1:]...)
	m.rejects(forGood("again"), ds[0])
	b.left("a", 1)
	b.dead("a", letter{1, 1, deadRejected, "again", false})
	equal(b.t, "unsettled", b.status("a").GetLagEvents(), 0)
}

func redriveByID(b *bridge) {
	m := b.given(4)
	all, _ := b.letters("a")
	b.redrive("a", these(all[3], all[1], &hookbridgev1.DeadLetter{Id: 1 << 40}), 2)
	m.ack(m.gets(sent{2, 1, reasonRedriven}, sent{4, 1, reasonRedriven})...)
	b.left("a", 2)
	b.dead("a", given(1, 3)...)
}

func redriveByFilter(b *bridge) {
	m := b.given(6)
	b.redrive("a", ofType("order.*"), 3)
	m.ack(m.gets(sent{2, 1, reasonRedriven}, sent{4, 1, reasonRedriven}, sent{6, 1, reasonRedriven})...)
	b.left("a", 3)
	b.dead("a", given(1, 3, 5)...)
}

func lettersByExpression(b *bridge) {
	m := b.join("a", nil)
	b.opened("main")
	b.opened("next")
	b.push(1)
	b.opened("main")
	m.rejects(forGood("no"), m.gets(fresh(1, 4)...)...)
	into := func(branch string) *hookbridgev1.Filter {
		return &hookbridgev1.Filter{Types: []string{"pull_request.*"}, Expression: fmt.Sprintf("data.pull_request.base.ref == %q", branch)}
	}
	chosen := func(branch string) *hookbridgev1.DeadLetterSelection {
		return &hookbridgev1.DeadLetterSelection{Which: &hookbridgev1.DeadLetterSelection_Filter{Filter: into(branch)}}
	}
	listed := must(b.t, b.manage.ListDeadLetters, &hookbridgev1.ListDeadLettersRequest{Subscription: "a", Filter: into("next")}).GetDeadLetters()
	if len(listed) != 1 || listed[0].GetEvent().GetSequence() != 2 {
		b.t.Fatalf("want the dead letter of 2, got %v", listed)
	}
	b.redrive("a", chosen("main"), 2)
	m.ack(m.gets(sent{1, 1, reasonRedriven}, sent{4, 1, reasonRedriven})...)
	b.left("a", 2)
	b.purge("a", chosen("next"), 1)
	b.dead("a", given(3)...)
}

func redriveRestart(b *bridge) {
	b.given(4).leave()
	// What nobody was sent yet.
	b.redrive("a", ofType("push"), 2)
	b.restart()
	b.dead("a", letter{1, 1, deadRejected, "no", true}, letter{2, 1, deadRejected, "no", false},
		letter{3, 1, deadRejected, "no", true}, letter{4, 1, deadRejected, "no", false})
	m := b.join("a", nil)
	m.ack(m.gets(sent{1, 1, reasonRedriven}, sent{3, 1, reasonRedriven})...)
	b.restart()
	b.left("a", 2)
	b.dead("a", given(2, 4)...)
}

func purged(b *bridge) {
	m := b.given(60)
	all, _ := b.letters("a")
	b.purge("a", these(all[0], all[59]), 2)
	b.redrive("a", these(all[2], all[3]), 2)
	ds := m.gets(sent{3, 1, reasonRedriven}, sent{4, 1, reasonRedriven})
	b.purge("a", ofType("order.paid"), 28)
	b.purge("a", everything(), 28)
	b.dead("a", letter{3, 1, deadRejected, "no", true}, letter{4, 1, deadRejected, "no", true})
	m.ack(ds...)
	b.left("a", 0)
	b.restart()
	b.dead("a")
	b.redrive("a", everything(), 0)
	b.purge("a", everything(), 0)
}
