package subscription

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
)

// updatable are the paths that a mask may have.
func updatable() []string {
	return []string{"filter", "ack_deadline", "backoff", "max_attempts", "ordered"}
}

// UpdateSubscription implements hookbridge.v1.SubscriptionService.
func (v *Service) UpdateSubscription(ctx context.Context, req *hookbridgev1.UpdateSubscriptionRequest) (*hookbridgev1.UpdateSubscriptionResponse, error) {
	want, paths := req.GetSubscription(), req.GetUpdateMask().GetPaths()
	if len(paths) == 0 {
		return nil, invalid("update_mask", "want at least one of %s", strings.Join(updatable(), ", "))
	}
	for i, path := range paths {
		if !slices.Contains(updatable(), path) {
			return nil, invalid(fmt.Sprintf("update_mask.paths[%d]", i), "want one of %s, got %q", strings.Join(updatable(), ", "), path)
		}
	}
	chosen, err := newSettings(want)
	if err != nil {
		return nil, err
	}
	var f *filter
	if slices.Contains(paths, "filter") {
		if f, err = v.m.filters.filter(want.GetFilter()); err != nil {
			return nil, err
		}
	}
	s, err := v.change(ctx, "update subscription", "subscription.name", want.GetName(), func(s *subscription, now time.Duration) ([]slog.Attr, error) {
		next := s.settings.with(chosen, paths)
		if !s.machine.Configure(now, next.policy()) {
			return nil, fault.Detail(fault.ErrSubscriptionInUse, "ordered can't be changed while members are connected; subscription %q has %d",
				s.name, len(s.members))
		}
		s.settings = next
		if f != nil && !f.equal(s.filter) {
			s.refilter(f)
		}
		return []slog.Attr{slog.String("changed", strings.Join(paths, ",")), slog.String("filter", s.filter.String()), slog.String("settings", s.settings.String())}, nil
	})
	if err != nil {
		return nil, err
	}
	out, err := v.m.describe(ctx, s)
	return &hookbridgev1.UpdateSubscriptionResponse{Subscription: out}, err
}

// with returns the settings with those that a mask names taken from others.
func (s settings) with(other settings, paths []string) settings {
	for _, path := range paths {
		switch path {
		case "ack_deadline":
			s.ackDeadline = other.ackDeadline
		case "backoff":
			s.backoff = other.backoff
		case "max_attempts":
			s.maxAttempts = other.maxAttempts
		case "ordered":
			s.ordered = other.ordered
		}
	}
	return s
}

// String is for the log.
func (s settings) String() string {
	return fmt.Sprintf("ack_deadline=%v backoff=%v max_attempts=%d ordered=%v paused=%v", s.deadline(), s.policy().Backoff, s.maxAttempts, s.ordered, s.paused)
}

// refilter gives a subscription another filter. What was read ahead under the old one is forgotten and read again; what the old one left
// out before that stays out.
func (s *subscription) refilter(f *filter) {
	s.detach(s.m.tail.next.Load())
	s.machine.DropBuffer()
	if len(s.members) > 0 {
		s.m.routes.remove(s)
		s.m.routes.add(s, f)
	}
	for _, mem := range s.members {
		// Who may not see all that passes now gets nothing more.
		if mem.refused = mem.covers(f); mem.refused != nil {
			mem.wake()
		}
	}
	// One that broke off because its expression doesn't fit the schema goes on.
	s.filter, s.broken = f, nil
}
