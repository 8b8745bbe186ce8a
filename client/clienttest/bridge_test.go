package clienttest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hookbridge/hookbridge/client"
	"github.com/hookbridge/hookbridge/client/clienttest"
	hmacv1 "github.com/hookbridge/hookbridge/gen/hookbridge/hmac/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a Subscribe in the background.
type running struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan error
}

func subscribe(t *testing.T, b *clienttest.Bridge, name string, options ...client.Option) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, cancel: cancel, done: make(chan error, 1)}
	c := b.Client()
	go func() { r.done <- c.Subscribe(ctx, name, options...) }()
	b.AwaitSubscribed(name)
	return r
}

// stop ends the context and wants Subscribe to return nil.
func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	if err := <-r.done; err != nil {
		r.t.Errorf("Subscribe returned %v", err)
	}
}

// told is what happened to an event, without its times and ids.
func told(p *clienttest.Published) []string {
	var out []string
	for _, r := range p.Records() {
		line := fmt.Sprintf("%s %d", r.Kind, r.Attempt)
		switch r.Kind {
		case clienttest.Delivered:
			line += " " + r.Reason.String()
		case clienttest.Rejected:
			line += " " + r.Rejection.GetError()
		case clienttest.Extended:
			line += " " + r.Extension.String()
		case clienttest.Stale:
			line += " " + r.Method
		}
		out = append(out, line)
	}
	return out
}

func wantTold(t *testing.T, p *clienttest.Published, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, told(p)); diff != "" {
		t.Errorf("%s (-want +got)\n%s", p, diff)
	}
}

func always(f func(context.Context, *client.Event) error) client.Option { return client.Otherwise(f) }

// Rejected events come again after the schedule, by the clock of the bubble, and after the last attempt they are dead letters.
func TestBackoffAndMaxAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t, clienttest.MaxAttempts(3), clienttest.Patience(time.Hour))
		r := subscribe(t, b, "failing", always(func(context.Context, *client.Event) error { return errors.New("not today") }))
		start := time.Now()
		e := b.PublishJSON("demo", "order", `{}`)
		e.AwaitDeadLettered()
		// 1 s and 5 s of backoff, and three batches of rejections that waited for company.
		if took := time.Since(start); took != 6*time.Second+30*time.Millisecond {
			t.Errorf("three attempts took %v", took)
		}
		wantTold(t, e, "delivered 1 REASON_NEW", "rejected 1 not today", "delivered 2 REASON_REJECTED", "rejected 2 not today",
			"delivered 3 REASON_REJECTED", "rejected 3 not today", "dead-lettered 3")
		r.stop()
	})
}

// What a handler asks for is done.
func TestRejections(t *testing.T) {
	broken := errors.New("broken")
	for _, tc := range []struct {
		name  string
		err   error
		after time.Duration // -1: never again
		lose  bool          // the bridge is restarted meanwhile
	}{
		{"nothing", broken, time.Second, false},
		{"now", client.RetryNow(broken), 0, false},
		{"later", client.RetryAfter(time.Hour, broken), time.Hour, false},
		{"later, over a restart", client.RetryAfter(time.Hour, broken), time.Hour, true},
		{"never", client.DeadLetter(broken), -1, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := clienttest.New(t, clienttest.Patience(2*time.Hour))
				r := subscribe(t, b, "failing", always(func(_ context.Context, e *client.Event) error {
					if e.Attempt > 1 {
						return nil
					}
					return tc.err
				}))
				e := b.PublishJSON("demo", "order", `{}`)
				rejected := e.AwaitRejected()
				if tc.lose {
					b.Restart()
				}
				if tc.after < 0 {
					e.AwaitDeadLettered()
					wantTold(t, e, "delivered 1 REASON_NEW", "rejected 1 broken", "dead-lettered 1")
				} else if again := e.AwaitDelivered(2).At.Sub(rejected.At); again != tc.after {
					t.Errorf("it came again after %v, want %v", again, tc.after)
				} else {
					e.AwaitAcknowledged()
					wantTold(t, e, "delivered 1 REASON_NEW", "rejected 1 broken", "delivered 2 REASON_REJECTED", "acknowledged 2")
				}
				r.stop()
			})
		})
	}
}

// An event that nobody acknowledges comes again when its deadline has passed, and what is said of the first attempt then is stale.
func TestDeadlinesAndStaleAcks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t, clienttest.AckDeadline(10*time.Second))
		c := b.Client()
		stream, err := c.Events().Subscribe(t.Context(), &hookbridgev1.SubscribeRequest{Subscription: "raw"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		e := b.PublishJSON("demo", "order", `{}`)
		var ids []string
		for range 2 {
			m, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, m.GetDelivery().GetAckId())
		}
		if again := e.AwaitDelivered(2).At.Sub(e.AwaitDelivered(1).At); again != 10*time.Second {
			t.Errorf("it came again after %v", again)
		}
		acknowledge := func(ids ...string) []string {
			t.Helper()
			answer, err := c.Events().Acknowledge(t.Context(), &hookbridgev1.AcknowledgeRequest{Subscription: "raw", AckIds: ids})
			if err != nil {
				t.Fatal(err)
			}
			var failures []string
			for _, f := range answer.GetFailures() {
				failures = append(failures, f.GetAckId()+" "+f.GetReason().String())
			}
			return failures
		}
		if got := acknowledge(ids[0], "other:1:1:0", ids[1], ids[1]); !cmp.Equal(got, []string{"raw:1:1:0 REASON_STALE", "other:1:1:0 REASON_INVALID"}) {
			t.Errorf("got %q", got)
		}
		extended, err := c.Events().ExtendDeadline(t.Context(), &hookbridgev1.ExtendDeadlineRequest{Subscription: "raw", AckIds: ids[1:]})
		if err != nil || len(extended.GetFailures()) != 1 || extended.GetFailures()[0].GetReason() != hookbridgev1.AckFailure_REASON_STALE {
			t.Errorf("a settled event was extended: %v, %v", extended, err)
		}
		wantTold(t, e, "delivered 1 REASON_NEW", "delivered 2 REASON_DEADLINE", "stale 1 /hookbridge.v1.EventService/Acknowledge", "acknowledged 2",
			"stale 2 /hookbridge.v1.EventService/ExtendDeadline")
	})
}

// A stream that is lost, and a bridge that is restarted, give the events again that were held, for the reason that applies.
func TestLostStreams(t *testing.T) {
	for name, lose := range map[string]func(*clienttest.Bridge){
		"REASON_STREAM_LOST": func(b *clienttest.Bridge) { b.Disconnect(nil) },
		"REASON_RESTART":     (*clienttest.Bridge).Restart,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := clienttest.New(t)
				down := make(chan error, 1)
				first, done := make(chan struct{}), make(chan struct{})
				r := subscribe(t, b, "losing", client.OnDisconnected(func(err error, _ time.Duration) { down <- err }),
					always(func(_ context.Context, e *client.Event) error {
						if e.Attempt == 1 {
							close(first)
							<-done
						}
						return nil
					}))
				e := b.PublishJSON("demo", "order", `{}`)
				<-first
				lose(b)
				if err := <-down; status.Code(err) != codes.Unavailable {
					t.Errorf("got %v", err)
				}
				e.AwaitDelivered(2)
				close(done)
				e.AwaitStale(1)
				e.AwaitAcknowledged()
				wantTold(t, e, "delivered 1 REASON_NEW", "delivered 2 "+name, "stale 1 /hookbridge.v1.EventService/Acknowledge", "acknowledged 2")
				r.stop()
			})
		})
	}
}

// While it is down nothing is answered; afterwards Subscribe comes back by itself.
func TestDownAndUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t, clienttest.Patience(time.Minute))
		r := subscribe(t, b, "patient", always(client.Skip))
		b.Down()
		if _, err := b.Client().Get(t.Context(), 1, false); status.Code(err) != codes.Unavailable {
			t.Errorf("got %v", err)
		}
		e := b.PublishJSON("demo", "order", `{}`)
		time.Sleep(time.Minute)
		wantTold(t, e)
		b.Up()
		b.AwaitSubscribed("patient")
		e.AwaitAcknowledged()
		r.stop()
	})
}

// A call that fails is tried again, and changes nothing before it succeeds.
func TestFailNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t)
		r := subscribe(t, b, "patient", always(client.Skip))
		b.FailNext(hookbridgev1.EventService_Acknowledge_FullMethodName, status.Error(codes.Unavailable, "a"), status.Error(codes.Internal, "b"))
		e := b.PublishJSON("demo", "order", `{}`)
		if took := e.AwaitAcknowledged().At.Sub(e.AwaitDelivered(1).At); took < 500*time.Millisecond {
			t.Errorf("acknowledged after %v, without a pause between the tries", took)
		}
		wantTold(t, e, "delivered 1 REASON_NEW", "acknowledged 1")
		b.FailNext(hookbridgev1.EventService_Subscribe_FullMethodName, status.Error(codes.PermissionDenied, "the subscription is not yours"))
		b.Disconnect(nil)
		if err := <-r.done; err == nil || err.Error() != "subscribe: rpc error: code = PermissionDenied desc = the subscription is not yours" {
			t.Errorf("got %v", err)
		}
	})
}

// Members of a subscription share its events, within their windows; a gap is told to all.
func TestMembersAndGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t)
		gaps := make(chan string, 2)
		var members []*running
		block := make(chan struct{})
		for range 2 {
			members = append(members, subscribe(t, b, "shared", client.Window(1, 0), client.OnGap(func(g *hookbridgev1.Gap) { gaps <- fmt.Sprint(g.GetFromSequence(), g.GetToSequence()) }),
				always(func(context.Context, *client.Event) error { <-block; return nil })))
			synctest.Wait()
		}
		var events []*clienttest.Published
		for range 3 {
			events = append(events, b.PublishJSON("demo", "order", `{}`))
		}
		synctest.Wait()
		wantTold(t, events[0], "delivered 1 REASON_NEW")
		wantTold(t, events[1], "delivered 1 REASON_NEW")
		wantTold(t, events[2])
		close(block)
		events[2].AwaitAcknowledged()
		b.Gap(4, 10)
		if got := []string{<-gaps, <-gaps}; !cmp.Equal(got, []string{"4 10", "4 10"}) {
			t.Errorf("got %q", got)
		}
		behind := b.PublishJSON("demo", "order", `{}`)
		if behind.AwaitAcknowledged(); behind.GetSequence() != 10 {
			t.Errorf("behind the gap is %s", behind)
		}
		for _, m := range members {
			m.stop()
		}
	})
}

// However rarely it says that it lives, its clients stay, though they ask for that more often.
func TestRareHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t)
		var ends []string
		r := subscribe(t, b, "idle", always(client.Skip), client.Heartbeat(5*time.Minute),
			client.OnDisconnected(func(err error, _ time.Duration) { ends = append(ends, err.Error()) }))
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(ends) > 0 {
			t.Errorf("its stream ended: %q", ends)
		}
		r.stop()
	})
}

// A bridge that says nothing is left after three heartbeats.
func TestMute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t, clienttest.Heartbeat(5*time.Second))
		down := make(chan error, 1)
		r := subscribe(t, b, "deaf", always(client.Skip), client.OnDisconnected(func(err error, _ time.Duration) { down <- err }))
		start := time.Now()
		b.Mute(true)
		if err := <-down; err.Error() != "the bridge fell silent" || time.Since(start) != 15*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		b.Mute(false)
		b.PublishJSON("demo", "order", `{}`).AwaitAcknowledged()
		r.stop()
	})
}

// Over a port it does the same, for a program that dials by itself; and Subscribe ends with its client.
func TestLoopback(t *testing.T) {
	b := clienttest.New(t, clienttest.Loopback())
	c, err := client.Dial(b.Address())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- c.Subscribe(t.Context(), "users", client.Otherwise(client.Stop), client.OnMismatched(client.Stop), client.OnUndecodable(client.Stop),
			client.On(func(context.Context, *client.Event, *hmacv1.UserCreated) error { return nil }))
	}()
	if got := b.AwaitSubscribed("users").GetFilter().GetTypes(); !cmp.Equal(got, []string{"user.created", "user_created"}) {
		t.Errorf("asked for %q", got)
	}
	b.Publish("demo", "user_created", &hmacv1.UserCreated{UserId: 7}).AwaitAcknowledged()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || err.Error() != "subscribe: the client was closed" {
		t.Errorf("got %v", err)
	}
}

// A test that is over before the bridge has begun to serve has not failed.
func TestEndsAtOnce(t *testing.T) {
	for range 100 {
		t.Run("at once", func(t *testing.T) { clienttest.New(t) })
	}
}
