package provider

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

// What a scheme's conditions want to the letter is part of what is delivered, so that it is taken; what they want otherwise and the body doesn't
// have is said.
func TestDeliverUnderConditions(t *testing.T) {
	c := catalogue(t)
	for _, tc := range []struct{ key, scheme, body, header, value, err string }{
		{"box", "", `{"trigger":"FILE.UPLOADED"}`, "Box-Signature-Version", "1", ""},
		{"hubspot", "v1", `[{"eventId":1}]`, "X-Hubspot-Signature-Version", "v1", ""},
		{"hubspot", "v2", `[{"eventId":1}]`, "X-Hubspot-Signature-Version", "v2", ""},
		{"hubspot", "", `[{"eventId":1}]`, "X-Hubspot-Signature-Version", "", ""},
		{"braintree", "", "bt_payload=" + strings.Repeat("A", 40), "", "", ""},
		{
			"braintree", "", "bt_payload=abc", "", "",
			`source "test": cannot sign: signature is for deliveries where all of form field bt_payload matches [A-Za-z0-9+/=\s]{33,}`,
		},
	} {
		pack, _ := c.Get(tc.key)
		f := fixtureCase(t, tc.key)
		s, err := NewSource(SourceConfig{Name: "test", Pack: pack, Secrets: f.GetSecrets(), Settings: f.GetSettings(), Scheme: tc.scheme, PublicURL: true})
		if err != nil {
			t.Fatal(err)
		}
		u := &url.URL{Scheme: "https", Host: "hooks.example.com", Path: "/webhooks/test"}
		signed, err := s.Deliver(u, []byte(tc.body), "", "id-1", now)
		if tc.err != "" {
			if !errors.Is(err, ErrCannotSign) || err.Error() != tc.err {
				t.Errorf("%s: got %v, want %s", tc.key, err, tc.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %s: %v", tc.key, tc.scheme, err)
			continue
		}
		if got := signed.Header.Get(tc.header); got != tc.value {
			t.Errorf("%s %s: header %s is %q, want %q", tc.key, tc.scheme, tc.header, got, tc.value)
		}
		r := post(signed.Header, signed.Body)
		r.URL = signed.URL
		if _, err := s.Receive(t.Context(), r); err != nil {
			t.Errorf("%s %s: %v", tc.key, tc.scheme, err)
		}
	}
}

// Every scheme with a shared secret signs what it verifies, where a source names it, and with the secrets of a case of the fixture that it takes.
func TestDeliverByEveryScheme(t *testing.T) {
	c := catalogue(t)
	for _, key := range c.Keys() {
		pack, _ := c.Get(key)
		sample, ok := c.Sample(key, "")
		if !ok {
			t.Errorf("%s has no sample", key)
		}
		for _, scheme := range pack.schemes {
			if !scheme.SignsWithSecret() {
				continue
			}
			t.Run(key+"/"+scheme.Name(), func(t *testing.T) {
				var s *Source
				for _, f := range readFixture(t, key).GetCases() {
					cfg := SourceConfig{Name: "test", Pack: pack, Secrets: f.GetSecrets(), Settings: f.GetSettings(), Scheme: scheme.Name(), PublicURL: true}
					if own, err := NewSource(cfg); err == nil && len(f.GetSecrets()) > 0 {
						s = own
						break
					}
				}
				if s == nil {
					t.Fatal("no case of the fixture has secrets that it takes")
				}
				signed, err := s.Deliver(&url.URL{Scheme: "https", Host: "hooks.example.com", Path: "/webhooks/test"}, sample.Body, sample.Type, "id-1", now)
				if err != nil {
					t.Fatal(err)
				}
				r := post(signed.Header, signed.Body)
				r.URL = signed.URL
				if _, err := s.Receive(t.Context(), r); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// An id that stands in several headers is another one for each id that is asked for, though the body says nothing.
func TestDeliverWithAnIDInHeaders(t *testing.T) {
	s := source(t, "google_push")
	for _, id := range []string{"a", "b"} {
		signed, err := s.Deliver(&url.URL{Path: "/webhooks/test"}, nil, "update", id, now)
		if err != nil {
			t.Fatal(err)
		}
		outcome, err := s.Receive(t.Context(), post(signed.Header, signed.Body))
		if err != nil {
			t.Fatal(err)
		}
		if v := outcome.Verified[0]; v.ID != id+".1" || v.Type != "update" || !v.NoDocument {
			t.Errorf("got id %q, type %q, without a document: %v", v.ID, v.Type, v.NoDocument)
		}
	}
}

// Samples are what can be read, of each type the first; whole bodies where there is nothing to read by design; and none without a type where there is
// one with.
func TestSamplesOfFixtures(t *testing.T) {
	c := catalogue(t)
	for key, want := range map[string]string{
		"mux":           `video.asset.ready={"type":"video.asset.ready","id":"e1","created_at":"2026-03-01T08:59:58.000000Z","object":{"type":"asset","id":"a1"}}`,
		"notion":        `page.created={"id":"e1","type":"page.created","timestamp":"2026-03-01T08:59:58.000Z","entity":{"id":"p1","type":"page"}}`,
		"braintree":     "unknown=" + fixtureCase(t, "braintree").GetBody(),
		"salesforce_om": "unknown=" + fixtureCase(t, "salesforce_om").GetBody(),
		"google_push":   "update=",
	} {
		var got []string
		for _, s := range c.Samples(key) {
			got = append(got, s.Type+"="+string(s.Body))
		}
		if text := strings.Join(got, "\n"); text != want {
			t.Errorf("%s: got %s, want %s", key, text, want)
		}
	}
}
