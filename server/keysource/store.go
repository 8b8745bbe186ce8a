// Package keysource fetches the public keys that providers publish, and keeps them.
//
//	store, err := keysource.New(keysource.Config{Registerer: registry, Logger: log})
//	store.Use(origins)                                  // at the start and at every reload: fetches them in the background
//	keys, err := store.Keys(ctx, origin, "key-1")       // for one delivery
//	store.Close()
//
// Guarantees:
//
//   - Fetches go to the origin's URL by https and nowhere else: redirects are not followed, no environment's proxy is asked, and no
//     connection is made to an address that isn't public.
//   - A caller waits no longer than its context says, and only where there is no key to go on with: what has expired is served for up to a day
//     while it is fetched anew.
//   - Of one document at most one fetch is running. An unknown key id makes it fetched anew at most once a minute, whatever the number of ids
//     that are asked for.
//   - Of the parts of an origin that deliveries choose, at most 12 and then 12 a minute are fetched for a scope, of which a network that deliveries
//     come from gets one a minute. Strangers who make parts up can't keep a key of the provider's from being fetched: see scope.
//   - An answer has at most 1 MiB and takes at most 8 seconds. What is remembered is bounded: the fixed origins, and of each scope 16 documents
//     and 1,024 networks that wait.
//   - No key is said to be unknown that its provider may have published since it was last asked: ErrUnknown needs a fetch that began after the call.
//     Where the minute doesn't allow one yet it is ErrUnavailable.
//   - All goroutines end with Close.
//
// What can't be assumed: that a key which a provider has withdrawn is refused at once. It is when the document expires, which is after 5 minutes to 24
// hours as its Cache-Control says, or after a reload. While strangers flood a scope with keys that don't exist from n networks, n above 12, one of
// its keys that hasn't been fetched yet waits for n/12 minutes on average, and its deliveries are refused with ErrUnavailable; keys that were
// fetched are not affected.
package keysource

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookbridge/hookbridge/server/publickey"
)

const (
	// refetch is how often a document is fetched for a key id that it doesn't hold, and a scope's next part for one network.
	refetch = time.Minute
	// maxStale is for how long a document is served that has expired and could not be fetched anew.
	maxStale = 24 * time.Hour
	// minRetry and maxRetry are the pauses after a fetch that failed; each failure doubles it.
	minRetry = 2 * time.Second
	maxRetry = time.Minute
	// maxScoped bounds the documents that are remembered of one scope.
	maxScoped = 16
)

// Config is what a Store needs.
type Config struct {
	Registerer prometheus.Registerer
	Logger     *slog.Logger
	// Now is the clock; nil for the real one.
	Now func() time.Time
	// Transport takes the place of the network; for tests. Which addresses are connected to is then its own business.
	Transport http.RoundTripper
}

// Store has the documents. It is safe for concurrent use.
type Store struct {
	cfg     Config
	client  *http.Client
	fetches *prometheus.CounterVec

	// ctx ends all fetches.
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	documents map[string]*document
	scopes    map[string]*scope
}

// document is what one origin published.
type document struct {
	origin publickey.Origin
	keys   []publickey.Key
	// expires is until when keys are fresh; used is when they were last asked for.
	expires, used time.Time
	// asked is when the last fetch began, attempted is when it ended; failures counts those in a row that failed, retry is when the next may begin
	// after those.
	asked, attempted, retry time.Time
	failures                int
	// running is closed when the fetch that is running ends; nil where none is.
	running chan struct{}
}

// New returns an empty store. It must be closed.
func New(cfg Config) (*Store, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		cfg: cfg, client: newClient(cfg.Transport), documents: map[string]*document{}, scopes: map[string]*scope{},
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hookbridge_key_fetches_total",
			Help: "Fetches of what providers publish, by host and outcome (ok, status, refused, timeout, too_large, unfit, error).",
		}, []string{"host", "outcome"}),
	}
	if cfg.Registerer != nil {
		if err := cfg.Registerer.Register(s.fetches); err != nil {
			return nil, err
		}
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Close ends all fetches and waits for them. Keys then returns ErrUnavailable.
func (s *Store) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
	s.client.CloseIdleConnections()
}

// Use makes these the fixed origins and fetches each of them anew, in the background; so is everything else when it is next asked for. Until then
// the keys that are known go on being served. Other fixed origins are forgotten.
func (s *Store) Use(origins []publickey.Origin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.scopes)
	now := s.cfg.Now()
	for _, d := range s.documents {
		d.retry, d.attempted = time.Time{}, time.Time{}
		if d.expires.After(now) {
			d.expires = now
		}
	}
	for _, d := range s.adopt(origins) {
		if d.running == nil {
			s.start(d)
		}
	}
}

// Adopt makes these the fixed origins, fetches those that were none before, in the background, and leaves the others as they are. Other
// fixed origins are forgotten.
func (s *Store) Adopt(origins []publickey.Origin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.adopt(origins) {
		if d.running == nil && d.attempted.IsZero() {
			s.start(d)
		}
	}
}

// adopt returns the documents of the fixed origins, new ones among them, and forgets the other fixed ones. The caller holds mu.
func (s *Store) adopt(origins []publickey.Origin) []*document {
	wanted := map[string]bool{}
	fixed := make([]*document, len(origins))
	for n, o := range origins {
		id := identity(o)
		wanted[id] = true
		d, ok := s.documents[id]
		if !ok {
			d = &document{origin: o, used: s.cfg.Now()}
			s.documents[id] = d
		}
		fixed[n] = d
	}
	for id, d := range s.documents {
		if d.origin.Scope == "" && !wanted[id] {
			delete(s.documents, id)
		}
	}
	return fixed
}

// Keys returns the keys of an id that an origin publishes, those without an id among them; for the empty id all. Errors: ErrUnknown, ErrUnavailable.
func (s *Store) Keys(ctx context.Context, o publickey.Origin, id string) ([]publickey.Key, error) {
	since := s.cfg.Now()
	for {
		keys, wait, err := s.look(o, id, since)
		if wait == nil {
			return keys, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %s didn't answer in time", publickey.ErrUnavailable, host(o.URL))
		}
	}
}

// look answers from what is known to who asks since then. Where that needs a fetch it starts one, and returns what is closed when it ends.
func (s *Store) look(o publickey.Origin, id string, since time.Time) (keys []publickey.Key, wait <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, fmt.Errorf("%w: the bridge is shutting down", publickey.ErrUnavailable)
	}
	now := s.cfg.Now()
	d, ok := s.documents[identity(o)]
	if !ok {
		if d, err = s.add(o, now); err != nil {
			return nil, nil, err
		}
	}
	d.used = now
	if len(d.keys) > 0 && now.Before(d.expires.Add(maxStale)) {
		if found := ofID(d.keys, id); len(found) > 0 {
			if !now.Before(d.expires) && d.running == nil && !now.Before(d.retry) {
				s.start(d)
			}
			return found, nil, nil
		}
		if d.running == nil && now.Sub(d.attempted) < refetch {
			if d.failures > 0 {
				return nil, nil, s.failed(d)
			}
			return nil, nil, s.unknown(d, since)
		}
	}
	if d.running == nil {
		if now.Before(d.retry) {
			return nil, nil, s.failed(d)
		}
		s.start(d)
	}
	return nil, d.running, nil
}

// unknown is the error of who asks since then for a key that isn't among those of a document.
func (s *Store) unknown(d *document, since time.Time) error {
	if d.asked.Before(since) {
		return fmt.Errorf("%w: %s, which was asked less than a minute ago, had not published it then", publickey.ErrUnavailable, host(d.origin.URL))
	}
	return fmt.Errorf("%w: %s doesn't publish it", publickey.ErrUnknown, host(d.origin.URL))
}

func (s *Store) failed(d *document) error {
	return fmt.Errorf("%w: %s could not be asked", publickey.ErrUnavailable, host(d.origin.URL))
}

// add makes a document that isn't known.
func (s *Store) add(o publickey.Origin, now time.Time) (*document, error) {
	if o.Scope != "" {
		if err := s.admit(o, now); err != nil {
			return nil, err
		}
	}
	d := &document{origin: o}
	s.documents[identity(o)] = d
	return d, nil
}

// evict makes room for a document of a scope that has just got its keys: it forgets the one that was longest not asked for, where there are too
// many. What is still being fetched doesn't count: it may be nothing, and there are no more of those than fetches.
func (s *Store) evict(scope string) {
	oldest, n := "", 0
	for id, d := range s.documents {
		if d.origin.Scope != scope || len(d.keys) == 0 {
			continue
		}
		n++
		if oldest == "" || d.used.Before(s.documents[oldest].used) {
			oldest = id
		}
	}
	if n >= maxScoped {
		delete(s.documents, oldest)
	}
}

// start begins a fetch. The caller holds the lock and has seen that none is running.
func (s *Store) start(d *document) {
	done := make(chan struct{})
	d.running, d.asked = done, s.cfg.Now()
	if s.closed {
		close(done)
		d.running = nil
		return
	}
	s.wg.Go(func() {
		keys, life, err := s.fetch(d.origin)
		s.mu.Lock()
		defer s.mu.Unlock()
		d.running = nil
		close(done)
		now := s.cfg.Now()
		d.attempted = now
		if err == nil {
			if d.origin.Scope != "" && len(d.keys) == 0 {
				s.evict(d.origin.Scope)
			}
			// Not all bridges ask at once.
			d.keys, d.expires = keys, now.Add(life-rand.N(life/10))
			d.failures, d.retry = 0, time.Time{}
			return
		}
		pause := min(minRetry<<min(d.failures, 5), maxRetry)
		d.failures++
		d.retry = now.Add(pause/2 + rand.N(pause/2))
		if d.origin.Scope != "" && len(d.keys) == 0 {
			delete(s.documents, identity(d.origin))
			note(s.scopeOf(d.origin.Scope).refused, identity(d.origin), now)
		}
		if !errors.Is(err, context.Canceled) {
			s.cfg.Logger.Warn("a provider's keys could not be fetched", "host", host(d.origin.URL), "error", err, "known_keys", len(d.keys))
		}
	})
}

// identity tells documents apart.
func identity(o publickey.Origin) string {
	if o.Body == nil {
		return fmt.Sprintf("%s %s", o.Format, o.URL)
	}
	return fmt.Sprintf("%s %s %x", o.Format, o.URL, sha256.Sum256(o.Body))
}

// ofID returns the keys that a signature of this key id can have been made with.
func ofID(keys []publickey.Key, id string) []publickey.Key {
	if id == "" {
		return keys
	}
	return slices.DeleteFunc(slices.Clone(keys), func(k publickey.Key) bool { return k.ID != id && k.ID != "" })
}
