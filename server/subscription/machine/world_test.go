package machine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

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
	paused  bool

	first, end int64
	life       int
	stored     State // the durable record
	restored   int   // what was held in it when this life began
	nextID     MemberID
	members    []*simMember
	ready      map[MemberID]bool
	left       bool // a member left in this life
	withdrawn  [principals + 1]bool
	ids        []ackID
	commit     *simCommit
	applied    []settled // acknowledged since the last commit began
	events     []simEvent
	undo       []change           // what was changed since the stored record was made
	keys       map[string][]int64 // the matching events of each key
	low        map[string]int     // before that, none is open
	busy       map[string]int64   // the event of the key that was sent and is not settled
	waits      map[int64]time.Duration
	letters    []simLetter // to be stored
	stones     []stone     // the dead letters that are stored
	lastStone  int64
	changed    bool    // something has to be durable before it is answered
	deleted    []int64 // copies whose events were settled since the last commit began
	seen       map[string]int
}

type simMember struct {
	id     MemberID
	who    principal
	want   Member
	leases map[int64]lease
	took   []simSend
	lastSeq,
	lastFirst int64
	redelivered bool
}

// simSend is what a member took, and what was known of the event before.
type simSend struct {
	Send
	was simEvent
}

type lease struct {
	cost int64
	due  time.Duration
}

type ackID struct {
	Ack
	who       principal // whose delivery it was
	life, run int
}

type simCommit struct {
	state   State
	applied []settled
	copies  []int64
	changes int
}

// settled is an event that was acknowledged, and how often it had begun anew.
type settled struct {
	seq int64
	run int
}

type simLetter struct {
	DeadLetter
	run int
}

// stone is a stored dead letter.
type stone struct{ id, seq int64 }

func newSimulation(seed uint64, r rules) *simulation {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := &simulation{
		rules: r, rng: rng, every: 2 + rng.Int64N(4), retains: rng.IntN(3) == 0,
		cfg: Config{
			BufferEvents: 1 + rng.IntN(20), BufferBytes: 1 + rng.Int64N(2000),
			OutboxEvents: 1 + rng.IntN(10), OutboxBytes: 1 + rng.Int64N(1000),
			MaxHeld: 1 + rng.IntN(100), Stall: 200 * time.Millisecond, Elsewhere: 50 * time.Millisecond,
			MaxBlocked: 1 + rng.IntN(20), KeptBytes: 1 + rng.Int64N(1000), MaxInjected: 1 + rng.IntN(10),
		},
		first: 1, end: 1, ready: map[MemberID]bool{}, events: make([]simEvent, 1), stored: State{Position: 1},
		keys: map[string][]int64{}, low: map[string]int{}, seen: map[string]int{},
	}
	s.cfg.Ordered = rng.IntN(2) == 0
	s.cfg.Policy = s.policy()
	return s
}

// policy draws one; whether it is ordered stays.
func (s *simulation) policy() Policy {
	p := Policy{Ordered: s.cfg.Ordered}
	if s.rng.IntN(3) > 0 {
		p.MaxAttempts = 1 + s.rng.Int32N(4)
	}
	for range s.rng.IntN(4) {
		p.Backoff = append(p.Backoff, time.Duration(s.rng.IntN(300))*time.Millisecond)
	}
	return p
}

func (s *simulation) matches(seq int64) bool { return seq%s.every != 0 }

// event makes an event of the journal: always the same for a sequence.
func (s *simulation) event(seq int64) Event {
	ev := Event{Seq: seq, Bytes: 1 + seq*7919%100, ContentBytes: seq * 104729 % 100, Key: s.key(seq), Payload: seq}
	if seq%97 == 0 {
		ev.Bytes = 5000
	}
	return ev
}

func (s *simulation) key(seq int64) string { return [...]string{"", "a", "b", "c", "d"}[seq*31%127%5] }

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
	case n < 130:
		s.grow(s.rng.IntN(4))
	case n < 300:
		return s.read(1 + s.rng.IntN(10))
	case n < 325:
		s.join(principal(s.rng.IntN(principals+1)), Member{
			WindowEvents: 1 + s.rng.IntN(20), WindowBytes: 1 + s.rng.Int64N(3000), Content: s.rng.IntN(2) == 0,
			AckDeadline: time.Duration(100+s.rng.IntN(500)) * time.Millisecond, MaxEventBytes: 50 + s.rng.Int64N(4000),
		})
	case n < 340 && len(s.members) > 0:
		s.leave(s.rng.IntN(len(s.members)))
	case n < 580 && len(s.members) > 0:
		return s.take(s.members[s.rng.IntN(len(s.members))])
	case n < 740 && len(s.ids) > 0:
		return s.ack(s.anyID())
	case n < 800 && len(s.ids) > 0:
		return s.reject(s.anyID())
	case n < 830 && len(s.ids) > 0:
		return s.extend(s.anyID())
	case n < 835:
		return s.forge()
	case n < 900:
		s.tick(s.now + time.Duration(s.rng.IntN(60))*time.Millisecond)
	case n < 920:
		return s.beginCommit()
	case n < 940:
		return s.endCommit()
	default:
		return s.operateRarely(n)
	}
	return nil
}

func (s *simulation) operateRarely(n int) error {
	switch {
	case n < 955:
		return s.bury()
	case n < 962:
		return s.redrive()
	case n < 974:
		return s.replay()
	case n < 975:
		return s.cancelReplay()
	case n < 978:
		return s.seek()
	case n < 984:
		if s.paused {
			s.paused = false
			s.m.Resume(s.now)
		} else if s.rng.IntN(2) == 0 {
			s.paused = true
			s.rules.pause(s.m, s.now)
		}
	case n < 986:
		return s.configure()
	case n < 988:
		if s.commit != nil && s.rng.IntN(2) == 0 {
			s.seen["commit lost"]++
			s.store() // it was written, and nobody was told
		}
		return s.restart()
	case n < 991 && s.retains:
		s.first += s.rng.Int64N(s.end - s.first + 1)
		return s.overtake()
	case n < 992:
		s.m.DropBuffer()
	case n < 993:
		s.m.DropPayload(1 + s.rng.Int64N(s.end))
	case n < 996:
		return s.regrant()
	case len(s.ids) > 0:
		return s.late(s.anyID())
	}
	return nil
}

// anyID is mostly one of the latest, sometimes any.
func (s *simulation) anyID() ackID {
	from := max(0, len(s.ids)-10)
	if s.rng.IntN(8) == 0 {
		from = 0
	}
	return s.ids[from+s.rng.IntN(len(s.ids)-from)]
}

func (s *simulation) grow(n int) {
	for range n {
		ev := simEvent{fact: fact{open: s.matches(s.end)}}
		if key := s.key(s.end); s.cfg.Ordered && ev.open && key != "" {
			s.keys[key] = append(s.keys[key], s.end)
		}
		s.events = append(s.events, ev)
		s.end++
	}
}

// read does what the owner of a machine does with the journal's next page.
func (s *simulation) read(n int) error {
	for range n {
		seq := s.m.Next()
		events, bytes := s.m.Room()
		switch {
		case seq >= s.end || seq < s.first:
			return nil
		case !s.matches(seq):
			s.m.Advance(seq + 1)
		case !s.rules.offer(s.m, s.now, s.event(seq)):
			if events > 0 && bytes > 0 {
				return fmt.Errorf("%d is refused, and there is room for %d events and %d bytes", seq, events, bytes)
			}
			return nil
		case events <= 0 || bytes <= 0:
			return fmt.Errorf("%d is taken in, and there is room for %d events and %d bytes", seq, events, bytes)
		}
	}
	return nil
}

func (s *simulation) join(who principal, want Member) *simMember {
	if len(s.members) >= 4 {
		return nil
	}
	if s.withdrawn[who] {
		s.seen["refused to come back"]++
		return nil
	}
	s.nextID++
	c := &simMember{id: s.nextID, who: who, want: want, leases: map[int64]lease{}}
	s.members = append(s.members, c)
	s.rules.join(s.m, s.now, c.id, want)
	return c
}

func (s *simulation) leave(i int) {
	c := s.members[i]
	s.members = slices.Delete(s.members, i, i+1)
	s.rules.leave(s.m, s.now, c.id, s.unsent(c)...)
	s.left = true
	for seq := range c.leases {
		s.comeBack(seq, StreamLost)
	}
}

func (s *simulation) tick(now time.Duration) {
	s.now = now
	s.rules.tick(s.m, now)
	for _, c := range s.members {
		for seq, l := range c.leases {
			if l.due <= now {
				delete(c.leases, seq)
				s.comeBack(seq, Deadline)
			}
		}
	}
}

func (s *simulation) configure() error {
	if err := s.tell(); err != nil {
		return err
	}
	s.cfg.Policy = s.policy()
	if !s.m.Configure(s.now, s.cfg.Policy) {
		return fmt.Errorf("configuring %+v is refused", s.cfg.Policy)
	}
	for seq := range s.events {
		if ev := &s.events[seq]; ev.place == back && s.spent(ev) {
			s.die(int64(seq), TooManyAttempts)
		}
	}
	return nil
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
	c.took = c.took[:0]
	for _, x := range sends {
		if x.Seq > 0 && x.Seq < s.end {
			c.took = append(c.took, simSend{x, s.events[x.Seq]})
		}
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
