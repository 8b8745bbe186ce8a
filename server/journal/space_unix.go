//go:build unix

package journal

import (
	"math"

	"golang.org/x/sys/unix"
)

// freeSpace returns how many bytes an unprivileged process can still write to the file system that path is on.
func freeSpace(path string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, err
	}
	free := uint64(st.Bavail) * uint64(st.Bsize)
	return int64(min(free, math.MaxInt64)), nil
}
