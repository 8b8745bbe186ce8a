package server_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/provider"
)

// shake makes a request without a signature and returns status, body and the header that brings a secret back.
func (b *bridge) shake(t *testing.T, method, path, secret string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+b.at.HTTP+path, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if secret != "" {
		req.Header.Set("X-Acme-Secret", secret)
	}
	resp, err := poster.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode >= 400 {
		text = nil
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", resp.StatusCode, text, resp.Header.Get("X-Acme-Secret")))
}

// A secret that a handshake brings is taken while the operator waits for it, once; it is on disk before the handshake is answered, in
// force from then on, and still there after a restart and a reload.
func TestAHandshakeBringsTheSecret(t *testing.T) {
	b := openWith(t, acme, "journal: {min_free: \"0\"}\nsources: [{name: acme, provider: acme, secrets: [captured]}, {name: other, provider: acme, secrets: [env:acme]}]\n", nil)
	sources := hookbridgev1.NewSourceServiceClient(b.conn)
	file := filepath.Join(filepath.Dir(b.path), "data", "captured", "acme")
	const path, brought = "/webhooks/acme", "brought-by-the-handshake"
	if got := b.shake(t, "POST", path, brought); got != "403" {
		t.Errorf("without a window: %s", got)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("something was kept: %v", err)
	}
	if _, err := sources.OpenCapture(t.Context(), &hookbridgev1.OpenCaptureRequest{Source: "other"}); err == nil || !strings.Contains(err.Error(), "its secrets are configured") {
		t.Errorf("a source that has one: %v", err)
	}
	if _, err := sources.OpenCapture(t.Context(), &hookbridgev1.OpenCaptureRequest{Source: "acme", Window: durationpb.New(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	if got := b.shake(t, "POST", path, brought); got != "204  "+brought {
		t.Fatalf("the handshake: %s", got)
	}
	if got := b.shake(t, "POST", path, brought); got != "204  "+brought {
		t.Errorf("the same handshake again, whose answer was lost: %s", got)
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != brought {
		t.Errorf("kept is %q, %v", content, err)
	}
	pack, _ := b.catalogue.Get("acme")
	var err error
	if b.signer["acme"], err = provider.NewSource(provider.SourceConfig{Name: "acme", Pack: pack, Secrets: []string{brought}}); err != nil {
		t.Fatal(err)
	}
	works := func(when string, id int) {
		t.Helper()
		if a := b.post("acme", "", "", list(id, 1), nil); a.status != 200 {
			t.Errorf("%s: %d %s", when, a.status, a.text)
		}
		if got := b.shake(t, "POST", path, "another"); got != "403" {
			t.Errorf("%s, another secret: %s", when, got)
		}
	}
	works("at once", 1)
	list, err := sources.ListSources(t.Context(), &hookbridgev1.ListSourcesRequest{})
	if err != nil || len(list.GetSources()) != 2 || list.GetSources()[0].GetSecrets() != 1 || list.GetSources()[0].GetCaptureUntil() != nil {
		t.Errorf("got %v, %v", list, err)
	}
	if _, err := sources.OpenCapture(t.Context(), &hookbridgev1.OpenCaptureRequest{Source: "acme"}); err == nil || !strings.Contains(err.Error(), "it has a captured secret, which is never replaced") {
		t.Errorf("again: %v", err)
	}
	cfg, err := config.Load(b.path, config.Options{Providers: b.catalogue.Keys(), LookupEnv: lookupKey})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.server.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	works("after a reload", 2)
	signer := b.signer["acme"]
	b.stop()
	b.start()
	b.signer["acme"] = signer
	works("after a restart", 3)
	if got := strings.Count(b.admin(t, "/v1/sources"), brought); got != 0 {
		t.Errorf("the secret is in the list")
	}
}

// A configuration that was read before the handshake doesn't lose the secret when it is applied after it.
func TestAReloadKeepsACapturedSecret(t *testing.T) {
	b := openWith(t, acme, "journal: {min_free: \"0\"}\nsources: [{name: acme, provider: acme, secrets: [captured]}]\n", nil)
	cfg, err := config.Load(b.path, config.Options{Providers: b.catalogue.Keys(), LookupEnv: lookupKey})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hookbridgev1.NewSourceServiceClient(b.conn).OpenCapture(t.Context(), &hookbridgev1.OpenCaptureRequest{Source: "acme"}); err != nil {
		t.Fatal(err)
	}
	if got := b.shake(t, "POST", "/webhooks/acme", "brought"); got != "204  brought" {
		t.Fatalf("the handshake: %s", got)
	}
	if err := b.server.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	// A folder that the journal moves to after a restart takes nothing from this process.
	if cfg, err = config.Load(b.path, config.Options{Providers: b.catalogue.Keys(), LookupEnv: lookupKey}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		moved := *cfg
		moved.Journal.Dir = filepath.Join(t.TempDir(), "elsewhere")
		moved.Sources = slices.Clone(cfg.Sources)
		moved.Sources[0].Secrets = nil
		if err := b.server.Reload(&moved); err != nil {
			t.Fatal(err)
		}
	}
	pack, _ := b.catalogue.Get("acme")
	if b.signer["acme"], err = provider.NewSource(provider.SourceConfig{Name: "acme", Pack: pack, Secrets: []string{"brought"}}); err != nil {
		t.Fatal(err)
	}
	if a := b.post("acme", "", "", list(1, 1), nil); a.status != 200 {
		t.Errorf("got %d %s", a.status, a.text)
	}
}

// A computed handshake proves the secret to who has the token, and to nobody else.
func TestAHandshakeIsComputed(t *testing.T) {
	b := openWith(t, acme, acmeSource, nil)
	proof := hmac.New(sha256.New, []byte(anyKey))
	proof.Write([]byte("c"))
	for query, want := range map[string]string{
		"?challenge=c&token=right": "200 " + hex.EncodeToString(proof.Sum(nil)), "?challenge=c&token=wrong": "403", "?challenge=c": "403",
	} {
		if got := b.shake(t, "GET", "/webhooks/acme"+query, ""); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}
