package subscription

import (
	"context"
	"fmt"
	"log/slog"
	"time"
	"unicode/utf8"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

const (
	maxError      = 1024
	maxRetryAfter = 24 * time.Hour
)

// rejection is one of a RejectRequest.
type rejection struct {
	id  string
	ack machine.Ack
	machine.Rejection
}

// Reject implements hookbridge.v1.EventService.
func (m *Manager) Reject(ctx context.Context, req *hookbridgev1.RejectRequest) (*hookbridgev1.RejectResponse, error) {
	if name := req.GetSubscription(); !validName(name) {
		return nil, invalid("subscription", nameRule, name)
	}
	if n := len(req.GetRejections()); n < 1 || n > maxAckIDs {
		return nil, invalid("rejections", "want 1 to %d, got %d", maxAckIDs, n)
	}
	asked := make([]rejection, len(req.GetRejections()))
	for i, r := range req.GetRejections() {
		var err error
		if asked[i], err = newRejection(fmt.Sprintf("rejections[%d]", i), r); err != nil {
			return nil, err
		}
	}
	s, err := m.find(req.GetSubscription())
	if err != nil {
		return nil, err
	}
	resp := &hookbridgev1.RejectResponse{}
	parsed := asked[:0]
	for _, r := range asked {
		var ok bool
		if r.ack, ok = s.issuer.parse(r.id); ok {
			parsed = append(parsed, r)
		} else {
			resp.Failures = append(resp.Failures, failure(r.id, hookbridgev1.AckFailure_REASON_INVALID))
		}
	}
	waits, failures, err := s.reject(parsed)
	if err != nil {
		return nil, err
	}
	resp.Failures = append(resp.Failures, failures...)
	failures, err = s.attend(ctx, waits)
	if err != nil {
		return nil, err
	}
	resp.Failures = append(resp.Failures, failures...)
	return resp, nil
}

// newRejection reads one of a request, by its path.
func newRejection(path string, r *hookbridgev1.Rejection) (rejection, error) {
	out := rejection{id: r.GetAckId(), Rejection: machine.Rejection{Action: machine.Retry, Error: r.GetError()}}
	if !validText(out.id, 1, maxAckID) {
		return out, invalid(path+".ack_id", "want 1 to %d characters, got %d", maxAckID, utf8.RuneCountInString(out.id))
	}
	if !validText(out.Error, 0, maxError) {
		return out, invalid(path+".error", "want at most %d characters, got %d", maxError, utf8.RuneCountInString(out.Error))
	}
	switch action := r.GetAction().(type) {
	case nil, *hookbridgev1.Rejection_Retry:
	case *hookbridgev1.Rejection_RetryNow:
		out.Action = machine.RetryNow
	case *hookbridgev1.Rejection_RetryAfter:
		if !action.RetryAfter.IsValid() {
			return out, invalid(path+".retry_after", "want nanos below a second, of the same sign as the seconds")
		}
		out.Action, out.After = machine.RetryAfter, action.RetryAfter.AsDuration()
		if out.After < 0 || out.After > maxRetryAfter {
			return out, invalid(path+".retry_after", "want 0s to 24h, got %v", out.After)
		}
	case *hookbridgev1.Rejection_DeadLetter:
		out.Action = machine.Bury
	default:
		return out, invalid(path, "%T is not known", action)
	}
	return out, nil
}

// awaited is a rejection that is answered when its event is a dead letter.
type awaited struct {
	id     string
	burial *burial
}

// reject applies rejections. It returns the burials to wait for, and what was not applied; an error where one of the dead letters
// could not be stored before, and is tried again only later. Everything else was applied then, too.
func (s *subscription) reject(asked []rejection) ([]awaited, []*hookbridgev1.AckFailure, error) {
	var failures []*hookbridgev1.AckFailure
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.m.now()
	s.advance()
	dying := asked[:0]
	debug := s.m.log.Enabled(context.Background(), slog.LevelDebug)
	for _, r := range asked {
		switch s.machine.Reject(now, r.ack, r.Rejection) {
		case machine.Applied:
			s.counters.rejected[r.Action].Add(1)
			s.progress()
			if debug {
				s.m.log.Debug("an event was rejected", "subscription", s.name, "sequence", r.ack.Seq, "attempt", r.ack.Attempt,
					"action", actionLabels[r.Action], "error", r.Error)
			}
		case machine.Repeated:
		case machine.Stale, machine.Settled:
			failures = append(failures, failure(r.id, hookbridgev1.AckFailure_REASON_STALE))
			continue
		case machine.Invalid:
			failures = append(failures, failure(r.id, hookbridgev1.AckFailure_REASON_INVALID))
			continue
		}
		if s.machine.Burying(r.ack.Seq) {
			dying = append(dying, r)
		}
	}
	s.after(now)
	var waits []awaited
	for _, r := range dying {
		one := s.burials[r.ack.Seq]
		switch {
		case one == nil && s.m.isDraining():
			return nil, nil, fault.ErrShuttingDown
		case one == nil:
			return nil, nil, fault.Detail(fault.ErrJournalUnavailable, "the dead letter can't be stored now; the bridge tries on")
		}
		waits = append(waits, awaited{r.id, one})
	}
	return waits, failures, nil
}

// attend returns when what was rejected is on disk: until when it waits, or that its dead letter is stored and it is settled. Events
// that were settled otherwise, by an acknowledgement that came first, are failures.
func (s *subscription) attend(ctx context.Context, waits []awaited) ([]*hookbridgev1.AckFailure, error) {
	var failures []*hookbridgev1.AckFailure
	for _, w := range waits {
		buried, err := w.burial.wait(ctx)
		if err != nil {
			return nil, err
		}
		if !buried {
			failures = append(failures, failure(w.id, hookbridgev1.AckFailure_REASON_STALE))
		}
	}
	s.mu.Lock()
	saved := s.durable(false)
	s.mu.Unlock()
	if saved != nil {
		if err := saved.wait(ctx); err != nil {
			return nil, err
		}
	}
	return failures, nil
}
