package subscription

import (
	"context"
	"log/slog"
	"time"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// SeekSubscription implements hookbridge.v1.SubscriptionService.
func (v *Service) SeekSubscription(ctx context.Context, req *hookbridgev1.SeekSubscriptionRequest) (*hookbridgev1.SeekSubscriptionResponse, error) {
	// A target that was left out must not skip everything.
	if req.GetTarget().GetAt() == nil {
		return nil, invalid("target", "want beginning, now, time or sequence")
	}
	if _, err := v.find(ctx, "name", req.GetName()); err != nil {
		return nil, err
	}
	target, err := v.m.startAt(ctx, "target", req.GetTarget())
	if err != nil {
		return nil, err
	}
	if _, ok := req.GetTarget().GetAt().(*hookbridgev1.Start_Sequence); ok {
		target = req.GetTarget().GetSequence() // streams are told what is gone of that
	}
	position := int64(0)
	_, err = v.change(ctx, "seek subscription", "name", req.GetName(), func(s *subscription, now time.Duration) ([]slog.Attr, error) {
		from := s.position()
		position = s.seek(now, target)
		return []slog.Attr{slog.Int64("from", from), slog.Int64("to", position)}, nil
	})
	if err != nil {
		return nil, err
	}
	return &hookbridgev1.SeekSubscriptionResponse{Position: position}, nil
}

// seek moves what is not delivered, and returns where the subscription stands then: within the journal.
func (s *subscription) seek(now time.Duration, target int64) int64 {
	s.detach(s.m.tail.next.Load())
	bounds := s.m.journal.Bounds()
	s.machine.Seek(now, min(target, bounds.End))
	s.lost(now, bounds.First)
	return s.machine.Position()
}
