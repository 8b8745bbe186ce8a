package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// readRegular reads a regular file; see readBounded.
func readRegular(path string, most int64, what string) ([]byte, error) {
	file, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return readBounded(file, path, most, what)
}

// readBounded reads a file, which has at most so many bytes if it is what it is to be. Errors name it by path.
func readBounded(file io.Reader, path string, most int64, what string) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, fileError(path, err)
	}
	if int64(len(content)) > most {
		return nil, fmt.Errorf("file %s is larger than %s, which no %s is", path, formatSize(most), what)
	}
	return content, nil
}

// openRegular refuses what isn't a regular file before opening it: a pipe would block, and could be read only once.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("file %s is not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	return file, nil
}

// fileError says what is wrong with a file without saying its path twice.
func fileError(path string, err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return fmt.Errorf("file %s can't be read: %w", path, err)
}
