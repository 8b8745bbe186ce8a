package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A bridge that is told to end while it is still opening ends, and that is no failure.
func TestStopBeforeItIsUp(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hookbridge.yaml")
	if err := os.WriteFile(filepath.Join(dir, "demo.secret"), []byte("a secret of the tests\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const text = "http: {listen: '127.0.0.1:0'}\ngrpc: {listen: '127.0.0.1:0'}\nadmin: {listen: '127.0.0.1:0'}\njournal: {min_free: 0}\n" +
		"sources: [{name: demo, provider: hmac, secrets: [file:demo.secret]}]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out, log strings.Builder
	if err := serve(ctx, &out, &log, path); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if out.Len() > 0 || !strings.Contains(log.String(), "stopped before it was up") {
		t.Errorf("it said %q and logged %q", out.String(), log.String())
	}
}
