package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// disk makes durable what was written to files. It is an interface so that a test can record what a power cut would leave.
type disk interface {
	// SyncFile returns when what the file holds is on disk. The file is opened by name: the store replaces files by renaming,
	// and a descriptor kept open would then be that of the old one.
	SyncFile(path string) error
	// SyncFolder returns when the folder's entries are on disk.
	SyncFolder(path string) error
}

// osDisk is the real one.
type osDisk struct{}

func (osDisk) SyncFile(path string) error   { return syncPath(path, os.O_RDWR) }
func (osDisk) SyncFolder(path string) error { return syncPath(path, os.O_RDONLY) }

func syncPath(path string, flag int) error {
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncTree makes durable everything under root, and root's own entry. What vanishes meanwhile is no error.
func syncTree(d disk, root string) error {
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
		case e.IsDir():
			err = d.SyncFolder(path)
		case e.Type().IsRegular():
			err = d.SyncFile(path)
		}
		return ignoreMissing(err)
	})
	if err == nil {
		err = d.SyncFolder(filepath.Dir(root))
	}
	if err != nil {
		return fmt.Errorf("sync %s: %w", root, err)
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// replaceFile makes path hold data, durably and all at once.
func replaceFile(d disk, path string, data []byte) error {
	temporary := path + ".tmp"
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return err
	}
	if err := d.SyncFile(temporary); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return d.SyncFolder(filepath.Dir(path))
}

// rewriteFile writes the content of a file anew. After a failed fsync the system may call pages clean that never reached the
// disk, so that syncing again succeeds and means nothing; only writing again does.
func rewriteFile(d disk, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return ignoreMissing(err)
	}
	return replaceFile(d, path, data)
}
