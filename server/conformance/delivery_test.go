package conformance

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// patient makes a subscription that would retry by itself only when the test is long over.
func patient(b *bridge) {
	b.create(&hookbridgev1.Subscription{Name: "a", Backoff: durations(long)})
}

func rejectRetryNow(b *bridge) {
	patient(b)
	m := b.join("a", nil)
	b.push(2)
	ds := m.gets(fresh(1, 2)...)
	m.rejects(retryNow(), ds[0])
	ds = append(ds, m.gets(sent{1, 2, reasonRejected})...)
	m.ack(ds[1:]...)
	equal(b.t, "outstanding", b.status("a").GetOutstandingEvents(), 0)
}

func rejectRetryAfter(b *bridge) {
	const delay = 300 * time.Millisecond
	patient(b)
	m := b.join("a", nil)
	b.push(2)
	ds := m.gets(fresh(1, 2)...)
	m.rejects(retryAfter(long), ds[0])
	since := time.Now()
	m.rejects(retryAfter(delay), ds[1])
	m.ack(m.gets(sent{2, 2, reasonRejected})...)
	atLeast(b.t, "it came again", since, delay)
	// The other one waits, in nobody's way, and can be acknowledged all the same.
	b.push(1)
	m.ack(append(m.gets(fresh(3, 3)...), ds[0])...)
	equal(b.t, "unsettled", b.status("a").GetLagEvents(), 0)
}

func rejectDeadLetter(b *bridge) {
	patient(b)
	m := b.join("a", nil)
	b.push(3)
	ds := m.gets(fresh(1, 3)...)
	m.rejects(forGood("no such customer"), ds[1])
	b.dead("a", letter{2, 1, deadRejected, "no such customer", false})
	m.ack(ds[0], ds[2])
	// Nothing comes before what is new.
	b.push(1)
	m.gets(fresh(4, 4)...)
}

func extendDeadline(b *bridge) {
	m := b.join("a", nil)
	b.push(2)
	ds := m.gets(fresh(1, 2)...)
	extend := func(by time.Duration, ds ...*hookbridgev1.Delivery) {
		b.t.Helper()
		resp := must(b.t, b.events.ExtendDeadline, &hookbridgev1.ExtendDeadlineRequest{Subscription: "a", AckIds: ids(ds), Extension: durationpb.New(by)})
		equal(b.t, "failures of extending", resp.GetFailures(), nil)
	}
	const less = 3 * time.Second
	since := time.Now()
	extend(less, ds...)
	extend(long, ds[0])
	late := m.gets(sent{2, 2, reasonDeadline})
	atLeast(b.t, "the deadline passed", since, less)
	// The other is still this delivery's.
	m.ack(ds[0], late[0])
	equal(b.t, "redelivered", b.status("a").GetRedeliveredEvents(), 1)
}

func ackDeadline(b *bridge) {
	b.create(&hookbridgev1.Subscription{Name: "a", AckDeadline: durationpb.New(short)})
	b.create(&hookbridgev1.Subscription{Name: "b", AckDeadline: durationpb.New(2 * time.Minute)})
	one, other := b.join("a", unsaid), b.join("b", unsaid)
	equal(b.t, "ack deadline of a", one.first.GetAckDeadline().AsDuration(), short)
	equal(b.t, "ack deadline of b", other.first.GetAckDeadline().AsDuration(), 2*time.Minute)
	since := time.Now()
	b.push(1)
	one.gets(fresh(1, 1)...)
	one.ack(one.gets(sent{1, 2, reasonDeadline})...)
	atLeast(b.t, "it came again", since, short)
	// What the stream says counts, where it says something.
	equal(b.t, "ack deadline of a stream", b.join("b", within(time.Minute)).first.GetAckDeadline().AsDuration(), time.Minute)
	other.ack(other.gets(fresh(1, 1)...)...)
}

func backoffGrows(b *bridge) {
	// Each is spread by a tenth.
	const first, second, spread = 200 * time.Millisecond, 1500 * time.Millisecond, 10
	b.create(&hookbridgev1.Subscription{Name: "a", Backoff: durations(first, second)})
	m := b.join("a", nil)
	b.push(1)
	ds := m.gets(fresh(1, 1)...)
	since := time.Now()
	m.rejects(retry(), ds[0])
	ds = m.gets(sent{1, 2, reasonRejected})
	atLeast(b.t, "after the first attempt", since, first-first/spread)
	b.push(1)
	ds = append(ds, m.gets(fresh(2, 2)...)...)
	// What was tried twice waits longer than what was tried once.
	since = time.Now()
	m.rejects(retry(), ds...)
	m.ack(m.gets(sent{2, 2, reasonRejected})...)
	ds = m.gets(sent{1, 3, reasonRejected})
	atLeast(b.t, "after the second attempt", since, second-second/spread)
	// And then always as long.
	since = time.Now()
	m.rejects(retry(), ds...)
	m.ack(m.gets(sent{1, 4, reasonRejected})...)
	atLeast(b.t, "after the third attempt", since, second-second/spread)
}

func maxAttempts(b *bridge) {
	b.create(&hookbridgev1.Subscription{Name: "a", MaxAttempts: 3, Backoff: durations(0)})
	m := b.join("a", nil)
	b.push(2)
	ds := m.gets(fresh(1, 2)...)
	m.ack(ds[1])
	m.rejects(retry(), ds[0])
	m.gets(sent{1, 2, reasonRejected})
	// An attempt is a send to a client, however it ends.
	m.leave()
	m = b.join("a", nil)
	ds = m.gets(sent{1, 3, reasonLost})
	m.rejects(&hookbridgev1.Rejection{Error: "gave up"}, ds...)
	b.dead("a", letter{1, 3, deadAttempts, "gave up", false})
	b.push(1)
	m.gets(fresh(3, 3)...)
}

func deadLetterIsACopy(b *bridge) {
	m := b.join("a", func(req *hookbridgev1.SubscribeRequest) { req.IncludeContent = true })
	b.event("github", "push", `{"ref":"refs/heads/main","repository":{"full_name":"acme/mugs"}}`)
	ds := m.gets(fresh(1, 1)...)
	m.rejects(forGood("no"), ds...)
	for _, when := range []string{"at once", "after a restart"} {
		resp := must(b.t, b.manage.ListDeadLetters, &hookbridgev1.ListDeadLettersRequest{Subscription: "a", IncludeContent: true})
		if len(resp.GetDeadLetters()) != 1 {
			b.t.Fatalf("%s: dead letters are %v", when, resp)
		}
		equal(b.t, "its event "+when, resp.GetDeadLetters()[0].GetEvent(), ds[0].GetEvent())
		b.restart()
	}
	// It is settled for good.
	m = b.join("a", nil)
	b.push(1)
	m.gets(fresh(2, 2)...)
}

func deadLettersAreBounded(b *bridge) {
	const n = 6
	m := b.join("a", nil)
	for range n {
		b.heavy(deadLetterBytes / 4)
	}
	ds := m.gets(fresh(1, n)...)
	var full error
	buried := 0
	for _, d := range ds {
		if _, full = b.events.Reject(b.t.Context(), rejection("a", forGood("no"), d)); full != nil {
			break
		}
		buried++
	}
	refused(b.t, full, "Unavailable JOURNAL_FULL: there is no room for dead letters; redrive or purge some")
	if buried == 0 {
		b.t.Fatal("there was no room for one")
	}
	// It is not settled, and not sent again; the bridge tries on.
	m.ack(ds[buried+1:]...)
	equal(b.t, "unsettled", b.status("a").GetLagEvents(), 1)
	m.quiet()
	b.purge("a", everything(), int64(buried))
	b.left("a", 1)
	b.dead("a", letter{int64(buried + 1), 1, deadRejected, "no", false})
	eventually(b.t, "it is settled", func() bool { return b.status("a").GetLagEvents() == 0 })
	b.push(1)
	m.gets(fresh(n+1, n+1)...)
}

func attemptsAndReasons(b *bridge) {
	b.create(&hookbridgev1.Subscription{Name: "a", Backoff: durations(0)})
	m := b.join("a", within(short))
	b.push(1)
	m.gets(fresh(1, 1)...)
	m.gets(sent{1, 2, reasonDeadline})
	m.leave()
	m = b.join("a", nil)
	d := m.next()
	// On a slow machine the deadline may have passed before the stream ended.
	attempt := d.GetAttempt()
	if attempt < 3 || d.GetReason() != reasonLost && d.GetReason() != reasonDeadline {
		b.t.Fatalf("got %v, want attempt 3 because the stream was lost", brief(d))
	}
	m.rejects(retry(), d)
	m.gets(sent{1, attempt + 1, reasonRejected})
	b.restart()
	m = b.join("a", nil)
	d = m.gets(sent{1, attempt + 2, reasonRestart})[0]
	m.rejects(forGood(""), d)
	b.redrive("a", everything(), 1)
	m.ack(m.gets(sent{1, 1, reasonRedriven})...)
	must(b.t, b.manage.StartReplay, &hookbridgev1.StartReplayRequest{Subscription: "a"})
	m.ack(m.gets(sent{1, 1, reasonReplay})...)
}

func ackTwice(b *bridge) {
	m := b.join("a", nil)
	b.push(2)
	ds := m.gets(fresh(1, 2)...)
	m.ack(ds[0], ds[0])
	m.ack(ds...)
	m.ack(ds...)
	equal(b.t, "unsettled", b.status("a").GetLagEvents(), 0)
	b.restart()
	b.acks("a", nil, ds...)
}

// unapplied expects that nothing is done with stale ids, whatever is asked for: the event, which is to come once more, comes.
func unapplied(b *bridge, m *member, next sent, old ...*hookbridgev1.Delivery) *hookbridgev1.Delivery {
	b.t.Helper()
	b.acks("a", failed(stale, old...), old...)
	equal(b.t, "failures of rejecting", must(b.t, b.events.Reject, rejection("a", forGood("stale"), old...)).GetFailures(), failed(stale, old...))
	resp := must(b.t, b.events.ExtendDeadline, &hookbridgev1.ExtendDeadlineRequest{Subscription: "a", AckIds: ids(old)})
	equal(b.t, "failures of extending", resp.GetFailures(), failed(stale, old...))
	b.dead("a")
	m.leave()
	return b.join("a", nil).gets(next)[0]
}

func staleAttempt(b *bridge) {
	patient(b)
	m := b.join("a", nil)
	b.push(1)
	first := m.gets(fresh(1, 1)...)
	m.rejects(retryNow(), first...)
	second := m.gets(sent{1, 2, reasonRejected})
	third := unapplied(b, m, sent{1, 3, reasonLost}, first...)
	b.acks("a", failed(stale, second...), append(second, third)...)
	equal(b.t, "unsettled", b.status("a").GetLagEvents(), 0)
}

func staleMember(b *bridge) {
	one := b.join("a", nil)
	b.push(1)
	held := one.gets(fresh(1, 1)...)
	other := b.join("a", nil)
	one.leave()
	other.gets(sent{1, 2, reasonLost})
	unapplied(b, other, sent{1, 3, reasonLost}, held...)
}

func staleEpoch(b *bridge) {
	m := b.join("a", nil)
	b.push(1)
	before := m.gets(fresh(1, 1)...)
	m.ack(before...)
	b.seek("a", beginning(), 1)
	// The same event, the same attempt, another life.
	m.gets(fresh(1, 1)...)
	unapplied(b, m, sent{1, 2, reasonLost}, before...)
}

func staleRestart(b *bridge) {
	m := b.join("a", nil)
	b.push(1)
	before := m.gets(fresh(1, 1)...)
	b.restart()
	m = b.join("a", nil)
	m.gets(sent{1, 2, reasonRestart})
	unapplied(b, m, sent{1, 3, reasonLost}, before...)
}

func restarted(b *bridge) {
	patient(b)
	m := b.join("a", nil)
	b.push(6)
	ds := m.gets(fresh(1, 6)...)
	m.ack(ds[0], ds[2])
	m.rejects(forGood("no"), ds[3])
	m.rejects(retryAfter(long), ds[4])
	b.restart()
	equal(b.t, "unsettled", b.status("a").GetLagEvents(), 3)
	b.dead("a", letter{4, 1, deadRejected, "no", false})
	m = b.join("a", nil)
	// The deadline and the delay are an hour: they came at once.
	ds = m.gets(sent{2, 2, reasonRestart}, sent{5, 2, reasonRestart}, sent{6, 2, reasonRestart})
	b.push(1)
	m.ack(append(m.gets(fresh(7, 7)...), ds...)...)
	b.restart()
	m = b.join("a", nil)
	b.push(1)
	m.gets(fresh(8, 8)...)
}
