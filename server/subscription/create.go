package subscription

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

// CreateSubscription implements hookbridge.v1.SubscriptionService.
func (v *Service) CreateSubscription(ctx context.Context, req *hookbridgev1.CreateSubscriptionRequest) (*hookbridgev1.CreateSubscriptionResponse, error) {
	m, want := v.m, req.GetSubscription()
	if !validName(want.GetName()) {
		return nil, invalid("subscription.name", nameRule, want.GetName())
	}
	chosen, err := newSettings(want)
	if err != nil {
		return nil, err
	}
	chosen.paused = want.GetPaused()
	f, err := m.filters.filter(want.GetFilter())
	if err != nil {
		return nil, err
	}
	if err := m.serving(ctx); err != nil {
		return nil, err
	}
	position, err := m.startAt(ctx, "start", req.GetStart())
	if err != nil {
		return nil, err
	}
	made, err := m.newSubscription(&record{
		name: want.GetName(), filter: f, created: m.wall(), incarnation: rand.Uint64(), settings: chosen, state: machine.State{Position: position},
	})
	if err != nil {
		return nil, err
	}
	made.unsaved = true // a stream that finds it before the commit below waits for one, too
	s, err := m.add(made)
	if err != nil {
		return nil, err
	}
	if s != made {
		return nil, fault.Detail(fault.ErrSubscriptionExists, "there is a subscription %q", s.name)
	}
	s.mu.Lock()
	saved := s.durable(true)
	s.mu.Unlock()
	if saved != nil {
		err = saved.wait(ctx)
	}
	m.audit(ctx, "create subscription", s.name, err, slog.Int64("position", position), slog.String("filter", f.String()))
	if err != nil {
		return nil, err
	}
	out, err := m.describe(ctx, s)
	return &hookbridgev1.CreateSubscriptionResponse{Subscription: out}, err
}

// The limits of settings; see hookbridge.v1.Subscription.
const (
	maxBackoff     = 20
	maxWait        = 24 * 60 * 60 // seconds
	maxMaxAttempts = 1000
)

// newSettings reads what the owner of a subscription decides, but for whether it is paused.
func newSettings(want *hookbridgev1.Subscription) (settings, error) {
	set := settings{backoff: toDurations(want.GetBackoff()), maxAttempts: want.GetMaxAttempts(), ordered: want.GetOrdered()}
	if d := want.GetAckDeadline(); d != nil {
		if set.ackDeadline = d.AsDuration(); d.CheckValid() != nil || set.ackDeadline < shortest || set.ackDeadline > maxAckDeadline {
			return settings{}, invalid("subscription.ack_deadline", "want 1s to 1h, got %v", set.ackDeadline)
		}
	}
	if n := len(set.backoff); n > maxBackoff {
		return settings{}, invalid("subscription.backoff", "at most %d elements, got %d", maxBackoff, n)
	}
	for i, d := range want.GetBackoff() {
		if d.CheckValid() != nil || set.backoff[i] < 0 || set.backoff[i].Seconds() > maxWait {
			return settings{}, invalid(fmt.Sprintf("subscription.backoff[%d]", i), "want 0s to 24h, got %v", set.backoff[i])
		}
	}
	if set.maxAttempts < 0 || set.maxAttempts > maxMaxAttempts {
		return settings{}, invalid("subscription.max_attempts", "want 0 to %d, got %d", maxMaxAttempts, set.maxAttempts)
	}
	return set, nil
}
