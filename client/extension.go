package client

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// A quarter of the ack deadline after the last look, everything is extended of which more than a quarter has passed: an event is extended
// before half of its deadline is over, and if the call fails there are two more tries. Most events are settled before the first look.
const looks = 4

// shortestLook bounds what a bridge can make us do: no deadline is shorter than a second.
const shortestLook = 10 * time.Millisecond

// maxExtended is how many deliveries the bridge takes in one call.
const maxExtended = 10_000

// extend asks for more time for what a session holds, in one call for all of it, until the stream ends.
func (u *subscriber) extend(s *session) {
	every := max(s.deadline/looks, shortestLook)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var due []*delivery
	var ids []string
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
		}
		due = u.dispatcher.due(s, due[:0], time.Now(), s.deadline-every, u.extension)
		for batch := range slices.Chunk(due, maxExtended) {
			ids = ids[:0]
			for _, d := range batch {
				ids = append(ids, d.ackID)
			}
			u.extendBatch(s, batch, ids, min(ackTimeout, every))
		}
		clear(due)
	}
}

func (u *subscriber) extendBatch(s *session, batch []*delivery, ids []string, patience time.Duration) {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	asked := time.Now()
	response, err := u.client.events.ExtendDeadline(ctx, &hookbridgev1.ExtendDeadlineRequest{
		Subscription: u.request.Subscription, AckIds: ids, Extension: durationpb.New(s.deadline),
	})
	if err != nil {
		if s.ctx.Err() == nil {
			u.client.log.Warn("deadlines could not be extended; the events may come again", "events", len(batch), "error", err)
		}
		return
	}
	var failed map[string]bool
	if len(response.GetFailures()) > 0 {
		failed = make(map[string]bool, len(response.GetFailures()))
		for _, f := range response.GetFailures() {
			failed[f.GetAckId()] = true
		}
	}
	u.dispatcher.extended(batch, asked.Add(s.deadline), failed)
}

// due appends what a session holds and what has less than so much time left, unless it was held for long enough. What no worker has begun with
// before its time was over is with the bridge again: it makes room for what comes instead, or a slow handler would keep everybody's from coming.
func (p *dispatcher) due(s *session, to []*delivery, now time.Time, left, longest time.Duration) []*delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := len(to)
	for n := len(s.held) - 1; n >= 0; n-- { // what is dropped is replaced by the last
		switch d := s.held[n]; {
		case !d.begun && now.After(d.until):
			p.drop(d)
		case !d.lost && d.until.Sub(now) < left && now.Sub(d.came) < longest:
			to = append(to, d)
		}
	}
	slices.Reverse(to[before:]) // the oldest first
	return to
}

// extended notes until when the bridge waits now. What it doesn't know any more is, or will be, with somebody else: if no worker has
// begun with it, none will.
func (p *dispatcher) extended(batch []*delivery, until time.Time, failed map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range batch {
		switch {
		case !failed[d.ackID]:
			d.until = until
		case d.begun:
			// It may as well have been settled meanwhile.
			d.lost = true
		case d.counted:
			p.drop(d)
		}
	}
}
