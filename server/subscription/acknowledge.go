package subscription

import (
	"context"
	"fmt"
	"unicode/utf8"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

const maxAckIDs = 10_000

// Acknowledge implements hookbridge.v1.EventService.
func (m *Manager) Acknowledge(ctx context.Context, req *hookbridgev1.AcknowledgeRequest) (*hookbridgev1.AcknowledgeResponse, error) {
	if err := validAckIDs(req.GetSubscription(), req.GetAckIds()); err != nil {
		return nil, err
	}
	s, err := m.find(req.GetSubscription())
	if err != nil {
		return nil, err
	}
	resp := &hookbridgev1.AcknowledgeResponse{}
	acks, ids := make([]machine.Ack, 0, len(req.GetAckIds())), make([]string, 0, len(req.GetAckIds()))
	for _, id := range req.GetAckIds() {
		if a, ok := s.issuer.parse(id); ok {
			acks, ids = append(acks, a), append(ids, id)
		} else {
			resp.Failures = append(resp.Failures, failure(id, hookbridgev1.AckFailure_REASON_INVALID))
		}
	}
	saved, failures := s.acknowledge(acks, ids)
	resp.Failures = append(resp.Failures, failures...)
	if saved != nil {
		if err := saved.wait(ctx); err != nil {
			return nil, err
		}
	}
	return resp, nil
}

// acknowledge applies acknowledgements and returns the commit to wait for, nil for none, and what was not applied.
func (s *subscription) acknowledge(acks []machine.Ack, ids []string) (*commit, []*hookbridgev1.AckFailure) {
	var failures []*hookbridgev1.AckFailure
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.m.now()
	s.advance()
	for i, a := range acks {
		switch s.machine.Ack(now, a) {
		case machine.Applied:
			s.counters.acknowledged.Add(1)
			s.progress()
		case machine.Settled:
		case machine.Stale:
			failures = append(failures, failure(ids[i], hookbridgev1.AckFailure_REASON_STALE))
		case machine.Invalid:
			failures = append(failures, failure(ids[i], hookbridgev1.AckFailure_REASON_INVALID))
		}
	}
	s.after(now)
	// What was settled before may have been so only in memory: its commit is waited for too.
	return s.durable(false), failures
}

// validAckIDs checks the name of a subscription and ack_ids of it.
func validAckIDs(name string, ids []string) error {
	if !validName(name) {
		return invalid("subscription", nameRule, name)
	}
	if n := len(ids); n < 1 || n > maxAckIDs {
		return invalid("ack_ids", "want 1 to %d, got %d", maxAckIDs, n)
	}
	for i, id := range ids {
		if !validText(id, 1, maxAckID) {
			return invalid(fmt.Sprintf("ack_ids[%d]", i), "want 1 to %d characters, got %d", maxAckID, utf8.RuneCountInString(id))
		}
	}
	return nil
}

func failure(id string, why hookbridgev1.AckFailure_Reason) *hookbridgev1.AckFailure {
	return &hookbridgev1.AckFailure{AckId: id, Reason: why}
}
