package subscription

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

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
	other.manage = hookbridgev1.NewSubscriptionServiceClient(bearer{b.conn, token})
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
		missing = `Unauthenticated UNAUTHENTICATED: no credentials were sent; want "authorization: Bearer hbt_..." or, where the listener has a client_ca, a client certificate`
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
	reject := func(name string) func(*bridge) error {
		return func(b *bridge) error {
			_, err := b.client.Reject(b.t.Context(), &hookbridgev1.RejectRequest{Subscription: name, Rejections: []*hookbridgev1.Rejection{{AckId: "x"}}})
			return err
		}
	}
	extend := func(name string) func(*bridge) error {
		return func(b *bridge) error {
			_, err := b.client.ExtendDeadline(b.t.Context(), &hookbridgev1.ExtendDeadlineRequest{Subscription: name, AckIds: []string{"x"}})
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
		{"rejecting", reject("shared"), answers{
			"": missing, "wrong": unknown, "billing": ok, "ops": ok, "idle": ok, "reader": lacks("reader", `subscriptions: "shared"`),
		}},
		{"rejecting what isn't there", reject("none"), answers{
			"billing": lacks("billing", `subscriptions: "none"`), "ops": `NotFound SUBSCRIPTION_NOT_FOUND: there is no subscription "none"`,
		}},
		{"extending", extend("shared"), answers{
			"": missing, "wrong": unknown, "billing": ok, "ops": ok, "idle": ok, "reader": lacks("reader", `subscriptions: "shared"`),
		}},
		{"extending what isn't there", extend("none"), answers{
			"billing": lacks("billing", `subscriptions: "none"`), "ops": `NotFound SUBSCRIPTION_NOT_FOUND: there is no subscription "none"`,
		}},
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
			// An expression can only take away from it.
			{Filter: only(`event.source != "none"`)}, {Subscription: "c", Filter: only(`event.source == "github" || event.type.startsWith("invoice.")`)},
		} {
			req.Start = beginning()
			s, _ := mine.subscribe(req)
			equal(t, "sequences", sequences(s.deliveries(4)), []int64{1, 3, 5, 7})
			s.quiet()
			s.close()
		}
		for _, f := range []*hookbridgev1.Filter{nil, only(`event.source != "none"`)} {
			page, err := mine.client.ListEvents(t.Context(), &hookbridgev1.ListEventsRequest{Filter: f})
			if err != nil {
				t.Fatal(err)
			}
			var listed []int64
			for _, e := range page.GetEvents() {
				listed = append(listed, e.GetSequence())
			}
			equal(t, "listed", listed, []int64{1, 3, 5, 7})
		}
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
			`FailedPrecondition SUBSCRIPTION_CONFLICT: 1 other member of subscription "team" is connected with another filter`)
		b.fill(2, "push")
		equal(t, "the first member goes on", sequences(first.deliveries(2)), []int64{1, 2})
		first.close()
		// Nobody is there any more, and all the same it may not take away from the others what it may not see itself.
		for _, f := range []*hookbridgev1.Filter{filterOf(nil, []string{"push"}), filterOf([]string{"src"}, []string{"push"}), {Types: []string{"push"}, Expression: "true"}} {
			refused(t, b.as(narrow).open(&hookbridgev1.SubscribeRequest{Subscription: "team", Filter: f}).ended(),
				`PermissionDenied PERMISSION_DENIED: to replace the filter of subscription "team" wants all that it lets pass granted: principal "narrow" lacks the grant types: "star"`)
		}
		// Who may see both, may.
		second, _ := b.as(wide).subscribe(&hookbridgev1.SubscribeRequest{Subscription: "team", Filter: filterOf([]string{"src"}, []string{"push"})})
		equal(t, "what was outstanding comes again", sequences(second.deliveries(2)), []int64{1, 2})
		second.close()
		// Now that it may see all that the old one lets pass, so may the other.
		third, _ := b.as(narrow).subscribe(&hookbridgev1.SubscribeRequest{Subscription: "team", Filter: &hookbridgev1.Filter{Types: []string{"push"}, Expression: "event.id != ''"}})
		equal(t, "and again", sequences(third.deliveries(2)), []int64{1, 2})
	})
}

// Only of a subscription that is new there is no filter before: it is whose stream is first.
func TestANewSubscriptionHasNoFilterToBeCovered(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		narrow := auth.NewToken()
		b.replace(of("narrow", narrow, auth.Grants{Sources: []string{"src"}, Types: []string{"push"}, Subscriptions: []string{"made", "new"}}))
		// Made by its owner, it has one from the start: everything.
		b.settle("made", settings{})
		refused(t, b.as(narrow).open(&hookbridgev1.SubscribeRequest{Subscription: "made", Filter: filterOf(nil, []string{"push"})}).ended(),
			`PermissionDenied PERMISSION_DENIED: to replace the filter of subscription "made" wants all that it lets pass granted: principal "narrow" lacks the grant sources: "*"`)
		s, _ := b.as(narrow).subscribe(&hookbridgev1.SubscribeRequest{Subscription: "new", Filter: filterOf(nil, []string{"push"})})
		b.fill(1, "push")
		equal(t, "it gets its events", sequences(s.deliveries(1)), []int64{1})
	})
}
