package server_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/hookbridge/hookbridge/server/config"
)

// rewrite changes the configuration's file and reloads it, as an operator does.
func (b *bridge) rewrite(text string) *config.Config {
	b.t.Helper()
	if err := os.WriteFile(b.path, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	options := config.For(b.catalogue)
	options.LookupEnv = lookupKey
	cfg, err := config.Load(b.path, options)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.server.Reload(cfg); err != nil {
		b.t.Fatal(err)
	}
	return cfg
}

// page reads a page of the admin listener.
func (b *bridge) page(t *testing.T, path string) (status int, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.at.Admin+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// admin reads a page of the admin listener, whatever its status.
func (b *bridge) admin(t *testing.T, path string) string {
	t.Helper()
	_, text := b.page(t, path)
	return text
}
