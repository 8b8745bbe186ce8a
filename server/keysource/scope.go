package keysource

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/hookbridge/hookbridge/server/publickey"
)

const (
	// atOnce and pace bound the fetches of a scope's parts: that many may follow each other, and then there is one for each pace.
	atOnce = 12
	pace   = 5 * time.Second
	// maxWaiting bounds the networks of a scope that wait for a fetch, waitFor is for how long they do.
	maxWaiting = 1024
	waitFor    = 10 * time.Minute
)

// scope shares out the fetches of the parts that deliveries choose, of which strangers can make up as many as they like. Nothing tells a part that
// is made up from a key that the provider has just published, until it is asked; so fetches are shared out between the networks that deliveries
// come from, which are harder to make up:
//
//   - a network gets one fetch a minute, a part that could not be fetched none for a minute;
//   - all networks together get atOnce, and one more every pace: 12 a minute;
//   - while there is more than one left, who asks gets it. The last one goes by lot to one of the networks that have asked in vain within ten
//     minutes, whether or not its deliveries ask again at that moment.
//
// So a key that the provider has published is fetched for the first delivery under it, as long as strangers send from fewer than 12 networks. From n
// networks it takes them n/12 minutes on average, however much they send. The limit of that: from more than maxWaiting networks at once the key may
// lose its place among those that wait, and then it is a matter of luck; and behind a proxy that isn't in http.trusted_proxies all senders are one
// network, so that it is from the start. Keys that were fetched before are not affected by any of it.
type scope struct {
	limit *rate.Limiter
	// served is when a fetch was last made for a network, refused when a part could last not be fetched, for a minute each.
	served, refused map[string]time.Time
	waiting         []candidate
}

// candidate is a part that a network's deliveries asked for in vain, the first one.
type candidate struct {
	network string
	origin  publickey.Origin
	since   time.Time
}

// scopeOf returns the scope of a name.
func (s *Store) scopeOf(name string) *scope {
	sc, ok := s.scopes[name]
	if !ok {
		sc = &scope{limit: rate.NewLimiter(rate.Every(pace), atOnce), served: map[string]time.Time{}, refused: map[string]time.Time{}}
		s.scopes[name] = sc
	}
	return sc
}

// admit says whether a part that isn't known may be fetched now. Otherwise it may have begun the fetch of another one, whose turn it was.
func (s *Store) admit(o publickey.Origin, now time.Time) error {
	sc, own := s.scopeOf(o.Scope), candidate{networkOf(o.Peer), o, now}
	if at, ok := sc.refused[identity(o)]; ok && now.Sub(at) < refetch {
		return fmt.Errorf("%w: it could not be fetched from %s less than a minute ago", publickey.ErrUnavailable, host(o.URL))
	}
	if !sc.mayAsk(own.network, now) {
		return fmt.Errorf("%w: another key of %s was asked for less than a minute ago", publickey.ErrUnavailable, host(o.URL))
	}
	if sc.limit.TokensAt(now) < 2 {
		sc.wait(own)
		drawn, ok := candidate{}, sc.limit.TokensAt(now) >= 1
		if ok {
			drawn, ok = s.draw(sc, now)
		}
		if ok && drawn.network != own.network {
			sc.spend(drawn.network, now)
			d := &document{origin: drawn.origin, used: now}
			s.documents[identity(drawn.origin)] = d
			s.start(d)
		}
		if !ok || drawn.network != own.network {
			return fmt.Errorf("%w: too many keys of %s are asked for; this one waits for its turn", publickey.ErrUnavailable, host(o.URL))
		}
	}
	sc.spend(own.network, now)
	return nil
}

// mayAsk reports whether a network has not had its fetch of the minute.
func (sc *scope) mayAsk(network string, now time.Time) bool {
	at, ok := sc.served[network]
	return !ok || now.Sub(at) >= refetch
}

// spend takes a fetch for a network, which waits no longer.
func (sc *scope) spend(network string, now time.Time) {
	sc.limit.AllowN(now, 1)
	sc.waiting = slices.DeleteFunc(sc.waiting, func(c candidate) bool { return c.network == network })
	note(sc.served, network, now)
}

// note remembers a moment, and forgets those that are a minute ago: there are never more than fetches in a minute.
func note(moments map[string]time.Time, what string, now time.Time) {
	for key, at := range moments {
		if now.Sub(at) >= refetch {
			delete(moments, key)
		}
	}
	moments[what] = now
}

// wait has a network wait with what it asked for first. Where there are too many, it takes a random one's place.
func (sc *scope) wait(c candidate) {
	switch {
	case slices.ContainsFunc(sc.waiting, func(w candidate) bool { return w.network == c.network }):
	case len(sc.waiting) < maxWaiting:
		sc.waiting = append(sc.waiting, c)
	default:
		sc.waiting[rand.IntN(maxWaiting)] = c
	}
}

// draw takes one of those who wait by lot. Who has waited too long, or for what is known meanwhile, waits no longer.
func (s *Store) draw(sc *scope, now time.Time) (candidate, bool) {
	sc.waiting = slices.DeleteFunc(sc.waiting, func(c candidate) bool {
		_, known := s.documents[identity(c.origin)]
		at, refused := sc.refused[identity(c.origin)]
		return known || refused && now.Sub(at) < refetch || now.Sub(c.since) >= waitFor
	})
	if len(sc.waiting) == 0 {
		return candidate{}, false
	}
	return sc.waiting[rand.IntN(len(sc.waiting))], true
}

// networkOf is what is taken for one sender: the first 24 bits of an IPv4 address, 48 of an IPv6 address. What is no address is one by itself.
func networkOf(peer string) string {
	addr, err := netip.ParseAddr(peer)
	if err != nil {
		return peer
	}
	bits := 48
	if addr = addr.Unmap().WithZone(""); addr.Is4() {
		bits = 24
	}
	network, err := addr.Prefix(bits)
	if err != nil {
		return peer
	}
	return network.String()
}
