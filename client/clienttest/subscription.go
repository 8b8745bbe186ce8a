package clienttest

import (
	"slices"
	"strconv"
	"strings"
	"time"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// subscription is where a subscription stands. The bridge's lock guards it.
type subscription struct {
	b      *Bridge
	name   string // empty for an ephemeral one
	filter *hookbridgev1.Filter
	next   int64 // the sequence to read next
	// entries are what was sent and is not settled; waiting are those of them that are to be sent again.
	entries map[int64]*entry
	waiting []*entry
	// soonest is a time before which no deadline of an entry passes.
	soonest time.Time
}

// entry is an event that was sent at least once.
type entry struct {
	event    *hookbridgev1.Event
	attempt  int32
	member   *stream // nil while it waits
	deadline time.Time
	due      time.Time
	reason   hookbridgev1.Delivery_Reason
	rejected *hookbridgev1.Rejection // the last one of this attempt
}

func (b *Bridge) now() time.Time { return time.Now() }

// subscription finds or makes the subscription that a stream asks for; nil for one that must exist and doesn't.
func (b *Bridge) subscription(request *hookbridgev1.SubscribeRequest) (s *subscription, created bool) {
	name := request.GetSubscription()
	if s = b.subscriptions[name]; s == nil || name == "" {
		if request.GetMustExist() {
			return nil, false
		}
		s, created = &subscription{b: b, name: name, next: b.begin(request.GetStart()), entries: map[int64]*entry{}}, true
		if name != "" {
			b.subscriptions[name] = s
		}
	}
	if request.GetFilter() != nil {
		s.filter = request.GetFilter()
	}
	return s, created
}

// begin is the sequence of a start.
func (b *Bridge) begin(start *hookbridgev1.Start) int64 {
	end := int64(len(b.events)) + 1
	switch at := start.GetAt().(type) {
	case *hookbridgev1.Start_Beginning:
		return 1
	case *hookbridgev1.Start_Sequence:
		return max(at.Sequence, 1)
	case *hookbridgev1.Start_Time:
		for n, e := range b.events {
			if e != nil && !e.GetReceivedAt().AsTime().Before(at.Time.AsTime()) {
				return int64(n) + 1
			}
		}
	}
	return end
}

// take chooses what a stream is to be sent now: at most so many.
func (s *subscription) take(to *stream, most int) []*hookbridgev1.Delivery {
	now := s.b.now()
	s.expire(now)
	var out []*hookbridgev1.Delivery
	for len(out) < most && to.out < to.window {
		e := s.pick(now)
		if e == nil {
			break
		}
		e.attempt++
		d := &hookbridgev1.Delivery{Event: to.visible(e.event), Attempt: e.attempt, Reason: e.reason}
		if s.name != "" {
			d.AckId = s.ackID(e)
			e.member, e.rejected, e.deadline = to, nil, now.Add(to.deadline)
			if s.soonest.IsZero() || e.deadline.Before(s.soonest) {
				s.soonest = e.deadline
			}
			s.entries[e.event.GetSequence()] = e
			to.out++
		}
		s.record(Delivered, e, d.AckId).Reason = d.Reason
		out = append(out, d)
	}
	return out
}

// pick returns what waits and is due, else the next event of the journal; nil if there is none.
func (s *subscription) pick(now time.Time) *entry {
	for n, e := range s.waiting {
		if !e.due.After(now) {
			s.waiting = slices.Delete(s.waiting, n, n+1)
			return e
		}
	}
	for s.next <= int64(len(s.b.events)) {
		e := s.b.events[s.next-1]
		s.next++
		if e != nil && s.passes(e) {
			return &entry{event: e, reason: hookbridgev1.Delivery_REASON_NEW}
		}
	}
	return nil
}

func (s *subscription) passes(e *hookbridgev1.Event) bool {
	return matchesAny(s.filter.GetSources(), e.GetSource()) && matchesAny(s.filter.GetTypes(), e.GetType())
}

// again lets an entry wait until it is due, or buries it after its last attempt.
func (s *subscription) again(e *entry, reason hookbridgev1.Delivery_Reason, due time.Time) {
	s.leave(e)
	if most := s.b.settings.maxAttempts; most > 0 && e.attempt >= most {
		s.bury(e)
		return
	}
	e.reason, e.due = reason, due
	at, _ := slices.BinarySearchFunc(s.waiting, e, func(a, b *entry) int { return a.due.Compare(b.due) })
	for at < len(s.waiting) && s.waiting[at].due.Equal(due) {
		at++
	}
	s.waiting = slices.Insert(s.waiting, at, e)
}

// leave takes an entry from the stream or the queue that has it.
func (s *subscription) leave(e *entry) {
	if e.member != nil {
		e.member.out--
		e.member = nil
		return
	}
	if n := slices.Index(s.waiting, e); n >= 0 {
		s.waiting = slices.Delete(s.waiting, n, n+1)
	}
}

func (s *subscription) bury(e *entry) {
	s.leave(e)
	delete(s.entries, e.event.GetSequence())
	s.record(DeadLettered, e, s.ackID(e)).Rejection = e.rejected
}

// expire sends again what nobody acknowledged in time.
func (s *subscription) expire(now time.Time) {
	if s.soonest.IsZero() || now.Before(s.soonest) {
		return
	}
	s.soonest = time.Time{}
	var late []*entry
	for _, e := range s.entries {
		switch {
		case e.member == nil:
		case !e.deadline.After(now):
			late = append(late, e)
		case s.soonest.IsZero() || e.deadline.Before(s.soonest):
			s.soonest = e.deadline
		}
	}
	s.inOrder(late, func(e *entry) { s.again(e, hookbridgev1.Delivery_REASON_DEADLINE, now) })
}

// inOrder goes through entries by their sequence.
func (s *subscription) inOrder(entries []*entry, f func(*entry)) {
	slices.SortFunc(entries, func(a, b *entry) int { return int(a.event.GetSequence() - b.event.GetSequence()) })
	for _, e := range entries {
		f(e)
	}
}

// wake is when there is something to do without anybody asking for it; zero if never.
func (s *subscription) wake() time.Time {
	at := s.soonest
	if len(s.waiting) > 0 && (at.IsZero() || s.waiting[0].due.Before(at)) {
		at = s.waiting[0].due
	}
	return at
}

// ackID names a subscription, an event and an attempt, readable for people.
func (s *subscription) ackID(e *entry) string {
	id := append(make([]byte, 0, len(s.name)+24), s.name...)
	for _, n := range []int64{e.event.GetSequence(), int64(e.attempt), int64(s.b.epoch)} {
		id = strconv.AppendInt(append(id, ':'), n, 10)
	}
	return string(id)
}

// parseAckID reads what ackID wrote.
func (s *subscription) parseAckID(id string) (sequence int64, attempt int32, epoch int, ok bool) {
	rest, ok := strings.CutPrefix(id, s.name+":")
	fields := strings.Split(rest, ":")
	if !ok || len(fields) != 3 {
		return 0, 0, 0, false
	}
	var numbers [3]int
	for n, field := range fields {
		var err error
		if numbers[n], err = strconv.Atoi(field); err != nil {
			return 0, 0, 0, false
		}
	}
	return int64(numbers[0]), int32(numbers[1]), numbers[2], true
}

// matchesAny says whether a text matches one of the patterns, in which * stands for any run of characters, or there are none.
func matchesAny(patterns []string, text string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return matches(p, text) })
}

func matches(pattern, text string) bool {
	first, rest, starred := strings.Cut(pattern, "*")
	if !starred {
		return pattern == text
	}
	if !strings.HasPrefix(text, first) {
		return false
	}
	for text = text[len(first):]; ; text = text[1:] {
		if matches(rest, text) {
			return true
		}
		if text == "" {
			return false
		}
	}
}
