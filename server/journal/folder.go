package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/gofrs/flock"
)

// folder is the journal's folder, held by this process alone.
//
//	lock     held while the journal is open
//	format   the number of the format; newer ones are refused
//	end      a sequence that the journal had reached
//	nats     the embedded server's store
//	index    the ids
//
// and dead_letters, a ledger, and now and then probe, which is written to see whether there is room.
type folder struct {
	path string
	disk disk
	lock *flock.Flock

	mu    sync.Mutex
	noted int64 // what setEnd wrote last
}

// openFolder makes the folder if need be, and locks it.
func openFolder(path string, d disk) (*folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("journal folder: %w", err)
	}
	f := &folder{path: path, disk: d, lock: flock.New(filepath.Join(path, "lock"))}
	locked, err := f.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("journal folder %s: lock: %w", path, err)
	}
	if !locked {
		return nil, fmt.Errorf("journal folder %s is in use by another process", path)
	}
	if err := f.checkFormat(); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func (f *folder) close() error { return f.lock.Unlock() }

// Not all of a folder's parts are used with an external cluster.
func (f *folder) store() string { return filepath.Join(f.path, "nats") }
func (f *folder) index() string { return filepath.Join(f.path, "index") }

func (f *folder) checkFormat() error {
	path := filepath.Join(f.path, "format")
	n, err := readNumber(path)
	if errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(f.store()); err == nil {
			return fmt.Errorf("journal folder %s holds a store but no file named format: it is not a journal, or damaged", f.path)
		}
		if err := replaceFile(f.disk, path, []byte(strconv.Itoa(format)+"\n")); err != nil {
			return fmt.Errorf("journal folder: %w", err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("journal folder: %w", err)
	}
	if n < 1 || n > format {
		return fmt.Errorf("journal folder %s has format %d; this version reads 1 to %d", f.path, n, format)
	}
	return nil
}

// end returns a sequence that the journal had reached when it was last noted, 0 if it never was.
func (f *folder) end() (int64, error) {
	n, err := readNumber(filepath.Join(f.path, "end"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	return n, err
}

// setEnd notes how far the journal has come. The server forgets that when all events are gone and the power fails, and would
// count from 1 again, below the positions of subscriptions.
func (f *folder) setEnd(end int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if end <= f.noted {
		return nil
	}
	if err := replaceFile(f.disk, filepath.Join(f.path, "end"), []byte(strconv.FormatInt(end, 10)+"\n")); err != nil {
		return err
	}
	f.noted = end
	return nil
}

func readNumber(path string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: want a number: %w", path, err)
	}
	return n, nil
}
