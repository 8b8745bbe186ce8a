package journal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// openIndex opens the index of a stream, which is told from others by its time of creation. An index that can't be read, or is
// of another stream, is begun anew. On a full disk one that is there is opened to be read, and is starved from the beginning.
func openIndex(dir string, window time.Duration, created time.Time, sp *space, log *slog.Logger) (*index, error) {
	full := sp.probe()
	ix, err := tryOpenIndex(dir, window, full != nil, sp.room, log)
	if err != nil && (full != nil || noSpace(err)) {
		// There may be nothing wrong with it.
		return nil, fmt.Errorf("index: %w", errors.Join(full, err))
	}
	if err == nil {
		var id int64
		if id, err = ix.number(keyStream); err == nil && id == created.UnixNano() {
			ix.loading.Go(ix.fillSieve)
			return ix, nil
		}
		if err == nil && id != 0 {
			log.Warn("the index of ids belongs to another journal and is made anew", "folder", dir)
		}
		if cerr := ix.db.Close(); err == nil && cerr != nil {
			err = cerr
		}
	}
	if full != nil {
		return nil, fmt.Errorf("index: %w", errors.Join(full, err))
	}
	if err != nil {
		log.Warn("the index of ids can't be read and is made anew", "folder", dir, "error", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	if ix, err = tryOpenIndex(dir, window, false, sp.room, log); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	if err := ix.db.Set([]byte(keyStream), encodeNumber(created.UnixNano()), pebble.NoSync); err != nil {
		return nil, fmt.Errorf("index: %w", errors.Join(err, ix.db.Close()))
	}
	ix.loading.Go(ix.fillSieve)
	return ix, nil
}

func tryOpenIndex(dir string, window time.Duration, readOnly bool, room func() bool, log *slog.Logger) (*index, error) {
	ix := &index{
		dir: dir, length: max(window, time.Second), log: log, room: room, broken: make(chan struct{}), closing: make(chan struct{}),
		sieve: newSieve(), readOnly: readOnly,
	}
	ix.starved.Store(readOnly)
	opts := &pebble.Options{
		// A full disk must not end the process, which it does when the manifest can't be written: writing waits for room.
		FS:                          vfs.OnDiskFull(ix.fenced(unlocked{vfs.Default}), ix.awaitRoom),
		DisableWAL:                  true,
		ReadOnly:                    readOnly,
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                indexMemTable,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       indexLevel0,
		L0StopWritesThreshold:       4 * indexLevel0,
		LBaseMaxBytes:               indexBase,
		CacheSize:                   indexCache,
		MaxOpenFiles:                256,
		Logger:                      indexLog{ix},
		EventListener: &pebble.EventListener{
			BackgroundError: ix.fail,
			DataCorruption:  func(info pebble.DataCorruptionInfo) { ix.fail(info.Details) },
		},
	}
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBits)
	}
	if err := ix.openDB(opts); err != nil {
		return nil, err
	}
	var err error
	if ix.through, err = ix.number(keyThrough); err == nil {
		ix.generations, err = ix.scanGenerations()
	}
	if err != nil {
		return nil, errors.Join(err, ix.db.Close())
	}
	ix.flushed = ix.through
	ix.opened.Store(true)
	return ix, nil
}

// openDB opens the database. A write that fails finally, of the manifest, ends the goroutine that did it, and what waits for that waits
// forever: the opening is left to itself then. That takes a disk that becomes full in the moment between probe and here.
func (ix *index) openDB(opts *pebble.Options) error {
	type opening struct {
		db  *pebble.DB
		err error
	}
	done := make(chan opening, 1)
	go func() {
		var o opening
		defer func() { done <- o }()
		o.db, o.err = pebble.Open(ix.dir, opts)
	}()
	var o opening
	select {
	case o = <-done:
	case <-ix.broken:
		ix.abandoned.Store(true)
	}
	ix.db = o.db
	switch {
	case o.err != nil:
		return o.err
	case o.db == nil:
		return ix.over()
	}
	return nil
}

// unlocked is a file system without locks. The journal's folder, in which the index is, is locked; and an index that was left to itself
// must not keep another one from being opened. It is fenced off instead.
type unlocked struct{ vfs.FS }

// fenced is a file system on which an index that was abandoned changes nothing: its folder may be another one's, which has all that was
// written before. A write that is under way at that moment ends in a file that was open then, and of those the other one writes none: it
// makes its own.
func (ix *index) fenced(fs vfs.FS) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !ix.abandoned.Load() || op.Kind == errorfs.OpFileClose || op.Kind.ReadOrWrite() == errorfs.OpIsRead {
			return nil
		}
		return errIndexClosed
	}))
}

func (unlocked) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }
