package subscription

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/types/known/durationpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal/journalfake"
	"github.com/hookbridge/hookbridge/server/schema"
)

// stars appends events of GitHub's star, each of a repository of that name.
func (b *bridge) stars(names ...string) {
	b.t.Helper()
	r, err := registry()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, name := range names {
		decoded := r.Redecode("github", "star.created", []byte(`{"action":"created","repository":{"id":1,"full_name":"`+name+`"}}`))
		b.append(encode(&hookbridgev1.Event{
			Id: fmt.Sprintf("%s#%d", name, b.journal.Bounds().End), Source: "src", Provider: "github", Type: "star.created", Data: decoded.Data, Decoding: decoded.Decoding,
		}, &hookbridgev1.Content{}))
	}
}

func only(expression string) *hookbridgev1.Filter {
	return &hookbridgev1.Filter{Expression: expression}
}

const mugs = `event.type == "star.created" && data.repository.full_name == "acme/mugs"`

func (s *stream) heartbeat() *hookbridgev1.Heartbeat {
	s.t.Helper()
	for {
		if h := s.recv().GetHeartbeat(); h != nil {
			return h
		}
	}
}

// What an expression doesn't let pass costs a subscriber nothing, whether it is behind or caught up, and its position moves past
// it: at once in memory, and after a while on disk. What passes is redelivered like anything else.
func TestAnExpressionChoosesEvents(t *testing.T) {
	for _, tc := range []struct {
		name    string
		examine bool // whether there is time to examine more than one event of a page
	}{{"with time", true}, {"without time", false}} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				if !tc.examine {
					b.manager.examineFor = 0
				}
				b.stars("acme/mugs", "acme/cups", "acme/cups", "acme/mugs")
				s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{
					Subscription: "a", Start: beginning(), Filter: only(mugs), AckDeadline: durationpb.New(5 * second),
				})
				equal(t, "behind", short(s.deliveries(2)...), []sent{{1, 1, reasonNew}, {4, 1, reasonNew}})
				b.fill(3, "push")
				b.stars("acme/cups", "acme/mugs")
				equal(t, "caught up", short(s.delivery()), []sent{{9, 1, reasonNew}})
				b.stars("acme/cups", "acme/cups")
				s.quiet()
				elapse(6 * second)
				again := s.deliveries(3)
				equal(t, "again", short(again...), []sent{{1, 2, reasonDeadline}, {4, 2, reasonDeadline}, {9, 2, reasonDeadline}})
				s.ack(again...)
				h := s.heartbeat()
				equal(t, "position and end", []int64{h.GetPosition(), h.GetJournalEnd()}, []int64{12, 12})
				b.stars("acme/cups")
				elapse(20 * second)
				equal(t, "position on disk", b.record("a").state.Position, int64(13))
				if got := b.manager.totals.counters("a").failed.Load(); got != 0 {
					t.Errorf("%d events could not be decided about", got)
				}
			})
		})
	}
}

// record reads the record of a subscription.
func (b *bridge) record(name string) *record {
	b.t.Helper()
	all, err := b.journal.Records(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := decodeRecord(recordPrefix+name, all[recordPrefix+name], b.manager.filters, b.manager.zero())
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// An expression isn't asked about events that the sources and types exclude; what it can't be evaluated on is counted and doesn't
// pass.
func TestWhatIsExaminedIsCounted(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Filter: &hookbridgev1.Filter{
			Types: []string{"star.*"}, Expression: `1 / (event.sequence - 3) != 0`,
		}})
		b.fill(1, "push")
		b.stars("acme/mugs", "acme/cups", "acme/mugs")
		equal(t, "events", short(s.delivery()), []sent{{2, 1, reasonNew}})
		equal(t, "events", short(s.delivery()), []sent{{4, 1, reasonNew}})
		s.quiet()
		c := b.manager.totals.counters(labelEphemeral)
		equal(t, "examined and failed", []uint64{c.examined.Load(), c.failed.Load()}, []uint64{3, 1})
	})
}

// What is wrong with an expression is said with its place, by the call that brings it.
func TestExpressionsAreRefusedWithTheirPlace(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		const want = "InvalidArgument INVALID_ARGUMENT: filter.expression:1:49: undefined field 'ful_name' of hookbridge.github.v1.Repository; did you mean full_name?"
		bad := only(`event.type == "star.created" && data.repository.ful_name == "acme/mugs"`)
		refused(t, b.open(&hookbridgev1.SubscribeRequest{Subscription: "a", Filter: bad}).ended(), want)
		_, err := b.client.ListEvents(t.Context(), &hookbridgev1.ListEventsRequest{Filter: bad})
		refused(t, err, want)
	})
}

// Members of a subscription have the same filter when their expressions differ in form only.
func TestExpressionsAreComparedByWhatTheySay(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", Filter: only(mugs)})
		_, c := b.subscribe(&hookbridgev1.SubscribeRequest{
			Subscription: "a", Filter: only("event.type=='star.created'\n && (data.repository.full_name == 'acme/mugs')"),
		})
		equal(t, "joined", c.GetSubscription(), "a")
		refused(t, b.open(&hookbridgev1.SubscribeRequest{Subscription: "a", Filter: only(`event.type == "star.created"`)}).ended(),
			`FailedPrecondition SUBSCRIPTION_CONFLICT: 2 other members of subscription "a" are connected with another filter`)
		equal(t, "stored", b.record("a").filter.proto(), only(mugs))
	})
}

// Listings have expressions too, in both directions.
func TestListEventsByExpression(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.stars("acme/mugs", "acme/cups")
		b.fill(2, "push")
		b.stars("acme/mugs")
		for _, descending := range []bool{false, true} {
			resp, err := b.client.ListEvents(t.Context(), &hookbridgev1.ListEventsRequest{Filter: only(mugs), Descending: descending})
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, e := range resp.GetEvents() {
				got = append(got, e.GetSequence())
			}
			want := []int64{1, 5}
			if descending {
				want = []int64{5, 1}
			}
			equal(t, "listed", got, want)
		}
	})
}

// A subscription whose expression doesn't fit the schema any more delivers nothing and passes over nothing, says why, and goes on
// where it stood when it gets another filter or the schema fits again.
func TestAnExpressionThatTheSchemaOutgrew(t *testing.T) {
	// The message is named, so that it has to be there.
	const (
		outgrown    = `data == hookbridge.github.v1.StarEvent{} || event.type == "star.created" && data.repository.full_name == "acme/mugs"`
		outgrownWhy = `FailedPrecondition FILTER_UNUSABLE: the filter of subscription "a" doesn't fit the schema any more, give it another: ` +
			`filter.expression:1:39: undeclared reference to 'hookbridge.github.v1.StarEvent'`
	)
	synctest.Test(t, func(t *testing.T) {
		now := atomic.Pointer[schema.Registry]{}
		full, err := registry()
		if err != nil {
			t.Fatal(err)
		}
		now.Store(full)
		swappable := func(c *Config) { c.Registry = now.Load }
		b := start(t, journalfake.New(), swappable)
		req := &hookbridgev1.SubscribeRequest{Subscription: "a"}
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", Filter: only(outgrown)})
		b.stars("acme/mugs")
		s.ack(s.delivery())
		// While it runs.
		now.Store(&schema.Registry{})
		b.stars("acme/mugs", "acme/cups")
		refused(t, s.ended(), outgrownWhy)
		refused(t, b.open(req).ended(), outgrownWhy)
		elapse(30 * second)
		equal(t, "position", b.record("a").state.Position, int64(2))
		// After a restart.
		journal := b.journal.Crash()
		_ = b.stop()
		b = start(t, journal, swappable)
		refused(t, b.open(req).ended(), outgrownWhy)
		// The schema is back.
		now.Store(full)
		s, _ = b.subscribe(req)
		equal(t, "goes on", short(s.delivery()), []sent{{2, 1, reasonNew}})
		s.close()
		// Another filter.
		now.Store(&schema.Registry{})
		s, _ = b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", Filter: only(`event.id.startsWith("acme/cups")`)})
		b.stars("acme/mugs", "acme/cups")
		equal(t, "with another", short(s.deliveries(2)...), []sent{{2, 2, reasonLost}, {5, 1, reasonNew}})
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	})
}
