package subscription

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/journal/journalfake"
)

// A rejection that was not answered may be forgotten by a crash, the event is not. Where the dead letter was stored and its event not
// settled, it is settled then: the event doesn't come again, and no second copy is made.
func TestACrashWhileBuryingLosesNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		hold  func(j *journalfake.Journal)
		again bool   // the event comes, and is rejected again
		want  []dead // in the end
	}{
		"before the dead letter is stored": {
			func(j *journalfake.Journal) { j.HoldDeadLetters(true) }, true, []dead{{1, 1, 2, deadForGood, "again"}},
		},
		"before its event is settled": {
			func(j *journalfake.Journal) { j.HoldRecords(true) }, false, []dead{{1, 1, 1, deadForGood, "no"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				req := &hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour), HeartbeatInterval: durationpb.New(5 * time.Minute)}
				s, _ := b.subscribe(req)
				b.fill(1, "push")
				d := s.delivery()
				elapse(16 * second) // its attempt is on disk
				tc.hold(b.journal)
				out := b.rejecting(t.Context(), "a", forGood("no"), d.GetAckId())
				pending(t, "crash", out)
				after := b.crash()
				defer after.stop()
				if got := <-out; got.Err == nil {
					t.Errorf("answered %v, and it was not on disk", got)
				}
				s, _ = after.subscribe(req)
				if tc.again {
					d = s.delivery()
					equal(t, "after the crash", short(d), run(1, 1, 2, reasonRestart))
					s.rejects(forGood("again"), d)
				}
				after.fill(1, "push")
				equal(t, "the next one", short(s.delivery()), run(2, 2, 1, reasonNew))
				equal(t, "dead letters", after.buried("a"), tc.want)
			})
		})
	}
}

// What was sent too often and could not be stored is buried after the next start, without anybody being connected.
func TestWhatWasBuryingIsBuriedAfterARestart(t *testing.T) {
	for name, again := range map[string]func(b *bridge) *bridge{
		"a crash":  (*bridge).crash,
		"in order": (*bridge).restart,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				b.settle("a", settings{maxAttempts: 1})
				s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
				b.fill(3, "push")
				ds := s.deliveries(3)
				s.ack(ds[1])
				b.journal.FailDeadLetters(errFire)
				s.close()
				elapse(16 * second)
				equal(t, "not yet", b.buried("a"), []dead(nil))
				after := again(b)
				defer after.stop()
				equal(t, "dead letters", after.buried("a"), []dead{{1, 1, 1, deadAttempts, ""}, {2, 3, 1, deadAttempts, ""}})
				// And settled, on disk.
				last := after.crash()
				defer last.stop()
				s, _ = last.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
				s.quiet()
				equal(t, "no more", len(last.buried("a")), 2)
			})
		})
	}
}

// A stop waits for what is being stored, a little: better than to store it twice. What nobody has begun with is refused.
func TestShutdownWhileBurying(t *testing.T) {
	for name, tc := range map[string]struct {
		stored int
		took   time.Duration
		want   string
	}{
		"it is stored soon":    {1, 2 * second, ""},
		"it is stored no more": {0, finalCommit, unstorable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, journalfake.New(), nil)
				s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
				b.fill(2, "push")
				ds := s.deliveries(2)
				b.journal.HoldDeadLetters(true)
				reject := func(d *hookbridgev1.Delivery) <-chan error {
					out := make(chan error, 1)
					go func() {
						_, err := b.manager.Reject(context.Background(), &hookbridgev1.RejectRequest{
							Subscription: "a", Rejections: []*hookbridgev1.Rejection{{AckId: d.GetAckId(), Action: forGood("").GetAction()}},
						})
						out <- err
					}()
					synctest.Wait()
					return out
				}
				first, other := reject(ds[0]), reject(ds[1])
				if tc.stored > 0 {
					time.AfterFunc(tc.took, func() { b.journal.HoldDeadLetters(false) })
				}
				at := time.Now()
				if err := b.stop(); err != nil {
					t.Fatal(err)
				}
				equal(t, "took", time.Since(at), tc.took)
				if err := <-first; tc.want != "" {
					refused(t, fault.Status(err, "").Err(), tc.want)
				} else if err != nil {
					t.Errorf("first: %v", err)
				}
				refused(t, fault.Status(<-other, "").Err(), "Unavailable SHUTTING_DOWN: the bridge is shutting down; send it again")
				_, letters := deadLetters(t, b.journal, "a")
				equal(t, "dead letters", len(letters), tc.stored)
				after := start(t, b.journal.Crash(), nil)
				defer after.stop()
				s, _ = after.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
				equal(t, "again", short(s.deliveries(2-tc.stored)...), run(int64(1+tc.stored), 2, 2, reasonRestart))
				s.quiet()
			})
		})
	}
}

// All of it on a journal on disk, closed and opened again.
func TestDeadLettersOnDisk(t *testing.T) {
	cfg := journal.Config{Dir: t.TempDir(), MinFree: -1, MaxBytes: 64 << 20, DeadLetterBytes: 16 << 20}
	serve := func() (*bridge, journal.Journal, func()) {
		j, err := journal.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		b := startOn(&bridge{t: t}, j, nil)
		return b, j, func() {
			if err := b.stop(); err != nil {
				t.Fatal(err)
			}
			if err := j.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	b, j, stop := serve()
	b.settle("a", settings{maxAttempts: 2, ordered: true})
	s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
	for n := range 4 {
		e := encode(&hookbridgev1.Event{Id: string(rune('a' + n)), Source: "src", Type: "push", OrderingKey: "x"}, &hookbridgev1.Content{Body: make([]byte, 5000)})
		if _, err := j.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	d := s.delivery()
	first := d.GetEvent()
	s.rejects(forGood("no"), d)
	s.rejects(retryNow(), s.delivery())
	s.rejects(retryNow(), s.delivery()) // for the second time
	d = s.delivery()
	equal(t, "third", short(d), run(3, 3, 1, reasonNew))
	s.ack(d)
	d = s.delivery()
	equal(t, "fourth", short(d), run(4, 4, 1, reasonNew))
	want := []dead{{1, 1, 1, deadForGood, "no"}, {2, 2, 2, deadAttempts, ""}}
	_, got := deadLetters(t, j, "a")
	equal(t, "dead letters", got, want)
	stop()

	b, j, stop = serve()
	_, got = deadLetters(t, j, "a")
	equal(t, "after a restart", got, want)
	s, _ = b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
	d = s.delivery()
	equal(t, "only what was outstanding", short(d), run(4, 4, 2, reasonRestart))
	s.ack(d)
	if err := j.Erase(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	b.redriveIDs("a", 1)
	d = s.delivery()
	equal(t, "redriven", short(d), run(1, 1, 1, reasonRedriven))
	equal(t, "its event", d.GetEvent(), first)
	s.ack(d)
	stop()

	_, j, stop = serve()
	_, got = deadLetters(t, j, "a")
	equal(t, "acknowledged", got, want[1:])
	stop()
}
