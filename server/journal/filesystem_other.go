//go:build !linux

package journal

// fileSystemWarning knows nothing about other systems.
func fileSystemWarning(string) string { return "" }
