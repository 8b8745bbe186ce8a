package subscription

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/auth"
)

// bearer sends a token with every call.
type bearer struct {
	grpc.ClientConnInterface
	token string
}

func (c bearer) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return c.ClientConnInterface.Invoke(c.with(ctx), method, args, reply, opts...)
}

func (c bearer) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return c.ClientConnInterface.NewStream(c.with(ctx), desc, method, opts...)
}

func (c bearer) with(ctx context.Context) context.Context {
	if c.token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.token)
}

// as is the bridge to a caller with a token.
func (b *bridge) as(token string) *bridge {
	other := *b
	other.client = hookbridgev1.NewEventServiceClient(bearer{b.conn, token})
	return &other
}

func (b *bridge) replace(entries ...auth.Entry) {
	b.t.Helper()
	if err := b.auth.Replace(entries); err != nil {
		b.t.Fatal(err)
	}
}

// of makes an entry with one token.
func of(name, token string, g auth.Grants) auth.Entry {
	return auth.Entry{Name: name, Tokens: []auth.Digest{auth.DigestOf(token)}, Grants: g}
}

func filterOf(sources, types []string) *hookbridgev1.Filter {
	return &hookbridgev1.Filter{Sources: sources, Types: types}
}

// at is a stored event of a source.
func (b *bridge) at(source, typ string) {
	b.t.Helper()
	n := int(b.journal.Bounds().End)
	e := entry(n, typ, 10)
	e.Source = source
	event := &hookbridgev1.Event{Id: fmt.Sprint(n), Source: source, Provider: "test", Type: typ}
	b.append(encode(event, &hookbridgev1.Content{Body: []byte("{}")}))
}

var everything = []string{"*"}

// Every kind of call, by callers with every kind of grant: what each of them is told, whole.
func TestGrantMatrix(t *testing.T) {
	tokens := map[string]string{"": ""}
	for _, name := range []string{"billing", "ops", "reader", "idle", "wrong"} {
		tokens[name] = auth.NewToken()
	}
	const (
		ok      = "OK : "
		missing = `Unauthenticated UNAUTHENTICATED: no credentials were sent; want "authorization: Bearer hbt_..." or a client certificate`
		unknown = "Unauthenticated UNAUTHENTICATED: a token or client certificate that is known here is required"
		noEvent = "NotFound EVENT_NOT_FOUND: there is no such event, or none any more"
	)
	lacks := func(who, grant string) string {
		return fmt.Sprintf("PermissionDenied PERMISSION_DENIED: principal %q lacks the grant %s", who, grant)
	}
	// The events are 1: stripe-eu invoice.paid, 2: stripe-eu charge.failed, 3: github push.
	subscribe := func(name string, f *hookbridgev1.Filter) func(*bridge) error {
		return func(b *bridge) error {
			s := b.open(&hookbridgev1.SubscribeRequest{Subscription: name, Filter: f, Start: beginning()})
			defer s.close()
			_, err := s.rpc.Recv()
			return err
		}
	}
	get := func(req *hookbridgev1.GetEventRequest) func(*bridge) error {
		return func(b *bridge) error {
			_, err := b.client.GetEvent(b.t.Context(), req)
			return err
		}
	}
	sequence := func(n int64) func(*bridge) error {
		return get(&hookbridgev1.GetEventRequest{Event: &hookbridgev1.GetEventRequest_Sequence{Sequence: n}})
	}
	key := func(source, id string) func(*bridge) error {
		return get(&hookbridgev1.GetEventRequest{Event: &hookbridgev1.GetEventRequest_Key{Key: &hookbridgev1.EventKey{Source: source, Id: id}}})
	}
	content := func(n int64) func(*bridge) error {
		return func(b *bridge) error {
			stream, err := b.client.GetEventContent(b.t.Context(), &hookbridgev1.GetEventContentRequest{Sequence: n})
			if err != nil {
				return err
			}
			for err == nil {
				_, err = stream.Recv()
			}
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
	list := func(f *hookbridgev1.Filter) func(*bridge) error {
		return func(b *bridge) error {
			_, err := b.client.ListEvents(b.t.Context(), &hookbridgev1.ListEventsRequest{Filter: f})
			return err
		}
	}
	acknowledge := func(name string) func(*bridge) error {
		return func(b *bridge) error {
			_, err := b.client.Acknowledge(b.t.Context(), &hookbridgev1.AcknowledgeRequest{Subscription: name, AckIds: []string{"x"}})
			return err
		}
	}
	type answers map[string]string
	for _, tc := range []struct {
		name string
		call func(*bridge) error
		want answers
	}{
		{"an ephemeral stream of everything", subscribe("", nil), answers{
			"": missing, "wrong": unknown, "billing": ok, "ops": ok, "reader": ok, "idle": lacks("idle", "sources: nothing is granted"),
		}},
		{"an ephemeral stream of what is granted", subscribe("", filterOf([]string{"stripe-eu"}, []string{"invoice.*"})), answers{
			"": missing, "wrong": unknown, "billing": ok, "ops": ok, "reader": lacks("reader", `sources: "stripe-eu"`), "idle": lacks("idle", `sources: "stripe-eu"`),
		}},
		{"an ephemeral stream of a source beside it", subscribe("", filterOf([]string{"stripe-eu", "github"}, nil)), answers{
			"billing": lacks("billing", `sources: "github"`), "ops": ok, "reader": lacks("reader", `sources: "stripe-eu"`),
		}},
		{"an ephemeral stream of a type beside it", subscribe("", filterOf([]string{"stripe-*"}, []string{"invoice.paid", "*.failed"})), answers{
			"billing": lacks("billing", `types: "*.failed"`), "ops": ok,
		}},
		{"an ephemeral stream of every source, said in so many words", subscribe("", filterOf(everything, nil)), answers{
			"billing": lacks("billing", `sources: "*"`), "ops": ok, "reader": lacks("reader", `sources: "*"`),
		}},
		{"a durable stream", subscribe("billing-1", nil), answers{
			"": missing, "wrong": unknown, "billing": ok, "ops": ok,
			// By now there is one, with the filter of the one before.
			"reader": lacks("reader", `subscriptions: "billing-1"`), "idle": lacks("idle", `sources: "stripe-*"`),
		}},
		{"a durable stream of another's name", subscribe("audit", nil), answers{
			"billing": lacks("billing", `subscriptions: "audit"`), "ops": ok, "idle": lacks("idle", "sources: nothing is granted"),
		}},
		{"acknowledging", acknowledge("shared"), answers{
			"": missing, "wrong": unknown, "billing": ok, "ops": ok, "idle": ok, "reader": lacks("reader", `subscriptions: "shared"`),
		}},
		{"acknowledging what isn't there", acknowledge("none"), answers{
			"billing": lacks("billing", `subscriptions: "none"`), "ops": `NotFound SUBSCRIPTION_NOT_FOUND: there is no subscription "none"`,
		}},
		{"rejecting", func(b *bridge) error {
			_, err := b.client.Reject(b.t.Context(), &hookbridgev1.RejectRequest{Subscription: "other"})
			return err
		}, answers{"": missing, "billing": lacks("billing", `subscriptions: "other"`), "reader": lacks("reader", `subscriptions: "other"`)}},
		{"extending", func(b *bridge) error {
			_, err := b.client.ExtendDeadline(b.t.Context(), &hookbridgev1.ExtendDeadlineRequest{Subscription: "other"})
			return err
		}, answers{"": missing, "billing": lacks("billing", `subscriptions: "other"`), "reader": lacks("reader", `subscriptions: "other"`)}},
		{"erasing", func(b *bridge) error {
			_, err := b.client.EraseEvent(b.t.Context(), &hookbridgev1.EraseEventRequest{})
			return err
		}, answers{"": missing, "wrong": unknown, "billing": lacks("billing", "manage"), "reader": lacks("reader", "manage"), "idle": lacks("idle", "manage")}},
		{"an event", sequence(1), answers{"": missing, "wrong": unknown, "billing": ok, "ops": ok, "reader": noEvent, "idle": noEvent}},
		{"an event of another type", sequence(2), answers{"billing": noEvent, "ops": ok}},
		{"an event of another source", sequence(3), answers{"billing": noEvent, "ops": ok, "reader": ok}},
		{"an event that isn't there", sequence(99), answers{"billing": noEvent, "ops": noEvent}},
		{"an event by its key", key("stripe-eu", "1"), answers{"": missing, "billing": ok, "reader": noEvent}},
		{"an event of another source by its key", key("github", "3"), answers{"billing": noEvent, "reader": ok}},
		{"content", content(1), answers{"": missing, "wrong": unknown, "billing": ok, "ops": ok, "reader": noEvent, "idle": noEvent}},
		{"content of another type", content(2), answers{"billing": noEvent, "ops": ok}},
		{"a listing", list(nil), answers{"": missing, "wrong": unknown, "billing": ok, "ops": ok, "idle": lacks("idle", "sources: nothing is granted")}},
		{"a listing of another source", list(filterOf([]string{"git*"}, nil)), answers{"billing": lacks("billing", `sources: "git*"`), "reader": lacks("reader", `sources: "git*"`)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				b.t = t
				b.at("stripe-eu", "invoice.paid")
				b.at("stripe-eu", "charge.failed")
				b.at("github", "push")
				s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "shared"})
				s.close()
				b.replace(
					of("billing", tokens["billing"], auth.Grants{Sources: []string{"stripe-*"}, Types: []string{"invoice.*"}, Subscriptions: []string{"billing", "billing-*", "shared"}}),
					of("ops", tokens["ops"], auth.Grants{Sources: everything, Types: everything, Subscriptions: everything, Manage: true}),
					of("reader", tokens["reader"], auth.Grants{Sources: []string{"github"}, Types: everything}),
					of("idle", tokens["idle"], auth.Grants{Subscriptions: everything}),
				)
				for _, who := range slices.Sorted(maps.Keys(tc.want)) {
					want := tc.want[who]
					if got := described(tc.call(b.as(tokens[who]))); got != want {
						t.Errorf("%q is told\n     %s\nwant %s", who, got, want)
					}
				}
			})
		})
	}
}

// sequences are those of deliveries.
func sequences(ds []*hookbridgev1.Delivery) (all []int64) {
	for _, d := range ds {
		all = append(all, d.GetEvent().GetSequence())
	}
	return all
}

// Who asks for everything gets what is granted, and no more: from a stream and from a listing.
func TestAbsentFilterIsWhatIsGranted(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		for range 2 {
			b.at("stripe-eu", "invoice.paid")
			b.at("stripe-eu", "charge.failed")
			b.at("stripe-us", "invoice.paid")
			b.at("github", "push")
		}
		token := auth.NewToken()
		b.replace(of("billing", token, auth.Grants{Sources: []string{"stripe-*"}, Types: []string{"invoice.*"}, Subscriptions: everything}))
		mine := b.as(token)
		for _, req := range []*hookbridgev1.SubscribeRequest{
			{}, {Subscription: "a"}, {Subscription: "b", Filter: &hookbridgev1.Filter{}}, {Filter: filterOf([]string{"stripe-*"}, nil)}, {Filter: filterOf(nil, []string{"invoice.*"})},
		} {
			req.Start = beginning()
			s, _ := mine.subscribe(req)
			equal(t, "sequences", sequences(s.deliveries(4)), []int64{1, 3, 5, 7})
			s.quiet()
			s.close()
		}
		page, err := mine.client.ListEvents(t.Context(), &hookbridgev1.ListEventsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var listed []int64
		for _, e := range page.GetEvents() {
			listed = append(listed, e.GetSequence())
		}
		equal(t, "listed", listed, []int64{1, 3, 5, 7})
	})
}

// Events of a subscription go to any of its members, so one that may not have all of them may have none.
func TestMemberWhoseGrantsDoNotCoverTheFilter(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		wide, narrow := auth.NewToken(), auth.NewToken()
		b.replace(
			of("wide", wide, auth.Grants{Sources: everything, Types: everything, Subscriptions: everything}),
			of("narrow", narrow, auth.Grants{Sources: []string{"src"}, Types: []string{"push"}, Subscriptions: []string{"team"}}),
		)
		first, _ := b.as(wide).subscribe(&hookbridgev1.SubscribeRequest{Subscription: "team", Filter: filterOf([]string{"src"}, []string{"push", "star"})})
		// It asks for what the subscription has.
		refused(t, b.as(narrow).open(&hookbridgev1.SubscribeRequest{Subscription: "team"}).ended(),
			`PermissionDenied PERMISSION_DENIED: principal "narrow" lacks the grant types: "star"`)
		// It asks for less, while somebody has more.
		refused(t, b.as(narrow).open(&hookbridgev1.SubscribeRequest{Subscription: "team", Filter: filterOf(nil, []string{"push"})}).ended(),
			`FailedPrecondition SUBSCRIPTION_CONFLICT: 1 other members of subscription "team" are connected with another filter`)
		b.fill(2, "push")
		equal(t, "the first member goes on", sequences(first.deliveries(2)), []int64{1, 2})
		first.close()
		// Nobody is there any more: the filter is replaced by one that it may have.
		second, _ := b.as(narrow).subscribe(&hookbridgev1.SubscribeRequest{Subscription: "team", Filter: filterOf(nil, []string{"push"})})
		equal(t, "what was outstanding comes again", sequences(second.deliveries(2)), []int64{1, 2})
	})
}

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
