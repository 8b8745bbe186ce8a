package auth

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/hookbridge/hookbridge/server/fault"
)

// session is who makes a call, for as long as it lasts.
type session struct {
	a          *Authenticator
	credential credential
	// seen is the table under which the call was last found in order.
	seen      atomic.Pointer[table]
	principal atomic.Pointer[Principal]

	mu     sync.Mutex
	guards []func(*Principal) error
	// ended is why the call may not go on; once set it stays.
	ended error
}

type sessionKey struct{}

// begin finds out who calls.
func (a *Authenticator) begin(ctx context.Context, c credential) (context.Context, *session, error) {
	t := a.table.Load()
	p, why := t.find(c)
	if why == "" && c.kind == certificate && t.everybody == nil && a.now().After(c.expiry) {
		why = expiredCertificate
	}
	if why != "" {
		a.refuse(why)
		return nil, nil, unauthenticated(why)
	}
	s := &session{a: a, credential: c}
	s.seen.Store(t)
	s.principal.Store(p)
	return context.WithValue(ctx, sessionKey{}, s), s, nil
}

func sessionOf(ctx context.Context) *session {
	s, _ := ctx.Value(sessionKey{}).(*session)
	return s
}

// From returns who makes the call. In a context that didn't come through an Authenticator that is somebody without grants.
func From(ctx context.Context) *Principal {
	if s := sessionOf(ctx); s != nil {
		return s.principal.Load()
	}
	return &Principal{name: "nobody"}
}

// Keep holds a stream to a condition for the rest of its call: it is asked now, and again with every change of the principals.
// When it returns an error, which should be a PermissionDenied, the stream ends with that. It is called from several goroutines and
// must not send.
func Keep(ctx context.Context, guard func(*Principal) error) error {
	s := sessionOf(ctx)
	if s == nil {
		return guard(From(ctx))
	}
	s.mu.Lock()
	s.guards = append(s.guards, guard)
	s.mu.Unlock()
	return s.again()
}

// check is nil while the call may go on. It costs two loads unless something has changed.
func (s *session) check() error {
	if s.seen.Load() == s.a.table.Load() {
		return nil
	}
	return s.again()
}

// again looks whether the call may go on under the principals that are in force now.
func (s *session) again() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return s.ended
	}
	t := s.a.table.Load()
	changed := s.seen.Load() != t
	p, why := t.find(s.credential)
	if why != "" {
		s.ended = fault.Detail(fault.ErrUnauthenticated, "the credentials that the stream was opened with are not known any more")
		s.a.refuse(withdrawn)
		return s.ended
	}
	for _, guard := range s.guards {
		err := guard(p)
		if err == nil {
			continue
		}
		s.ended = err
		if changed {
			s.a.refuse(withdrawn)
		} else {
			s.a.refuse(missingGrant)
		}
		return err
	}
	s.principal.Store(p)
	s.seen.Store(t)
	return nil
}
