package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
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

func (p publishedKeys) Renewed(context.Context, publickey.Origin, time.Time) ([]publickey.Key, error) {
	return nil, publickey.ErrUnknown
}

func (p publishedKeys) Visit(_ context.Context, u string) error {
	if _, ok := p[u]; !ok {
		return fmt.Errorf("%w: %s", publickey.ErrUnavailable, u)
	}
	return nil
}

// keyed tells the packs whose proof needs more than a digest or a signature of a content.
func keyed(pack *Pack) bool {
	return slices.ContainsFunc(pack.Spec().GetSchemes(), func(s *providerv1.Scheme) bool {
		return s.GetAlgorithm() == "jws" || s.GetAlgorithm() == "code"
	})
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
	if _, err := s.Receive(t.Context(), fixtureRequest(t, readFixture(t, "fireblocks").GetCases()[0])); !errors.Is(err, ErrKeyUnavailable) {
		t.Errorf("without a network: got %v", err)
	}
	if _, err := s.Sign(nil, []byte("{}"), "", "", now); !errors.Is(err, ErrCannotSign) {
		t.Errorf("signs: %v", err)
	}
	pem := readFixture(t, "fusionauth").GetCases()[3].GetSecrets()[0]
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
	for key, want := range map[string]struct {
		until   time.Duration
		fetches bool
	}{
		"plaid":      {8500 * time.Millisecond, true},  // of 10 s
		"aws_sns":    {13500 * time.Millisecond, true}, // of 15 s
		"slack":      {1500 * time.Millisecond, false}, // of 3 s
		"fireblocks": {6500 * time.Millisecond, true},  // none is published
	} {
		pack, _ := catalogue(t).Get(key)
		s := &Source{cfg: SourceConfig{Pack: pack}}
		for _, scheme := range pack.schemes {
			s.schemes = append(s.schemes, active{scheme: scheme})
		}
		if until, fetches := s.fetchUntil(now).Sub(now), s.fetches(); until != want.until || fetches != want.fetches {
			t.Errorf("%s: until %v, %v, want %v", key, until, fetches, want)
		}
	}
}

// What can't be confirmed is no event: the provider asks again.
func TestConfirmation(t *testing.T) {
	pack, _ := catalogue(t).Get("aws_sns")
	for _, c := range readFixture(t, "aws_sns").GetCases() {
		if c.GetSettings()["confirm"] != "true" {
			continue
		}
		for u := range c.GetPublishedKeys() {
			if strings.Contains(u, "ConfirmSubscription") {
				delete(c.GetPublishedKeys(), u)
			}
		}
		if _, err := fixtureSource(t, pack, c).Receive(t.Context(), fixtureRequest(t, c)); !errors.Is(err, ErrKeyUnavailable) {
			t.Errorf("got %v", err)
		}
		return
	}
	t.Error("no case confirms")
}
