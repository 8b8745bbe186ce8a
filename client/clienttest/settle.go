package clienttest

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// settle applies a call to deliveries, and returns what was not applied. apply says whether the delivery still counted; e is nil for an
// event that is settled.
func (b *Bridge) settle(method, subscription string, ids []string, apply func(s *subscription, e *entry, n int) bool) ([]*hookbridgev1.AckFailure, error) {
	var failures []*hookbridgev1.AckFailure
	var err error
	b.change(func() {
		if err = b.refuse(method); err != nil {
			return
		}
		s := b.subscriptions[subscription]
		if s == nil || subscription == "" {
			err = status.Errorf(codes.NotFound, "there is no subscription %q", subscription)
			return
		}
		for n, id := range ids {
			sequence, attempt, epoch, ok := s.parseAckID(id)
			e := s.entries[sequence]
			switch {
			case !ok || sequence < 1 || sequence >= s.next:
				failures = append(failures, &hookbridgev1.AckFailure{AckId: id, Reason: hookbridgev1.AckFailure_REASON_INVALID})
				continue
			case e != nil && (e.attempt != attempt || epoch != b.epoch):
			case apply(s, e, n):
				continue
			}
			failures = append(failures, &hookbridgev1.AckFailure{AckId: id, Reason: hookbridgev1.AckFailure_REASON_STALE})
			s.record(Stale, &entry{event: &hookbridgev1.Event{Sequence: sequence}, attempt: attempt}, id).Method = method
		}
	})
	return failures, err
}

// Acknowledge implements hookbridge.v1.EventService.
func (v *events) Acknowledge(_ context.Context, request *hookbridgev1.AcknowledgeRequest) (*hookbridgev1.AcknowledgeResponse, error) {
	failures, err := v.b.settle(hookbridgev1.EventService_Acknowledge_FullMethodName, request.GetSubscription(), request.GetAckIds(), func(s *subscription, e *entry, n int) bool {
		if e != nil {
			s.leave(e)
			delete(s.entries, e.event.GetSequence())
			s.record(Acknowledged, e, request.GetAckIds()[n])
		}
		return true
	})
	return &hookbridgev1.AcknowledgeResponse{Failures: failures}, err
}

// Reject implements hookbridge.v1.EventService.
func (v *events) Reject(_ context.Context, request *hookbridgev1.RejectRequest) (*hookbridgev1.RejectResponse, error) {
	var ids []string
	for _, r := range request.GetRejections() {
		ids = append(ids, r.GetAckId())
	}
	failures, err := v.b.settle(hookbridgev1.EventService_Reject_FullMethodName, request.GetSubscription(), ids, func(s *subscription, e *entry, n int) bool {
		if e == nil {
			return false
		}
		// The first rejection of an attempt counts.
		if e.rejected == nil {
			e.rejected = request.GetRejections()[n]
			s.record(Rejected, e, ids[n]).Rejection = e.rejected
			s.reject(e)
		}
		return true
	})
	return &hookbridgev1.RejectResponse{Failures: failures}, err
}

// reject does what a rejection asks for.
func (s *subscription) reject(e *entry) {
	schedule := s.b.settings.backoff
	after := schedule[min(int(e.attempt), len(schedule))-1]
	switch action := e.rejected.GetAction().(type) {
	case *hookbridgev1.Rejection_RetryNow:
		after = 0
	case *hookbridgev1.Rejection_RetryAfter:
		after = action.RetryAfter.AsDuration()
	case *hookbridgev1.Rejection_DeadLetter:
		s.bury(e)
		return
	}
	s.again(e, hookbridgev1.Delivery_REASON_REJECTED, s.b.now().Add(after))
}

// ExtendDeadline implements hookbridge.v1.EventService.
func (v *events) ExtendDeadline(_ context.Context, request *hookbridgev1.ExtendDeadlineRequest) (*hookbridgev1.ExtendDeadlineResponse, error) {
	failures, err := v.b.settle(hookbridgev1.EventService_ExtendDeadline_FullMethodName, request.GetSubscription(), request.GetAckIds(), func(s *subscription, e *entry, n int) bool {
		if e == nil || e.member == nil {
			return false
		}
		extension := e.member.deadline
		if d := request.GetExtension(); d != nil {
			extension = d.AsDuration()
		}
		e.deadline = s.b.now().Add(extension)
		if e.deadline.Before(s.soonest) {
			s.soonest = e.deadline
		}
		s.record(Extended, e, request.GetAckIds()[n]).Extension = extension
		return true
	})
	return &hookbridgev1.ExtendDeadlineResponse{Failures: failures}, err
}
