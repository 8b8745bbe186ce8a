package keysource

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/hookbridge/server/publickey"
)

// certificateHost publishes one key and nothing else.
type certificateHost struct {
	*published
	real string
}

func (h certificateHost) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := h.published.RoundTrip(r)
	if err == nil && r.URL.String() != h.real {
		answer.StatusCode = http.StatusNotFound
	}
	return answer, err
}

const realKey = "https://keys.example.com/real"

// flooded runs a test under a fake clock with a store and a host that publishes realKey, and nothing under any other path.
func flooded(t *testing.T, test func(t *testing.T, p *published, s *Store)) {
	synctest.Test(t, func(t *testing.T) {
		p := &published{body: set(t, "a"), status: http.StatusOK, header: http.Header{}}
		s, err := New(Config{Transport: certificateHost{p, realKey}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		test(t, p, s)
	})
}

func genuine(peer string) publickey.Origin {
	return publickey.Origin{URL: realKey, Format: publickey.JWKS, Scope: "source", Peer: peer}
}

// stranger asks for a path that doesn't exist and was never asked for.
func stranger(n int, peer string) publickey.Origin {
	return publickey.Origin{URL: fmt.Sprintf("https://keys.example.com/made-up/%d", n), Format: publickey.JWKS, Scope: "source", Peer: peer}
}

// Who makes up paths as fast as possible uses up its own network's fetches, and nobody else's.
func TestStrangersUseUpTheirOwnFetches(t *testing.T) {
	flooded(t, func(t *testing.T, p *published, s *Store) {
		n := 0
		flood := func(times int) {
			for range times {
				n++
				expect(t, "what is made up", ask(t, s, stranger(n, fmt.Sprintf("192.0.2.%d", n%256)), ""), "unavailable")
			}
		}
		flood(10_000)
		expectFetches(t, p, 1)
		for minute := range int64(10) {
			time.Sleep(refetch)
			flood(1000)
			expectFetches(t, p, minute+2)
		}
		expect(t, "the provider's key, from elsewhere", ask(t, s, genuine("198.51.100.1"), ""), "a")
		expectFetches(t, p, 12)
		flood(1000)
		expect(t, "and from then on from anywhere", ask(t, s, genuine("192.0.2.1"), ""), "a")
		expectFetches(t, p, 12)
	})
}

// As long as strangers send from fewer than twelve networks, a key of the provider's is fetched for its first delivery, whenever it comes.
func TestAKeyIsFetchedAtOnceAmongElevenNetworks(t *testing.T) {
	for _, after := range []time.Duration{0, time.Second, 17 * time.Second, time.Minute, 5*time.Minute + 7*time.Second} {
		flooded(t, func(t *testing.T, p *published, s *Store) {
			n, began := 0, time.Now()
			for {
				for network := range 11 {
					for range 3 {
						n++
						ask(t, s, stranger(n, fmt.Sprintf("10.0.%d.7", network)), "")
					}
				}
				if time.Since(began) >= after {
					break
				}
				time.Sleep(time.Second)
			}
			expect(t, fmt.Sprintf("the first delivery under a key, %v later", after), ask(t, s, genuine("198.51.100.1"), ""), "a")
		})
	}
}

// However many networks strangers have, fetches are bounded; and the provider's key has its turn, also where its delivery never asks at the right
// moment, and however often the strangers do.
func TestAKeyHasItsTurnAmongAnyNumberOfNetworks(t *testing.T) {
	flooded(t, func(t *testing.T, p *published, s *Store) {
		n, began, turn := 0, time.Now(), time.Duration(0)
		flood := func() {
			for network := range 100 {
				n++
				ask(t, s, stranger(n, fmt.Sprintf("2001:db8:%x::%x", network, n)), "")
			}
		}
		flood()
		for turn == 0 {
			// The strangers are there first whenever there is a fetch; the provider sends again every five minutes.
			for range 60 {
				flood()
				time.Sleep(pace)
			}
			if ask(t, s, genuine("198.51.100.1"), "") == "a" {
				turn = time.Since(began)
			}
			if took := time.Since(began); took > 6*time.Hour {
				t.Fatalf("it had no turn in %v", took)
			}
		}
		if got, most := p.fetches.Load(), int64(atOnce+turn/pace+1); got > most || got < most/2 {
			t.Errorf("%d fetches in %v, want at most %d and not much less", got, turn, most)
		}
	})
}

// Who has asked in vain is fetched for when it is drawn, without asking again.
func TestWhoWaitedFindsItsKeyLater(t *testing.T) {
	flooded(t, func(t *testing.T, p *published, s *Store) {
		for n := range atOnce {
			expect(t, "what is made up", ask(t, s, stranger(n, fmt.Sprintf("10.0.%d.1", n)), ""), "unavailable")
		}
		expect(t, "the provider's key, when all fetches are used up", ask(t, s, genuine("198.51.100.1"), ""), "unavailable")
		expectFetches(t, p, atOnce)
		const rounds = 100
		for n := range rounds {
			time.Sleep(pace)
			ask(t, s, stranger(1000+n, fmt.Sprintf("10.1.%d.1", n)), "")
			expectFetches(t, p, int64(atOnce+n+1))
		}
		expect(t, "the provider's key, without a fetch", askUntil(t, s, genuine("198.51.100.1"), "", time.Millisecond), "a")
		expectFetches(t, p, atOnce+rounds)
	})
}

// A path that doesn't exist is asked for once a minute, whoever names it.
func TestAPathThatDoesNotExistIsRemembered(t *testing.T) {
	flooded(t, func(t *testing.T, p *published, s *Store) {
		for minute := range int64(5) {
			for n := range 8 {
				expect(t, "the same path", ask(t, s, stranger(1, fmt.Sprintf("10.0.%d.1", n)), ""), "unavailable")
			}
			expectFetches(t, p, minute+1)
			time.Sleep(refetch)
		}
	})
}

// What is remembered of strangers is bounded.
func TestWhatIsRememberedOfStrangersIsBounded(t *testing.T) {
	flooded(t, func(t *testing.T, p *published, s *Store) {
		expect(t, "the provider's key", ask(t, s, genuine("198.51.100.1"), ""), "a")
		for n := range 10_000 {
			ask(t, s, stranger(n, fmt.Sprintf("10.%d.%d.1", n/256%256, n%256)), "")
			if n%1000 == 0 {
				time.Sleep(pace)
			}
		}
		sc := s.scopes["source"]
		if len(sc.waiting) > maxWaiting || len(sc.served) > 2*atOnce || len(sc.refused) > 2*atOnce || len(s.documents) > 1 {
			t.Errorf("%d wait, %d were served, %d refused, %d documents", len(sc.waiting), len(sc.served), len(sc.refused), len(s.documents))
		}
		expect(t, "the provider's key all the time", askUntil(t, s, genuine("198.51.100.1"), "", time.Millisecond), "a")
	})
}

func TestNetworkOf(t *testing.T) {
	for peer, want := range map[string]string{
		"192.0.2.77": "192.0.2.0/24", "::ffff:192.0.2.77": "192.0.2.0/24", "2001:db8:1:2::3": "2001:db8:1::/48", "fe80::1%eth0": "fe80::/48",
		"": "", "@": "@", "192.0.2.1:443": "192.0.2.1:443",
	} {
		if got := networkOf(peer); got != want {
			t.Errorf("%q: got %q, want %q", peer, got, want)
		}
	}
	if strings.Contains(identity(genuine("192.0.2.1")), "192.0.2.1") {
		t.Error("whoever asks for a part, it is the same one")
	}
}
