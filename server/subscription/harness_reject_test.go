package subscription

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

const (
	stale        = hookbridgev1.AckFailure_REASON_STALE
	invalidID    = hookbridgev1.AckFailure_REASON_INVALID
	unstorable   = "Unavailable JOURNAL_UNAVAILABLE: the dead letter can't be stored now; the bridge tries on"
	deadForGood  = hookbridgev1.DeadLetter_REASON_REJECTED
	deadAttempts = hookbridgev1.DeadLetter_REASON_MAX_ATTEMPTS
)

// settle makes a subscription from the beginning, as it would be from the API of its owner.
func (b *bridge) settle(name string, with settings) {
	b.t.Helper()
	all, err := b.manager.filters.filter(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	s, err := b.manager.newSubscription(&record{name: name, filter: all, created: time.Now(), settings: with, state: machine.State{Position: 1}})
	if err != nil {
		b.t.Fatal(err)
	}
	b.manager.mu.Lock()
	b.manager.subs[name] = s
	b.manager.mu.Unlock()
	b.store(s, true)
}

// store waits until a subscription is on disk.
func (b *bridge) store(s *subscription, changed bool) {
	b.t.Helper()
	s.mu.Lock()
	saved := s.durable(changed)
	s.mu.Unlock()
	if saved != nil {
		if err := saved.wait(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
	}
}

// with changes a subscription under its lock, with all that follows, and waits until that is on disk.
func (b *bridge) with(name string, change func(s *subscription, now time.Duration)) {
	b.t.Helper()
	s, err := b.manager.find(name)
	if err != nil {
		b.t.Fatal(err)
	}
	s.mu.Lock()
	s.advance()
	change(s, s.m.now())
	s.after(s.m.now())
	s.mu.Unlock()
	b.store(s, false)
}

// redriveIDs sends dead letters of a subscription again.
func (b *bridge) redriveIDs(name string, ids ...int64) {
	b.t.Helper()
	b.with(name, func(s *subscription, now time.Duration) {
		for _, id := range ids {
			ev, err := b.manager.copied(b.t.Context(), id)
			if err != nil || ev == nil {
				b.t.Fatalf("dead letter %d: %v, %v", id, ev, err)
			}
			event := s.weigh(ev)
			event.Copy, event.Payload = id, nil
			if _, held := s.machine.Inject(now, []machine.Event{event}); held != 1 {
				b.t.Fatalf("dead letter %d was not taken in", id)
			}
		}
	})
}

// incarnation is that of a subscription.
func (b *bridge) incarnation(name string) uint64 {
	b.t.Helper()
	s, err := b.manager.find(name)
	if err != nil {
		b.t.Fatal(err)
	}
	return s.incarnation
}

// rejects gives deliveries back, all in the same way.
func (s *stream) rejects(how *hookbridgev1.Rejection, ds ...*hookbridgev1.Delivery) {
	s.t.Helper()
	resp, err := s.b.reject(s.name, how, ids(ds)...)
	if err != nil || len(resp.GetFailures()) > 0 {
		s.t.Fatalf("reject: %v %v", resp.GetFailures(), err)
	}
}

func (b *bridge) reject(name string, how *hookbridgev1.Rejection, ids ...string) (*hookbridgev1.RejectResponse, error) {
	req := &hookbridgev1.RejectRequest{Subscription: name}
	for _, id := range ids {
		req.Rejections = append(req.Rejections, &hookbridgev1.Rejection{AckId: id, Action: how.GetAction(), Error: how.GetError()})
	}
	return b.client.Reject(b.t.Context(), req)
}

// What can be asked for.
func retry() *hookbridgev1.Rejection {
	return &hookbridgev1.Rejection{Action: &hookbridgev1.Rejection_Retry{Retry: &emptypb.Empty{}}}
}

func retryNow() *hookbridgev1.Rejection {
	return &hookbridgev1.Rejection{Action: &hookbridgev1.Rejection_RetryNow{RetryNow: &emptypb.Empty{}}}
}

func retryAfter(d time.Duration) *hookbridgev1.Rejection {
	return &hookbridgev1.Rejection{Action: &hookbridgev1.Rejection_RetryAfter{RetryAfter: durationpb.New(d)}}
}

func forGood(why string) *hookbridgev1.Rejection {
	return &hookbridgev1.Rejection{Action: &hookbridgev1.Rejection_DeadLetter{DeadLetter: &emptypb.Empty{}}, Error: why}
}

// dead is a dead letter in short.
type dead struct {
	ID, Seq  int64
	Attempts int32
	Reason   hookbridgev1.DeadLetter_Reason
	Error    string
}

// deadLetters returns what is stored of a subscription, and the entries in short.
func deadLetters(t testing.TB, j journal.Journal, name string) (letters []*storagev1.StoredDeadLetter, short []dead) {
	t.Helper()
	page, err := j.DeadLetters().Read(t.Context(), journal.SideQuery{Owner: name, MaxEntries: 10_000, MaxBytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Entries {
		letter, _, err := decodeDeadLetter(e)
		if err != nil {
			t.Fatal(err)
		}
		letters = append(letters, letter)
		short = append(short, dead{e.ID, letter.GetSequence(), letter.GetAttempts(), letter.GetReason(), letter.GetError()})
	}
	return letters, short
}

func (b *bridge) buried(name string) []dead {
	b.t.Helper()
	synctest.Wait()
	_, short := deadLetters(b.t, b.journal, name)
	return short
}

// answer is what a call in the background came to.
type answer struct {
	Failures []*hookbridgev1.AckFailure
	Err      error
}

// rejecting rejects in the background.
func (b *bridge) rejecting(ctx context.Context, name string, how *hookbridgev1.Rejection, ids ...string) <-chan answer {
	out := make(chan answer, 1)
	req := &hookbridgev1.RejectRequest{Subscription: name}
	for _, id := range ids {
		req.Rejections = append(req.Rejections, &hookbridgev1.Rejection{AckId: id, Action: how.GetAction(), Error: how.GetError()})
	}
	go func() {
		resp, err := b.client.Reject(ctx, req)
		out <- answer{resp.GetFailures(), err}
	}()
	return out
}

// pending expects that a call has no answer yet. Only in a bubble.
func pending(t *testing.T, what string, out <-chan answer) {
	t.Helper()
	synctest.Wait()
	select {
	case got := <-out:
		t.Errorf("%s: answered %v", what, got)
	default:
	}
}

// restart stops the bridge in order, and starts it again on what is on disk.
func (b *bridge) restart() *bridge {
	b.t.Helper()
	if err := b.stop(); err != nil {
		b.t.Fatal(err)
	}
	return start(b.t, b.journal.Crash(), nil)
}

// metric returns the value of a metric of the subscriptions, by its name and further labels.
func (b *bridge) metric(name, subscription string, labels ...string) float64 {
	b.t.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	want := append([]string{"subscription=" + subscription}, labels...)
	slices.Sort(want)
	for _, f := range families {
		if f.GetName() != "hookbridge_subscription_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			var got []string
			for _, l := range m.GetLabel() {
				got = append(got, l.GetName()+"="+l.GetValue())
			}
			slices.Sort(got)
			if slices.Equal(got, want) {
				return value(m)
			}
		}
	}
	b.t.Errorf("there is no metric %s%v", name, want)
	return 0
}

func value(m *dto.Metric) float64 {
	if g := m.GetGauge(); g != nil {
		return g.GetValue()
	}
	return m.GetCounter().GetValue()
}

var errFire = fmt.Errorf("%w: disk on fire", errors.Join(journal.ErrUnavailable))
