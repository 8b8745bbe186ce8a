package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
)

// errPower is what everything gets after the power went.
var errPower = errors.New("the power is gone")

// platter is a disk that remembers what was synced, and nothing else: by inode what a file held when it was synced last, and for each
// folder the entries that it had. What a power cut leaves is made from that.
//
// Files that others than the journal sync (the index of ids syncs its own) are not on it, so a cut always loses the index.
type platter struct {
	mu      sync.Mutex
	files   map[uint64][]byte
	folders map[string]map[string]uint64
	// open keeps the inodes of all of them from being given to other files.
	open map[uint64]*os.File
	// left is how many more syncs succeed; negative for all.
	left int
	// lies says that syncs are answered without being done, as with SyncAlways off and nothing in its place.
	lies bool
}

func newPlatter() *platter {
	return &platter{files: map[uint64][]byte{}, folders: map[string]map[string]uint64{}, open: map[uint64]*os.File{}, left: -1}
}

// allow takes one sync off those that are left, and says whether there was one.
func (p *platter) allow() bool {
	if p.left > 0 {
		p.left--
	}
	return p.left != 0
}

func (p *platter) SyncFile(path string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.allow() {
		return errPower
	}
	inode, f, err := p.hold(path)
	if err != nil || p.lies {
		return err
	}
	data, err := io.ReadAll(io.NewSectionReader(f, 0, math.MaxInt64))
	p.files[inode] = data
	return err
}

func (p *platter) SyncFolder(path string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.allow() {
		return errPower
	}
	list, err := os.ReadDir(path)
	if err != nil || p.lies {
		return err
	}
	entries := map[string]uint64{}
	for _, e := range list {
		if entries[e.Name()], _, err = p.hold(filepath.Join(path, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	p.folders[path] = entries
	return nil
}

// hold opens a file, and keeps it open until the platter is closed.
func (p *platter) hold(path string) (inode uint64, _ *os.File, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, nil, errors.Join(err, f.Close())
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, nil, errors.Join(fmt.Errorf("no inode of %s", path), f.Close())
	}
	if held, ok := p.open[stat.Ino]; ok {
		return stat.Ino, held, f.Close()
	}
	p.open[stat.Ino] = f
	return stat.Ino, f, nil
}

func (p *platter) close(t *testing.T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.open {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	p.open = nil
}

// set changes how the disk behaves from now on.
func (p *platter) set(left int, lies bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left, p.lies = left, lies
}

// remains decides what is left of bytes that were written after the last sync: they may be there in part, as zeros, or not at all.
type remains func(unsynced []byte) []byte

// restore writes what a power cut leaves of a folder into another one.
func (p *platter) restore(from, to string, left remains) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	// In an order that is always the same, for what is drawn of the remains.
	for _, name := range slices.Sorted(maps.Keys(p.folders[from])) {
		inode := p.folders[from][name]
		source, target := filepath.Join(from, name), filepath.Join(to, name)
		if _, ok := p.folders[source]; ok {
			if err := p.restore(source, target, left); err != nil {
				return err
			}
			continue
		}
		info, err := os.Stat(source)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		data := bytes.Clone(p.files[inode])
		if now, err := os.ReadFile(source); err == nil && len(now) > len(data) && bytes.HasPrefix(now, data) {
			data = append(data, left(now[len(data):])...)
		}
		if err := os.WriteFile(target, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Locks in that the platter tells a file from a later one with the same inode. It took the content of another file for that of a block
// which had been replaced and whose folder was not synced.
func TestPlatterTellsFilesApart(t *testing.T) {
	root := t.TempDir()
	before, block := filepath.Join(root, "before"), filepath.Join(root, "before", "1.blk")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(before, 0o700); err != nil {
		t.Fatal(err)
	}
	disk := newPlatter()
	defer disk.close(t)
	write(block, "old")
	if err := errors.Join(disk.SyncFile(block), disk.SyncFolder(before)); err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		write(block+".tmp", "new")
		if err := os.Rename(block+".tmp", block); err != nil {
			t.Fatal(err)
		}
		other := filepath.Join(before, fmt.Sprint("other", n))
		write(other, "another file")
		if err := disk.SyncFile(other); err != nil {
			t.Fatal(err)
		}
	}
	after := filepath.Join(root, "after")
	if err := disk.restore(before, after, func([]byte) []byte { return nil }); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(after, "1.blk")); err != nil || string(got) != "old" {
		t.Errorf("want what was synced, got %q, %v", got, err)
	}
}
