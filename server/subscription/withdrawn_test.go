package subscription

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/auth"
)

// When Replace has returned, a stream that is not covered any more gets nothing, and has ended before any time has passed; one that is
// covered goes on as if nothing had been.
func TestStreamEndsWhenItsGrantIsWithdrawn(t *testing.T) {
	token, second := auth.NewToken(), auth.NewToken()
	grants := func(change func(*auth.Grants)) auth.Grants {
		g := auth.Grants{Sources: []string{"src", "other"}, Types: []string{"push", "star"}, Subscriptions: []string{"team"}}
		if change != nil {
			change(&g)
		}
		return g
	}
	const gone = "Unauthenticated UNAUTHENTICATED: the credentials that the stream was opened with are not known any more"
	for _, tc := range []struct {
		name string
		next []auth.Entry
		want string // empty: it goes on
	}{
		{"a source", []auth.Entry{of("a", token, grants(func(g *auth.Grants) { g.Sources = []string{"other"} }))}, `PermissionDenied PERMISSION_DENIED: principal "a" lacks the grant sources: "src"`},
		{"a type", []auth.Entry{of("a", token, grants(func(g *auth.Grants) { g.Types = []string{"pus"} }))}, `PermissionDenied PERMISSION_DENIED: principal "a" lacks the grant types: "push"`},
		{"the subscription", []auth.Entry{of("a", token, grants(func(g *auth.Grants) { g.Subscriptions = nil }))}, `PermissionDenied PERMISSION_DENIED: principal "a" lacks the grant subscriptions: "team"`},
		{"the token", []auth.Entry{of("a", second, grants(nil))}, gone},
		{"the principal", []auth.Entry{of("b", second, grants(nil))}, gone},
		{"the token, given to a principal with less", []auth.Entry{of("b", token, auth.Grants{})}, `PermissionDenied PERMISSION_DENIED: principal "b" lacks the grant subscriptions: "team"`},
		{"nothing", []auth.Entry{of("a", token, grants(nil))}, ""},
		{"what it doesn't need", []auth.Entry{of("a", token, grants(func(g *auth.Grants) { g.Sources, g.Types = []string{"src"}, []string{"push"} }))}, ""},
		{"a name for a pattern", []auth.Entry{of("a", token, grants(func(g *auth.Grants) {
			g.Sources, g.Types, g.Subscriptions = everything, []string{"p*"}, []string{"t*m"}
		}))}, ""},
		{"nothing, and a second token comes", []auth.Entry{{Name: "a", Tokens: []auth.Digest{auth.DigestOf(second), auth.DigestOf(token)}, Grants: grants(nil)}}, ""},
		{"nothing but the name", []auth.Entry{of("renamed", token, grants(nil))}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				b.replace(of("a", token, grants(nil)))
				s, _ := b.as(token).subscribe(&hookbridgev1.SubscribeRequest{Subscription: "team", Filter: filterOf([]string{"src"}, []string{"push"})})
				b.fill(1, "push")
				equal(t, "before", sequences(s.deliveries(1)), []int64{1})
				synctest.Wait()
				began := time.Now()
				b.replace(tc.next...)
				b.fill(1, "push") // nobody may have it who lost the grant, however soon it comes
				synctest.Wait()
				if tc.want == "" {
					equal(t, "after", sequences(s.deliveries(1)), []int64{2})
					s.quiet()
					return
				}
				select {
				case resp, open := <-s.got:
					if open {
						t.Errorf("after the grant was withdrawn came %v", resp)
					}
				default:
					t.Fatal("the stream has not ended")
				}
				refused(t, s.err, tc.want)
				if took := time.Since(began); took != 0 {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// The first principal of all ends the streams of those who never said who they are.
func TestStreamsOfEverybodyEndWhenCallersHaveToAuthenticate(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		b.replace(of("a", auth.NewToken(), auth.Grants{}))
		refused(t, s.ended(), "Unauthenticated UNAUTHENTICATED: the credentials that the stream was opened with are not known any more")
		if err := b.auth.Replace(nil); err == nil || err.Error() != "the last principal can't be taken away while the bridge runs" {
			t.Errorf("got %v", err)
		}
	})
}

// What a member held goes to another at once, also when the one who loses its grant is blocked because its client reads nothing.
func TestWithdrawnFromAClientThatReadsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		for range 20 {
			b.append(entry(int(b.journal.Bounds().End), "push", 1<<20))
		}
		stuck, well := auth.NewToken(), auth.NewToken()
		may := auth.Grants{Sources: everything, Types: everything, Subscriptions: everything}
		b.replace(of("stuck", stuck, may), of("well", well, may))
		req := &hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning(), IncludeContent: true}
		blocked := b.as(stuck).open(req)
		synctest.Wait()
		if n := b.members(); n != 1 {
			t.Fatalf("%d streams", n)
		}
		b.replace(of("stuck", stuck, auth.Grants{}), of("well", well, may))
		elapse(second)
		if n := b.members(); n != 0 {
			t.Fatalf("a second after its grant was withdrawn there are still %d streams", n)
		}
		began := time.Now()
		after, _ := b.as(well).subscribe(req)
		equal(t, "what it held", short(after.deliveries(2)...), run(1, 2, 2, reasonLost))
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v to come to another", took)
		}
		// What was on its way may still arrive; then it learns why there is no more.
		err := blocked.ended()
		if s := status.Convert(err); s.Code() != codes.PermissionDenied {
			t.Errorf("the client that begins to read gets %v", err)
		}
	})
}

// members counts the streams of all subscriptions.
func (b *bridge) members() (n int) {
	b.manager.mu.Lock()
	defer b.manager.mu.Unlock()
	for _, members := range b.manager.streams {
		n += members
	}
	return n
}
