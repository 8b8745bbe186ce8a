package subscription

import (
	"context"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/auth"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
)

// What a method asks of its caller as a whole, auth's interceptors have seen to. Here is what hangs on the events: which of them a
// filter lets pass, and which one somebody asked for.

// granted compiles a filter, narrowed to what the caller may see.
func (m *Manager) granted(ctx context.Context, f *hookbridgev1.Filter) (*filter, error) {
	narrow, err := auth.From(ctx).Narrow(f)
	if err != nil {
		return nil, err
	}
	return m.filters.filter(narrow)
}

// visible returns an event if the caller may see it. If not, it is as if there were none.
func visible(ctx context.Context, ev *journal.Stored) (*journal.Stored, error) {
	if !auth.From(ctx).MayRead(ev.Source, ev.Type) {
		return nil, fault.ErrEventNotFound
	}
	return ev, nil
}

// readable says why a stream may not be sent an event, nil where it may. Its filter is no answer to that: what was outstanding under
// another filter of the subscription is sent again under this one.
func readable(ctx context.Context, ev *journal.Stored) error {
	p := auth.From(ctx)
	if p.MayRead(ev.Source, ev.Type) {
		return nil
	}
	if err := p.Covers(&hookbridgev1.Filter{Sources: []string{ev.Source}, Types: []string{ev.Type}}); err != nil {
		return err
	}
	return fault.ErrPermissionDenied
}

// keep ends a stream when its caller may not use the subscription any more, or not see everything that its filter lets pass: events
// of one subscription go to all its members, so each of them has to be allowed to have any. It is asked once now, when the member
// has joined and its filter stays.
func (s *subscription) keep(ctx context.Context) error {
	return auth.Keep(ctx, func(p *auth.Principal) error {
		if !s.ephemeral {
			if err := p.MayUse(s.name); err != nil {
				return err
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return p.Covers(s.filter.proto())
	})
}
