package client

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// extender asks for more time while one worker's handler runs, each time half of the ack deadline has passed.
type extender struct {
	u    *subscriber
	life context.Context

	mu       sync.Mutex
	timer    *time.Timer
	ackID    string // empty while no handler runs
	deadline time.Duration
	until    time.Time // when it stops asking
	running  sync.WaitGroup
}

// maxExtension is how long a handler's event is kept for it in all.
const maxExtension = time.Hour

// begin says that a handler has a delivery now.
func (x *extender) begin(d *delivery) {
	if d.ackID == "" || d.deadline <= 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ackID, x.deadline, x.until = d.ackID, d.deadline, time.Now().Add(maxExtension)
	if x.timer == nil {
		x.timer = time.AfterFunc(d.deadline/2, x.extend)
	} else {
		x.timer.Reset(d.deadline / 2)
	}
}

// end says that it has not any more.
func (x *extender) end() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ackID = ""
	if x.timer != nil {
		x.timer.Stop()
	}
}

// close waits for a call that is running.
func (x *extender) close() {
	x.end()
	x.running.Wait()
}

func (x *extender) extend() {
	x.mu.Lock()
	ackID, deadline := x.ackID, x.deadline
	if ackID == "" || time.Now().After(x.until) {
		x.mu.Unlock()
		return
	}
	x.timer.Reset(deadline / 2)
	x.running.Add(1)
	x.mu.Unlock()
	defer x.running.Done()
	ctx, cancel := context.WithTimeout(x.life, min(ackTimeout, deadline/2))
	defer cancel()
	_, err := x.u.client.events.ExtendDeadline(ctx, &hookbridgev1.ExtendDeadlineRequest{
		Subscription: x.u.request.Subscription, AckIds: []string{ackID}, Extension: durationpb.New(deadline),
	})
	if err != nil && ctx.Err() == nil {
		x.u.client.log.Warn("the deadline of a running handler could not be extended; its event may come again", "error", err)
	}
}
