package subscription

import (
	"context"
	"log/slog"
	"time"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// PauseSubscription implements hookbridge.v1.SubscriptionService.
func (v *Service) PauseSubscription(ctx context.Context, req *hookbridgev1.PauseSubscriptionRequest) (*hookbridgev1.PauseSubscriptionResponse, error) {
	_, err := v.change(ctx, "pause subscription", "name", req.GetName(), func(s *subscription, now time.Duration) ([]slog.Attr, error) {
		s.settings.paused = true
		s.machine.Pause(now)
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return &hookbridgev1.PauseSubscriptionResponse{}, nil
}

// ResumeSubscription implements hookbridge.v1.SubscriptionService.
func (v *Service) ResumeSubscription(ctx context.Context, req *hookbridgev1.ResumeSubscriptionRequest) (*hookbridgev1.ResumeSubscriptionResponse, error) {
	_, err := v.change(ctx, "resume subscription", "name", req.GetName(), func(s *subscription, now time.Duration) ([]slog.Attr, error) {
		s.settings.paused = false
		s.machine.Resume(now)
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return &hookbridgev1.ResumeSubscriptionResponse{}, nil
}
