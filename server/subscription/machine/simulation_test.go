package machine

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// TestSimulation runs a machine through random operations: events come, members join and die, take and acknowledge in and
// out of turn, deadlines pass, retention overtakes, and the bridge is restarted with nothing but the last stored State. A
// model that knows none of the machine's rules watches what comes out. HOOKBRIDGE_SIM_SEED repeats one run,
// HOOKBRIDGE_SIM_STEPS makes it longer.
func TestSimulation(t *testing.T) {
	seeds, steps := []uint64{}, envInt(t, "HOOKBRIDGE_SIM_STEPS", 2_000_000)
	if seed := envInt(t, "HOOKBRIDGE_SIM_SEED", 0); seed != 0 {
		seeds = append(seeds, uint64(seed))
	} else {
		for range 40 {
			seeds = append(seeds, rand.Uint64()>>1)
		}
	}
	for _, seed := range seeds {
		s := newSimulation(seed, real())
		if err := s.run(steps / len(seeds)); err != nil {
			t.Fatalf("HOOKBRIDGE_SIM_SEED=%d: step %d: %v", seed, s.step, err)
		}
	}
}

// TestSimulationFindsBrokenRules breaks one rule at a time and expects the simulation to notice.
func TestSimulationFindsBrokenRules(t *testing.T) {
	const seeds, steps = 30, 20_000
	for name, broken := range mutants() {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(seeds) {
				if err := newSimulation(seed+1, broken).run(steps); err != nil {
					t.Logf("seed %d: %v", seed+1, err)
					return
				}
			}
			t.Errorf("%d runs of %d steps found nothing", seeds, steps)
		})
	}
}

func envInt(t *testing.T, name string, otherwise int) int {
	v := os.Getenv(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// rules are the operations that a mutant replaces.
type rules struct {
	offer  func(m *Machine, now time.Duration, ev Event) bool
	join   func(m *Machine, now time.Duration, id MemberID, want Member)
	leave  func(m *Machine, now time.Duration, id MemberID)
	take   func(m *Machine, now time.Duration, id MemberID, events int, bytes int64) []Send
	ack    func(m *Machine, now time.Duration, a Ack) Outcome
	tick   func(m *Machine, now time.Duration)
	state  func(m *Machine) State
	lost   func(m *Machine, now time.Duration, first int64) []Range
	woken  func(m *Machine) []MemberID
	answer func(applied, stored []int64) []int64
}

func real() rules {
	return rules{
		offer: (*Machine).Offer,
		join:  (*Machine).Join,
		leave: (*Machine).Leave,
		take: func(m *Machine, now time.Duration, id MemberID, events int, bytes int64) []Send {
			return m.Take(now, id, events, bytes, nil)
		},
		ack:    (*Machine).Ack,
		tick:   (*Machine).Tick,
		state:  func(m *Machine) State { return m.State(nil) },
		lost:   (*Machine).Lost,
		woken:  func(m *Machine) []MemberID { return m.Woken(nil) },
		answer: func(_, stored []int64) []int64 { return stored },
	}
}

func mutants() map[string]rules {
	with := func(change func(r *rules)) rules {
		r := real()
		change(&r)
		return r
	}
	return map[string]rules{
		"a stale acknowledgement is applied": with(func(r *rules) {
			r.ack = func(m *Machine, now time.Duration, a Ack) Outcome {
				if e := m.held[a.Seq]; e != nil {
					m.release(e)
					m.drop(e)
					m.assign(now)
				}
				return m.Ack(now, a)
			}
		}),
		"the incarnation is not looked at": with(func(r *rules) {
			r.ack = func(m *Machine, now time.Duration, a Ack) Outcome {
				a.Current = true
				return m.Ack(now, a)
			}
		}),
		"what is held is not stored": with(func(r *rules) {
			r.state = func(m *Machine) State { s := m.State(nil); s.Held = nil; return s }
		}),
		"the stored position skips what is buffered": with(func(r *rules) {
			r.state = func(m *Machine) State { s := m.State(nil); s.Position = m.next; return s }
		}),
		"the stored position stands still": with(func(r *rules) {
			r.state = func(m *Machine) State { s := m.State(nil); return State{Position: min(1, s.Position)} }
		}),
		"acknowledgements are answered before they are stored": with(func(r *rules) {
			r.answer = func(applied, _ []int64) []int64 { return applied }
		}),
		"what a lost stream held is forgotten": with(func(r *rules) {
			r.leave = func(m *Machine, now time.Duration, id MemberID) {
				if c := m.member(id); c != nil {
					for c.leases.head != nil {
						e := c.leases.head
						m.release(e)
						m.drop(e)
					}
				}
				m.Leave(now, id)
			}
		}),
		"what a lost stream was not yet sent is forgotten": with(func(r *rules) {
			r.leave = func(m *Machine, now time.Duration, id MemberID) {
				if c := m.member(id); c != nil {
					for c.outbox.head != nil {
						e := c.outbox.head
						m.release(e)
						m.drop(e)
					}
				}
				m.Leave(now, id)
			}
		}),
		"a lost stream keeps what it held": with(func(r *rules) { r.leave = func(*Machine, time.Duration, MemberID) {} }),
		"deadlines never pass":             with(func(r *rules) { r.tick = func(*Machine, time.Duration) {} }),
		"deadlines pass early": with(func(r *rules) {
			r.tick = func(m *Machine, now time.Duration) { m.Tick(now + 50*time.Millisecond) }
		}),
		"the window of events is ignored": with(func(r *rules) {
			r.join = func(m *Machine, now time.Duration, id MemberID, want Member) {
				want.WindowEvents *= 2
				m.Join(now, id, want)
			}
		}),
		"the window of bytes is ignored": with(func(r *rules) {
			r.join = func(m *Machine, now time.Duration, id MemberID, want Member) {
				want.WindowBytes *= 2
				m.Join(now, id, want)
			}
		}),
		"the content does not count": with(func(r *rules) {
			r.join = func(m *Machine, now time.Duration, id MemberID, want Member) {
				want.Content = false
				m.Join(now, id, want)
			}
		}),
		"the buffer has no bound": with(func(r *rules) {
			r.offer = func(m *Machine, now time.Duration, ev Event) bool {
				if m.Offer(now, ev) {
					return true
				}
				m.next = ev.Seq + 1
				m.buffer.push(ev)
				return true
			}
		}),
		"an acknowledged event that waits is sent again": with(func(r *rules) {
			r.ack = func(m *Machine, now time.Duration, a Ack) Outcome {
				e := m.held[a.Seq]
				again := e != nil && e.stage == ready
				ev, attempts := Event{}, int32(0)
				if again {
					ev, attempts = e.event, e.attempts
				}
				out := m.Ack(now, a)
				if again && out == Applied {
					e := m.hold(ev)
					e.attempts, e.reason = attempts, Deadline
					m.wait(e)
				}
				return out
			}
		}),
		"events swap places": with(func(r *rules) {
			r.offer = func(m *Machine, now time.Duration, ev Event) bool {
				ok := m.Offer(now, ev)
				if n := len(m.buffer.events); m.buffer.len() == 3 {
					m.buffer.events[n-1], m.buffer.events[n-2] = m.buffer.events[n-2], m.buffer.events[n-1]
				}
				return ok
			}
		}),
		"attempts are not counted": with(func(r *rules) {
			r.take = func(m *Machine, now time.Duration, id MemberID, events int, bytes int64) []Send {
				sends := m.Take(now, id, events, bytes, nil)
				for i := range sends {
					sends[i].Attempt = 1
				}
				return sends
			}
		}),
		"an event that does not fit is dropped": with(func(r *rules) {
			r.offer = func(m *Machine, now time.Duration, ev Event) bool {
				if !m.Offer(now, ev) {
					m.Advance(ev.Seq + 1)
				}
				return true
			}
		}),
		"a stalled member keeps what it was given": with(func(r *rules) {
			r.tick = func(m *Machine, now time.Duration) {
				for _, c := range m.members {
					c.taken = now
				}
				m.Tick(now)
			}
		}),
		"a gap is not told": with(func(r *rules) {
			r.lost = func(m *Machine, now time.Duration, first int64) []Range { m.Lost(now, first); return nil }
		}),
		"a member is not woken": with(func(r *rules) {
			n := 0
			r.woken = func(m *Machine) []MemberID {
				if n++; n%50 == 0 {
					m.woken = m.woken[:0]
				}
				return m.Woken(nil)
			}
		}),
	}
}

// simulation is the world around a machine, and what must be true of it.
type simulation struct {
	rules   rules
	rng     *rand.Rand
	cfg     Config
	every   int64 // every that many sequences one does not match
	retains bool  // retention overtakes
	m       *Machine
	step    int
	now     time.Duration

	first, end int64
	life       int
	stored     State // the durable record
	restored   int   // what was held in it when this life began
	peak       int   // the largest sum of windows in this life
	nextID     MemberID
	members    []*simMember
	ready      map[MemberID]bool
	ids        []ackID
	commit     *simCommit
	applied    []int64 // acknowledged since the last commit began
	events     []simEvent
}

type simMember struct {
	id     MemberID
	want   Member
	leases map[int64]lease
	lastSeq,
	lastFirst int64
	redelivered bool
}

type lease struct {
	attempt int32
	cost    int64
	due     time.Duration
}

type ackID struct {
	Ack
	life int
}

type simCommit struct {
	state   State
	applied []int64
}

type simEvent struct {
	life     int   // in which it was last sent
	attempt  int32 // the latest in that life
	settled  int   // the life in which it was settled, in memory
	durable  bool  // its acknowledgement is stored
	answered bool  // and was answered
	lost     bool
}

func newSimulation(seed uint64, r rules) *simulation {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := &simulation{
		rules: r, rng: rng, every: 2 + rng.Int64N(4), retains: rng.IntN(3) == 0,
		cfg: Config{
			BufferEvents: 1 + rng.IntN(20), BufferBytes: 1 + rng.Int64N(2000),
			OutboxEvents: 1 + rng.IntN(10), OutboxBytes: 1 + rng.Int64N(1000),
			MaxHeld: 1 + rng.IntN(100), Stall: 200 * time.Millisecond,
		},
		first: 1, end: 1, ready: map[MemberID]bool{}, events: make([]simEvent, 1),
		stored: State{Position: 1},
	}
	return s
}

func (s *simulation) matches(seq int64) bool { return seq%s.every != 0 }

func (s *simulation) event(seq int64) Event {
	ev := Event{Seq: seq, Bytes: 1 + seq*7919%100, ContentBytes: seq * 104729 % 100, Payload: seq}
	if seq%97 == 0 {
		ev.Bytes = 5000
	}
	return ev
}

func (s *simulation) run(steps int) error {
	if err := s.restart(); err != nil {
		return err
	}
	for ; s.step < steps; s.step++ {
		if err := s.operate(); err != nil {
			return err
		}
		if err := s.check(); err != nil {
			return err
		}
	}
	return s.drain()
}

func (s *simulation) operate() error {
	switch n := s.rng.IntN(1000); {
	case n < 150:
		s.grow(s.rng.IntN(4))
	case n < 350:
		s.read(1 + s.rng.IntN(10))
	case n < 370:
		s.join(Member{
			WindowEvents: 1 + s.rng.IntN(20), WindowBytes: 1 + s.rng.Int64N(3000), Content: s.rng.IntN(2) == 0,
			AckDeadline: time.Duration(100+s.rng.IntN(500)) * time.Millisecond, MaxEventBytes: 50 + s.rng.Int64N(4000),
		})
	case n < 385 && len(s.members) > 0:
		s.leave(s.rng.IntN(len(s.members)))
	case n < 650 && len(s.members) > 0:
		return s.take(s.members[s.rng.IntN(len(s.members))])
	case n < 860 && len(s.ids) > 0:
		// Mostly one of the latest, sometimes any.
		from := max(0, len(s.ids)-10)
		if s.rng.IntN(8) == 0 {
			from = 0
		}
		return s.ack(from + s.rng.IntN(len(s.ids)-from))
	case n < 870:
		return s.forge()
	case n < 950:
		s.tick(s.now + time.Duration(s.rng.IntN(60))*time.Millisecond)
	case n < 970:
		s.beginCommit()
	case n < 990:
		s.endCommit()
	case n < 992:
		if s.commit != nil && s.rng.IntN(2) == 0 {
			s.store() // it was written, and nobody was told
		}
		return s.restart()
	case n < 994 && s.retains:
		s.first += s.rng.Int64N(s.end - s.first + 1)
		return s.overtake()
	case n < 995:
		s.m.DropBuffer()
	}
	return nil
}

func (s *simulation) grow(n int) {
	s.end += int64(n)
	s.events = append(s.events, make([]simEvent, n)...)
}

// read does what the owner of a machine does with the journal's next page.
func (s *simulation) read(n int) {
	for range n {
		seq := s.m.Next()
		switch {
		case seq >= s.end || seq < s.first:
			return
		case !s.matches(seq):
			s.m.Advance(seq + 1)
		case !s.rules.offer(s.m, s.now, s.event(seq)):
			return
		}
	}
}

func (s *simulation) join(want Member) *simMember {
	if len(s.members) >= 4 {
		return nil
	}
	s.nextID++
	c := &simMember{id: s.nextID, want: want, leases: map[int64]lease{}}
	s.members = append(s.members, c)
	s.rules.join(s.m, s.now, c.id, want)
	sum := 0
	for _, c := range s.members {
		sum += c.want.WindowEvents
	}
	s.peak = max(s.peak, sum)
	return c
}

func (s *simulation) leave(i int) {
	c := s.members[i]
	s.members = slices.Delete(s.members, i, i+1)
	s.rules.leave(s.m, s.now, c.id)
}

func (s *simulation) take(c *simMember) error {
	s.wake()
	sends := s.rules.take(s.m, s.now, c.id, 1+s.rng.IntN(5), 1+s.rng.Int64N(500))
	s.wake()
	if len(sends) > 0 && !s.ready[c.id] {
		return fmt.Errorf("member %d was sent %d and had not been woken", c.id, len(sends))
	}
	if len(sends) == 0 {
		s.ready[c.id] = false
	}
	for _, x := range sends {
		if err := s.sent(c, x); err != nil {
			return fmt.Errorf("member %d was sent %+v: %w", c.id, x, err)
		}
	}
	return nil
}

func (s *simulation) wake() {
	for _, id := range s.rules.woken(s.m) {
		s.ready[id] = true
	}
}

func (s *simulation) sent(c *simMember, x Send) error {
	if x.Seq < 1 || x.Seq >= s.end || !s.matches(x.Seq) {
		return fmt.Errorf("it doesn't match or doesn't exist")
	}
	ev := &s.events[x.Seq]
	switch {
	case ev.settled == s.life || ev.answered || ev.durable:
		return fmt.Errorf("it was acknowledged")
	case ev.lost:
		return fmt.Errorf("it was said to be lost")
	case x.Payload != nil && x.Payload != any(x.Seq):
		return fmt.Errorf("its payload is %v", x.Payload)
	case ev.life == s.life && x.Attempt != ev.attempt+1:
		return fmt.Errorf("the attempt before was %d", ev.attempt)
	case x.Reason == First && x.Payload == nil, x.Reason == First && x.Attempt != 1:
		return fmt.Errorf("it is not the first attempt, or its payload is gone")
	case x.Reason == First && x.Seq <= c.lastFirst, !c.redelivered && x.Reason == First && x.Seq <= c.lastSeq:
		return fmt.Errorf("it comes after %d", max(c.lastFirst, c.lastSeq))
	}
	for _, other := range s.members {
		if _, ok := other.leases[x.Seq]; ok {
			return fmt.Errorf("member %d has it", other.id)
		}
	}
	if x.Reason == First {
		c.lastFirst = x.Seq
	} else {
		c.redelivered = true
	}
	c.lastSeq = x.Seq
	ev.life, ev.attempt = s.life, x.Attempt
	it := s.event(x.Seq)
	cost := it.Bytes
	if c.want.Content {
		cost += it.ContentBytes
	}
	c.leases[x.Seq] = lease{x.Attempt, min(cost, c.want.MaxEventBytes), s.now + c.want.AckDeadline}
	if len(s.ids) == 1000 {
		s.ids = s.ids[1:]
	}
	s.ids = append(s.ids, ackID{Ack{Seq: x.Seq, Attempt: x.Attempt, Epoch: 0, Current: true}, s.life})
	return nil
}

func (s *simulation) ack(i int) error {
	id := s.ids[i]
	id.Current = id.life == s.life
	ev := &s.events[id.Seq]
	want := Applied
	switch {
	case ev.settled == s.life || ev.durable:
		want = Settled
	case ev.lost:
		want = 0 // settled or stale: it matters to nobody
	case !id.Current || id.Attempt < ev.attempt:
		want = Stale
	}
	got := s.rules.ack(s.m, s.now, id.Ack)
	if got != want && want != 0 {
		return fmt.Errorf("acknowledging %+v: outcome %d, want %d", id, got, want)
	}
	if got == Applied {
		ev.settled = s.life
		s.applied = append(s.applied, id.Seq)
		for _, c := range s.members {
			delete(c.leases, id.Seq)
		}
	}
	return nil
}

// forge acknowledges what was never sent.
func (s *simulation) forge() error {
	for _, a := range []Ack{
		{Seq: s.end + s.rng.Int64N(10), Attempt: 1, Current: true},
		{Seq: 0, Attempt: 1, Current: true},
		{Seq: 1 + s.rng.Int64N(s.end), Attempt: 0, Current: true},
		{Seq: 1 + s.rng.Int64N(s.end), Attempt: 1, Epoch: 1, Current: true},
	} {
		if got := s.rules.ack(s.m, s.now, a); got != Invalid {
			return fmt.Errorf("acknowledging the forged %+v: outcome %d, want %d", a, got, Invalid)
		}
	}
	return nil
}

func (s *simulation) tick(now time.Duration) {
	s.now = now
	s.rules.tick(s.m, now)
	for _, c := range s.members {
		for seq, l := range c.leases {
			if l.due <= now {
				delete(c.leases, seq)
			}
		}
	}
}

func (s *simulation) beginCommit() {
	if s.commit == nil {
		s.commit = &simCommit{s.rules.state(s.m), s.applied}
		s.applied = nil
	}
}

func (s *simulation) endCommit() {
	if s.commit == nil {
		return
	}
	for _, seq := range s.rules.answer(slices.Concat(s.commit.applied, s.applied), s.commit.applied) {
		s.events[seq].answered = true
	}
	s.store()
}

func (s *simulation) store() {
	s.stored = s.commit.state
	for _, seq := range s.commit.applied {
		s.events[seq].durable = true
	}
	s.commit = nil
}

func (s *simulation) restart() error {
	m, err := New(s.cfg, s.stored)
	if err != nil {
		return err
	}
	s.m, s.life, s.restored, s.peak = m, s.life+1, m.Held(), 0
	s.members, s.commit, s.applied = nil, nil, nil
	return s.overtake()
}

// overtake does what the owner does when it finds that the journal begins later.
func (s *simulation) overtake() error {
	for _, r := range s.rules.lost(s.m, s.now, s.first) {
		if r.From >= r.To || r.To > s.first {
			return fmt.Errorf("lost %+v, and the journal begins with %d", r, s.first)
		}
		for seq := r.From; seq < r.To; seq++ {
			// It may be told twice: when what was buffered before it had to be read again.
			ev := &s.events[seq]
			if !ev.lost && (ev.settled == s.life || ev.durable) {
				return fmt.Errorf("lost %+v, and %d was acknowledged", r, seq)
			}
			ev.lost = true
		}
	}
	return nil
}

// check looks at what must be true after every step.
func (s *simulation) check() error {
	earliest, leased := time.Duration(1<<62), false
	for _, c := range s.members {
		var bytes int64
		for _, l := range c.leases {
			bytes += l.cost
			earliest, leased = min(earliest, l.due), true
		}
		if len(c.leases) > c.want.WindowEvents || (len(c.leases) > 1 && bytes > c.want.WindowBytes) {
			return fmt.Errorf("member %d holds %d events, %d bytes; its window is %+v", c.id, len(c.leases), bytes, c.want)
		}
	}
	if at, ok := s.m.WakeAt(); leased && (!ok || at > earliest) {
		return fmt.Errorf("it wakes at %v (%v), and a deadline is at %v", at, ok, earliest)
	}
	if n := s.m.Buffered(); n > s.cfg.BufferEvents {
		return fmt.Errorf("%d events are buffered, at most %d may be", n, s.cfg.BufferEvents)
	}
	if n := s.m.buffer.bytes; n > s.cfg.BufferBytes && n-s.m.buffer.events[len(s.m.buffer.events)-1].size() >= s.cfg.BufferBytes {
		return fmt.Errorf("%d bytes are buffered, at most %d and one event may be", n, s.cfg.BufferBytes)
	}
	if n := s.m.Held(); n > max(s.restored, min(s.peak, s.cfg.MaxHeld)) {
		return fmt.Errorf("%d events are held: %d when it began, windows of %d, at most %d", n, s.restored, s.peak, s.cfg.MaxHeld)
	}
	return nil
}

// drain lets one good member join those that are there and do nothing any more. It must get everything that is left.
func (s *simulation) drain() error {
	s.endCommit()
	s.members = s.members[:min(3, len(s.members))]
	for len(s.m.members) > len(s.members) {
		s.rules.leave(s.m, s.now, s.m.members[len(s.m.members)-1].id)
		if len(s.members) == 0 {
			break
		}
	}
	good := s.join(Member{WindowEvents: 7, WindowBytes: 1000, AckDeadline: 300 * time.Millisecond, MaxEventBytes: 4000})
	idle := 0
	for budget := 20 * (len(s.events) + 1000); s.m.Held() > 0 || s.m.Buffered() > 0 || s.m.Next() < s.end; budget-- {
		if budget == 0 || idle > 10 {
			return fmt.Errorf("%d events are never sent", s.open())
		}
		if err := s.overtake(); err != nil {
			return err
		}
		s.read(10)
		s.wake()
		before := len(s.applied)
		if s.ready[good.id] {
			if err := s.take(good); err != nil {
				return err
			}
			for i := range s.ids {
				if _, mine := good.leases[s.ids[i].Seq]; mine {
					if err := s.ack(i); err != nil {
						return err
					}
				}
			}
			s.ids = s.ids[:0]
		}
		if err := s.check(); err != nil {
			return err
		}
		if len(s.applied) > before || s.ready[good.id] || (s.m.Next() < s.end && s.m.Buffered() == 0) {
			idle = 0
			continue
		}
		idle++
		if at, ok := s.m.WakeAt(); ok && at > s.now {
			s.tick(at)
		}
	}
	if n := s.open(); n > 0 {
		return fmt.Errorf("%d events were never sent", n)
	}
	s.beginCommit()
	if got := s.commit.state; got.Position < s.end || len(got.Held) != 0 {
		return fmt.Errorf("all is acknowledged, and the state is %+v at the end %d", got, s.end)
	}
	return nil
}

// open counts what should still come.
func (s *simulation) open() int {
	n := 0
	for seq := int64(1); seq < s.end; seq++ {
		ev := &s.events[seq]
		if s.matches(seq) && ev.settled != s.life && !ev.durable && !ev.lost {
			n++
		}
	}
	return n
}
