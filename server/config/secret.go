package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

const (
	redacted = "[redacted]"
	// maxSecret is far above every key in use (an RSA key in PEM has 3 KiB) and keeps a wrong path from being read whole.
	maxSecret = 64 << 10
)

// Secret is a shared secret, a token or a key. However it is printed, logged or marshaled, what comes out is [redacted]. Two
// are equal (reflect.DeepEqual) when their values and references are.
type Secret struct {
	value string
	// reference is where it was read from, as the configuration has it, file the path of the file where it was one.
	reference, file string
}

// NewSecret wraps a value that was not read from a configuration.
func NewSecret(value string) Secret { return Secret{value: value} }

// Reveal returns the value. Whoever calls it answers for where it goes.
func (s Secret) Reveal() string { return s.value }

// Format keeps the value out of every verb of package fmt, %d and %x included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String returns [redacted].
func (s Secret) String() string { return redacted }

// GoString returns [redacted].
func (s Secret) GoString() string { return redacted }

// LogValue returns [redacted].
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns [redacted]; encoding/json uses it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// errReference does not say what it got: that may be the secret itself.
var errReference = errors.New("want a reference, env:NAME or file:PATH; got something else, which is not repeated here because " +
	"it may be the secret itself")

// ReadSecret reads what a reference names: "env:NAME" from the environment, as lookup has it (nil: os.LookupEnv), or
// "file:PATH", relative paths relative to the working directory. One newline at the end of a file is not part of the secret.
// Anything else, and what is absent or empty, is an error; none contains a value.
func ReadSecret(reference string, lookup func(string) (string, bool)) (Secret, error) {
	if lookup == nil {
		lookup = os.LookupEnv
	}
	return readSecret(reference, lookup, func(path string) string { return path })
}

func readSecret(reference string, lookup func(string) (string, bool), absolute func(string) string) (Secret, error) {
	kind, rest, _ := strings.Cut(reference, ":")
	switch {
	case kind == "env" && isEnvName(rest):
		value, ok := lookup(rest)
		if !ok {
			return Secret{}, fmt.Errorf("environment variable %s is not set", rest)
		}
		if value == "" {
			return Secret{}, fmt.Errorf("environment variable %s is empty", rest)
		}
		return Secret{value: value, reference: reference}, nil
	case kind == "file" && rest != "":
		path := absolute(rest)
		value, err := readSecretFile(path)
		if err != nil {
			return Secret{}, err
		}
		return Secret{value: value, reference: reference, file: path}, nil
	default:
		return Secret{}, errReference
	}
}

func readSecretFile(path string) (string, error) {
	content, err := readRegular(path, maxSecret, "secret")
	if err != nil {
		return "", err
	}
	value, ended := strings.CutSuffix(string(content), "\n")
	if ended {
		value = strings.TrimSuffix(value, "\r")
	}
	if value == "" {
		return "", fmt.Errorf("file %s is empty", path)
	}
	return value, nil
}

// isEnvName keeps a secret that happens to begin with "env:" out of the error about an unset variable.
func isEnvName(name string) bool {
	for i, r := range name {
		if r != '_' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}
