package subscription

import (
	"context"
	"time"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

// ExtendDeadline implements hookbridge.v1.EventService.
func (m *Manager) ExtendDeadline(_ context.Context, req *hookbridgev1.ExtendDeadlineRequest) (*hookbridgev1.ExtendDeadlineResponse, error) {
	if err := validAckIDs(req.GetSubscription(), req.GetAckIds()); err != nil {
		return nil, err
	}
	var extension time.Duration // 0: the ack deadline of the stream
	if d := req.GetExtension(); d != nil {
		if !d.IsValid() {
			return nil, invalid("extension", "want nanos below a second, of the same sign as the seconds")
		}
		extension = d.AsDuration()
		if extension < shortest || extension > maxAckDeadline {
			return nil, invalid("extension", "want 1s to 1h, got %v", extension)
		}
	}
	s, err := m.find(req.GetSubscription())
	if err != nil {
		return nil, err
	}
	return &hookbridgev1.ExtendDeadlineResponse{Failures: s.extend(req.GetAckIds(), extension)}, nil
}

// extend moves deadlines and returns what was not applied. Leases end with the bridge, so nothing has to be stored.
func (s *subscription) extend(ids []string, extension time.Duration) []*hookbridgev1.AckFailure {
	var failures []*hookbridgev1.AckFailure
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.m.now()
	s.advance()
	for _, id := range ids {
		out := machine.Invalid
		if a, ok := s.issuer.parse(id); ok {
			out = s.machine.Extend(now, a, extension)
		}
		switch out {
		case machine.Applied:
		case machine.Invalid:
			failures = append(failures, failure(id, hookbridgev1.AckFailure_REASON_INVALID))
		default:
			failures = append(failures, failure(id, hookbridgev1.AckFailure_REASON_STALE))
		}
	}
	s.after(now)
	return failures
}
