package subscription

import (
	"context"
	"time"

	"github.com/hookbridge/hookbridge/server/journal"
)

const (
	// sweepEvery is how often all subscriptions are looked at.
	sweepEvery = 5 * time.Second
	// checkpointAfter is how old a record may be that is behind, when no acknowledgement writes it anyway.
	checkpointAfter = 10 * time.Second
	// agesPerSweep bounds the reads for the metrics.
	agesPerSweep = 100
)

// sweep does what needs no hurry and would cost too much with every event, until the context ends.
func (m *Manager) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		m.deadCount.refresh(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		subs := m.durable()
		for _, s := range subs {
			s.sweep(m.now())
		}
		for _, s := range m.routes.members() {
			s.park()
		}
		ages := agesPerSweep
		for _, s := range subs {
			if ages == 0 || ctx.Err() != nil {
				break
			}
			if s.lookUpAge(ctx) {
				ages--
			}
		}
	}
}

// sweep asks for a commit when the record has been behind for a while.
func (s *subscription) sweep(now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now-s.storedAt >= checkpointAfter {
		s.checkpoint()
	}
}

// park forgets what was read ahead for members that neither take nor acknowledge anything. It is read again when they do.
func (s *subscription) park() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.moved && s.machine.Buffered() > 0 {
		s.detach(s.m.tail.next.Load())
		s.machine.DropBuffer()
		s.parked = true
	}
	s.moved = false
}

// lookUpAge finds out how old the oldest event is that a subscription still needs, where its machine doesn't know. It returns
// whether it read.
func (s *subscription) lookUpAge(ctx context.Context) bool {
	s.mu.Lock()
	position := s.position()
	low := s.machine.Low()
	known := s.machine.LowTime() != 0 || s.ageSeq == low
	s.mu.Unlock()
	if known || (position == low && position >= s.m.journal.Bounds().End) {
		return false
	}
	page, err := s.m.journal.Read(ctx, journal.Query{From: low, MaxEvents: 1, MaxBytes: 1})
	if err != nil || len(page.Events) == 0 {
		return true // the metric stays as it is; whoever needs the events will say what is wrong
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ageSeq, s.age = low, page.Events[0].Time
	return true
}
