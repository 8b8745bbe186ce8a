package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// message is one message of a stream.
type message struct {
	sequence int64
	// subject is known where a filter was given.
	subject string
	payload []byte
}

// fetchRequest is the request of JetStream's direct get in batches.
// https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-31.md
type fetchRequest struct {
	Sequence  int64  `json:"seq"`
	Filter    string `json:"next_by_subj,omitempty"`
	Batch     int    `json:"batch"`
	MaxBytes  int    `json:"max_bytes,omitempty"`
	NoHeaders bool   `json:"no_hdr,omitempty"`
}

const (
	headerSequence = "Nats-Sequence"
	headerSubject  = "Nats-Subject"
	headerLast     = "Nats-Last-Sequence"
	headerPending  = "Nats-Num-Pending"
)

// answer is what came back for one request.
type answer struct {
	messages []*nats.Msg
	last     int64 // the sequence of the last message; 0 if there is none
	// pending is how many more there are. Not known without headers.
	pending int64
}

// fetch returns at most count messages of [from, end), in order, and about at most size bytes of them, but at least one message
// if there is one. Everything in [from, next) was looked at.
func (c *session) fetch(ctx context.Context, st *stream, from, end int64, count, size int, filter string) (_ []message, next int64, err error) {
	weight := int64(min(size, maxReadBytes))
	if err := c.store.reading.Acquire(ctx, weight); err != nil {
		return nil, from, err
	}
	defer c.store.reading.Release(weight)
	if filter == "" {
		count = int(min(int64(count), end-from))
	}
	// Headers cost more than reading does. Without them sequences are known where there is no gap, which is nearly always.
	req := fetchRequest{Sequence: from, Filter: filter, Batch: count, MaxBytes: size, NoHeaders: filter == ""}
	a, err := c.request(ctx, st, req)
	if err != nil {
		return nil, from, err
	}
	if req.NoHeaders && len(a.messages) > 0 && a.last-from+1 != int64(len(a.messages)) {
		req.NoHeaders = false
		if a, err = c.request(ctx, st, req); err != nil {
			return nil, from, err
		}
	}
	messages := make([]message, 0, len(a.messages))
	for i, m := range a.messages {
		sequence := from + int64(i)
		if !req.NoHeaders {
			if sequence, err = strconv.ParseInt(m.Header.Get(headerSequence), 10, 64); err != nil {
				return nil, from, fmt.Errorf("%w: read: sequence: %w", ErrUnavailable, err)
			}
		}
		if sequence >= end {
			return messages, end, nil
		}
		messages = append(messages, message{sequence, m.Header.Get(headerSubject), m.Data})
	}
	next = from
	if len(messages) > 0 {
		next = messages[len(messages)-1].sequence + 1
		if req.NoHeaders || a.pending > 0 {
			return messages, next, nil
		}
	}
	if next < end && c.replicated {
		return c.confirm(ctx, st, messages, next, end, filter)
	}
	return messages, end, nil
}

// confirm asks the stream's leader whether there is nothing more before end. A replica that is behind says so too.
func (c *session) confirm(ctx context.Context, st *stream, messages []message, next, end int64, filter string) ([]message, int64, error) {
	if filter == "" {
		filter = ">"
	}
	m, err := st.GetMsg(ctx, uint64(next), jetstream.WithGetMsgSubject(filter))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return messages, end, nil
	}
	if err != nil {
		return nil, next, fmt.Errorf("%w: read: %w", ErrUnavailable, err)
	}
	if int64(m.Sequence) >= end {
		return messages, end, nil
	}
	return append(messages, message{int64(m.Sequence), m.Subject, m.Data}), int64(m.Sequence) + 1, nil
}

// request sends one request and gathers what comes back.
func (c *session) request(ctx context.Context, st *stream, req fetchRequest) (a answer, err error) {
	defer func() {
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w: read: %w", ErrUnavailable, err)
		}
	}()
	body, err := json.Marshal(req)
	if err != nil {
		return answer{}, err
	}
	// One more than was asked for: what ends the batch. A subscription of the library's own kind would allocate half a megabyte each time.
	inbox, arrived := c.read.NewInbox(), make(chan *nats.Msg, req.Batch+1)
	sub, err := c.read.ChanSubscribe(inbox, arrived)
	if err != nil {
		return answer{}, err
	}
	defer func() { err = errors.Join(err, ignoreClosed(sub.Unsubscribe())) }()
	if err := c.read.PublishRequest("$JS.API.DIRECT.GET."+st.name, inbox, body); err != nil {
		return answer{}, err
	}
	waiting, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	a.messages = make([]*nats.Msg, 0, min(req.Batch, 1024))
	for {
		var m *nats.Msg
		select {
		case m = <-arrived:
		case <-c.failed:
			return answer{}, c.cause
		case <-waiting.Done():
			return answer{}, waiting.Err()
		}
		switch status := m.Header.Get("Status"); status {
		case "":
			a.messages = append(a.messages, m)
		case "404":
			return answer{}, nil
		case "204":
			if a.last, err = strconv.ParseInt(m.Header.Get(headerLast), 10, 64); err == nil {
				a.pending, err = strconv.ParseInt(m.Header.Get(headerPending), 10, 64)
			}
			return a, err
		default:
			return answer{}, fmt.Errorf("status %s %s", status, m.Header.Get("Description"))
		}
	}
}

// ignoreClosed drops the error of giving up what a closed connection has given up already.
func ignoreClosed(err error) error {
	if errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrBadSubscription) {
		return nil
	}
	return err
}
