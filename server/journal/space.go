package journal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// usage is about how many bytes a stream occupies: what the server said last, and what was admitted since.
type usage struct {
	mu    sync.Mutex
	bytes int64
	// admitted counts all that was ever admitted, and underway is what of that the server may not have yet.
	admitted, underway int64
	// refused is the size of the last entry that found no room, 0 if all did.
	refused int64
}

func (u *usage) get() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.bytes
}

// admit counts an entry of n bytes, unless that would be more than most.
func (u *usage) admit(n, most int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.bytes+n > most {
		u.refused = n
		return false
	}
	u.bytes += n
	u.admitted += n
	u.underway += n
	return true
}

// landed says that the server has n bytes of what was admitted, or never will.
func (u *usage) landed(n int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.underway -= n
}

// allLanded says so of all that was admitted.
func (u *usage) allLanded() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.underway = 0
}

// begin is called before the server is asked; what it returns goes to set.
func (u *usage) begin() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.admitted - u.underway
}

// set notes what the server said. What was under way or admitted since when it was asked may not be in that yet, and is counted on top: what
// is counted short meets the limit of the stream, and then all of its group is refused and the store opened anew.
func (u *usage) set(bytes, begun int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.bytes = bytes + u.admitted - begun
}

// full says whether what was refused last would be refused again.
func (u *usage) full(most int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.refused > 0 && u.bytes+u.refused > most {
		return true
	}
	u.refused = 0
	return false
}

func errAllNeeded(most int64) error {
	return fmt.Errorf("%w: max_bytes is %d, and what is stored is still needed", ErrFull, most)
}

// space watches that the disk keeps some free.
type space struct {
	path  string
	free  func(path string) (int64, error)
	try   func(path string) error
	least int64 // negative means no limit

	mu   sync.Mutex
	left int64 // free when last looked at, without what was taken since
	err  error // why nothing can be taken
	// spent says that a write found the disk full. It was not the last byte that was missing, so until there is roomAgain nothing is
	// written: not even what may go below least.
	spent bool
}

// roomAgain is how much must be free, after a write found the disk full, before another one is tried: the index of ids needs about half.
const roomAgain = 8 << 20

// check looks at the disk.
func (s *space) check() error {
	free, err := s.free(s.path)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = free
	if err == nil && free >= roomAgain {
		s.spent = false
	}
	switch {
	case err != nil:
		s.err = fmt.Errorf("%w: free space of %s: %w", ErrUnavailable, s.path, err)
	case s.spent && s.least < roomAgain:
		s.err = s.errSpent()
	case s.least >= 0 && free < s.least:
		s.err = fmt.Errorf("%w: %s has %d bytes free, min_free is %d", ErrFull, s.path, free, s.least)
	default:
		s.err = nil
	}
	return s.err
}

// take counts n bytes that are about to be written, and looks at the disk when they may be too many.
func (s *space) take(n int64) error {
	s.mu.Lock()
	s.left -= n
	enough := s.err == nil && (s.least < 0 || s.left >= s.least)
	s.mu.Unlock()
	if enough {
		return nil
	}
	return s.check()
}

// lack returns why nothing can be written, as of the last look.
func (s *space) lack() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// available returns how much is free, as of the last look.
func (s *space) available() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left
}

// exhaust notes that a write found the disk full. That counts until the disk is looked at next, whatever it says: there are quotas.
func (s *space) exhaust() {
	err := s.check()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spent = true; err == nil {
		s.err = s.errSpent()
	}
}

// exhausted returns why nothing at all can be written, as of the last look.
func (s *space) exhausted() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.spent {
		return nil
	}
	return s.errSpent()
}

func (s *space) errSpent() error {
	return fmt.Errorf("%w: a write found no room on %s, which has %d bytes free; %d are wanted", ErrFull, s.path, s.left, roomAgain)
}

// roomFor returns why n bytes should not be written, by a look at the disk.
func (s *space) roomFor(n int64) error {
	if err := s.exhausted(); err != nil {
		return err
	}
	free, err := s.free(s.path)
	switch {
	case err != nil:
		return fmt.Errorf("%w: free space of %s: %w", ErrUnavailable, s.path, err)
	case free < n:
		return fmt.Errorf("%w: %s has %d bytes free, and to remove something takes up to %d", ErrFull, s.path, free, n)
	}
	return nil
}

// probeSize is what is written to see whether there is any room: more than opening the index takes.
const probeSize = 1 << 20

// probe returns why a small file can't be written; nil when it can.
func (s *space) probe() error { return s.try(filepath.Join(s.path, "probe")) }

// tryWriting writes a file, which a file system can't compress to nothing, and removes it again.
func tryWriting(path string) error {
	data := make([]byte, probeSize)
	_, err := rand.Read(data)
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	return errors.Join(err, ignoreMissing(os.Remove(path)))
}

// room says whether a write that found the disk full may be tried again.
func (s *space) room() bool { return s.has(roomAgain) }

// has says whether n bytes are free, by a look at the disk.
func (s *space) has(n int64) bool {
	free, err := s.free(s.path)
	return err == nil && free >= n
}
