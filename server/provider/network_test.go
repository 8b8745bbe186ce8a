package provider

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"buf.build/go/protoyaml"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/publickey"
)

// publishedKeys is a Network in which hosts answer what a fixture says, by URL.
type publishedKeys map[string]string

var _ Network = publishedKeys{}

func (p publishedKeys) Keys(_ context.Context, o publickey.Origin, id string) ([]publickey.Key, error) {
	document, ok := p[o.URL]
	if !ok {
		return nil, fmt.Errorf("%w: %s", publickey.ErrUnavailable, o.URL)
	}
	keys, err := publickey.Parse(o.Format, []byte(document))
	if err != nil {
		return nil, err
	}
	keys = slices.DeleteFunc(keys, func(k publickey.Key) bool { return id != "" && k.ID != "" && k.ID != id })
	if len(keys) == 0 {
		return nil, publickey.ErrUnknown
	}
	return keys, nil
}

func (p publishedKeys) Renewed(context.Context, publickey.Origin) ([]publickey.Key, error) {
	return nil, publickey.ErrUnknown
}

func (p publishedKeys) Visit(_ context.Context, u string) error {
	if _, ok := p[u]; !ok {
		return fmt.Errorf("%w: %s", publickey.ErrUnavailable, u)
	}
	return nil
}

// keyed are the packs whose proof needs more than a digest or a signature of a content. A pack may ask for settings.
func keyed(t testing.TB) map[string]*providerv1.Fixture {
	t.Helper()
	files, err := filepath.Glob("testdata/fixtures/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*providerv1.Fixture{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		fixture := &providerv1.Fixture{}
		if err := (protoyaml.UnmarshalOptions{Path: file}).Unmarshal(data, fixture); err != nil {
			t.Fatal(err)
		}
		pack, _ := catalogue(t).Get(fixture.GetKey())
		if slices.ContainsFunc(pack.Spec().GetSchemes(), func(s *providerv1.Scheme) bool {
			return s.GetAlgorithm() == "jws" || s.GetAlgorithm() == "code"
		}) {
			found[fixture.GetKey()] = fixture
		}
	}
	return found
}

// set is a source of a pack with the settings of a case put into the pack's text.
func set(t *testing.T, key string, c *providerv1.Case) *Source {
	t.Helper()
	name := path.Join("packs", key+".yaml")
	data, err := fs.ReadFile(files, name)
	if err != nil {
		t.Fatal(err)
	}
	pack, _ := catalogue(t).Get(key)
	text := string(data)
	for _, s := range pack.Spec().GetSettings() {
		value, ok := c.GetSettings()[s.GetName()]
		if !ok {
			value = s.GetDefault()
		}
		text = strings.ReplaceAll(text, "{setting:"+s.GetName()+"}", value)
	}
	if pack, err = Parse(name, []byte(text)); err != nil {
		t.Fatal(err)
	}
	source, err := NewSource(SourceConfig{Name: "test", Pack: pack, Secrets: c.GetSecrets(), PublicURL: true})
	if err != nil {
		t.Fatal(err)
	}
	return source.WithNetwork(publishedKeys(c.GetPublishedKeys()))
}

func requestOf(t *testing.T, c *providerv1.Case) *delivery.Request {
	t.Helper()
	r := &delivery.Request{Method: http.MethodPost, Header: http.Header{}, ReceivedAt: now, Body: []byte(c.GetBody())}
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

// What is published decides: each request of these fixtures, through a source of its pack. Of what is covered no bit may change.
func TestKeyedFixtures(t *testing.T) {
	for key, fixture := range keyed(t) {
		for _, c := range fixture.GetCases() {
			t.Run(key+"/"+c.GetName(), func(t *testing.T) {
				source := set(t, key, c)
				outcome, err := source.Receive(t.Context(), requestOf(t, c))
				switch {
				case c.GetRefused() != "":
					if got := refusedAs(err); got != c.GetRefused() {
						t.Errorf("refused as %s (%v), want %s", got, err, c.GetRefused())
					}
					return
				case err != nil:
					t.Fatal(err)
				case c.GetAnswer() != nil:
					if outcome.Answer == nil || string(outcome.Answer.Body) != c.GetAnswer().GetBody() {
						t.Errorf("answered %+v", outcome.Answer)
					}
					return
				}
				if source.cfg.Pack.Spec().GetBatch() == nil {
					checkEvent(t, outcome.Verified, c.GetEvents()[0])
				}
				if outcome.Verified.Auth.BodyCovered {
					eachFlip(c.GetBody(), func(at int, changed string) {
						r := requestOf(t, c)
						r.Body = []byte(changed)
						if _, err := source.Receive(t.Context(), r); err == nil {
							t.Errorf("byte %d of the body changed, and still taken", at)
						}
					})
				}
			})
		}
	}
}

func checkEvent(t *testing.T, v *delivery.Verified, want *providerv1.Expected) {
	t.Helper()
	id := v.ID
	if want.GetId() == "" {
		id = ""
	}
	var occurred time.Time
	if want.GetOccurredAt() != nil {
		occurred = want.GetOccurredAt().AsTime()
	}
	var covered []string
	for _, c := range []struct {
		name string
		is   bool
	}{{"body", v.Auth.BodyCovered}, {"id", v.Auth.IDCovered}, {"type", v.Auth.TypeCovered}, {"time", v.Auth.TimeCovered}} {
		if c.is {
			covered = append(covered, c.name)
		}
	}
	if id != want.GetId() || v.Type != want.GetType() || !v.OccurredAt.Equal(occurred) || v.OrderingKey != want.GetOrderingKey() || !slices.Equal(covered, want.GetCovered()) {
		t.Errorf("got id %q, type %q, at %v, ordering key %q, covered %v; want %v", id, v.Type, v.OccurredAt, v.OrderingKey, covered, want)
	}
}

func refusedAs(err error) string {
	for _, r := range []struct {
		err    error
		reason string
	}{
		{ErrSignatureMissing, "SIGNATURE_MISSING"}, {ErrSignatureMalformed, "SIGNATURE_MALFORMED"}, {ErrSignatureMismatch, "SIGNATURE_MISMATCH"},
		{ErrTimestamp, "TIMESTAMP_OUT_OF_TOLERANCE"}, {ErrKeyUnavailable, "KEY_UNAVAILABLE"},
	} {
		if errors.Is(err, r.err) {
			return r.reason
		}
	}
	return ""
}

// A source of a provider that publishes its keys needs no secret; one that it has takes the published keys' place.
func TestSourcesWithoutSecrets(t *testing.T) {
	pack, _ := catalogue(t).Get("fireblocks")
	s, err := NewSource(SourceConfig{Name: "test", Pack: pack})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Origins()) != 1 || s.Origins()[0].Format != publickey.JWKS {
		t.Errorf("origins %v", s.Origins())
	}
	if _, err := s.Receive(t.Context(), requestOf(t, keyed(t)["fireblocks"].GetCases()[0])); !errors.Is(err, ErrKeyUnavailable) {
		t.Errorf("without a network: got %v", err)
	}
	if _, err := s.Sign(nil, []byte("{}"), "", "", now); !errors.Is(err, ErrCannotSign) {
		t.Errorf("signs: %v", err)
	}
	pem := keyed(t)["fusionauth"].GetCases()[3].GetSecrets()[0]
	if s, err = NewSource(SourceConfig{Name: "test", Pack: pack, Secrets: []string{pem}}); err != nil {
		t.Fatal(err)
	}
	if len(s.Origins()) != 0 {
		t.Errorf("with a key of its own it fetches from %v", s.Origins())
	}
	if _, err := NewSource(SourceConfig{Name: "test", Pack: pack, Secrets: []string{"hunter2"}}); err == nil ||
		err.Error() != `source "test": secrets[0]: unfit secret: want a public key as a PEM block or as a JSON Web Key` {
		t.Errorf("got %v", err)
	}
	github, _ := catalogue(t).Get("github")
	if _, err := NewSource(SourceConfig{Name: "test", Pack: github}); err == nil {
		t.Error("a provider with a secret does without one")
	}
}

// How long a delivery may wait for a key: there is time left to answer before its provider gives up.
func TestFetchUntil(t *testing.T) {
	for key, want := range map[string]time.Duration{
		"plaid":      8500 * time.Millisecond,  // of 10 s
		"aws_sns":    13500 * time.Millisecond, // of 15 s
		"slack":      1500 * time.Millisecond,  // of 3 s
		"fireblocks": 6500 * time.Millisecond,  // none is published
	} {
		pack, _ := catalogue(t).Get(key)
		s := &Source{cfg: SourceConfig{Pack: pack}}
		if got := s.FetchUntil(now).Sub(now); got != want {
			t.Errorf("%s: %v, want %v", key, got, want)
		}
	}
}

// What can't be confirmed is no event: the provider asks again.
func TestConfirmation(t *testing.T) {
	for _, c := range keyed(t)["aws_sns"].GetCases() {
		if c.GetSettings()["confirm"] != "true" {
			continue
		}
		for u := range c.GetPublishedKeys() {
			if strings.Contains(u, "ConfirmSubscription") {
				delete(c.GetPublishedKeys(), u)
			}
		}
		if _, err := set(t, "aws_sns", c).Receive(t.Context(), requestOf(t, c)); !errors.Is(err, ErrKeyUnavailable) {
			t.Errorf("got %v", err)
		}
		return
	}
	t.Error("no case confirms")
}
