package provider

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"buf.build/go/protoyaml"
	"github.com/google/go-cmp/cmp"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
)

// reasonOf names an error of Receive as the sender is told it.
func reasonOf(err error) string {
	for _, r := range []struct {
		err    error
		reason string
	}{
		{ErrSignatureMissing, "SIGNATURE_MISSING"},
		{ErrSignatureMalformed, "SIGNATURE_MALFORMED"},
		{ErrSignatureMismatch, "SIGNATURE_MISMATCH"},
		{ErrTimestamp, "TIMESTAMP_OUT_OF_TOLERANCE"},
		{ErrKeyUnavailable, "KEY_UNAVAILABLE"},
		{ErrHandshakeRefused, "HANDSHAKE_REFUSED"},
		{ErrHandshakeForbidden, "HANDSHAKE_REFUSED"},
		{ErrTooManyEvents, "TOO_MANY_EVENTS"},
		{ErrMediaType, "UNSUPPORTED_MEDIA_TYPE"},
	} {
		if errors.Is(err, r.err) {
			return r.reason
		}
	}
	return "INTERNAL"
}

// fixtureFolder has one fixture for each pack.
const fixtureFolder = "testdata/fixtures"

// fixtureClock is the time of a case that gives none.
var fixtureClock = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// origins are the origins of a case, the strongest first, as Pack.proof names them.
var origins = []string{"vector", "sdk", "signer", "none"}

func readFixture(t testing.TB, key string) *providerv1.Fixture {
	t.Helper()
	path := filepath.Join(fixtureFolder, key+".yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("every pack has a fixture: %v", err)
	}
	fixture := &providerv1.Fixture{}
	if err := (protoyaml.UnmarshalOptions{Path: path}).Unmarshal(data, fixture); err != nil {
		t.Fatal(err)
	}
	if err := protovalidate.Validate(fixture); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if fixture.GetKey() != key {
		t.Fatalf("%s: key is %q", path, fixture.GetKey())
	}
	return fixture
}

// fixtureCase is a pack's first signed case: each pack has a fixture, so that no test has to know what the secrets and settings of a
// provider look like. nil where there is no fixture.
func fixtureCase(t testing.TB, key string) *providerv1.Case {
	t.Helper()
	if _, err := os.Stat(filepath.Join(fixtureFolder, key+".yaml")); err != nil {
		return nil
	}
	for _, c := range readFixture(t, key).GetCases() {
		if c.GetOrigin() != "" {
			return c
		}
	}
	return nil
}

func fixtureSource(t *testing.T, pack *Pack, c *providerv1.Case) *Source {
	t.Helper()
	source, err := NewSource(SourceConfig{Name: "test", Pack: pack, Secrets: c.GetSecrets(), Settings: c.GetSettings(), Scheme: c.GetScheme(), PublicURL: true})
	if err != nil {
		t.Fatal(err)
	}
	return source.WithNetwork(publishedKeys(c.GetPublishedKeys()))
}

func fixtureRequest(t *testing.T, c *providerv1.Case) *delivery.Request {
	t.Helper()
	r := &delivery.Request{Method: http.MethodPost, Header: http.Header{}, ReceivedAt: fixtureClock, Body: []byte(c.GetBody())}
	if len(c.GetBodyBytes()) > 0 {
		r.Body = c.GetBodyBytes()
	}
	if c.GetMethod() != "" {
		r.Method = c.GetMethod()
	}
	if c.GetAt() != nil {
		r.ReceivedAt = c.GetAt().AsTime()
	}
	target := c.GetUrl()
	if target == "" {
		target = "https://hooks.example.com/webhooks/test"
	}
	var err error
	if r.URL, err = url.Parse(target); err != nil {
		t.Fatal(err)
	}
	for name, value := range c.GetHeaders() {
		r.Header.Set(name, value)
	}
	return r
}

// TestFixtures takes every request of every fixture through a source of its pack.
func TestFixtures(t *testing.T) {
	catalogue, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	if err := catalogue.Check(); err != nil {
		t.Fatal(err)
	}
	for _, key := range catalogue.Keys() {
		t.Run(key, func(t *testing.T) {
			pack, _ := catalogue.Get(key)
			fixture := readFixture(t, key)
			proof := "none"
			for _, c := range fixture.GetCases() {
				t.Run(c.GetName(), func(t *testing.T) { runCase(t, pack, c) })
				if o := c.GetOrigin(); o != "" && slices.Index(origins, o) < slices.Index(origins, proof) {
					proof = o
				}
			}
			if got := pack.Spec().GetProof(); got != proof && (got != "" || proof != "none") {
				t.Errorf("the pack says that it is proven by %q, its fixture by %q", got, proof)
			}
		})
	}
}

func runCase(t *testing.T, pack *Pack, c *providerv1.Case) {
	source, request := fixtureSource(t, pack, c), fixtureRequest(t, c)
	outcome, err := source.Receive(t.Context(), request)
	if err == nil && outcome.Captured != "" {
		err = ErrHandshakeForbidden // as the bridge says while nobody has opened a window
	}
	switch {
	case c.GetRefused() != "":
		if err == nil || reasonOf(err) != c.GetRefused() {
			t.Fatalf("got %v, want it refused as %s", err, c.GetRefused())
		}
		return
	case err != nil:
		t.Fatal(err)
	case c.GetAnswer() != nil:
		checkAnswer(t, outcome.Answer, c.GetAnswer())
		return
	case outcome.Verified == nil:
		t.Fatalf("got %+v, want an event", outcome.Answer)
	}
	if diff := cmp.Diff(expected(c.GetEvents()), yielded(outcome)); diff != "" {
		t.Errorf("events (-want +got)\n%s", diff)
	}
	flip(t, pack, source, c)
}

func yielded(o Outcome) []string {
	var texts []string
	for _, v := range o.Verified {
		id := v.ID
		if strings.HasPrefix(id, "sha256:") || strings.HasPrefix(id, "delivery:") {
			id = ""
		}
		occurred := ""
		if !v.OccurredAt.IsZero() {
			occurred = v.OccurredAt.UTC().Format(time.RFC3339Nano)
		}
		texts = append(texts, eventText(id, v.Type, occurred, v.OrderingKey, covered(v.Auth)))
	}
	return texts
}

func expected(events []*providerv1.Expected) []string {
	var texts []string
	for _, e := range events {
		occurred := ""
		if e.GetOccurredAt() != nil {
			occurred = e.GetOccurredAt().AsTime().UTC().Format(time.RFC3339Nano)
		}
		texts = append(texts, eventText(e.GetId(), e.GetType(), occurred, e.GetOrderingKey(), e.GetCovered()))
	}
	return texts
}

func eventText(id, typ, occurred, ordering string, covered []string) string {
	return fmt.Sprintf("id %q type %q occurred %q ordering %q covered %v", id, typ, occurred, ordering, covered)
}

func covered(a delivery.Auth) []string {
	list := []string{}
	for _, c := range []struct {
		is   bool
		name string
	}{{a.BodyCovered, "body"}, {a.IDCovered, "id"}, {a.TypeCovered, "type"}, {a.TimeCovered, "time"}} {
		if c.is {
			list = append(list, c.name)
		}
	}
	return list
}

func checkAnswer(t *testing.T, got *Answer, want *providerv1.ExpectedAnswer) {
	t.Helper()
	if got == nil {
		t.Fatal("got no answer")
	}
	if got.Status != int(want.GetStatus()) || got.ContentType != want.GetContentType() || string(got.Body) != want.GetBody() {
		t.Errorf("answered %d %s %q, want %v", got.Status, got.ContentType, got.Body, want)
	}
	for name, value := range want.GetHeaders() {
		if got.Header.Get(name) != value {
			t.Errorf("header %s: got %q, want %q", name, got.Header.Get(name), value)
		}
	}
}
