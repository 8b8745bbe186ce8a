package subscription

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
)

const (
	defaultReplayRate = 100
	maxReplayRate     = 100_000
)

// StartReplay implements hookbridge.v1.SubscriptionService.
func (v *Service) StartReplay(ctx context.Context, req *hookbridgev1.StartReplayRequest) (*hookbridgev1.StartReplayResponse, error) {
	m := v.m
	if _, err := m.filters.filter(req.GetFilter()); err != nil {
		return nil, err
	}
	if _, err := v.find(ctx, "subscription", req.GetSubscription()); err != nil {
		return nil, err
	}
	replay, err := m.newReplay(ctx, req)
	if err != nil {
		return nil, err
	}
	var started *hookbridgev1.Replay
	_, err = v.change(ctx, "start replay", "subscription", req.GetSubscription(), func(s *subscription, _ time.Duration) ([]slog.Attr, error) {
		if s.replay != nil {
			return nil, fault.Detail(fault.ErrReplayRunning, "subscription %q has the replay %s, which is running", s.name, s.replay.GetId())
		}
		if err := s.replayWith(replay); err != nil {
			return nil, err
		}
		started = proto.CloneOf(replay)
		return []slog.Attr{
			slog.String("replay", replay.GetId()), slog.Int64("from_sequence", replay.GetFromSequence()), slog.Int64("to_sequence", replay.GetToSequence()),
			slog.String("filter", s.replayer.filter.String()), slog.Int("max_events_per_second", int(replay.GetMaxEventsPerSecond())),
		}, nil
	})
	if err != nil {
		return nil, err
	}
	return &hookbridgev1.StartReplayResponse{Replay: started}, nil
}

// newReplay finds out which part of the journal a request means.
func (m *Manager) newReplay(ctx context.Context, req *hookbridgev1.StartReplayRequest) (*hookbridgev1.Replay, error) {
	rate := req.GetMaxEventsPerSecond()
	if rate == 0 {
		rate = defaultReplayRate
	}
	if rate < 0 || rate > maxReplayRate {
		return nil, invalid("max_events_per_second", "want 0 to %d, got %d", maxReplayRate, rate)
	}
	since, err := bound("since", req.GetSince())
	if err != nil {
		return nil, err
	}
	until, err := bound("until", req.GetUntil())
	if err != nil {
		return nil, err
	}
	if !since.IsZero() && !until.IsZero() && !since.Before(until) {
		return nil, invalid("until", "want a time after since")
	}
	bounds := m.journal.Bounds()
	from, to := bounds.First, bounds.End
	if !since.IsZero() {
		if from, err = m.journal.SequenceAt(ctx, since); err != nil {
			return nil, journalFault(err)
		}
	}
	if !until.IsZero() {
		if to, err = m.journal.SequenceAt(ctx, until); err != nil {
			return nil, journalFault(err)
		}
	}
	return &hookbridgev1.Replay{
		Id: strings.ToLower(rand.Text()), Filter: req.GetFilter(), FromSequence: min(from, to), ToSequence: to, NextSequence: min(from, to),
		MaxEventsPerSecond: rate, StartedAt: timestamppb.New(m.wall()), StartedBy: m.who(ctx),
	}, nil
}

// CancelReplay implements hookbridge.v1.SubscriptionService.
func (v *Service) CancelReplay(ctx context.Context, req *hookbridgev1.CancelReplayRequest) (*hookbridgev1.CancelReplayResponse, error) {
	var stopped *hookbridgev1.Replay
	_, err := v.change(ctx, "cancel replay", "subscription", req.GetSubscription(), func(s *subscription, now time.Duration) ([]slog.Attr, error) {
		if s.replay == nil {
			return nil, fault.Detail(fault.ErrReplayUnknown, "subscription %q has no replay", s.name)
		}
		stopped = proto.CloneOf(s.replay)
		// What was handed out and is taken back was not handed out.
		stopped.Events -= int64(s.machine.CancelReplay(now))
		s.endReplay()
		return []slog.Attr{slog.String("replay", stopped.GetId()), slog.Int64("events", stopped.GetEvents())}, nil
	})
	if err != nil {
		return nil, err
	}
	return &hookbridgev1.CancelReplayResponse{Replay: stopped}, nil
}

// replayWith begins with a replay, or goes on with one of the record.
func (s *subscription) replayWith(replay *hookbridgev1.Replay) error {
	r, err := newReplayer(s, replay)
	if err != nil {
		return err
	}
	s.replay, s.replayer = replay, r
	if !s.m.spawn(r.run) {
		s.replay, s.replayer = nil, nil
		return fault.ErrShuttingDown
	}
	return nil
}

// goOnReplaying goes on with the replay that was running when the bridge was stopped.
func (s *subscription) goOnReplaying() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replay == nil {
		return
	}
	replay := s.replay
	if err := s.replayWith(replay); err != nil {
		s.replay = replay // it stays, and can be cancelled
		s.m.log.Error("a replay can't go on", "subscription", s.name, "replay", replay.GetId(), "error", err)
	}
}

// endReplay forgets the replay. Its goroutine ends by itself.
func (s *subscription) endReplay() {
	s.replay = nil
	if s.replayer != nil {
		s.replayer.stop()
		s.replayer = nil
	}
}
