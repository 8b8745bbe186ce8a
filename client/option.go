package client

import (
	"errors"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Option shapes a subscription. What is left out has the bridge's default. One that is nil says nothing, and so does a callback that is nil.
type Option interface{ apply(*settings) }

// option is an Option.
type option func(*settings)

func (o option) apply(s *settings) { o(s) }

// Options puts options together, for those that several subscriptions share.
func Options(options ...Option) Option {
	return option(func(s *settings) {
		for _, o := range options {
			if o != nil {
				o.apply(s)
			}
		}
	})
}

type settings struct {
	handlers                           []*handler
	otherwise, mismatched, undecodable Policy

	sources, types []string
	expression     string
	start          *hookbridgev1.Start
	mustExist      bool
	events         int32
	bytes          int64
	deadline       time.Duration
	heartbeat      time.Duration
	content        bool
	maxEventBytes  int32
	name           string

	concurrency int
	ordered     bool
	extension   time.Duration
	batch       int
	every       time.Duration
	drain       time.Duration

	connected    func(*hookbridgev1.Confirmed)
	disconnected func(err error, retry time.Duration)
	gap          func(*hookbridgev1.Gap)
	failed       func(*Event, error)
}

// Sources narrows the subscription to sources of these names; * stands for any run of characters. One that the bridge doesn't have is no
// error, because it may come later: it is logged, and OnConnected is told.
func Sources(names ...string) Option {
	return option(func(s *settings) { s.sources = append(s.sources, names...) })
}

// Types narrows or widens the subscription to these event types; * stands for any run of characters. Default: those of the
// handlers; without handlers all.
func Types(types ...string) Option {
	return option(func(s *settings) { s.types = append(s.types, types...) })
}

// Expression narrows the subscription to events for which a condition in the Common Expression Language holds, over event (the envelope) and
// data (the typed message): data.data.object.amount_due > 10000. One that fits none of the messages ends Subscribe, with the column.
func Expression(condition string) Option {
	return option(func(s *settings) { s.expression = condition })
}

// From says where a new subscription begins; one that exists goes on where it stood. Default: now.
func From(start *hookbridgev1.Start) Option { return option(func(s *settings) { s.start = start }) }

// MustExist is for subscriptions that are created beforehand: Subscribe ends with NotFound where there is none of this name, instead of
// making one. When it stood once, that is so in any case: a subscription that is deleted while the connection is lost is not made anew.
func MustExist() Option { return option(func(s *settings) { s.mustExist = true }) }

// Beginning is the oldest event that is stored.
func Beginning() *hookbridgev1.Start {
	return &hookbridgev1.Start{At: &hookbridgev1.Start_Beginning{Beginning: &emptypb.Empty{}}}
}

// Now is what comes after the subscription was made.
func Now() *hookbridgev1.Start {
	return &hookbridgev1.Start{At: &hookbridgev1.Start_Now{Now: &emptypb.Empty{}}}
}

// Time is the first event that was stored at t or later.
func Time(t time.Time) *hookbridgev1.Start {
	return &hookbridgev1.Start{At: &hookbridgev1.Start_Time{Time: timestamppb.New(t)}}
}

// Sequence is the event with this sequence, or the first one after it.
func Sequence(n int64) *hookbridgev1.Start {
	return &hookbridgev1.Start{At: &hookbridgev1.Start_Sequence{Sequence: n}}
}

// Window bounds what may be sent and not yet be acknowledged, in events (at most 100,000) and in bytes (at most 256 MiB); 0 for the bridge's
// default, 1000 and 16 MiB. Slow handlers want a small one, where several clients share a subscription: what waits in one window isn't with another.
func Window(events int, bytes int64) Option {
	return option(func(s *settings) { s.events, s.bytes = narrow(events), bytes })
}

// AckDeadline is after how long an unacknowledged event comes again, from 1 s to 1 h, if it isn't extended (MaxExtension). It need not be as long
// as a handler runs. Default: the subscription's.
func AckDeadline(d time.Duration) Option { return option(func(s *settings) { s.deadline = d }) }

// Heartbeat is how often an idle bridge says that it lives, from 1 s to 5 min. Default 15 s. After three that are missing Subscribe connects anew.
func Heartbeat(d time.Duration) Option { return option(func(s *settings) { s.heartbeat = d }) }

// Content asks for body and headers as received.
func Content() Option { return option(func(s *settings) { s.content = true }) }

// MaxEventBytes is the size above which events come without data and content, from 1 KiB to 32 MiB. Default 3 MiB.
func MaxEventBytes(n int) Option {
	return option(func(s *settings) { s.maxEventBytes = narrow(n) })
}

// narrow keeps what is out of bounds out of bounds, so that the bridge can say so.
func narrow(n int) int32 { return int32(min(max(n, math.MinInt32), math.MaxInt32)) }

// Name is what this client calls itself in the bridge's logs, at most 128 characters. It is not the subscription's.
func Name(name string) Option { return option(func(s *settings) { s.name = name }) }

// MaxExtension is for how long an event is kept for this client after it came, by extending its ack deadline again and again, while it waits
// for a handler and while that runs. Afterwards it comes again, to another member or to this one. 0 extends nothing. Default one hour.
func MaxExtension(d time.Duration) Option { return option(func(s *settings) { s.extension = d }) }

// AckBatch says when acknowledgements are sent: when there are n, or half the window's events, and at the latest after d. Default 500 and 10 ms.
// Events that fill the window in bytes wait for d, so it should be short. Once the context has ended none waits for longer than 10 ms.
func AckBatch(n int, d time.Duration) Option {
	return option(func(s *settings) { s.batch, s.every = n, d })
}

// DrainTimeout is how long running handlers may go on after the context ended; then their context ends, too, and what returns nil within two
// more seconds is still acknowledged. Default 20 s.
func DrainTimeout(d time.Duration) Option { return option(func(s *settings) { s.drain = d }) }

// OnConnected is called for every stream that stands.
func OnConnected(f func(*hookbridgev1.Confirmed)) Option {
	return option(func(s *settings) {
		if f != nil {
			s.connected = f
		}
	})
}

// OnDisconnected is called when a stream ended or could not be opened, with the pause before the next try.
func OnDisconnected(f func(err error, retry time.Duration)) Option {
	return option(func(s *settings) {
		if f != nil {
			s.disconnected = f
		}
	})
}

// OnGap is called when retention removed events before this subscription got them. Default: it is logged.
func OnGap(f func(*hookbridgev1.Gap)) Option {
	return option(func(s *settings) {
		if f != nil {
			s.gap = f
		}
	})
}

// OnFailure is called when a handler returned an error or panicked. Default: it is logged.
func OnFailure(f func(*Event, error)) Option {
	return option(func(s *settings) {
		if f != nil {
			s.failed = f
		}
	})
}

const (
	defaultBatch = 500
	maxBatch     = 10_000
	defaultEvery = 10 * time.Millisecond
	defaultDrain = 20 * time.Second

	defaultExtension = time.Hour
)

// settle puts the options together.
func (c *Client) settle(options []Option) (*settings, error) {
	s := &settings{
		concurrency: 1, extension: defaultExtension, batch: defaultBatch, every: defaultEvery, drain: defaultDrain,
		connected: func(*hookbridgev1.Confirmed) {},
		disconnected: func(err error, retry time.Duration) {
			c.log.Warn("disconnected from the bridge", "error", err, "retry_in", retry)
		},
		gap: func(g *hookbridgev1.Gap) {
			c.log.Warn("retention removed events before they were read", "from", g.GetFromSequence(), "to", g.GetToSequence())
		},
		failed: func(e *Event, err error) {
			c.log.Error("a handler failed, the event comes again", "source", e.GetSource(), "type", e.GetType(), "id", e.GetId(),
				"sequence", e.GetSequence(), "attempt", e.Attempt, "error", err)
		},
	}
	Options(options...).apply(s)
	var errs []error
	if err := checkConcurrency("Concurrency", s.concurrency); err != nil {
		errs = append(errs, err)
	}
	if s.batch < 1 || s.batch > maxBatch || s.every <= 0 {
		errs = append(errs, fmt.Errorf("AckBatch: want from 1 to %d and more than 0s, got %d and %v", maxBatch, s.batch, s.every))
	}
	if s.drain <= 0 {
		errs = append(errs, fmt.Errorf("DrainTimeout: want more than 0s, got %v", s.drain))
	}
	if s.extension < 0 {
		errs = append(errs, fmt.Errorf("MaxExtension: want at least 0s, got %v", s.extension))
	}
	return s, errors.Join(errs...)
}

// request is what the bridge is asked for.
func (s *settings) request(subscription string, types []string) *hookbridgev1.SubscribeRequest {
	r := &hookbridgev1.SubscribeRequest{
		Subscription: subscription, Filter: &hookbridgev1.Filter{Sources: s.sources, Types: types, Expression: s.expression}, Start: s.start, MustExist: s.mustExist,
		MaxOutstandingEvents: s.events, MaxOutstandingBytes: s.bytes, IncludeContent: s.content,
		MaxEventBytes: s.maxEventBytes, ClientName: s.name,
	}
	if s.deadline != 0 {
		r.AckDeadline = durationpb.New(s.deadline)
	}
	if s.heartbeat != 0 {
		r.HeartbeatInterval = durationpb.New(s.heartbeat)
	}
	return r
}
