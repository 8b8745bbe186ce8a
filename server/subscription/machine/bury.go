package machine

import "time"

// Death is why an event becomes a dead letter.
type Death int8

// The reasons for which an event is given up.
const (
	// ForGood: a client rejected it for good.
	ForGood Death = iota + 1
	// TooManyAttempts: it was sent MaxAttempts times and not acknowledged.
	TooManyAttempts
)

// DeadLetter is an event that is given up. Its copy has to be stored before it is settled.
type DeadLetter struct {
	Seq      int64
	Attempts int32
	// Epoch is that of the entry.
	Epoch  int64
	Reason Death
	// Error is what the client that rejected it last said.
	Error string
	// Copy is the dead letter that it was redriven from, and where its content is read; 0 for none.
	Copy int64
}

// grave is what is known of an event that is being buried.
type grave struct {
	reason   Death
	told     bool
	failures int
}

// bury makes a dead letter of an entry that is nowhere.
func (m *Machine) bury(e *entry, why Death) {
	e.grave = &grave{reason: why}
	e.until = 0
	e.event.Payload = nil
	m.burying++
	m.exhume(e)
}

// exhume lets DeadLetters tell of an entry, again.
func (m *Machine) exhume(e *entry) {
	e.stage, e.grave.told = burying, false
	m.letters = append(m.letters, e.event.Seq)
}

// DeadLetters returns the dead letters that are to be stored since the last call, and appends them to letters. Each has to be
// answered with Buried or BuryFailed, or with Gone where the event can't be read any more. Until then it is held, and sent to
// nobody.
func (m *Machine) DeadLetters(letters []DeadLetter) []DeadLetter {
	for _, seq := range m.letters {
		e := m.held[seq]
		if e == nil || e.stage != burying || e.grave.told {
			continue // acknowledged since
		}
		e.grave.told = true
		letters = append(letters, DeadLetter{
			Seq: seq, Attempts: e.attempts, Epoch: e.epoch, Reason: e.grave.reason, Error: e.err, Copy: e.event.Copy,
		})
	}
	m.letters = m.letters[:0]
	return letters
}

// Burying says that an event is to become a dead letter, and that this was not answered with Buried yet.
func (m *Machine) Burying(seq int64) bool {
	e := m.held[seq]
	return e != nil && e.grave != nil
}

// Buried says that a dead letter is stored, and settles its event. False: the event was acknowledged before; nothing changed, and
// the stored copy is one too many.
func (m *Machine) Buried(now time.Duration, d DeadLetter) bool {
	e := m.told(d)
	if e == nil {
		return false
	}
	m.settle(e)
	m.assign(now)
	return true
}

// The wait after a dead letter could not be stored: doubled with every failure, and spread by a tenth.
const (
	buryAgain    = time.Second
	buryAgainMax = time.Minute
)

// BuryFailed says that a dead letter could not be stored: DeadLetters tells of it again after a while, without what the client said where
// there is too much of that. False: the event was acknowledged before.
func (m *Machine) BuryFailed(now time.Duration, d DeadLetter) bool {
	e := m.told(d)
	if e == nil || e.stage != burying {
		return false
	}
	wait := min(buryAgain<<min(e.grave.failures, 10), buryAgainMax)
	e.grave.failures++
	if m.errorBytes > maxErrorBytes {
		m.forgetError(e)
	}
	wait += time.Duration(scatter(uint64(d.Seq), uint64(e.grave.failures)) % uint64(wait/10))
	e.stage, e.due = unburied, now+wait
	m.unburied.push(e)
	return true
}

// told returns the entry of a dead letter that DeadLetters told of, nil when it is not being buried any more.
func (m *Machine) told(d DeadLetter) *entry {
	e := m.held[d.Seq]
	if e == nil || e.grave == nil || !e.grave.told || e.attempts != d.Attempts || e.epoch != d.Epoch {
		return nil
	}
	return e
}

// Found says that a dead letter is stored of which nobody had heard: of an event that is being buried, or that was in the epoch before
// a restart which forgot the rest. It settles the event, so that it is not sent again. False: it was settled otherwise, and the copy is
// one too many. It is called of a machine that New made before a member joins, and after that only of what is being buried.
func (m *Machine) Found(now time.Duration, seq, epoch int64) bool {
	e := m.held[seq]
	switch {
	case e != nil && (e.restored || e.grave != nil && e.epoch == epoch):
		m.settle(e)
	case e == nil && epoch >= m.epoch && seq >= m.Position() && !m.passesOver(seq):
		// It was read after the State was stored, and is not read again.
		m.settled[seq] = struct{}{}
		m.dirty = true
	default:
		return false
	}
	m.assign(now)
	return true
}
