package subscription

import (
	"slices"
)

// snapshot is what has to be noted when a record is stored.
type snapshot struct {
	position, low int64
	// settled is how many of settling are in the record.
	settled int
}

// snapshot returns the record to be stored.
func (s *subscription) snapshot() (value []byte, noted snapshot, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deleted {
		return nil, snapshot{}, nil // a record without a value is deleted
	}
	s.advance()
	r := record{
		name: s.name, filter: s.filter, created: s.created, incarnation: s.incarnation, settings: s.settings, replay: s.replay,
		state: s.machine.State(nil), letters: s.through, zero: s.m.zero(),
	}
	// In the same breath as the state: these events are settled in it.
	s.settling = s.machine.Copies(s.settling)
	r.settledCopies = slices.Concat(s.removing, s.settling)
	value, err = r.encode()
	return value, snapshot{r.state.Position, s.machine.Low(), len(s.settling)}, err
}

// saved notes that a record is on disk. Dead letters whose events are settled in it may go.
func (s *subscription) saved(noted snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored(noted.position, noted.low)
	if noted.settled == 0 {
		return
	}
	s.removing = append(s.removing, s.settling[:noted.settled]...)
	if s.settling = s.settling[noted.settled:]; len(s.settling) == 0 {
		s.settling = nil
	}
	s.m.burier.remove(s)
}

// rest is called at the end of Run: what is not on disk goes into the last commit.
func (s *subscription) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.resting = true
	s.checkpoint()
}

// checkpoint asks for a commit if the record on disk is behind.
func (s *subscription) checkpoint() {
	s.durable(s.position() != s.storedPosition || s.machine.Low() != s.storedLow.Load() || s.machine.Counted())
}
