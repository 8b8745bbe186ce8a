package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A secret that a handshake brought is kept in a file of its own, found by the next load, and never replaced.
func TestCapturedSecrets(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "hookbridge.yaml")
	text := "journal: {dir: data}\nsources: [{name: a, provider: acme, secrets: [env:A, captured]}, {name: b, provider: acme, secrets: [captured]}, {name: c, provider: acme, secrets: [env:A]}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	read := func() *Config {
		t.Helper()
		c, err := Load(file, Options{LookupEnv: func(string) (string, bool) { return "env", true }})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before := read()
	path := filepath.Join(dir, "data", "captured", "b")
	if s := before.Sources[1]; !s.Captured || s.HasCaptured() || len(s.Secrets) != 0 {
		t.Errorf("before: %+v", s)
	}
	if !slices.Contains(before.Files(), path) {
		t.Errorf("the file isn't watched: %v", before.Files())
	}
	next, err := before.WithCaptured("b", "brought")
	if err != nil {
		t.Fatal(err)
	}
	if s := next.Sources[1]; !s.HasCaptured() || s.Secrets[0].Reveal() != "brought" || before.Sources[1].HasCaptured() {
		t.Errorf("with it: %+v", s)
	}
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := next.KeepCaptured("b", "brought"); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700 | os.ModeDir} {
		if info, err := os.Stat(name); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, mode)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("something was left behind: %v, %v", entries, err)
	}
	after := read()
	if s := after.Sources[1]; !s.HasCaptured() || len(s.Secrets) != 1 || s.Secrets[0].Reveal() != "brought" {
		t.Errorf("after: %+v", s)
	}
	if !after.IsCaptured("b", "brought") || after.IsCaptured("b", "other") || after.IsCaptured("a", "env") || after.IsCaptured("c", "env") {
		t.Error("what is captured is not what was")
	}
	if err := before.RefreshCaptured(before); err != nil || !before.Sources[1].HasCaptured() || before.Sources[0].HasCaptured() {
		t.Errorf("refreshed: %+v, %v", before.Sources, err)
	}
	if err := after.KeepCaptured("b", "other"); !errors.Is(err, ErrNotCapturable) {
		t.Errorf("replacing: %v", err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "brought" {
		t.Errorf("the file has %q, %v", content, err)
	}
	for _, name := range []string{"b", "c", "d"} {
		if _, err := after.WithCaptured(name, "other"); !errors.Is(err, ErrNotCapturable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if with, err := after.WithCaptured("a", "second"); err != nil || len(with.Sources[0].Secrets) != 2 || with.Sources[0].Secrets[1].Reveal() != "second" {
		t.Errorf("beside another: %v", err)
	}
}

// What is wrong with a captured secret is said where it stands.
func TestCapturedSecretsThatCantBe(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "data", "captured"), 0o700), os.WriteFile(filepath.Join(dir, "data", "captured", "b"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "hookbridge.yaml")
	text := "journal: {dir: data}\nsources:\n- {name: a, provider: acme, secrets: [captured, env:A]}\n- {name: b, provider: acme, secrets: [captured]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(file, Options{LookupEnv: func(string) (string, bool) { return "env", true }})
	problems, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	var got []string
	for _, p := range problems.Problems {
		got = append(got, strings.ReplaceAll(p.String(), dir, "DIR"))
	}
	want := []string{`sources[0] "a": secrets[0]: captured is the last of the secrets`, `sources[1] "b": secrets[0]: file DIR/data/captured/b is empty`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
