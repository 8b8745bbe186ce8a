package subscription

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/types/known/anypb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/schema"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

// Policy is what the operator decides about one subscription.
type Policy struct {
	// HoldAll keeps retention from removing for space what the subscription still needs.
	HoldAll bool
}

// Redecode makes the data of an event again that was stored without it, out of its body, and says what became of it by the schema of
// now, which may be another than when the event was stored. The event has its content, with the type and the headers that the body came
// with. Nothing it is given may be changed. Data may be nil, as the decoding says then; the decoding never is.
type Redecode func(event *hookbridgev1.Event, body []byte) (*anypb.Any, *hookbridgev1.Decoding)

// Config is what a Manager needs.
type Config struct {
	// Journal is what is read from and what records are stored in. Required.
	Journal journal.Journal
	// Redecode is required.
	Redecode Redecode
	// Registry returns the messages that expressions of filters are checked against. It may return another one later: expressions
	// are then compiled anew, and subscriptions whose expression doesn't fit it end their streams. Nil: there are no messages.
	Registry func() *schema.Registry
	// Sources returns the provider of each source that is configured. Nil: any source may be any provider's.
	Sources func() map[string]string
	// Policies are by name. See SetPolicies.
	Policies map[string]Policy
	// Logger is required, and so is Registerer.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// Now is the wall clock of what is shown; time.Now where it is nil. Deadlines go by the monotonic clock.
	Now func() time.Time
	// Principal returns who makes a call, for listings and the audit; empty for nobody in particular. Nil: always that.
	Principal func(ctx context.Context) string
}

// Manager is the EventService: it has all subscriptions, and everything that runs for them.
type Manager struct {
	hookbridgev1.UnsafeEventServiceServer

	journal  journal.Journal
	redecode Redecode
	log      *slog.Logger
	wall     func() time.Time
	start    time.Time
	nonce    [ackNonceSize]byte
	policies atomic.Pointer[map[string]Policy]
	// who is Config.Principal. most bounds the durable subscriptions; maxSubscriptions, but in tests.
	who  func(context.Context) string
	most int
	// erasures grows with every event that is erased.
	erasures atomic.Int64
	filters  *conditions
	// examineFor is tailExamine, but in tests.
	examineFor time.Duration
	// askLetters and askFor are maxExamined and maxExamining, but in tests.
	askLetters int
	askFor     time.Duration

	routes    *routes
	tail      *tail
	committer *committer
	burier    *burier
	deadCount *deadCount
	totals    *totals

	// started is closed when Run takes over, draining when streams have to end.
	started, draining chan struct{}

	mu       sync.Mutex
	subs     map[string]*subscription
	streams  map[*subscription]int // every subscription with members, and how many
	idle     chan struct{}         // closed while there are no streams
	life     context.Context       // of Run; nil before and after
	work     sync.WaitGroup        // what runs for Run beside its own goroutines
	ran      bool
	memberID machine.MemberID
}

var _ hookbridgev1.EventServiceServer = (*Manager)(nil)

// New returns a Manager with the subscriptions that the journal has records of. It serves only while Run runs. It names itself
// to the journal as the one that knows what is still needed.
func New(ctx context.Context, cfg Config) (*Manager, error) {
	m := &Manager{
		journal: cfg.Journal, redecode: cfg.Redecode, log: cfg.Logger, wall: cfg.Now, start: time.Now(),
		filters: newConditions(cfg.Registry, cfg.Sources), examineFor: tailExamine, askLetters: maxExamined, askFor: maxExamining,
		routes: newRoutes(), started: make(chan struct{}), draining: make(chan struct{}),
		subs: map[string]*subscription{}, streams: map[*subscription]int{}, idle: make(chan struct{}),
	}
	if m.wall == nil {
		m.wall = time.Now
	}
	m.most, m.who = maxSubscriptions, cfg.Principal
	if m.who == nil {
		m.who = func(context.Context) string { return "" }
	}
	close(m.idle)
	if _, err := rand.Read(m.nonce[:]); err != nil {
		return nil, fmt.Errorf("draw the incarnation of the subscriptions: %w", err)
	}
	m.tail = newTail(m)
	m.committer = newCommitter(m)
	m.burier = newBurier(m)
	m.deadCount = &deadCount{journal: cfg.Journal}
	m.totals = newTotals(m)
	m.SetPolicies(cfg.Policies)
	records, err := cfg.Journal.Records(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the records of the subscriptions: %w", err)
	}
	if err := m.finishErasures(ctx, records[erasedKey]); err != nil {
		return nil, err
	}
	if err := m.finishDeletions(ctx, records); err != nil {
		return nil, err
	}
	letters, err := cfg.Journal.DeadLetters().Count(ctx)
	if err != nil {
		return nil, fmt.Errorf("count the dead letters of the subscriptions: %w", err)
	}
	for _, key := range slices.Sorted(maps.Keys(records)) {
		if !isRecord(key) {
			continue
		}
		if err := m.restore(key, records[key], letters.ByOwner); err != nil {
			return nil, err
		}
	}
	if err := cfg.Registerer.Register(m.totals); err != nil {
		return nil, fmt.Errorf("metrics of the subscriptions: %w", err)
	}
	cfg.Journal.SetHolds(m.Holds)
	return m, nil
}

// restore makes a subscription out of its record, and of whether it has dead letters.
func (m *Manager) restore(key string, value []byte, letters map[string]int64) error {
	r, err := decodeRecord(key, value, m.filters, m.zero())
	if err != nil {
		return err
	}
	s, err := m.newSubscription(r)
	if err != nil {
		return fmt.Errorf("record %q: %w", key, err)
	}
	s.stored(s.machine.Position(), s.machine.Low())
	s.reckoned = letters[r.name] == 0
	m.subs[r.name] = s
	// What was sent too often already is buried as soon as Run runs, and what the last run left is removed.
	s.lay()
	if len(s.removing) > 0 {
		m.burier.remove(s)
	}
	if r.filter.condition != nil {
		if err := r.filter.condition.unusable(r.name); err != nil {
			m.log.Error("a subscription delivers nothing until it gets another filter", "subscription", r.name, "error", err)
		}
	}
	return nil
}

// now is the clock of the machines.
func (m *Manager) now() time.Duration { return time.Since(m.start) }

// zero is when that clock stood at 0, by the wall clock as it is now.
func (m *Manager) zero() time.Time { return m.wall().Add(-m.now()) }

// SetPolicies takes over what the operator decided, by the names of the subscriptions.
func (m *Manager) SetPolicies(p map[string]Policy) {
	p = maps.Clone(p)
	m.policies.Store(&p)
}

// Holds is what retention has to know: the lowest sequences that durable subscriptions still need, as they are on disk. Those
// that hold everything count in All, the others in Bounded. Ephemeral ones hold nothing.
func (m *Manager) Holds() journal.Holds {
	policies := *m.policies.Load()
	var h journal.Holds
	for _, s := range m.durable() {
		low := s.storedLow.Load()
		if low == 0 {
			continue // not on disk yet, so nobody was told that it exists
		}
		which := &h.Bounded
		if policies[s.name].HoldAll {
			which = &h.All
		}
		if *which == 0 || low < *which {
			*which = low
		}
	}
	return h
}

// durable returns all durable subscriptions.
func (m *Manager) durable() []*subscription {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.subs))
}

// find returns a durable subscription.
func (m *Manager) find(name string) (*subscription, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.subs[name]
	if !ok {
		return nil, fault.Detail(fault.ErrSubscriptionUnknown, "there is no subscription %q", name)
	}
	return s, nil
}

// finalCommit is how long the last commit of a shutdown may take.
const finalCommit = 5 * time.Second

// Run serves until its context ends, and then stores where all subscriptions stand. It is called once. It returns nil after a
// shutdown that stored everything.
func (m *Manager) Run(ctx context.Context) error {
	life, end := context.WithCancel(ctx)
	defer end()
	m.mu.Lock()
	if m.ran {
		m.mu.Unlock()
		return errors.New("the subscriptions were run already")
	}
	m.ran, m.life = true, life
	m.mu.Unlock()

	// The committer outlives the rest: what the others settle last has to be stored too.
	committing, endCommits := context.WithCancel(context.WithoutCancel(ctx))
	defer endCommits()
	var committer sync.WaitGroup
	committer.Go(func() { m.committer.run(committing) })
	m.work.Go(func() { m.tail.run(life) })
	m.work.Go(func() { m.sweep(life) })
	m.work.Go(func() { m.burier.run(life) })
	for _, s := range m.durable() {
		if s.condemned() {
			m.spawn(s.vanish)
			continue
		}
		s.goOnReplaying()
	}
	close(m.started)

	<-ctx.Done()
	m.mu.Lock()
	m.drain()
	m.life = nil
	m.mu.Unlock()
	end()
	m.work.Wait()
	for _, s := range m.durable() {
		s.rest()
	}
	endCommits()
	committer.Wait()
	final, cancel := context.WithTimeout(context.WithoutCancel(ctx), finalCommit)
	defer cancel()
	err := m.committer.finish(final)
	// Not before: what the last commits settled has its dead letters removed, too.
	m.burier.finish(final)
	return err
}

// spawn runs f in a goroutine that Run waits for. It returns false, and does nothing, when Run doesn't run.
func (m *Manager) spawn(f func(ctx context.Context)) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.life == nil {
		return false
	}
	life := m.life
	m.work.Go(func() { f(life) })
	return true
}

// Shutdown ends all streams with Unavailable (SHUTTING_DOWN), refuses new ones, and returns when they have ended or the
// context does. Acknowledgements are taken until Run ends.
func (m *Manager) Shutdown(ctx context.Context) error {
	m.mu.Lock()
	m.drain()
	idle := m.idle
	m.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		m.mu.Lock()
		defer m.mu.Unlock()
		n := 0
		for _, members := range m.streams {
			n += members
		}
		return fmt.Errorf("%d streams did not end: %w", n, ctx.Err())
	}
}

// drain ends the streams.
func (m *Manager) drain() {
	if !m.isDraining() {
		close(m.draining)
	}
}

func (m *Manager) isDraining() bool {
	select {
	case <-m.draining:
		return true
	default:
		return false
	}
}

// serving waits until Run runs.
func (m *Manager) serving(ctx context.Context) error {
	select {
	case <-m.started:
	case <-m.draining:
	case <-ctx.Done():
		return ctx.Err()
	}
	if m.isDraining() {
		return fault.ErrShuttingDown
	}
	return nil
}

// enter counts a stream in, leave out.
func (m *Manager) enter(s *subscription) (machine.MemberID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.isDraining() {
		return 0, fault.ErrShuttingDown
	}
	if len(m.streams) == 0 {
		m.idle = make(chan struct{})
	}
	m.streams[s]++
	m.memberID++
	return m.memberID, nil
}

func (m *Manager) leave(s *subscription) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.streams[s]--; m.streams[s] == 0 {
		delete(m.streams, s)
	}
	if len(m.streams) == 0 {
		close(m.idle)
	}
}
