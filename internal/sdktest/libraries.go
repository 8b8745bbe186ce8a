// Package sdktest runs the providers' own libraries, which are Node modules, for tests.
package sdktest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// Folder is the environment variable with the folder in which the libraries are installed. Without it the tests are skipped: they need node and npm.
const Folder = "HOOKBRIDGE_SDKS"

// Libraries are the providers' own libraries, in a process of their own.
type Libraries struct {
	keys map[string]Ability
	in   io.WriteCloser
	out  *bufio.Scanner
}

// Ability is what a provider's library can do.
type Ability struct {
	Key          string
	Verify, Sign bool
	// TokenOnly says that it verifies a token, and leaves to its caller whether the body is the token's.
	TokenOnly bool
}

// Request is a delivery that a library is to verify or to sign.
type Request struct {
	Key string `json:"key"`
	// Do is "verify" or "sign".
	Do       string            `json:"do"`
	Secret   string            `json:"secret"`
	Settings map[string]string `json:"settings,omitempty"`
	// At is the library's clock, in milliseconds since 1970.
	At      int64             `json:"at"`
	ID      string            `json:"id,omitempty"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    []byte            `json:"body"`
}

// Answer is what a library says.
type Answer struct {
	OK      bool
	Error   string
	Headers map[string]string
}

// Start starts the libraries. They end with the test.
func Start(t *testing.T) *Libraries {
	t.Helper()
	folder := os.Getenv(Folder)
	if folder == "" {
		t.Skip("needs node, npm and the providers' libraries: make sdks")
	}
	list := exec.CommandContext(t.Context(), "node", "run.mjs", "--keys")
	list.Dir = folder
	keys, err := list.Output()
	if err != nil {
		t.Fatalf("node run.mjs --keys: %v", err)
	}
	l := &Libraries{keys: map[string]Ability{}}
	for decoder := json.NewDecoder(bytes.NewReader(keys)); ; {
		var a Ability
		if err := decoder.Decode(&a); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		l.keys[a.Key] = a
	}
	cmd := exec.Command("node", "run.mjs")
	cmd.Dir, cmd.Stderr = folder, t.Output()
	if l.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	l.out = bufio.NewScanner(stdout)
	l.out.Buffer(nil, 4<<20)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = l.in.Close() // it ends at the end of its input
		if err := cmd.Wait(); err != nil {
			t.Errorf("the libraries' process: %v", err)
		}
	})
	return l
}

// Ability returns what the library of a provider can do.
func (l *Libraries) Ability(key string) Ability { return l.keys[key] }

// Keys returns the providers that there are libraries of, sorted.
func (l *Libraries) Keys() []string { return slices.Sorted(maps.Keys(l.keys)) }

// Ask asks a library.
func (l *Libraries) Ask(t *testing.T, r Request) Answer {
	t.Helper()
	line, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	if !l.out.Scan() {
		t.Fatalf("the libraries' process ended: %v", l.out.Err())
	}
	var a Answer
	if err := json.Unmarshal(l.out.Bytes(), &a); err != nil {
		t.Fatalf("%s: %v", l.out.Bytes(), err)
	}
	return a
}
