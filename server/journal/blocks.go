package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// blocks is the folder in which the server keeps a stream's messages, in files named 1.blk, 2.blk, ... It appends to the one
// with the highest number, whose bytes are written, but not synced, before it acknowledges a message.
type blocks struct {
	disk disk
	dir  string
	// rewrites says that the server also rewrites older blocks at any time: the records, of which only the newest of a key is
	// kept. Then everything is synced whenever the folder changed.
	rewrites bool

	mu sync.Mutex
	// numbers are the blocks found in the folder when its time of modification was modified. settled says that the time can be
	// trusted: file systems stamp with a coarse clock, so two changes close to each other can carry the same time.
	numbers  []int
	modified time.Time
	settled  bool
	// synced is the newest block that has been synced.
	synced int
	// failed are the files whose sync failed: what is in them may not be on disk although a later sync succeeds.
	failed []string
}

// newBlocks returns the blocks of a stream, which is in a folder.
func newBlocks(d disk, stream string, rewrites bool) *blocks {
	return &blocks{disk: d, dir: filepath.Join(stream, "msgs"), rewrites: rewrites}
}

// mtimeMargin is how long after its last change a folder's listing can't be told from one a moment later.
const mtimeMargin = 50 * time.Millisecond

// sync makes durable all messages that the server has acknowledged before the call.
func (b *blocks) sync() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	changed, err := b.list()
	if err != nil {
		return err
	}
	from := b.synced
	if changed && b.rewrites {
		from = 0
	}
	return b.syncFrom(from, changed)
}

// syncAll makes everything durable, also what the server rewrote.
func (b *blocks) syncAll() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.list(); err != nil {
		return err
	}
	return b.syncFrom(0, true)
}

// rewrite runs f, in which the server may rewrite blocks and rename them over the old ones, and makes durable what it did that way.
// Nothing else is synced meanwhile: the folder must not reach the disk before the files that are new in it.
func (b *blocks) rewrite(f func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := f()
	changed, lerr := b.list()
	if lerr == nil && changed {
		lerr = b.syncFrom(0, true)
	}
	return errors.Join(err, lerr)
}

// syncFrom syncs the blocks from a number on, and then the folder.
func (b *blocks) syncFrom(from int, folder bool) error {
	first, _ := slices.BinarySearch(b.numbers, from)
	for _, n := range b.numbers[first:] {
		path := filepath.Join(b.dir, blockName(n))
		err := b.disk.SyncFile(path)
		if errors.Is(err, os.ErrNotExist) {
			// Removed since the folder was listed: emptied by retention.
			b.settled = false
			continue
		}
		if err != nil {
			b.failed = append(b.failed, path)
			return fmt.Errorf("sync: %w", err)
		}
	}
	if folder {
		if err := b.disk.SyncFolder(b.dir); err != nil {
			return fmt.Errorf("sync: %w", err)
		}
	}
	if len(b.numbers) > 0 {
		b.synced = b.numbers[len(b.numbers)-1]
	}
	return nil
}

// list reads the folder if it may have changed since the last time, and says whether it may.
func (b *blocks) list() (changed bool, err error) {
	info, err := os.Stat(b.dir)
	if err != nil {
		return false, err
	}
	if b.settled && info.ModTime().Equal(b.modified) {
		return false, nil
	}
	// The listing is taken after the time was, so it is at least as new.
	now := time.Now()
	f, err := os.Open(b.dir)
	if err != nil {
		return false, err
	}
	names, err := f.Readdirnames(-1)
	if err = errors.Join(err, f.Close()); err != nil {
		return false, err
	}
	b.numbers = b.numbers[:0]
	for _, name := range names {
		if n, ok := blockNumber(name); ok {
			b.numbers = append(b.numbers, n)
		}
	}
	slices.Sort(b.numbers)
	b.modified = info.ModTime()
	// A file system that counts whole seconds is never trusted.
	b.settled = b.modified.Nanosecond() != 0 && now.Sub(b.modified) > mtimeMargin
	return true, nil
}

// suspects returns the files of which a sync failed.
func (b *blocks) suspects() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.failed)
}

// removeLeftovers removes from a server's store, before it is started, copies of blocks that were being rewritten when a process
// was killed. The server doesn't, and there may be in them what is erased later.
func removeLeftovers(store string) error {
	for _, pattern := range []string{"*" + blockSuffix + ".tmp", "*.new"} {
		// The pattern is well-formed: this is no path of the user's.
		matches, err := fs.Glob(os.DirFS(store), "jetstream/"+globalAccount+"/streams/*/msgs/"+pattern)
		if err != nil {
			return fmt.Errorf("look for leftovers of blocks: %w", err)
		}
		for _, name := range matches {
			if err := os.Remove(filepath.Join(store, filepath.FromSlash(name))); err != nil {
				return fmt.Errorf("remove a leftover of a block: %w", err)
			}
		}
	}
	return nil
}

const blockSuffix = ".blk"

func blockName(n int) string { return strconv.Itoa(n) + blockSuffix }

func blockNumber(name string) (int, bool) {
	digits, ok := strings.CutSuffix(name, blockSuffix)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil
}
