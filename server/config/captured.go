package config

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// captured stands in the list of secrets for the one that the provider's handshake brings.
const captured = "captured"

// ErrNotCapturable means that a source doesn't take a secret from a handshake, or has one already.
var ErrNotCapturable = errors.New("the source takes no secret from a handshake")

// capturedFile is where the secret of a source is that a handshake brought.
func capturedFile(journal, source string) string { return filepath.Join(journal, captured, source) }

// capturedIn is the folder of the journal that captured secrets are kept beside.
func (c *Config) capturedIn() string {
	if c.running != "" {
		return c.running
	}
	return c.Journal.Dir
}

// HasCaptured says whether the secret that a handshake brings is there.
func (s Source) HasCaptured() bool {
	return slices.ContainsFunc(s.Secrets, func(secret Secret) bool { return secret.reference == captured })
}

// readCaptured returns the secret that a handshake of a source brought; false where none has.
func readCaptured(journal, source string) (Secret, bool, error) {
	path := capturedFile(journal, source)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return Secret{}, false, nil
	}
	value, err := readSecretFile(path)
	if err != nil {
		return Secret{}, false, err
	}
	return Secret{value: value, reference: captured, file: path}, true, nil
}

// WithCaptured returns the configuration with the secret that a handshake of a source brought. It isn't kept yet; see KeepCaptured.
// ErrNotCapturable.
func (c *Config) WithCaptured(source, secret string) (*Config, error) {
	next := *c
	next.Sources = slices.Clone(c.Sources)
	for n, s := range next.Sources {
		if s.Name != source || !s.Captured || s.HasCaptured() {
			continue
		}
		kept := Secret{value: secret, reference: captured, file: capturedFile(c.capturedIn(), source)}
		next.Sources[n].Secrets = append(slices.Clip(s.Secrets), kept)
		return &next, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrNotCapturable, source)
}

// IsCaptured says whether this is the secret that a handshake of a source brought.
func (c *Config) IsCaptured(source, secret string) bool {
	for _, s := range c.Sources {
		for _, kept := range s.Secrets {
			if s.Name == source && kept.reference == captured && subtle.ConstantTimeCompare([]byte(kept.value), []byte(secret)) == 1 {
				return true
			}
		}
	}
	return false
}

// KeepCaptured stores the secret that WithCaptured added, for Load to find: in a file that only the owner can read, which is on disk when
// it returns. ErrNotCapturable where there is such a file: it is never replaced.
func (c *Config) KeepCaptured(source, secret string) error {
	path := capturedFile(c.capturedIn(), source)
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("captured secret: %w", err)
	}
	// It gets its name when it is whole, and only if nothing has that name.
	temporary, err := os.CreateTemp(folder, ".new-*")
	if err != nil {
		return fmt.Errorf("captured secret: %w", err)
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.WriteString(secret)
	if err = errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return fmt.Errorf("captured secret: %w", err)
	}
	if err := os.Link(temporary.Name(), path); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %s exists already", ErrNotCapturable, path)
	} else if err != nil {
		return fmt.Errorf("captured secret: %w", err)
	}
	for _, dir := range []string{folder, c.capturedIn()} {
		if err := syncFolder(dir); err != nil {
			// The handshake that is told of this failure brings it again.
			return fmt.Errorf("captured secret: %w", errors.Join(err, os.Remove(path)))
		}
	}
	return nil
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// RefreshCaptured reads the secrets that handshakes brought since the configuration was loaded, before it takes the place of the one that is in
// force. They stay with the journal that is open, also where this one names another folder for it: that is opened after a restart.
func (c *Config) RefreshCaptured(inForce *Config) error {
	c.running = inForce.capturedIn()
	for n, s := range c.Sources {
		if !s.Captured || s.HasCaptured() {
			continue
		}
		secret, ok, err := readCaptured(c.running, s.Name)
		if err != nil {
			return fmt.Errorf("sources[%d] %q: %w", n, s.Name, err)
		}
		if ok {
			c.Sources[n].Secrets = append(slices.Clip(s.Secrets), secret)
		}
	}
	return nil
}
