package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// index knows the ids of events: (source, id) -> sequence, for as long as each counts. It is derived from the journal and is
// not synced: what is lost of it is read again from the journal, from the watermark on that is written with the ids.
//
// Ids are kept in generations by the time at which they stop counting, and a generation that is over is removed as a whole.
// A generation is as long as the journal's window, so there are two of them at a time, and an id is kept for at most twice its
// window.
type index struct {
	db     *pebble.DB
	dir    string
	length time.Duration // of a generation
	log    *slog.Logger

	mu sync.Mutex
	// generations are those that may hold something, in order. The slice is replaced, never changed.
	generations []uint64
	// through is the first sequence that is not indexed yet; flushed is how far of that is on disk.
	through, flushed int64

	// sieve spares most questions about ids that are new. loading is what fills it.
	sieve   *sieve
	loading sync.WaitGroup

	broken    chan struct{}
	breakOnce sync.Once
	cause     error // valid when broken is closed
	closing   chan struct{}

	// room says whether the disk has some. While a write waits for it the index is starved, and takes nothing more.
	room    func() bool
	starved atomic.Bool
	// opened says that a write may wait for room. readOnly says that the index was opened without any, and stays starved.
	opened   atomic.Bool
	readOnly bool
	// abandoned says that the database did not end when it should have, and was left to itself. It writes nothing more.
	abandoned atomic.Bool
}

const (
	indexMemTable = 4 << 20
	indexCache    = 16 << 20
	bloomBits     = 10
	// Few ids are looked up, since the sieve knows the new ones, and keys come in no order: each compaction rewrites much of the level
	// below. So there are few of them, and few levels. With the usual 4 tables and 64 MB, at half a million events, they took a tenth of
	// the processor.
	indexLevel0 = 16
	indexBase   = 256 << 20
	// How often a full disk is looked at again.
	indexRetry = 500 * time.Millisecond
)

var (
	errIndexClosed  = errors.New("index is closed")
	errIndexStarved = errors.New("the disk is full")
)

// close flushes and closes. What can't be flushed, because the disk is full or the context ends, is read from the journal next
// time.
func (ix *index) close(ctx context.Context) error {
	failed := ix.failed()
	// From here on no write waits for room.
	close(ix.closing)
	if failed == nil {
		if err := ix.flush(ctx); err != nil {
			ix.log.Warn("not all of the index of ids was written; the rest will be read from the journal", "error", err)
		}
	}
	done := make(chan error, 1)
	go func() {
		ix.loading.Wait()
		done <- ix.db.Close()
	}()
	err := ix.awaitClose(ctx, done)
	if err != nil && noSpace(err) {
		// What is not written is read from the journal next time.
		ix.log.Warn("the index of ids found no room at its end", "error", err)
		return nil
	}
	return err
}

// awaitClose waits for the end of the database. What it was doing may have ended with Fatalf, and then the database waits for it in vain:
// it is abandoned, and another one may be opened in its folder.
func (ix *index) awaitClose(ctx context.Context, done <-chan error) error {
	var late <-chan time.Time
	for broken := ix.broken; ; {
		select {
		case err := <-done:
			return err
		case <-broken:
			broken, late = nil, time.After(indexCloseTimeout)
		case <-late:
			ix.abandoned.Store(true)
			return fmt.Errorf("close the index: it does not end after %w", ix.cause)
		case <-ctx.Done():
			ix.abandoned.Store(true)
			return fmt.Errorf("close the index: %w", ctx.Err())
		}
	}
}

// get returns the sequence of an id, or of the first event with a body, that counts at a time.
func (ix *index) get(k idKey, at time.Time) (sequence int64, found bool, err error) {
	first := ix.generation(at)
	ix.mu.Lock()
	live := ix.generations
	ix.mu.Unlock()
	var room [128]byte
	key := room[:0]
	for _, g := range live {
		if g < first {
			continue
		}
		key = appendID(key[:0], g, k)
		if !ix.sieve.maybe(g, key) {
			continue
		}
		v, closer, err := ix.db.Get(key)
		if errors.Is(err, pebble.ErrNotFound) {
			continue
		}
		if err != nil {
			ix.fail(err)
			return 0, false, fmt.Errorf("index: %w", err)
		}
		sequence, expires := decodeEntry(v)
		if err := closer.Close(); err != nil {
			return 0, false, fmt.Errorf("index: %w", err)
		}
		if expires > at.UnixNano() {
			return sequence, true, nil
		}
	}
	return 0, false, nil
}

// indexBatch is what one commit adds.
type indexBatch struct {
	ix      *index
	batch   *pebble.Batch
	used    []uint64
	scratch []byte
	added   int
}

func (ix *index) batch() *indexBatch { return &indexBatch{ix: ix, batch: ix.db.NewBatch()} }

// add adds an id, or a body, that counts until a time.
func (b *indexBatch) add(k idKey, sequence int64, expires time.Time) error {
	g := b.ix.generation(expires)
	if !slices.Contains(b.used, g) {
		b.used = append(b.used, g)
	}
	b.scratch = appendID(b.scratch[:0], g, k)
	b.ix.sieve.add(g, b.scratch)
	b.added++
	return b.batch.Set(b.scratch, encodeEntry(sequence, expires.UnixNano()), nil)
}

// commit makes the batch visible. Everything before through is indexed then.
func (b *indexBatch) commit(through int64) error {
	ix := b.ix
	if err := ix.failed(); err != nil {
		return errors.Join(err, b.batch.Close())
	}
	if err := b.batch.Set([]byte(keyThrough), encodeNumber(through), nil); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	ix.mu.Lock()
	for _, g := range b.used {
		if i, found := slices.BinarySearch(ix.generations, g); !found {
			ix.generations = slices.Insert(slices.Clone(ix.generations), i, g)
		}
	}
	ix.mu.Unlock()
	if err := b.batch.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	ix.mu.Lock()
	ix.through = max(ix.through, through)
	ix.mu.Unlock()
	return b.batch.Close()
}

// watermark returns the first sequence that is not indexed.
func (ix *index) watermark() int64 {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.through
}

// flushPast returns when everything before a sequence is indexed on disk, or why that can't be.
func (ix *index) flushPast(ctx context.Context, sequence int64) error {
	ix.mu.Lock()
	flushed := ix.flushed
	ix.mu.Unlock()
	if flushed >= sequence {
		return nil
	}
	if err := ix.failed(); err != nil {
		return err
	}
	return ix.flush(ctx)
}

func (ix *index) flush(ctx context.Context) error {
	through := ix.watermark()
	done, err := ix.db.AsyncFlush()
	if err != nil {
		return fmt.Errorf("index: flush: %w", err)
	}
	select {
	case <-done:
	case <-ix.broken:
		return ix.failed()
	case <-ctx.Done():
		return fmt.Errorf("index: flush: %w", ctx.Err())
	}
	ix.mu.Lock()
	ix.flushed = max(ix.flushed, through)
	ix.mu.Unlock()
	return nil
}

// expire removes the generations that are over at a time.
func (ix *index) expire(at time.Time) error {
	first := ix.generation(at)
	ix.mu.Lock()
	n, _ := slices.BinarySearch(ix.generations, first)
	over := ix.generations[:n]
	ix.generations = slices.Clone(ix.generations[n:])
	ix.mu.Unlock()
	for _, g := range over {
		if err := ix.db.DeleteRange(generationPrefix(g), generationPrefix(g+1), pebble.NoSync); err != nil {
			return fmt.Errorf("index: %w", err)
		}
		ix.sieve.forget(g)
	}
	return nil
}

// size is the index's space on disk.
func (ix *index) size() uint64 { return ix.db.Metrics().DiskSpaceUsage() }

// remove deletes the index, which has been closed.
func (ix *index) remove() error { return os.RemoveAll(ix.dir) }

func (ix *index) generation(at time.Time) uint64 {
	return uint64(max(at.UnixNano(), 0)) / uint64(ix.length)
}

// scanGenerations finds the generations that hold something.
func (ix *index) scanGenerations() ([]uint64, error) {
	it, err := ix.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyID}, UpperBound: []byte{keyID + 1}})
	if err != nil {
		return nil, err
	}
	var found []uint64
	for ok := it.First(); ok; {
		g := binary.BigEndian.Uint64(it.Key()[1:])
		found = append(found, g)
		if g == math.MaxUint64 {
			break
		}
		ok = it.SeekGE(generationPrefix(g + 1))
	}
	return found, it.Close()
}

func (ix *index) number(key string) (int64, error) {
	v, closer, err := ix.db.Get([]byte(key))
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if len(v) != 8 {
		return 0, errors.Join(fmt.Errorf("%s: want 8 bytes, got %d", key, len(v)), closer.Close())
	}
	return int64(binary.BigEndian.Uint64(v)), closer.Close()
}

// fail notes that the index can't be relied on.
func (ix *index) fail(err error) {
	ix.breakOnce.Do(func() {
		ix.cause = err
		close(ix.broken)
	})
}

// failed returns why the index can't be used, nil if it can.
func (ix *index) failed() error {
	if err := ix.over(); err != nil {
		return err
	}
	if ix.starved.Load() {
		return fmt.Errorf("index: %w", errIndexStarved)
	}
	return nil
}

// over returns why the index will never be used again, nil if it may.
func (ix *index) over() error {
	select {
	case <-ix.broken:
		return fmt.Errorf("index: %w", ix.cause)
	default:
	}
	select {
	case <-ix.closing:
		return errIndexClosed
	default:
		return nil
	}
}

// awaitRoom holds up a write that found the disk full until there is room. It is tried once more then, and an error is final. While the
// index is being opened it holds up nothing: whoever opens it is told.
func (ix *index) awaitRoom() {
	if !ix.opened.Load() {
		return
	}
	ix.starved.Store(true)
	defer ix.starved.Store(false)
	ticker := time.NewTicker(indexRetry)
	defer ticker.Stop()
	for !ix.room() {
		select {
		case <-ticker.C:
		case <-ix.closing:
			return
		}
	}
}

// indexLog passes on what the database has to say.
type indexLog struct{ ix *index }

func (l indexLog) Infof(string, ...any) {}

func (l indexLog) Errorf(format string, args ...any) {
	l.ix.log.Warn(fmt.Sprintf(format, args...), "component", "index")
}

// Fatalf must not return, and must not end the process: the index is given up, the journal refuses appends, and what called it,
// a goroutine of the database, ends.
func (l indexLog) Fatalf(format string, args ...any) {
	l.ix.fail(fmt.Errorf(format, args...))
	runtime.Goexit()
}
