package client

import (
	"sync"
	"time"
)

// delivery is an event on its way to a handler. The dispatcher's lock guards what is below the line.
type delivery struct {
	event   Event
	ackID   string
	handler *handler
	session *session
	came    time.Time

	// until is when the bridge gives up waiting, unless it is told otherwise.
	until time.Time
	// index is its place among what the session holds, -1 if it isn't there.
	index   int
	counted bool // among what the dispatcher has
	begun   bool // a worker has it
	lost    bool // it is with somebody else

	in            *queue
	before, after *delivery
}

// lane is where deliveries wait for the workers of one handler, or of those that share the subscription's.
type lane struct {
	ready   queue
	wake    *sync.Cond
	workers int
}

// queue is a list of deliveries out of which each can be taken without a search. A delivery is in one at most.
type queue struct{ first, last *delivery }

func (q *queue) push(d *delivery) {
	d.in, d.before = q, q.last
	if q.last == nil {
		q.first = d
	} else {
		q.last.after = d
	}
	q.last = d
}

// pop takes the first delivery; nil if there is none.
func (q *queue) pop() *delivery {
	d := q.first
	if d != nil {
		d.leave()
	}
	return d
}

// leave takes a delivery out of the queue that it is in, if any.
func (d *delivery) leave() {
	q := d.in
	if q == nil {
		return
	}
	if d.before == nil {
		q.first = d.after
	} else {
		d.before.after = d.after
	}
	if d.after == nil {
		q.last = d.before
	} else {
		d.after.before = d.before
	}
	d.in, d.before, d.after = nil, nil, nil
}
