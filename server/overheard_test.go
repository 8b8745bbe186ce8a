package server_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server"
	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/provider"
)

// A bridge that takes secrets in plain text from the network says so when it starts, and when a source comes for which that holds.
func TestPlainSecretsAreSaidInTheLog(t *testing.T) {
	builtin, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "hookbridge.yaml")
	load := func(sources string) *config.Config {
		t.Helper()
		text := "http: {listen: ':0'}\ngrpc: {listen: '127.0.0.1:0'}\nadmin: {listen: '127.0.0.1:0'}\njournal: {dir: ./data, min_free: \"0\"}\nsources:\n" + sources
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(file, config.Options{Providers: builtin.Keys(), LookupEnv: func(string) (string, bool) { return "a-secret-token", true }})
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	const signed, token = "  - {name: hub, provider: github, secrets: [env:A]}\n", "  - {name: lab, provider: gitlab, secrets: [env:A]}\n"
	var log lines
	warned := func() int {
		text := log.take()
		if strings.Contains(text, "a-secret-token") {
			t.Errorf("the secret is in the log: %s", text)
		}
		return strings.Count(text, "who listens in can forge deliveries; want http.tls, or a proxy that terminates TLS")
	}
	s, err := server.New(t.Context(), server.Options{Config: load(signed + token), Logger: slog.New(slog.NewTextHandler(&log, nil)), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if n := warned(); n != 1 {
		t.Errorf("warned %d times at the start, want once", n)
	}
	for sources, want := range map[string]int{signed: 0, token: 1} {
		if err := s.Reload(load(sources)); err != nil {
			t.Fatal(err)
		}
		if n := warned(); n != want {
			t.Errorf("warned %d times of %s, want %d", n, sources, want)
		}
	}
}
