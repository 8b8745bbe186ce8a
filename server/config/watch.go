package config

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settle is how long nothing must happen before files are compared: an editor and an operator's tool need several steps for
	// one change. patience bounds the wait where something happens all the time.
	settle   = 100 * time.Millisecond
	patience = 2 * time.Second
	// maxLinks is how many symbolic links a path may go through.
	maxLinks = 40
)

// Watcher tells when the content of files changes, however that is done: written in place, replaced by renaming, a symbolic link
// on the way pointed elsewhere (as Kubernetes does with mounted secrets), removed, or made where there was none.
//
// It compares contents, so a change that changes nothing is none, and several that come together are one. What it can't see is a
// change on a file system that doesn't report any, such as NFS.
type Watcher struct {
	notify  *fsnotify.Watcher
	changes chan struct{}
	stop    context.CancelFunc
	stopped chan struct{}

	mu    sync.Mutex
	files map[string][sha256.Size]byte
}

// Watch watches files until Close.
func Watch(files []string) (*Watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	w := &Watcher{notify: notify, changes: make(chan struct{}, 1), stop: stop, stopped: make(chan struct{})}
	if err := w.SetFiles(files); err != nil {
		stop()
		return nil, errors.Join(err, notify.Close())
	}
	go w.run(ctx)
	return w, nil
}

// Changes has a value when a file has another content than before, and when a file is new to the Watcher: nobody knows then whether
// its content is still the one that was read. There is at most one value waiting.
func (w *Watcher) Changes() <-chan struct{} { return w.changes }

// SetFiles replaces the files that are watched. A file that was watched before keeps what is known of it, so a change between
// reading it and this call is not missed.
func (w *Watcher) SetFiles(files []string) error {
	w.mu.Lock()
	next, anew := make(map[string][sha256.Size]byte, len(files)), false
	for _, file := range files {
		known, ok := w.files[file]
		if !ok {
			known, anew = fingerprint(file), true
		}
		next[file] = known
	}
	w.files = next
	w.mu.Unlock()
	// First the watch, then the report: who reads the files on it finds what changed before the watch began.
	err := w.follow()
	if anew {
		w.report()
	}
	return err
}

// Close ends the watch and waits for it.
func (w *Watcher) Close() error {
	w.stop()
	err := w.notify.Close()
	<-w.stopped
	return err
}

func (w *Watcher) run(ctx context.Context) {
	defer close(w.stopped)
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	var first time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-w.notify.Events:
			if !ok {
				return
			}
		case _, ok := <-w.notify.Errors:
			// The queue overflowed, for example: something happened, and nobody knows what.
			if !ok {
				return
			}
		case <-timer.C:
			first = time.Time{}
			w.compare()
			continue
		}
		now := time.Now()
		if first.IsZero() {
			first = now
		}
		timer.Reset(min(settle, max(0, patience-now.Sub(first))))
	}
}

// compare looks at the files and reports a change.
func (w *Watcher) compare() {
	// A folder that is gone can't be watched; the one above it is, until it is there again.
	_ = w.follow()
	w.mu.Lock()
	changed := false
	for file, known := range w.files {
		if found := fingerprint(file); found != known {
			w.files[file], changed = found, true
		}
	}
	w.mu.Unlock()
	if changed {
		w.report()
	}
}

func (w *Watcher) report() {
	select {
	case w.changes <- struct{}{}:
	default: // one is waiting already
	}
}

// follow watches the folders in which a step of the way to a file can change, and no others. Folders rather than files: a file that
// is replaced takes the watch with it.
func (w *Watcher) follow() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	want := map[string]bool{}
	for file := range w.files {
		for _, folder := range folders(file) {
			want[folder] = true
		}
	}
	var errs []error
	for _, folder := range w.notify.WatchList() {
		if !want[folder] {
			// It may be gone already, and its watch with it.
			if err := w.notify.Remove(folder); err != nil && !errors.Is(err, fsnotify.ErrNonExistentWatch) {
				errs = append(errs, err)
			}
		}
	}
	for folder := range want {
		if err := w.notify.Add(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("watch folder %s: %w", folder, err))
		}
	}
	return errors.Join(errs...)
}

// folders returns the folder of a file and those of all symbolic links on the way to it. Where a step of the way is missing, the
// folder in which it would be is the last.
func folders(file string) []string {
	var found []string
	at, rest := string(filepath.Separator), strings.Split(filepath.Clean(file), string(filepath.Separator))
	for links := 0; len(rest) > 0; {
		step := rest[0]
		rest = rest[1:]
		if step == "" {
			continue
		}
		next := filepath.Join(at, step)
		info, err := os.Lstat(next)
		switch {
		case err != nil:
			return append(found, at)
		case info.Mode()&fs.ModeSymlink != 0:
			if found = append(found, at); links == maxLinks {
				return found
			}
			links++
			target, err := os.Readlink(next)
			if err != nil {
				return found
			}
			if filepath.IsAbs(target) {
				at = string(filepath.Separator)
			}
			rest = append(strings.Split(filepath.Clean(target), string(filepath.Separator)), rest...)
		case len(rest) == 0:
			found = append(found, at)
		default:
			at = next
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// fingerprint is of a file's content as far as Load would read it; that of a file that can't be read is none of a content.
func fingerprint(file string) [sha256.Size]byte {
	unreadable := [sha256.Size]byte{}
	f, err := openRegular(file)
	if err != nil {
		return unreadable
	}
	defer func() { _ = f.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, io.LimitReader(f, max(maxFile, maxImage)+1)); err != nil {
		return unreadable
	}
	return [sha256.Size]byte(hash.Sum(nil))
}
