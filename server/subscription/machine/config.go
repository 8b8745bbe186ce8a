package machine

import "time"

// Config are the limits of a machine. All numbers outside of Policy must be positive.
type Config struct {
	Policy
	// Ephemeral settles an event as soon as it is taken: there is nothing to acknowledge.
	Ephemeral bool
	// BufferEvents and BufferBytes bound what is read ahead. One event is taken in however large.
	BufferEvents int
	BufferBytes  int64
	// OutboxEvents and OutboxBytes bound what is given to a member that has not yet taken it. One event is put there however
	// large.
	OutboxEvents int
	OutboxBytes  int64
	// MaxHeld bounds the events that are held, and with them the size of State.
	MaxHeld int
	// MaxBlocked bounds the events that are held behind a busy key. At the bound, reading waits.
	MaxBlocked int
	// KeptBytes bounds the payloads of what is held and with no member. Beyond it they are dropped: Send.Payload is nil then.
	KeptBytes int64
	// MaxInjected bounds the events that were injected and are not settled.
	MaxInjected int
	// Stall is after how long a member that takes nothing loses what is in its outbox; its ack deadline, where that is shorter.
	Stall time.Duration
	// Elsewhere is for how long an event that passed its deadline waits for another member which has only its outbox full, before
	// it may go to the same member again.
	Elsewhere time.Duration
}

// Policy is what Configure can change.
type Policy struct {
	// Ordered delivers the events of one key one at a time, in order.
	Ordered bool
	// Backoff is after how long a rejected event is sent again: element n for attempt n, the last for all that follow, each give
	// or take up to a tenth. Empty: at once.
	Backoff []time.Duration
	// MaxAttempts is after how many attempts an event becomes a dead letter; 0 for never.
	MaxAttempts int32
}

// Configure changes the policy. What waits and has been sent more often than it allows now becomes a dead letter; what is leased
// does when it comes back. It returns false, and changes nothing, where Ordered would change while there are members. What was
// held before a subscription became ordered is held to no order.
func (m *Machine) Configure(now time.Duration, p Policy) bool {
	if p.Ordered != m.cfg.Ordered && len(m.members) > 0 {
		return false
	}
	m.cfg.Policy = p
	for _, l := range m.lines() {
		for e := l.head; e != nil; e = e.links[byLine].next {
			if !p.Ordered && e.lane != nil {
				m.unlane(e)
			}
			if m.spent(e) && (e.stage == ready || e.stage == delayed || e.stage == inOutbox) {
				m.release(e)
				m.bury(e, TooManyAttempts)
			}
		}
	}
	m.assign(now)
	return true
}

// spent says that an entry has been sent as often as is allowed.
func (m *Machine) spent(e *entry) bool {
	return m.cfg.MaxAttempts > 0 && e.attempts >= m.cfg.MaxAttempts
}
