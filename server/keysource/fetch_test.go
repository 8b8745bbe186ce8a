package keysource

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/publickey"
)

// What is refused of a host, and how it is counted.
func TestFetchRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, url, outcome, text string
		change                   func(p *published)
	}{
		{"a redirect", "", "status", "unexpected status 302, want 200", func(p *published) {
			p.status, p.header = http.StatusFound, http.Header{"Location": {"https://elsewhere.example.com/"}}
		}},
		{"an error", "", "status", "unexpected status 404, want 200", func(p *published) { p.status = http.StatusNotFound }},
		{"too much", "", "too_large", "the answer is larger than 1048576 bytes", func(p *published) { p.body = strings.Repeat(" ", maxAnswer+1) }},
		{"no keys", "", "unfit", "no usable public key: want a JSON Web Key Set", func(p *published) { p.body = "<html>" }},
		{"http", "http://keys.example.com/", "error", "want an https URL", nil},
		{"a password", "https://u:p@keys.example.com/", "error", "want an https URL", nil},
		{"no URL", "https://[", "error", "want an https URL", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bridge(t, func(t *testing.T, p *published, s *Store) {
				if tc.change != nil {
					p.set(func() { tc.change(p) })
				}
				o := fixed
				if tc.url != "" {
					o.URL = tc.url
				}
				_, _, err := s.fetch(o)
				if err == nil || err.Error() != tc.text {
					t.Errorf("got %v, want %s", err, tc.text)
				}
				if got := outcome(err); got != tc.outcome {
					t.Errorf("outcome %s, want %s", got, tc.outcome)
				}
				if n := p.fetches.Load(); n > 1 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

// What is POSTed reaches the host and nothing else.
func TestFetchPosts(t *testing.T) {
	bridge(t, func(t *testing.T, p *published, s *Store) {
		o := publickey.Origin{URL: fixed.URL, Format: publickey.JWKS, Body: []byte(`{"secret":"hunter2"}`), Scope: "s"}
		expect(t, "a key", ask(t, s, o, "a"), "a")
		r := p.requests[0]
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.ContentLength != int64(len(o.Body)) {
			t.Errorf("got %s %q with %d bytes", r.Method, r.Header.Get("Content-Type"), r.ContentLength)
		}
		for id := range s.documents {
			if strings.Contains(id, "hunter2") {
				t.Error("the document's identity has the credential in it")
			}
		}
	})
}

func TestLifeOf(t *testing.T) {
	for _, tc := range []struct {
		header []string
		want   time.Duration
	}{
		{nil, time.Hour},
		{[]string{"max-age=21600, must-revalidate"}, 6 * time.Hour},
		{[]string{"public", "MAX-AGE=7200"}, 2 * time.Hour},
		{[]string{"max-age=0"}, 5 * time.Minute},
		{[]string{"max-age=99999999"}, 24 * time.Hour},
		{[]string{"max-age=many"}, time.Hour},
		{[]string{"no-store"}, 5 * time.Minute},
	} {
		if got := lifeOf(http.Header{"Cache-Control": tc.header}); got != tc.want {
			t.Errorf("%q: got %v, want %v", tc.header, got, tc.want)
		}
	}
}

func TestPublicOnly(t *testing.T) {
	for address, public := range map[string]bool{
		"93.184.215.14:443": true, "[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:443": true, "[2001:4860:4860::8888]:443": true,
		"127.0.0.1:443": false, "[::1]:443": false, "10.1.2.3:443": false, "172.16.0.1:443": false, "192.168.1.1:443": false,
		"169.254.169.254:443": false, "100.64.0.1:443": false, "0.0.0.0:443": false, "224.0.0.1:443": false, "255.255.255.255:443": false,
		"198.18.0.1:443": false, "[fe80::1%eth0]:443": false, "[fd00::1]:443": false, "[::ffff:10.0.0.1]:443": false, "[::ffff:127.0.0.1]:443": false,
		"[64:ff9b::a00:1]:443": false, "[2002:a00:1::]:443": false, "[::]:443": false, "localhost:443": false, "": false,
	} {
		if err := publicOnly("tcp", address, nil); (err == nil) != public {
			t.Errorf("%q: got %v, want public %v", address, err, public)
		} else if err != nil && !errors.Is(err, errNotPublic) {
			t.Errorf("%q: got %v", address, err)
		}
	}
}

// The real network: a connection to this machine is refused, whatever listens there.
func TestPrivateAddressesAreRefused(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the request arrived")
	}))
	defer server.Close()
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	o := publickey.Origin{URL: server.URL, Format: publickey.JWKS}
	if _, _, err := s.fetch(o); outcome(err) != "refused" {
		t.Errorf("got %v", err)
	}
	if _, err := s.Keys(t.Context(), o, ""); !errors.Is(err, publickey.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if err := s.Visit(context.Background(), server.URL); !errors.Is(err, publickey.ErrUnavailable) || outcome(err) != "refused" {
		t.Errorf("got %v", err)
	}
}

func TestVisit(t *testing.T) {
	bridge(t, func(t *testing.T, p *published, s *Store) {
		if err := s.Visit(t.Context(), "https://keys.example.com/confirm?Token=1"); err != nil {
			t.Fatal(err)
		}
		if got := p.requests[0].URL.String(); got != "https://keys.example.com/confirm?Token=1" {
			t.Errorf("visited %s", got)
		}
		p.set(func() { p.status = http.StatusForbidden })
		err := s.Visit(t.Context(), "https://keys.example.com/confirm?Token=1")
		if want := "public key unavailable: keys.example.com: unexpected status 403, want 200"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
}
