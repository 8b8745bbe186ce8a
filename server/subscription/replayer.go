package subscription

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/time/rate"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

const (
	// replayBytes is how much of the journal a replay reads at a time.
	replayBytes = 1 << 20
	// replayChunk is how many events are handed out at a time at most; fewer, where more would be too fast.
	replayChunk = 256
	// replayAhead is how many events that were injected a replay lets wait: it leaves room for redriven ones, and cancelling takes back
	// at most these.
	replayAhead = 2000
)

// errMoved says that what was read is not what is to be handed out any more: it has to be read again.
var errMoved = errors.New("the subscription has another filter, or something was erased")

// replayer hands out a part of the journal again. How far it is stands in the record, together with what was handed out, so that a
// restart goes on where it stood.
type replayer struct {
	s      *subscription
	replay *hookbridgev1.Replay
	filter *filter
	wake   chan struct{}
	// ended is closed by stop.
	ended chan struct{}

	chunk  int
	limit  *rate.Limiter
	credit int // what the limiter allowed and was not used
	// erasures is that of when the journal was read.
	erasures int64
}

func newReplayer(s *subscription, replay *hookbridgev1.Replay) (*replayer, error) {
	f, err := s.m.filters.stored(replay.GetFilter())
	if err != nil {
		return nil, err
	}
	perSecond := int(replay.GetMaxEventsPerSecond())
	r := &replayer{
		s: s, replay: replay, filter: f, wake: make(chan struct{}, 1), ended: make(chan struct{}),
		chunk: min(max(perSecond/10, 1), replayChunk),
	}
	r.limit = rate.NewLimiter(rate.Limit(perSecond), r.chunk)
	r.limit.AllowN(time.Now(), r.chunk) // it begins empty: the first second has no more than any other
	return r, nil
}

// rouse says that there may be room again, or that something was sent.
func (r *replayer) rouse() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// stop ends it; the caller has the subscription's lock, and calls it once.
func (r *replayer) stop() { close(r.ended) }

// run hands out until everything was sent, the replay is cancelled, or the context ends.
func (r *replayer) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	unhook := make(chan struct{})
	defer close(unhook)
	go func() {
		select {
		case <-r.ended:
			cancel()
		case <-unhook:
		}
	}()
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, 2*time.Second
	failing := false
	for {
		more, err := r.step(ctx)
		switch {
		case ctx.Err() != nil || err == nil && !more:
			return
		case err == nil:
			pause.Reset()
			failing = false
			continue
		case !failing: // once for each outage
			failing = true
			r.s.m.log.Error("a replay stands still until it can go on", "subscription", r.s.name, "replay", r.replay.GetId(), "error", err)
		}
		select {
		case <-time.After(pause.NextBackOff()):
		case <-ctx.Done():
			return
		}
	}
}

// step reads some of the journal and hands out what passes. It returns false when there is nothing left to do.
func (r *replayer) step(ctx context.Context) (more bool, err error) {
	if err := r.s.reckon(ctx, false, nil); err != nil {
		return false, err
	}
	next, f, wait, done := r.look()
	if done {
		return false, nil
	}
	if wait {
		return true, r.wait(ctx)
	}
	q := journal.Query{From: next, MaxEvents: 2 * r.chunk, MaxBytes: replayBytes, Sources: r.filter.sources.list, Types: r.filter.types.list}
	if r.filter.all() {
		q.Sources, q.Types = f.sources.list, f.types.list
	}
	r.erasures = r.s.m.erasures.Load()
	page, err := r.s.m.journal.Read(ctx, q)
	if err != nil {
		return false, err
	}
	var chosen []*journal.Stored
	for _, ev := range page.Events {
		if ev.Sequence >= r.replay.GetToSequence() {
			break
		}
		passes, err := r.passes(f, ev)
		if err != nil {
			return false, err
		}
		if passes {
			chosen = append(chosen, ev)
		}
	}
	err = r.handOut(ctx, f, chosen)
	if err == nil {
		err = r.passed(ctx, f, min(page.Next, r.replay.GetToSequence()))
	}
	if errors.Is(err, errMoved) {
		err = nil
	}
	return true, err
}

// passes asks both filters.
func (r *replayer) passes(f *filter, ev *journal.Stored) (bool, error) {
	if passes, err := r.s.passes(r.filter, ev); err != nil || !passes {
		return false, err
	}
	return r.s.passes(f, ev)
}

// look says what to read next and what the subscription's filter is, or to wait, or that it is done. It ends the replay when everything
// was sent: until then its id goes with what is sent.
func (r *replayer) look() (next int64, f *filter, wait, done bool) {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replayer != r {
		return 0, nil, false, true
	}
	next = r.replay.GetNextSequence()
	if next < r.replay.GetToSequence() {
		return next, s.filter, r.room() == 0, false
	}
	if s.machine.Stats().Replaying > 0 {
		return 0, nil, true, false
	}
	s.endReplay()
	s.durable(true)
	s.m.log.Info("a replay has ended", "subscription", s.name, "replay", r.replay.GetId(), "events", r.replay.GetEvents())
	return 0, nil, false, true
}

// room is how many events may be injected now.
func (r *replayer) room() int {
	return max(0, min(r.s.machine.InjectRoom(), replayAhead-r.s.machine.Stats().Injected))
}

// wait returns when something has happened to the subscription.
func (r *replayer) wait(ctx context.Context) error {
	select {
	case <-r.wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// handOut injects events, no more of them in a second than allowed.
func (r *replayer) handOut(ctx context.Context, f *filter, events []*journal.Stored) error {
	for len(events) > 0 {
		n := min(r.chunk, len(events))
		if short := n - r.credit; short > 0 {
			if err := r.limit.WaitN(ctx, short); err != nil {
				return err
			}
			r.credit += short
		}
		done, saved, err := r.inject(f, events[:n])
		if err != nil {
			return err
		}
		events = events[done:]
		if saved != nil {
			err = saved.wait(ctx)
		} else if done == 0 {
			err = r.wait(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inject hands events to the machine, as many as there is room for. It returns how many are dealt with, and the commit of that.
func (r *replayer) inject(f *filter, events []*journal.Stored) (done int, saved *commit, err error) {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replayer != r || s.filter != f || s.m.erasures.Load() != r.erasures {
		return 0, nil, errMoved
	}
	s.advance()
	batch := make([]machine.Event, 0, len(events))
	for _, ev := range events[:min(len(events), r.room())] {
		batch = append(batch, s.weigh(ev))
	}
	now := s.m.now()
	done, held := s.machine.Inject(now, batch)
	if done == 0 {
		return 0, nil, nil
	}
	r.credit -= held
	r.replay.Events += int64(held)
	r.replay.NextSequence = events[done-1].Sequence + 1
	s.progress()
	s.after(now)
	return done, s.durable(held > 0), nil
}

// passed says that nothing is left to hand out before a sequence.
func (r *replayer) passed(ctx context.Context, f *filter, next int64) error {
	s := r.s
	s.mu.Lock()
	if s.replayer != r || s.filter != f || s.m.erasures.Load() != r.erasures {
		s.mu.Unlock()
		return errMoved
	}
	r.replay.NextSequence = max(r.replay.GetNextSequence(), next)
	saved := s.durable(true)
	s.mu.Unlock()
	if saved == nil {
		return nil
	}
	return saved.wait(ctx)
}
