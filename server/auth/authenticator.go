package auth

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookbridge/hookbridge/server/fault"
)

// Entry is a principal with what it authenticates by.
type Entry struct {
	Name string
	// Tokens are the digests of its tokens, several while one replaces another.
	Tokens []Digest
	// Certificates are SPIFFE ids ("spiffe://example.org/billing") and whole subjects ("CN=billing,O=Example") of its certificates.
	Certificates []string
	Grants       Grants
}

// Config is what an Authenticator needs.
type Config struct {
	// Entries are the principals; with none, everybody may do everything.
	Entries []Entry
	// Registerer is required.
	Registerer prometheus.Registerer
	// Now is the clock by which certificates expire; time.Now where it is nil.
	Now func() time.Time
}

// Authenticator knows the principals.
type Authenticator struct {
	table    atomic.Pointer[table]
	rules    map[string]rule
	refusals *prometheus.CounterVec
	now      func() time.Time
}

// New returns an Authenticator.
func New(cfg Config) (*Authenticator, error) {
	a := &Authenticator{rules: rules(), refusals: newRefusals(), now: cfg.Now}
	if a.now == nil {
		a.now = time.Now
	}
	t, err := newTable(cfg.Entries)
	if err != nil {
		return nil, err
	}
	a.table.Store(t)
	if err := cfg.Registerer.Register(a.refusals); err != nil {
		return nil, fmt.Errorf("metrics of authentication: %w", err)
	}
	return a, nil
}

// Required says whether callers have to authenticate.
func (a *Authenticator) Required() bool { return a.table.Load().everybody == nil }

// Replace takes over other principals. Calls that begin later see only those; streams that are open are looked at anew. After an
// error nothing has changed. Once callers have to authenticate they always do: to take all principals away is an error.
func (a *Authenticator) Replace(entries []Entry) error {
	next, err := newTable(entries)
	if err != nil {
		return err
	}
	if next.everybody != nil && a.Required() {
		return errors.New("the last principal can't be taken away while the bridge runs")
	}
	close(a.table.Swap(next).changed)
	return nil
}

// table is who is known at one time. It doesn't change; changed is closed when another is in force.
type table struct {
	// everybody is nil where callers have to authenticate.
	everybody    *Principal
	tokens       []known
	certificates map[string]*Principal
	changed      chan struct{}
}

type known struct {
	digest    Digest
	principal *Principal
}

func newTable(entries []Entry) (*table, error) {
	t := &table{certificates: map[string]*Principal{}, changed: make(chan struct{})}
	if len(entries) == 0 {
		t.everybody = &Principal{everything: true}
		return t, nil
	}
	names, digests := map[string]bool{}, map[Digest]string{}
	for _, e := range entries {
		if e.Name == "" || names[e.Name] {
			return nil, fmt.Errorf("principal %q: want a name of its own", e.Name)
		}
		names[e.Name] = true
		p := &Principal{name: e.Name, grants: e.Grants}
		for _, d := range e.Tokens {
			if other, taken := digests[d]; taken {
				return nil, fmt.Errorf("principal %q: has a token of principal %q", e.Name, other)
			}
			digests[d] = e.Name
			t.tokens = append(t.tokens, known{d, p})
		}
		for _, c := range e.Certificates {
			if c == "" {
				// A certificate without one has an empty SPIFFE id.
				return nil, fmt.Errorf("principal %q: certificates of %q name nobody", e.Name, c)
			}
			if other, taken := t.certificates[c]; taken {
				return nil, fmt.Errorf("principal %q: certificates of %q are those of principal %q", e.Name, c, other.Name())
			}
			t.certificates[c] = p
		}
	}
	return t, nil
}

// find returns whose credential it is, or why it is nobody's.
func (t *table) find(c credential) (*Principal, refusal) {
	if t.everybody != nil {
		return t.everybody, ""
	}
	switch c.kind {
	case token:
		// All of them, whichever it is: some nanoseconds each.
		var found *Principal
		for i := range t.tokens {
			if subtle.ConstantTimeCompare(t.tokens[i].digest[:], c.digest[:]) == 1 {
				found = t.tokens[i].principal
			}
		}
		if found == nil {
			return nil, unknownToken
		}
		return found, ""
	case certificate:
		if p := t.certificates[c.spiffe]; p != nil {
			return p, ""
		}
		if p := t.certificates[c.subject]; p != nil {
			return p, ""
		}
		return nil, unknownCertificate
	case malformed:
		return nil, malformedAuthorization
	default:
		return nil, missingCredential
	}
}

// unauthenticated is what a caller is told.
func unauthenticated(why refusal) error {
	switch why {
	case missingCredential:
		return fault.Detail(fault.ErrUnauthenticated, `no credentials were sent; want "authorization: Bearer hbt_..." or, where the listener has a client_ca, a client certificate`)
	case malformedAuthorization:
		return fault.Detail(fault.ErrUnauthenticated, `the authorization can't be read; want one value, "Bearer hbt_..." as hookbridge token new makes it`)
	case expiredCertificate:
		return fault.Detail(fault.ErrUnauthenticated, "the client certificate has expired")
	default:
		return fmt.Errorf("%w: %s", fault.ErrUnauthenticated, why)
	}
}
