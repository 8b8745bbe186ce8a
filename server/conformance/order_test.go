package conformance

import (
	"slices"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

func orderedKeys(b *bridge) {
	b.create(&hookbridgev1.Subscription{Name: "a", Ordered: true, Backoff: durations(0)})
	members := []*member{b.join("a", nil), b.join("a", nil)}
	for _, key := range []string{"acme/a", "acme/a", "acme/b", "acme/a", "acme/b"} {
		b.keyed(key)
	}
	// Either of them may get the next one, and which is no matter.
	next := func(want ...sent) (ds []*hookbridgev1.Delivery, from []*member) {
		b.t.Helper()
		for range want {
			var d *hookbridgev1.Delivery
			eventually(b.t, "a delivery", func() bool {
				for _, m := range members {
					select {
					case resp, ok := <-m.got:
						if !ok {
							b.t.Fatalf("a stream ended: %v", m.err)
						}
						if d = resp.GetDelivery(); d != nil {
							ds, from = append(ds, d), append(from, m)
							return true
						}
					default:
					}
				}
				return false
			})
		}
		got := brief(ds...)
		slices.SortFunc(got, func(a, b sent) int { return int(a.Seq - b.Seq) })
		equal(b.t, "deliveries", got, want)
		return ds, from
	}
	// One of each key, in parallel.
	ds, _ := next(sent{1, 1, reasonNew}, sent{3, 1, reasonNew})
	byKey := map[string]*hookbridgev1.Delivery{}
	for _, d := range ds {
		byKey[d.GetEvent().GetOrderingKey()] = d
	}
	members[0].ack(byKey["acme/b"])
	ds, _ = next(sent{5, 1, reasonNew})
	members[0].ack(ds...)
	// The next of a key comes after the one before it is settled, whatever happens to that.
	members[0].rejects(retry(), byKey["acme/a"])
	_, from := next(sent{1, 2, reasonRejected})
	at := slices.Index(members, from[0])
	members[at].leave()
	members = slices.Delete(members, at, at+1)
	ds, _ = next(sent{1, 3, reasonLost})
	members = append(members, b.join("a", nil))
	members[0].ack(ds...)
	ds, _ = next(sent{2, 1, reasonNew})
	// A dead letter lets the next one go.
	members[0].rejects(forGood("no"), ds...)
	ds, _ = next(sent{4, 1, reasonNew})
	members[0].ack(ds...)
	equal(b.t, "unsettled", b.status("a").GetLagEvents(), 0)
}

func orderedRestart(b *bridge) {
	b.create(&hookbridgev1.Subscription{Name: "a", Ordered: true})
	m := b.join("a", nil)
	for _, key := range []string{"acme/a", "acme/a", "acme/b"} {
		b.keyed(key)
	}
	m.gets(sent{1, 1, reasonNew}, sent{3, 1, reasonNew})
	b.restart()
	m = b.join("a", nil)
	ds := m.gets(sent{1, 2, reasonRestart}, sent{3, 2, reasonRestart})
	m.quiet()
	m.ack(ds[0])
	d := m.next()
	// Whether it was read before the restart is no matter: it was never sent.
	if got := (sent{d.GetEvent().GetSequence(), d.GetAttempt(), 0}); got != (sent{2, 1, 0}) {
		b.t.Fatalf("got %v, want the second of its key for the first time", brief(d))
	}
}
