package subscription

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
)

// What is asked for, after how long the event comes again, and to whom.
func TestRejectSaysWhenAnEventComesAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		how         *hookbridgev1.Rejection
		least, most time.Duration
	}{
		"nothing said: by the backoff": {&hookbridgev1.Rejection{}, 9 * second, 11 * second},
		"by the backoff":               {retry(), 9 * second, 11 * second},
		"now":                          {retryNow(), 0, 0},
		"after a time":                 {retryAfter(7 * second), 7 * second, 7 * second},
		"after no time":                {retryAfter(0), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				b.settle("a", settings{backoff: []time.Duration{10 * second}})
				req := &hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour)}
				first, _ := b.subscribe(req)
				b.fill(2, "push")
				ds := first.deliveries(2)
				other, _ := b.subscribe(req)
				other.quiet()
				at := time.Now()
				first.rejects(tc.how, ds[0])
				d := other.delivery()
				equal(t, "again", short(d), []sent{{1, 2, reasonRejected}})
				equal(t, "the event", d.GetEvent(), ds[0].GetEvent())
				if took := time.Since(at); took < tc.least || took > tc.most {
					t.Errorf("came after %v, want %v to %v", took, tc.least, tc.most)
				}
				other.ack(d)
				first.ack(ds[1])
				first.quiet()
				other.quiet()
			})
		})
	}
}

func TestARejectedEventComesBackToTheOnlyMember(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		b.fill(1, "push")
		s.rejects(retryNow(), s.delivery())
		equal(t, "again", short(s.delivery()), run(1, 1, 2, reasonRejected))
	})
}

// The backoff is by attempt, each give or take a tenth; what Subscribe makes has the defaults and gives up nothing.
func TestBackoffGrowsByAttempt(t *testing.T) {
	for name, tc := range map[string]struct {
		make func(b *bridge)
		want []time.Duration
	}{
		"of its own": {
			func(b *bridge) { b.settle("a", settings{backoff: []time.Duration{4 * second, 0, 20 * second}}) },
			[]time.Duration{4 * second, 0, 20 * second, 20 * second, 20 * second},
		},
		"of a subscription that Subscribe made": {
			func(*bridge) {},
			[]time.Duration{second, 5 * second, 30 * second, 2 * time.Minute, 10 * time.Minute, 10 * time.Minute},
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				tc.make(b)
				s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", HeartbeatInterval: durationpb.New(5 * time.Minute)})
				b.fill(1, "push")
				d := s.delivery()
				for i, want := range tc.want {
					at := time.Now()
					s.rejects(retry(), d)
					d = s.delivery()
					equal(t, "attempt", d.GetAttempt(), int32(i+2))
					if took := time.Since(at); took < want-want/10 || took > want+want/10 {
						t.Errorf("after attempt %d it waits %v, want %v and a tenth", i+1, took, want)
					}
				}
				for range 100 {
					s.rejects(retryNow(), d)
					d = s.delivery()
				}
				equal(t, "attempt", d.GetAttempt(), int32(101+len(tc.want)))
				equal(t, "dead letters", b.buried("a"), []dead(nil))
			})
		})
	}
}

// A rejection that was answered is on disk with its time to wait: no end of the bridge makes the event come sooner.
func TestATimeToWaitOutlivesTheBridge(t *testing.T) {
	for name, again := range map[string]func(*bridge) *bridge{"a crash": (*bridge).crash, "in order": (*bridge).restart} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				req := &hookbridgev1.SubscribeRequest{Subscription: "a", HeartbeatInterval: durationpb.New(5 * time.Minute)}
				s, _ := b.subscribe(req)
				b.fill(4, "push")
				ds := s.deliveries(4)
				at := time.Now()
				s.rejects(retryAfter(time.Hour), ds[0])
				s.rejects(retryAfter(time.Minute), ds[1])
				s.rejects(retryAfter(0), ds[2])
				elapse(30 * time.Minute) // the deadlines pass, too: nobody acknowledges
				b = again(b)
				defer b.stop()
				s, _ = b.subscribe(req)
				others := s.deliveries(3)
				equal(t, "what waits no more", others[0].GetEvent().GetSequence(), int64(2))
				s.ack(others...)
				s.quiet()
				equal(t, "what waits", short(s.delivery()), run(1, 1, 2, reasonRejected))
				equal(t, "until", time.Since(at).Round(time.Millisecond), time.Hour)
			})
		})
	}
}

// A rejection that has to wait is answered when that is on disk, and refused when it can't be; rejecting once more then is no failure.
func TestARejectionIsAnsweredWhenItsTimeToWaitIsOnDisk(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		b.fill(1, "push")
		d := s.delivery()
		b.journal.FailRecords(fmt.Errorf("%w: disk on fire", journal.ErrUnavailable))
		_, err := b.reject("a", retryAfter(time.Hour), d.GetAckId())
		refused(t, err, "Unavailable JOURNAL_UNAVAILABLE: the journal can't be reached or can't write; try again")
		b.journal.FailRecords(nil)
		elapse(5 * second)
		s.rejects(retryAfter(time.Hour), d)
	})
}

// A time to wait is no lease: it passes while nobody is connected, and an event whose time has come waits for the next member.
func TestATimeToWaitPassesWithoutMembers(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		req := &hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour)}
		s, _ := b.subscribe(req)
		b.fill(2, "push")
		ds := s.deliveries(2)
		s.rejects(retryAfter(time.Minute), ds[0])
		s.rejects(retryAfter(time.Hour), ds[1])
		s.close()
		elapse(2 * time.Minute)
		s, _ = b.subscribe(req)
		equal(t, "due", short(s.delivery()), run(1, 1, 2, reasonRejected))
		s.quiet()
		at := time.Now()
		equal(t, "later", short(s.delivery()), run(2, 2, 2, reasonRejected))
		equal(t, "after", time.Since(at), 58*time.Minute)
	})
}

// staleness is a way in which an ack_id stops counting: make returns such ids, and what is sent of the events after that.
var staleness = map[string]func(t *testing.T, b *bridge, s *stream) (ids []string, want hookbridgev1.AckFailure_Reason){
	"a later attempt": func(t *testing.T, b *bridge, s *stream) ([]string, hookbridgev1.AckFailure_Reason) {
		b.fill(1, "push")
		d := s.delivery()
		elapse(30 * second)
		equal(t, "again", short(s.delivery()), run(1, 1, 2, reasonDeadline))
		return ids([]*hookbridgev1.Delivery{d}), stale
	},
	"with another member": func(t *testing.T, b *bridge, s *stream) ([]string, hookbridgev1.AckFailure_Reason) {
		b.fill(1, "push")
		d := s.delivery()
		other, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		s.rejects(retryNow(), d)
		equal(t, "other", short(other.delivery()), run(1, 1, 2, reasonRejected))
		return ids([]*hookbridgev1.Delivery{d}), stale
	},
	"settled": func(t *testing.T, b *bridge, s *stream) ([]string, hookbridgev1.AckFailure_Reason) {
		b.fill(1, "push")
		d := s.delivery()
		s.ack(d)
		return ids([]*hookbridgev1.Delivery{d}), stale
	},
	"a dead letter": func(t *testing.T, b *bridge, s *stream) ([]string, hookbridgev1.AckFailure_Reason) {
		b.fill(1, "push")
		d := s.delivery()
		s.rejects(forGood(""), d)
		return ids([]*hookbridgev1.Delivery{d}), stale
	},
	"before a seek": func(t *testing.T, b *bridge, s *stream) ([]string, hookbridgev1.AckFailure_Reason) {
		b.fill(1, "push")
		d := s.delivery()
		s.rejects(retryAfter(time.Hour), d)
		b.with("a", func(s *subscription, now time.Duration) {
			s.detach(s.m.tail.next.Load())
			s.machine.Seek(now, 1)
		})
		equal(t, "anew", short(s.delivery()), run(1, 1, 1, reasonNew))
		return ids([]*hookbridgev1.Delivery{d}), stale
	},
	"nonsense": func(*testing.T, *bridge, *stream) ([]string, hookbridgev1.AckFailure_Reason) {
		return []string{"nonsense", "AAAA"}, invalidID
	},
	"another subscription's": func(t *testing.T, b *bridge, s *stream) ([]string, hookbridgev1.AckFailure_Reason) {
		other, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "other"})
		b.fill(1, "push")
		s.deliveries(1)
		return ids(other.deliveries(1)), invalidID
	},
}

// What is stale is reported id by id, and changes nothing: neither what is held, nor when it comes again.
func TestAStaleIDIsReportedAndNeverApplied(t *testing.T) {
	calls := map[string]func(b *bridge, ids []string) ([]*hookbridgev1.AckFailure, error){
		"Reject": func(b *bridge, ids []string) ([]*hookbridgev1.AckFailure, error) {
			resp, err := b.reject("a", forGood("no"), ids...)
			return resp.GetFailures(), err
		},
		"ExtendDeadline": func(b *bridge, ids []string) ([]*hookbridgev1.AckFailure, error) {
			resp, err := b.client.ExtendDeadline(b.t.Context(), &hookbridgev1.ExtendDeadlineRequest{
				Subscription: "a", AckIds: ids, Extension: durationpb.New(time.Hour),
			})
			return resp.GetFailures(), err
		},
	}
	for call, do := range calls {
		for name, prepare := range staleness {
			t.Run(fmt.Sprintf("%s/%s", call, name), func(t *testing.T) {
				bubble(t, func(t *testing.T, b *bridge) {
					s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
					ids, why := prepare(t, b, s)
					look := func() (out string) {
						b.with("a", func(s *subscription, _ time.Duration) {
							at, ok := s.machine.WakeAt()
							out = fmt.Sprintf("%+v %v %v", s.machine.State(nil), at, ok)
						})
						return out + fmt.Sprint(b.buried("a"))
					}
					synctest.Wait() // what was stored for another one is sent to this one, too
					before := look()
					failures, err := do(b, ids)
					if err != nil {
						t.Fatal(err)
					}
					var want []*hookbridgev1.AckFailure
					for _, id := range ids {
						want = append(want, failure(id, why))
					}
					equal(t, "failures", failures, want)
					equal(t, "what is held", look(), before)
				})
			})
		}
	}
}

// Rejecting twice is no error, and the first time counts.
func TestRejectingTwiceIsNoError(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", AckDeadline: durationpb.New(time.Hour)})
		b.fill(1, "push")
		d := s.delivery()
		at := time.Now()
		s.rejects(retryAfter(9*second), d)
		s.rejects(retryNow(), d)
		s.rejects(forGood("no"), d)
		equal(t, "again", short(s.delivery()), run(1, 1, 2, reasonRejected))
		equal(t, "after", time.Since(at), 9*second)
		equal(t, "dead letters", b.buried("a"), []dead(nil))
		equal(t, "counted", b.metric("rejected_total", "a", "action=retry_after"), 1.0)
		equal(t, "not counted", b.metric("rejected_total", "a", "action=retry_now"), 0.0)
	})
}

// Until it is sent again, a rejected delivery can still be acknowledged.
func TestARejectedDeliveryCanStillBeAcknowledged(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", HeartbeatInterval: durationpb.New(5 * time.Minute)})
		b.fill(1, "push")
		d := s.delivery()
		s.rejects(retryAfter(9*second), d)
		s.ack(d)
		elapse(time.Minute)
		s.quiet()
	})
}
