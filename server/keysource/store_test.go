package keysource

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hookbridge/hookbridge/server/publickey"
)

// published is a provider's host.
type published struct {
	mu       sync.Mutex
	fetches  atomic.Int64
	body     string
	status   int
	header   http.Header
	delay    time.Duration
	err      error
	requests []*http.Request
}

func (p *published) RoundTrip(r *http.Request) (*http.Response, error) {
	p.fetches.Add(1)
	p.mu.Lock()
	p.requests = append(p.requests, r)
	body, status, header, delay, err := p.body, p.status, p.header, p.delay, p.err
	p.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func (p *published) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// set is a JSON Web Key Set with keys of these ids.
func set(t *testing.T, ids ...string) string {
	t.Helper()
	all := jose.JSONWebKeySet{}
	for _, id := range ids {
		public := ed25519.NewKeyFromSeed(bytes.Repeat([]byte(id[:1]), ed25519.SeedSize)).Public()
		all.Keys = append(all.Keys, jose.JSONWebKey{Key: public, KeyID: id, Algorithm: "EdDSA", Use: "sig"})
	}
	data, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var fixed = publickey.Origin{URL: "https://keys.example.com/jwks.json", Format: publickey.JWKS}

// bridge runs a test under a fake clock with a host and a store.
func bridge(t *testing.T, test func(t *testing.T, p *published, s *Store)) {
	synctest.Test(t, func(t *testing.T) {
		p := &published{body: set(t, "a"), status: http.StatusOK, header: http.Header{}}
		s, err := New(Config{Transport: p, Registerer: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		test(t, p, s)
	})
}

// ask returns the ids that were found, or the sentinel of the error.
func ask(t *testing.T, s *Store, o publickey.Origin, id string) string {
	t.Helper()
	return askUntil(t, s, o, id, time.Minute)
}

func askUntil(t *testing.T, s *Store, o publickey.Origin, id string, patience time.Duration) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	keys, err := s.Keys(ctx, o, id)
	switch {
	case errors.Is(err, publickey.ErrUnknown):
		return "unknown"
	case errors.Is(err, publickey.ErrUnavailable):
		return "unavailable"
	case err != nil:
		t.Fatal(err)
	}
	var ids []string
	for _, k := range keys {
		ids = append(ids, k.ID)
	}
	return strings.Join(ids, " ")
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func expectFetches(t *testing.T, p *published, want int64) {
	t.Helper()
	synctest.Wait()
	if got := p.fetches.Load(); got != want {
		t.Errorf("%d fetches, want %d", got, want)
	}
}

func TestKeysAreFetchedOnceForAllWhoWait(t *testing.T) {
	bridge(t, func(t *testing.T, p *published, s *Store) {
		p.set(func() { p.delay, p.body = time.Second, set(t, "a", "b") })
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { expect(t, "a waiting delivery", ask(t, s, fixed, "b"), "b") })
		}
		wg.Wait()
		expect(t, "without an id", ask(t, s, fixed, ""), "a b")
		expectFetches(t, p, 1)
		if got := testutil.ToFloat64(s.fetches.WithLabelValues("keys.example.com", "ok")); got != 1 {
			t.Errorf("%v fetches counted, want 1", got)
		}
	})
}

// A flood of forged deliveries, each with another key id, makes at most one fetch a minute. Which of them is unknown is only said to who asked
// before it: the provider may have published the others since.
func TestUnknownKeyIDsAreFetchedForOnceAMinute(t *testing.T) {
	bridge(t, func(t *testing.T, p *published, s *Store) {
		for minute := range int64(5) {
			expect(t, "a random id", ask(t, s, fixed, fmt.Sprintf("random-%d", minute)), "unknown")
			time.Sleep(time.Second)
			for n := range 10_000 {
				expect(t, "another random id", ask(t, s, fixed, fmt.Sprintf("random-%d-%d", minute, n)), "unavailable")
			}
			expect(t, "a known id beside them", ask(t, s, fixed, "a"), "a")
			expectFetches(t, p, minute+1)
			time.Sleep(refetch)
		}
		p.set(func() { p.body = set(t, "a", "b") })
		expect(t, "an id that came since", ask(t, s, fixed, "b"), "b")
		expectFetches(t, p, 6)
	})
}

// A provider that gives its keys no ids may publish another one; whoever finds no match asks for that, at most once a minute. Who came after the
// last fetch is told that there may be others.
func TestKeysAreRenewedOnceAMinute(t *testing.T) {
	bridge(t, func(t *testing.T, p *published, s *Store) {
		renewed := func(what, want string) {
			t.Helper()
			keys, err := s.Renewed(t.Context(), fixed, time.Now())
			got := ""
			for _, k := range keys {
				got += k.ID
			}
			if err != nil {
				got += ", " + err.Error()
			}
			expect(t, what, got, want)
		}
		renewed("before anything", ", public key unavailable: keys.example.com was not asked before")
		expect(t, "first", ask(t, s, fixed, ""), "a")
		renewed("who came before that", "a")
		time.Sleep(time.Second)
		p.set(func() { p.body = set(t, "b") })
		for range 10_000 {
			renewed("a second later", "a, public key unavailable: keys.example.com, which was asked less than a minute ago, had not published it then")
		}
		expectFetches(t, p, 1)
		time.Sleep(refetch)
		renewed("a minute later", "b")
		renewed("and again", "b")
		expectFetches(t, p, 2)
		time.Sleep(refetch)
		p.set(func() { p.status = http.StatusBadGateway })
		renewed("while the host is down", "b, public key unavailable: keys.example.com could not be asked")
		renewed("and again while it is down", "b, public key unavailable: keys.example.com could not be asked")
		expectFetches(t, p, 3)
	})
}

func TestExpiredKeysAreServedWhileTheyAreFetchedAnew(t *testing.T) {
	bridge(t, func(t *testing.T, p *published, s *Store) {
		p.set(func() { p.header = http.Header{"Cache-Control": {"public, max-age=600"}} })
		expect(t, "first", ask(t, s, fixed, "a"), "a")
		time.Sleep(9 * time.Minute * 9 / 10)
		expect(t, "fresh", ask(t, s, fixed, "a"), "a")
		expectFetches(t, p, 1)
		time.Sleep(2 * time.Minute)
		p.set(func() { p.delay, p.body = 5*time.Second, set(t, "a", "b") })
		expect(t, "expired, without a wait", askUntil(t, s, fixed, "a", time.Millisecond), "a")
		expectFetches(t, p, 2)
		time.Sleep(6 * time.Second)
		expect(t, "the new one, without a fetch", askUntil(t, s, fixed, "b", time.Millisecond), "b")
		expectFetches(t, p, 2)
	})
}

func TestExpiredKeysAreNotServedForEver(t *testing.T) {
	bridge(t, func(t *testing.T, p *published, s *Store) {
		expect(t, "first", ask(t, s, fixed, "a"), "a")
		p.set(func() { p.status = http.StatusInternalServerError })
		time.Sleep(24 * time.Hour)
		expect(t, "stale", ask(t, s, fixed, "a"), "a")
		time.Sleep(time.Hour + time.Minute)
		expect(t, "too stale", ask(t, s, fixed, "a"), "unavailable")
		if got := testutil.ToFloat64(s.fetches.WithLabelValues("keys.example.com", "status")); got != 2 {
			t.Errorf("%v failed fetches counted, want 2", got)
		}
	})
}

func TestFailuresAreRetriedWithPausesThatGrow(t *testing.T) {
	bridge(t, func(t *testing.T, p *published, s *Store) {
		p.set(func() { p.err = errors.New("connection refused") })
		// Asked ten times a second for ten minutes.
		for range 6000 {
			expect(t, "while the host is down", ask(t, s, fixed, "a"), "unavailable")
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if got := p.fetches.Load(); got < 12 || got > 30 {
			t.Errorf("%d fetches in ten minutes, want from 12 to 30", got)
		}
		p.set(func() { p.err = nil })
		time.Sleep(maxRetry)
		expect(t, "when it is back", ask(t, s, fixed, "a"), "a")
	})
}

func TestNobodyWaitsLongerThanItsDeadline(t *testing.T) {
	bridge(t, func(t *testing.T, p *published, s *Store) {
		p.set(func() { p.delay = 5 * time.Second })
		started := time.Now()
		expect(t, "with a deadline of two seconds", askUntil(t, s, fixed, "a", 2*time.Second), "unavailable")
		if took := time.Since(started); took != 2*time.Second {
			t.Errorf("waited %v", took)
		}
		expect(t, "the fetch went on", ask(t, s, fixed, "a"), "a")
		if took := time.Since(started); took != 5*time.Second {
			t.Errorf("the second answer came after %v", took)
		}
		expectFetches(t, p, 1)
		p.set(func() { p.delay = time.Hour })
		started = time.Now()
		expect(t, "a host that never answers", ask(t, s, publickey.Origin{URL: "https://slow.example.com/", Format: publickey.JWKS}, "a"), "unavailable")
		if took := time.Since(started); took != fetchTimeout {
			t.Errorf("waited %v", took)
		}
		if got := testutil.ToFloat64(s.fetches.WithLabelValues("slow.example.com", "timeout")); got != 1 {
			t.Errorf("%v timeouts counted, want 1", got)
		}
	})
}

func TestReloadFetchesAnewAndForgets(t *testing.T) {
	bridge(t, func(t *testing.T, p *published, s *Store) {
		other := publickey.Origin{URL: "https://other.example.com/", Format: publickey.JWKS}
		s.Use([]publickey.Origin{fixed, other})
		expectFetches(t, p, 2)
		expect(t, "fetched at the start", askUntil(t, s, fixed, "a", time.Millisecond), "a")
		p.set(func() { p.delay, p.body = time.Second, set(t, "b") })
		s.Use([]publickey.Origin{fixed})
		expect(t, "the old one until the new ones are there", askUntil(t, s, fixed, "a", time.Millisecond), "a")
		time.Sleep(2 * time.Second)
		expect(t, "the new one", askUntil(t, s, fixed, "b", time.Millisecond), "b")
		expect(t, "one that was withdrawn", ask(t, s, fixed, "a"), "unavailable")
		expectFetches(t, p, 3)
		if len(s.documents) != 1 {
			t.Errorf("%d documents are remembered, want 1", len(s.documents))
		}
	})
}

// What is adopted is fetched if it is new, and not otherwise; what isn't among it is forgotten.
func TestAdoptFetchesWhatIsNew(t *testing.T) {
	bridge(t, func(t *testing.T, p *published, s *Store) {
		other := publickey.Origin{URL: "https://other.example.com/", Format: publickey.JWKS}
		s.Use([]publickey.Origin{fixed})
		expectFetches(t, p, 1)
		s.Adopt([]publickey.Origin{fixed})
		expectFetches(t, p, 1)
		s.Adopt([]publickey.Origin{fixed, other})
		expectFetches(t, p, 2)
		s.Adopt([]publickey.Origin{other})
		expectFetches(t, p, 2)
		if len(s.documents) != 1 || s.documents[identity(other)] == nil {
			t.Errorf("%d documents are remembered, want that of the other", len(s.documents))
		}
	})
}

// The part of an origin that a delivery chose costs no more than one fetch a minute, and what is remembered of it is bounded.
func TestScopesAreBounded(t *testing.T) {
	bridge(t, func(t *testing.T, p *published, s *Store) {
		part := func(n int) publickey.Origin {
			return publickey.Origin{URL: fmt.Sprintf("https://keys.example.com/%d", n), Format: publickey.JWKS, Scope: "source"}
		}
		expect(t, "the first", ask(t, s, part(0), "a"), "a")
		for n := range 10_000 {
			expect(t, "another", ask(t, s, part(n+1), "a"), "unavailable")
		}
		expect(t, "the first, among the flood", ask(t, s, part(0), "a"), "a")
		expect(t, "another scope", ask(t, s, publickey.Origin{URL: "https://keys.example.com/x", Format: publickey.JWKS, Scope: "other"}, "a"), "a")
		expectFetches(t, p, 2)
		p.set(func() { p.status = http.StatusNotFound })
		time.Sleep(refetch)
		expect(t, "one that isn't there", ask(t, s, part(1), "a"), "unavailable")
		if len(s.documents) != 2 {
			t.Errorf("%d documents are remembered, want 2", len(s.documents))
		}
		p.set(func() { p.status = http.StatusOK })
		for n := range 100 {
			time.Sleep(refetch)
			expect(t, "one a minute", ask(t, s, part(n), "a"), "a")
		}
		if len(s.documents) != maxScoped+1 {
			t.Errorf("%d documents are remembered, want %d", len(s.documents), maxScoped+1)
		}
	})
}

func TestCloseEndsFetches(t *testing.T) {
	bridge(t, func(t *testing.T, p *published, s *Store) {
		p.set(func() { p.delay = time.Hour })
		started := time.Now()
		time.AfterFunc(time.Second, s.Close)
		expect(t, "a delivery that waits", ask(t, s, fixed, "a"), "unavailable")
		if took := time.Since(started); took != time.Second {
			t.Errorf("waited %v after Close", took)
		}
		s.Use([]publickey.Origin{fixed})
		expect(t, "afterwards", ask(t, s, fixed, "a"), "unavailable")
		expectFetches(t, p, 1)
	})
}
