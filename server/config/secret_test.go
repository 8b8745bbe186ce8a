package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSecretIsNeverPrinted prints a secret in every way that the standard library has, alone and inside a Config.
func TestSecretIsNeverPrinted(t *testing.T) {
	config, err := Demo()
	if err != nil {
		t.Fatal(err)
	}
	secret := config.Sources[0].Secrets[0]
	if secret.Reveal() != "my_shared_secret" {
		t.Fatalf("the secret is %q", secret.Reveal())
	}
	for _, verb := range []string{"v", "+v", "#v", "s", "q", "x", "X", "d", "o", "T%v", "10s", " x"} {
		for _, value := range []any{secret, &secret, config, config.Sources, []any{secret}, map[string]Secret{"k": secret}} {
			if got := fmt.Sprintf("%"+verb, value); containsSecret(got) {
				t.Errorf("%%%s of %T: %s", verb, value, got)
			}
		}
	}
	if got := fmt.Sprint(secret, secret.GoString(), secret.String()); got != "[redacted][redacted][redacted]" {
		t.Errorf("got %s", got)
	}
	encoded, err := json.Marshal(config.Sources[0])
	if err != nil || !strings.Contains(string(encoded), `"Secrets":["[redacted]"]`) || containsSecret(string(encoded)) {
		t.Errorf("JSON: %s, %v", encoded, err)
	}
	for _, handler := range []func(*bytes.Buffer) slog.Handler{
		func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var out bytes.Buffer
		slog.New(handler(&out)).Info("x", "secret", secret, "pointer", &secret, "config", config)
		if containsSecret(out.String()) || !strings.Contains(out.String(), "[redacted]") {
			t.Errorf("log: %s", &out)
		}
	}
}

// containsSecret finds the demo's secret as it is and in hexadecimal digits.
func containsSecret(s string) bool {
	return slices.ContainsFunc([]string{"my_shared_secret", "6d795f7368", "6D795F7368", "6d 79 5f"}, func(form string) bool {
		return strings.Contains(s, form)
	})
}

func TestReadSecret(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"plain": "abc", "newline": "abc\n", "windows": "abc\r\n", "two": "abc\n\n", "spaces": " abc \n", "return": "abc\r", "blank": "\r\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for reference, want := range map[string]string{
		"env:A":                    "1",
		"env:_b2":                  " 2\n",
		"file:" + dir + "/plain":   "abc",
		"file:" + dir + "/newline": "abc",
		"file:" + dir + "/windows": "abc",
		"file:" + dir + "/two":     "abc\n",
		"file:" + dir + "/spaces":  " abc ",
		"file:" + dir + "/return":  "abc\r",
	} {
		got, err := ReadSecret(reference, env("A", "1", "_b2", " 2\n"))
		if err != nil || got.Reveal() != want || got.reference != reference {
			t.Errorf("%s: want %q, got %q of %s, %v", reference, want, got.Reveal(), got.reference, err)
		}
	}
	for reference, want := range map[string]string{
		"":                        errReference.Error(),
		"env":                     errReference.Error(),
		"env:":                    errReference.Error(),
		"env:2B":                  errReference.Error(),
		"env:A B":                 errReference.Error(),
		"Env:A":                   errReference.Error(),
		"hunter2":                 errReference.Error(),
		"whsec_aGVsbG8=":          errReference.Error(),
		"env:C":                   "environment variable C is not set",
		"file:" + dir + "/blank":  "file " + dir + "/blank is empty",
		"file:" + dir:             "file " + dir + " is not a regular file",
		"file:" + dir + "/absent": "file " + dir + "/absent can't be read: no such file or directory",
	} {
		if got, err := ReadSecret(reference, env("A", "1")); err == nil || err.Error() != want || got != (Secret{}) {
			t.Errorf("%s: want %q, got %v", reference, want, err)
		}
	}
}

func TestReadSecretFromEnvironment(t *testing.T) {
	t.Setenv("HOOKBRIDGE_TEST_SECRET", "x")
	got, err := ReadSecret("env:HOOKBRIDGE_TEST_SECRET", nil)
	if err != nil || got.Reveal() != "x" {
		t.Errorf("got %q, %v", got.Reveal(), err)
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "4096": 4096, "1B": 1, "512KiB": 512 << 10, "10MiB": 10 << 20, "10 GiB": 10 << 30, "2TiB": 2 << 40,
		"1kB": 1000, "1KB": 1000, "3MB": 3e6, "3GB": 3e9, "3TB": 3e12, "8388607TiB": 8388607 << 40,
	} {
		if got, ok := parseSize(text); !ok || got != want {
			t.Errorf("%q: want %d, got %d, %v", text, want, got, ok)
		}
	}
	for _, text := range []string{
		"", "B", "GiB", "-1", "+1", "1.5GiB", "10G", "10g", "1e3", "0x10", "1_000", "9223372036854775808", "8388608TiB", "1  B", "１B",
	} {
		if got, ok := parseSize(text); ok {
			t.Errorf("%q: want no size, got %d", text, got)
		}
	}
	for n, want := range map[int64]string{0: "0B", 1: "1B", 1 << 10: "1KiB", 1<<10 + 1: "1025B", 25 << 20: "25MiB", 10 << 30: "10GiB"} {
		if got := formatSize(n); got != want {
			t.Errorf("%d: want %s, got %s", n, want, got)
		}
	}
}

// FuzzLoad: whatever the file, Load returns a complete Config or an error that tells where and leaks no secret.
func FuzzLoad(f *testing.F) {
	f.Add(example)
	f.Add("sources: [{name: a, provider: hmac, secrets: [env:A]}]")
	f.Add("http: {listen: ':1', public_url: 'http://x'}\nsources:\n- name: a\n  secrets: *x\n")
	f.Add("journal: {nats: {url: 'nats://a', replicas: 3}, retention: {max_age: 1h}}\n---\n")
	f.Add("&a [*a, <<: 1, ? {} : !!binary x, 1: 2, \"\\u0000\": |\n x]")
	f.Fuzz(func(t *testing.T, file string) {
		const value = "the value of every variable"
		config, err := parse([]byte(file), "f.yaml", "/nowhere/f.yaml", Options{
			Providers: []string{"github", "hmac", "stripe"},
			LookupEnv: func(string) (string, bool) { return value, true },
		})
		if err != nil {
			problems, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("want an *Error, got %T: %v", err, err)
			}
			if len(problems.Problems) == 0 || strings.Contains(err.Error(), value) {
				t.Fatalf("%q", err)
			}
			if !slices.IsSortedFunc(problems.Problems, func(a, b Problem) int { return a.Line - b.Line }) {
				t.Fatalf("not in the order of the file: %v", err)
			}
			for _, p := range problems.Problems {
				if p.Line < 1 || p.Column < 1 || p.Text == "" {
					t.Fatalf("%+v", p)
				}
			}
			return
		}
		if strings.Contains(fmt.Sprintf("%+v %#v", config, config), value) {
			t.Fatalf("%+v", config)
		}
		if len(config.Sources) == 0 || config.HTTP.Listen == "" || config.HTTP.ReadTimeout <= 0 || config.Journal.MaxBytes <= 0 ||
			config.Journal.DedupeWindow > config.Journal.MaxAge || config.Journal.HoldBytes > config.Journal.MaxBytes {
			t.Fatalf("incomplete: %+v", config)
		}
		for _, s := range config.Sources {
			if s.Name == "" || s.Provider == "" || len(s.Secrets) == 0 {
				t.Fatalf("incomplete: %+v", s)
			}
		}
	})
}
