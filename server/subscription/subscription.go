package subscription

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

// limits bound what one subscription keeps in memory: what is read ahead (events that share a page are kept once), and what is
// on its way to a member that doesn't take it. MaxHeld also bounds its record, to about two megabytes, or nine
// where ordering keys are held.
func limits(ephemeral bool) machine.Config {
	return machine.Config{
		Ephemeral:    ephemeral,
		BufferEvents: 1024, BufferBytes: 1 << 20,
		OutboxEvents: 256, OutboxBytes: 256 << 10,
		MaxHeld: 100_000, MaxBlocked: 10_000, KeptBytes: 1 << 20, MaxInjected: 10_000,
		Stall: 10 * time.Second, Elsewhere: time.Second,
	}
}

// subscription is a machine and what connects it with the world. Everything it does happens under its lock, and nothing that
// waits does.
type subscription struct {
	m         *Manager
	name      string
	label     string
	ephemeral bool
	created   time.Time
	// incarnation tells it from others that had its name before.
	incarnation uint64
	issuer      issuer
	counters    counters
	tally       tally
	// arranging is held by whoever redrives or purges dead letters: what is redriven is not purged.
	arranging *semaphore.Weighted

	// storedLow is the lowest sequence that the subscription needs, as it is on disk; 0 while it has no record.
	storedLow atomic.Int64
	// attached says that the tail reader brings the events. It changes under both the lock and, when set, that of the tail.
	attached atomic.Bool
	// inbox is the tail reader's.
	inbox []*journal.Stored

	mu      sync.Mutex
	machine *machine.Machine
	filter  *filter
	// settings are the owner's, replay what is running; nil for none.
	settings settings
	replay   *hookbridgev1.Replay
	replayer *replayer
	// deleted says that it is being deleted, or was; removal is the commit that deletes its record.
	deleted bool
	removal *commit
	// gone is closed when nothing is left of it, and its name is free; or when the bridge ends before that, as unfinished says then.
	gone       chan struct{}
	unfinished error
	// broken says why the filter can't be used: nothing is read, and nothing passed over.
	broken  error
	members map[machine.MemberID]*member
	woken   []machine.MemberID
	// catching says that a goroutine reads what the tail reader doesn't bring.
	catching bool
	timer    *time.Timer
	timerAt  time.Duration // 0: not running
	// fresh says that no stream was confirmed yet.
	fresh bool
	// commit is the last commit that the subscription takes part in, unsaved that one failed since.
	commit  *commit
	unsaved bool
	// storedPosition is the position on disk, storedAt when it was written.
	storedPosition int64
	storedAt       time.Duration
	// moved says that something was sent or settled since the last sweep. parked says that nothing was for so long that what was
	// read ahead has been forgotten; nothing is read until something moves.
	moved, parked bool
	// letters are the burials that nobody has begun with, burials those that have not ended, by their sequences. dead is scratch.
	// abandoned says that nothing is buried any more.
	letters   []*burial
	burials   map[int64]*burial
	dead      []machine.DeadLetter
	abandoned bool
	// settling are the dead letters whose events were settled, but maybe not on disk, removing those whose events were, and which are
	// to be removed. Both are in the record, so that a crash leaves none.
	settling, removing []int64
	// through is the last dead letter that is accounted for: every one of this incarnation up to it has a settled event. reckoned says that
	// there was none after it when the bridge was started, or that those were dealt with. reckoning is held by whoever does so.
	through   int64
	reckoned  bool
	reckoning *semaphore.Weighted
	// resting says that Run has ended: no timer runs any more.
	resting bool
	// age is the time of the event at ageSeq, looked up for the metrics.
	ageSeq int64
	age    time.Time
}

// newSubscription makes a subscription out of a record; an ephemeral one where it has no name.
func (m *Manager) newSubscription(r *record) (*subscription, error) {
	cfg := limits(r.name == "")
	cfg.Policy = r.settings.policy()
	mach, err := machine.New(cfg, r.state)
	if err != nil {
		return nil, err
	}
	if r.settings.paused {
		mach.Pause(m.now())
	}
	label := m.totals.label(r.name)
	return &subscription{
		m: m, name: r.name, label: label, counters: m.totals.counters(label), ephemeral: r.name == "", created: r.created,
		issuer: newIssuer(r.name, m.nonce, r.incarnation), incarnation: r.incarnation, machine: mach, filter: r.filter,
		settings: r.settings, replay: r.replay, removing: r.settledCopies, members: map[machine.MemberID]*member{},
		arranging: semaphore.NewWeighted(1), gone: make(chan struct{}),
		through: r.letters, reckoned: true, reckoning: semaphore.NewWeighted(1),
	}, nil
}

// stored notes what is on disk.
func (s *subscription) stored(position, low int64) {
	s.storedPosition, s.storedAt = position, s.m.now()
	s.storedLow.Store(low)
}

// join adds a member. It returns what the member has to wait for before it may be told that the subscription stands, nil for
// nothing. A filter other than the subscription's replaces it while there are no members, if the member's grants cover both; nil is the
// subscription's own.
func (s *subscription) join(mem *member, want *filter) (*commit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.m.now()
	if s.deleted {
		return nil, s.broken
	}
	if mem.want.AckDeadline == 0 {
		mem.want.AckDeadline = s.settings.deadline()
	}
	changed := s.fresh && s.commit == nil
	f := s.filter
	if want != nil && !want.equal(f) {
		f = want
	}
	if f.condition != nil {
		if err := f.condition.unusable(s.name); err != nil {
			return nil, err
		}
	}
	if f != s.filter {
		if n := len(s.members); n > 0 {
			text := "%d other members of subscription %q are connected with another filter"
			if n == 1 {
				text = "%d other member of subscription %q is connected with another filter"
			}
			return nil, fault.Detail(fault.ErrSubscriptionInUse, text, n, s.name)
		}
		// What the old filter lets pass and the new one doesn't, the others would miss for good. Who may not even see it, is not to
		// decide that. Of a new subscription there are no others.
		if !s.fresh {
			if err := mem.covers(s.filter); err != nil {
				return nil, fault.Detail(fault.ErrPermissionDenied, "to replace the filter of subscription %q wants all that it lets pass granted: %s",
					s.name, fault.Status(err, "").Message())
			}
		}
		s.filter, changed = f, true
	}
	s.broken = nil
	// The one that comes is told of what went while nobody was there.
	s.members[mem.id] = mem
	s.lost(now, s.m.journal.Bounds().First)
	mem.confirmed.created, s.fresh = s.fresh, false
	mem.confirmed.position, mem.confirmed.unknown = s.position(), s.m.filters.unknown(s.filter)
	if len(s.members) == 1 {
		s.m.routes.add(s, s.filter)
	}
	s.machine.Join(now, mem.id, mem.want)
	s.progress()
	s.after(now)
	if s.ephemeral {
		return nil, nil
	}
	return s.durable(changed), nil
}

// leave removes a member, which took what is unsent and was not sent it.
func (s *subscription) leave(mem *member, unsent []machine.Send) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.m.now()
	delete(s.members, mem.id)
	if len(s.members) == 0 {
		s.m.routes.remove(s)
		s.detach(s.m.tail.next.Load())
	}
	s.machine.Leave(now, mem.id, unsent...)
	if len(s.members) == 0 && s.timer != nil {
		s.timer.Stop()
		s.timerAt = 0 // after sets it where something is waited for without members, too
	}
	s.after(now)
}

// durable returns the commit after which everything that happened so far is on disk; nil when it is. What happens to a subscription
// that is deleted is in no commit: that could come after one of the next subscription of its name.
func (s *subscription) durable(changed bool) *commit {
	if s.deleted {
		return s.deletion()
	}
	if changed || s.unsaved || s.machine.Dirty() {
		s.commit, s.unsaved = s.m.committer.add(s), false
	}
	if s.commit != nil && s.commit.succeeded() {
		return nil
	}
	return s.commit
}

// after does what an input may have made necessary.
func (s *subscription) after(now time.Duration) {
	s.woken = s.machine.Woken(s.woken[:0])
	for _, id := range s.woken {
		if mem := s.members[id]; mem != nil {
			mem.wake()
		}
	}
	s.lay()
	s.schedule(now)
	s.follow()
	if s.replayer != nil {
		s.replayer.rouse()
	}
}

// schedule sees to it that the machine is told of the time when it asked for. A timer that comes too early is cheaper than one
// that is moved with every acknowledgement.
func (s *subscription) schedule(now time.Duration) {
	at, ok := s.machine.WakeAt()
	if !ok || s.resting || (s.timerAt != 0 && s.timerAt <= at) {
		return
	}
	s.timerAt = max(at, 1)
	if s.timer == nil {
		s.timer = time.AfterFunc(at-now, s.tick)
		return
	}
	s.timer.Reset(at - now)
}

func (s *subscription) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.m.now()
	s.timerAt = 0
	if s.resting {
		return
	}
	s.machine.Tick(now)
	s.after(now)
}

// follow starts to read when there is room for a large step and nobody brings the events.
func (s *subscription) follow() {
	if s.parked && s.machine.Hungry() {
		s.parked = false // a member that took nothing is back, or has room without having moved
	}
	if s.attached.Load() || s.catching || s.parked || s.broken != nil || !s.roomy() {
		return
	}
	s.catching = s.m.spawn(func(ctx context.Context) { s.catchUp(ctx) })
}

// progress says that the members do something.
func (s *subscription) progress() { s.moved, s.parked = true, false }

// roomy says whether a large step can be read.
func (s *subscription) roomy() bool {
	events, bytes := s.machine.Room()
	cfg := limits(s.ephemeral)
	return events >= cfg.BufferEvents/2 && bytes >= cfg.BufferBytes/2
}

// position is where the subscription stands. What the tail reader has passed without bringing it does not match.
func (s *subscription) position() int64 {
	s.advance()
	return s.machine.Position()
}

func (s *subscription) advance() {
	if s.attached.Load() {
		s.machine.Advance(s.m.tail.next.Load())
	}
}

// detach ends the tail reader's bringing events; everything before next has been brought.
func (s *subscription) detach(next int64) {
	if s.attached.Load() {
		s.attached.Store(false)
		s.m.tail.attached.Add(-1)
		s.machine.Advance(next)
	}
}

// take is the tail reader's: the next events that match by source and type. The first one that there is no room for, or that there
// is no time left to decide about, detaches.
func (s *subscription) take(events []*journal.Stored, until time.Duration) {
	s.mu.Lock()
	f := s.filter
	s.mu.Unlock()
	c := s.choose(f, events, until)
	s.mu.Lock()
	defer s.mu.Unlock()
	// Nobody attaches amid a page: with another filter by now it would not be attached.
	if !s.attached.Load() {
		return
	}
	now := s.m.now()
	refused := s.offer(now, c.events)
	if refused == nil {
		refused = c.rest
	}
	if refused != nil {
		s.detach(refused.Sequence)
	}
	if c.err != nil {
		s.breakOff(c.err)
	}
	s.after(now)
}

// offer offers events that were chosen to the machine and returns the first that it refused.
func (s *subscription) offer(now time.Duration, events []*journal.Stored) *journal.Stored {
	for _, ev := range events {
		if !s.filter.match(ev.Source, ev.Type) {
			continue
		}
		if !s.machine.Offer(now, s.weigh(ev)) {
			return ev
		}
	}
	return nil
}

// weigh says what the machine has to know of an event.
func (s *subscription) weigh(ev *journal.Stored) machine.Event {
	out := machine.Event{
		Seq: ev.Sequence, Bytes: int64(len(ev.Event)), ContentBytes: ev.BodyBytes,
		Time: ev.Time.UnixNano(), Payload: ev,
	}
	if ev.DataDropped {
		out.Bytes += ev.BodyBytes // about what the data will be
	}
	if s.settings.ordered {
		out.Key = orderingKey(ev.Event)
	}
	return out
}

// lost tells machine and members that the journal begins with first now.
func (s *subscription) lost(now time.Duration, first int64) {
	s.advance()
	if s.machine.Low() >= first {
		return
	}
	s.tellLost(s.machine.Lost(now, first))
}

// tellLost tells everybody of what will never be sent.
func (s *subscription) tellLost(ranges []machine.Range) {
	for _, r := range ranges {
		s.counters.lost.Add(uint64(r.To - r.From))
		s.tally.missed.Add(r.To - r.From)
		s.m.log.Warn("retention overtook a subscription", "subscription", s.name, "from_sequence", r.From, "to_sequence", r.To)
	}
	for _, mem := range s.members {
		mem.gaps = append(mem.gaps, ranges...)
		if extra := len(mem.gaps) - maxGaps; extra > 0 {
			mem.gaps[extra].From = mem.gaps[0].From
			mem.gaps = slices.Delete(mem.gaps, 0, extra)
		}
		if len(ranges) > 0 {
			mem.wake()
		}
	}
}
