package schema_test

import (
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/provider"
)

// alike are the bodies of one type that pass under the header of another, and why they can't be told apart. All else is a mismatch.
var alike = []struct {
	provider, reason string
	bodies, headers  []string
}{
	{
		"shopify", "An order's state may have changed since, either way, and the test notification of every topic has the same body. " +
			"Only that an order was cancelled never changes.",
		[]string{
			"orders/create", "orders/updated", "orders/paid", "orders/fulfilled", "orders/partially_fulfilled", "orders/cancelled",
			"orders/create@business", "orders/create@large_ids", "orders/create@minimal", "orders/updated@selected_fields",
		},
		[]string{"orders/create", "orders/updated", "orders/paid", "orders/fulfilled", "orders/partially_fulfilled"},
	},
	{
		"shopify", "A subscription that asks for a few fields may leave out the one that says whether the order was cancelled.",
		[]string{"orders/create@large_ids", "orders/create@minimal", "orders/updated@selected_fields"}, []string{"orders/cancelled"},
	},
	{
		"shopify", "They are the customer as it is, with nothing of what was done; so is one that was deleted where a subscription asks for a few fields.",
		[]string{
			"customers/create", "customers/update", "customers/enable", "customers/disable", "customers/delete",
			"customers/update@2022", "customers/delete@addresses",
		},
		[]string{"customers/create", "customers/update", "customers/enable", "customers/disable"},
	},
	{
		"shopify", "They are the product as it is, with nothing of what was done.",
		[]string{"products/create", "products/update", "products/update@many_variants"},
		[]string{"products/create", "products/update"},
	},
	{
		"shopify", "What is left of what was deleted is a number, and a subscription that asks for the field id alone gets the same of every topic.",
		[]string{"orders/delete", "products/delete"},
		[]string{
			"orders/create", "orders/updated", "orders/paid", "orders/fulfilled", "orders/partially_fulfilled", "orders/delete", "orders/cancelled",
			"customers/create", "customers/update", "customers/enable", "customers/disable", "customers/delete", "products/create", "products/update", "products/delete",
		},
	},
}

// A type that contradicts the body's shape is a mismatch: where no signature covers the type, each sample is posted under the type of each
// other one of its provider.
func TestTypeThatContradictsTheBodyIsAMismatch(t *testing.T) {
	want := map[string]bool{}
	for _, group := range alike {
		for _, body := range group.bodies {
			for _, header := range group.headers {
				if typ, _, _ := strings.Cut(body, "@"); typ != header {
					want[group.provider+": "+body+" as "+header] = true
				}
			}
		}
	}
	registry, catalogue := builtin(t), packs(t)
	got, uncovered := map[string]bool{}, map[string]int{}
	for key, samples := range samplesByProvider(t) {
		pack, _ := catalogue.Get(key)
		source := testSource(t, pack)
		for _, body := range samples {
			if v := under(t, pack, source, body, body); v.Auth.TypeCovered || pack.Spec().GetType() == nil {
				continue
			}
			for _, header := range samples {
				v := under(t, pack, source, body, header)
				if v.Type == body.typ {
					continue // The header names the same family.
				}
				uncovered[key]++
				switch state := registry.Decode(key, v.Type, v.Document).Decoding.GetState(); state {
				case hookbridgev1.Decoding_STATE_MISMATCH:
				case hookbridgev1.Decoding_STATE_TYPED:
					name := strings.ReplaceAll(strings.TrimSuffix(filepath.Base(body.path), ".json"), "~", "/")
					got[key+": "+name+" as "+v.Type] = true
				default:
					t.Errorf("%s under the header of %s is %s, which is %s", body.path, header.path, v.Type, state)
				}
			}
		}
	}
	for _, pair := range slices.Sorted(maps.Keys(got)) {
		if !want[pair] {
			t.Errorf("%s is typed", pair)
		}
	}
	for _, pair := range slices.Sorted(maps.Keys(want)) {
		if !got[pair] {
			t.Errorf("%s is no longer typed", pair)
		}
	}
	if uncovered["github"] < 500 || uncovered["shopify"] < 400 || len(uncovered) != 2 {
		t.Errorf("so many pairs were tried of providers that sign no type: %v", uncovered)
	}
}

// An action that a provider adds to a family with the family's shape is no contradiction; one that the family never has is.
func TestNewActionsAreNoContradiction(t *testing.T) {
	registry := builtin(t)
	for _, tc := range []struct {
		typ, sample string
		want        hookbridgev1.Decoding_State
	}{
		{"pull_request.invented", "pull_request.opened", hookbridgev1.Decoding_STATE_TYPED},
		{"issues.invented", "issues.opened", hookbridgev1.Decoding_STATE_TYPED},
		{"invented", "push", hookbridgev1.Decoding_STATE_UNTYPED},
		{"invented.opened", "issues.opened", hookbridgev1.Decoding_STATE_UNTYPED},
		{"push.opened", "push", hookbridgev1.Decoding_STATE_MISMATCH},
		{"pull_request", "pull_request.opened", hookbridgev1.Decoding_STATE_MISMATCH},
		{"pushed", "push", hookbridgev1.Decoding_STATE_UNTYPED},
	} {
		for _, f := range ownFixtures(t, samples) {
			if f.provider != "github" || f.typ != tc.sample {
				continue
			}
			if got := registry.Decode("github", tc.typ, f.document).Decoding; got.GetState() != tc.want {
				t.Errorf("%s with the body of %s: got %v, want %s", tc.typ, tc.sample, got, tc.want)
			}
		}
	}
	const message = "the body makes it a type that hookbridge.github.v1.PushEvent never has: it is another event's"
	d := registry.Decode("github", "push.opened", []byte(`{"action":"opened"}`))
	if v := d.Decoding.GetViolations(); len(v) != 1 || v[0].GetField() != "" || v[0].GetMessage() != message || d.MessageName != "hookbridge.github.v1.PushEvent" {
		t.Errorf("got %v of %s", v, d.MessageName)
	}
	if m, ok := registry.Lookup("github", "push.opened"); ok {
		t.Errorf("a type that is never sent stands for %s", m.FullName())
	}
}

// samplesByProvider are the fixtures of the providers with built-in messages that are typed.
func samplesByProvider(t *testing.T) map[string][]fixture {
	t.Helper()
	registry := builtin(t)
	found := map[string][]fixture{}
	for _, f := range slices.Concat(ownFixtures(t, samples), ownFixtures(t, "testdata")) {
		if _, ok := registry.Lookup(f.provider, f.typ); ok {
			found[f.provider] = append(found[f.provider], f)
		}
	}
	return found
}

func packs(t *testing.T) *provider.Catalogue {
	t.Helper()
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return catalogue
}

func testSource(t *testing.T, pack *provider.Pack) *provider.Source {
	t.Helper()
	source, err := provider.NewSource(provider.SourceConfig{Name: "test", Pack: pack, Secrets: []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}})
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// under delivers one fixture's body, signed, with the headers that name the type of another.
func under(t *testing.T, pack *provider.Pack, source *provider.Source, body, header fixture) *delivery.Verified {
	t.Helper()
	now := time.Unix(1772355600, 0)
	signed, err := source.Deliver(&url.URL{}, body.document, body.typ, "an-id", now)
	if err != nil {
		t.Fatal(err)
	}
	other, err := source.Deliver(&url.URL{}, header.document, header.typ, "an-id", now)
	if err != nil {
		t.Fatal(err)
	}
	for _, selector := range pack.Spec().GetType() {
		for _, part := range selector.GetParts() {
			if name := part.GetHeader(); name != "" {
				signed.Header.Set(name, other.Header.Get(name))
			}
		}
	}
	outcome, err := source.Receive(t.Context(), &delivery.Request{Method: http.MethodPost, URL: signed.URL, Header: signed.Header, Body: signed.Body, ReceivedAt: now})
	if err != nil || len(outcome.Verified) != 1 {
		t.Fatalf("%s under the header of %s: %v, %v", filepath.Base(body.path), strings.TrimSuffix(filepath.Base(header.path), ".json"), outcome, err)
	}
	return outcome.Verified[0]
}
