package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// Store is the journal on NATS JetStream.
type Store struct {
	cfg     Config
	log     *slog.Logger
	folder  *folder
	metrics *metrics

	codec   codec
	clock   clock
	flights flights
	tail    tail
	index   indexSlot
	usage   usage
	space   space
	// deadLetters stands on a stream of its own.
	deadLetters *sideLog
	// budget bounds what waits for its commit, in bytes; reading what reads bring in.
	budget, reading *semaphore.Weighted
	// advancing is held while the end is moved: the commits and, with a cluster, what follows other bridges.
	advancing sync.Mutex
	// retaining is held by whoever removes events.
	retaining sync.Mutex
	overrun   int64 // the position at which a hold was last overrun; guarded by retaining
	holds     atomic.Pointer[func() Holds]

	mu sync.Mutex
	// current is the open session; nil while there is none, and trouble says why.
	current *session
	trouble error

	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
	stop      context.CancelFunc // ends supervise and keep
	work      sync.WaitGroup
}

var _ Journal = (*Store)(nil)

// Open opens the journal, and makes it if there is none. It returns when the journal can be used, which after a crash takes as
// long as reading the newest events, or all if the index of ids is missing. On a full disk one that is there can be read then, and is
// used as a whole when there is room.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	f, err := openFolder(cfg.Dir, cfg.disk)
	if err != nil {
		return nil, err
	}
	s := &Store{
		cfg: cfg, log: cfg.Logger, folder: f, closing: make(chan struct{}),
		clock:   clock{now: cfg.Now},
		budget:  semaphore.NewWeighted(cfg.MaxQueued),
		reading: semaphore.NewWeighted(maxReading),
		tail:    tail{bounds: Bounds{First: 1, End: 1}},
		space:   space{path: cfg.Dir, free: cfg.free, try: cfg.probe, least: cfg.MinFree},
	}
	if s.deadLetters, err = newSideLog(s, f); err != nil {
		return nil, errors.Join(fmt.Errorf("journal: %w", err), f.close())
	}
	background, stop := context.WithCancel(context.Background())
	s.stop = stop
	if s.metrics, err = newMetrics(s, cfg.Registerer); err != nil {
		return nil, errors.Join(fmt.Errorf("journal: metrics: %w", err), f.close())
	}
	if w := fileSystemWarning(cfg.Dir); w != "" && cfg.NATS == nil {
		s.log.Warn(w, "folder", cfg.Dir)
	}
	if cfg.NATS == nil {
		s.lookForRoom()
	}
	if s.current, err = openSession(ctx, s); err != nil {
		stop()
		s.metrics.close()
		return nil, errors.Join(fmt.Errorf("journal: %w", err), s.index.close(ctx), f.close())
	}
	s.work.Go(func() { s.supervise(background) })
	s.work.Go(func() { s.keep(background) })
	return s, nil
}

// Close ends the journal. See Journal. What was appended before is committed, within the context's time.
func (s *Store) Close(ctx context.Context) error {
	s.closeOnce.Do(func() {
		close(s.closing)
		s.stop()
		s.work.Wait()
		s.mu.Lock()
		c := s.current
		s.current, s.trouble = nil, ErrClosed
		s.mu.Unlock()
		var errs []error
		if c != nil {
			errs = append(errs, c.drain(ctx))
		}
		errs = append(errs, s.index.close(ctx))
		if c != nil {
			c.close()
		}
		if s.cfg.NATS == nil {
			errs = append(errs, s.noteEnds())
		}
		s.metrics.close()
		s.closeErr = errors.Join(append(errs, s.folder.close())...)
	})
	return s.closeErr
}

// noteEnds notes how far the logs have come. A full disk is no reason not to end: what was noted before still holds, and after all but a
// power cut the store knows better.
func (s *Store) noteEnds() error {
	err := errors.Join(s.folder.setEnd(s.tail.get().End), s.deadLetters.noteEnd())
	if err != nil && noSpace(err) {
		s.log.Warn("the journal's end can't be noted", "error", err)
		return nil
	}
	return err
}

// Status describes the journal's health. See Journal.
func (s *Store) Status() error {
	c, err := s.writable()
	if err != nil {
		return err
	}
	if c.server == nil && !c.write.IsConnected() {
		return fmt.Errorf("%w: no connection to the cluster", ErrUnavailable)
	}
	if s.usage.full(s.cfg.MaxBytes) {
		return errAllNeeded(s.cfg.MaxBytes)
	}
	return nil
}

// DeadLetters is the side log of dead letters. See Journal.
func (s *Store) DeadLetters() SideLog { return s.deadLetters }

// Rejections is the ring log of refused deliveries. See Journal.
func (s *Store) Rejections() RingLog { return ring{s} }

// SetHolds names the function that says what is still needed. See Journal.
func (s *Store) SetHolds(f func() Holds) { s.holds.Store(&f) }

func (s *Store) closed() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// readable returns the session, or why there is none.
func (s *Store) readable() (*session, error) {
	if s.closed() {
		return nil, ErrClosed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current, s.trouble
}

// writable returns the session, or why nothing can be appended.
func (s *Store) writable() (*session, error) {
	c, err := s.readable()
	if err == nil && c.server != nil {
		err = s.space.lack()
	}
	if err == nil {
		err = c.incomplete()
	}
	return c, err
}

// incomplete returns why the index of ids may lack some of what can be read, nil if it lacks none.
func (s *Store) incomplete() error {
	c, err := s.readable()
	if err != nil {
		return nil
	}
	return c.incomplete()
}

// indexSlot holds the index, which is replaced when it fails.
type indexSlot struct {
	mu    sync.RWMutex
	index *index
}

// use returns the index, which stays open until release is called.
func (s *indexSlot) use() (ix *index, release func(), err error) {
	s.mu.RLock()
	if s.index == nil {
		s.mu.RUnlock()
		return nil, nil, errIndexClosed
	}
	return s.index, s.mu.RUnlock, nil
}

// set puts an index into the empty slot.
func (s *indexSlot) set(ix *index) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index = ix
}

// close closes the index, if there is one, when nobody uses it any more.
func (s *indexSlot) close(ctx context.Context) error {
	s.mu.Lock()
	ix := s.index
	s.index = nil
	s.mu.Unlock()
	if ix == nil {
		return nil
	}
	return ix.close(ctx)
}
