package subscription

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

// maxRedriven is how many dead letters one call sends again.
const maxRedriven = 10_000

// RedriveDeadLetters implements hookbridge.v1.SubscriptionService.
func (v *Service) RedriveDeadLetters(ctx context.Context, req *hookbridgev1.RedriveDeadLettersRequest) (*hookbridgev1.RedriveDeadLettersResponse, error) {
	sel, err := v.m.filters.selection(req.GetSelection(), req.GetFromId())
	if err != nil {
		return nil, err
	}
	s, err := v.find(ctx, "subscription", req.GetSubscription())
	if err != nil {
		return nil, err
	}
	if err := s.arranging.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer s.arranging.Release(1)
	if err := s.alive(); err != nil {
		return nil, err
	}
	events, more, next, err := v.m.redrivable(ctx, s, sel)
	if err != nil {
		return nil, err
	}
	// What there is no room for, and what has an event that is held already, stays a dead letter.
	held := 0
	_, err = v.change(ctx, "redrive dead letters", "subscription", s.name, func(s *subscription, now time.Duration) ([]slog.Attr, error) {
		var done int
		done, held = s.machine.Inject(now, events)
		if done < len(events) { // in the order of their sequences, so a next one would pass over what was not taken
			more, next = true, 0
		}
		return []slog.Attr{slog.String("selection", sel.String()), slog.Int("redriven", held), slog.Bool("more", more)}, nil
	})
	if err != nil {
		return nil, err
	}
	return &hookbridgev1.RedriveDeadLettersResponse{Redriven: int64(held), More: more, NextId: next}, nil
}

// redrivable returns the events of the dead letters that a selection chooses and that are not redriven, in the order of their sequences,
// as many as there is room for; whether there may be more, and from which id on where the selection's expression was not asked about them.
func (m *Manager) redrivable(ctx context.Context, s *subscription, sel selection) (events []machine.Event, more bool, next int64, err error) {
	redriven := s.redriven()
	s.mu.Lock()
	room := min(maxRedriven, s.machine.InjectRoom())
	s.mu.Unlock()
	next, err = m.chosen(ctx, s.name, sel, func(l letter) (bool, error) {
		if _, ok := redriven[l.id]; ok {
			return true, nil
		}
		if more = len(events) >= room; more {
			return false, nil
		}
		s.mu.Lock()
		ev := s.weigh(l.event)
		s.mu.Unlock()
		ev.Copy, ev.Payload = l.id, nil // it is read again when it is sent: these may be many
		events = append(events, ev)
		return true, nil
	})
	slices.SortStableFunc(events, func(a, b machine.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	return events, more || next > 0, next, err
}

// String is for the log.
func (s *selection) String() string {
	switch {
	case s.ids != nil:
		return fmt.Sprintf("%d ids", len(s.ids))
	case s.filter != nil:
		return s.filter.String()
	}
	return "all"
}
