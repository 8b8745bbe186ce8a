package subscription

import (
	"context"
	"log/slog"
	"time"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
)

// Service is the SubscriptionService of a Manager. What it changes is on disk when it answers. A call that ends in an error, or in none
// because its caller left, may have done what it was asked for all the same: the one after it finds out.
type Service struct {
	hookbridgev1.UnsafeSubscriptionServiceServer

	m *Manager
}

var _ hookbridgev1.SubscriptionServiceServer = (*Service)(nil)

// NewService returns the SubscriptionService of a Manager. It serves while the Manager runs.
func NewService(m *Manager) *Service { return &Service{m: m} }

// change finds a subscription, does something to it under its lock, returns when that is on disk, and logs it. do may return what is
// to be said about it in the log.
func (v *Service) change(ctx context.Context, action, field, name string, do func(s *subscription, now time.Duration) ([]slog.Attr, error)) (*subscription, error) {
	s, err := v.find(ctx, field, name)
	if err != nil {
		return nil, err
	}
	saved, details, err := s.change(do)
	if err != nil {
		return nil, err
	}
	if saved != nil {
		err = saved.wait(ctx)
	}
	v.m.audit(ctx, action, name, err, details...)
	return s, err
}

// find returns the subscription that a field of a request names, and of which everything is known.
func (v *Service) find(ctx context.Context, field, name string) (*subscription, error) {
	if !validName(name) {
		return nil, invalid(field, nameRule, name)
	}
	if err := v.m.serving(ctx); err != nil {
		return nil, err
	}
	s, err := v.m.find(name)
	if err != nil {
		return nil, err
	}
	return s, s.reckon(ctx, false, nil)
}

// change does something under the lock, and returns the commit to wait for; nil for none.
func (s *subscription) change(do func(s *subscription, now time.Duration) ([]slog.Attr, error)) (*commit, []slog.Attr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deleted {
		return nil, nil, s.broken
	}
	now := s.m.now()
	details, err := do(s, now)
	if err != nil {
		return nil, nil, err
	}
	s.progress()
	s.after(now)
	return s.durable(true), details, nil
}

// maxSubscriptions bounds the durable subscriptions: each has a record, and memory of its own.
const maxSubscriptions = 10_000

// add makes a durable subscription known, and returns it; another one, if there is one of that name.
func (m *Manager) add(made *subscription) (*subscription, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.subs[made.name]; s != nil {
		return s, nil
	}
	if len(m.subs) >= m.most {
		return nil, fault.Detail(fault.ErrTooMany, "there are %d subscriptions, and the bridge takes no more; delete some that nobody uses", len(m.subs))
	}
	m.subs[made.name] = made
	return made, nil
}

// audit logs that somebody changed something, or, with an error, may have.
func (m *Manager) audit(ctx context.Context, action, name string, err error, details ...slog.Attr) {
	attrs := append([]slog.Attr{
		slog.String("action", action), slog.String("subscription", name), slog.String("principal", m.who(ctx)),
	}, details...)
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	m.log.LogAttrs(ctx, slog.LevelInfo, "audit", attrs...)
}
