package journal

import "golang.org/x/sys/unix"

// fileSystemWarning says what speaks against the file system that a folder is on, if anything is known.
func fileSystemWarning(path string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return ""
	}
	switch st.Type {
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
		return "the journal is on a file system in memory: nothing in it outlives the machine"
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC:
		return "the journal is on a remote or user-space file system: its locks and its fsync may not hold; use a local disk with ext4"
	case unix.XFS_SUPER_MAGIC:
		return "the journal is on XFS, which may lose a file that was just replaced when the power fails, and with it positions of " +
			"subscriptions; use ext4"
	}
	return ""
}
