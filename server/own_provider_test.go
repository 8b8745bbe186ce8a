package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/provider"
)

const ownPack = `key: acme
name: Acme
docs_url: https://example.com
schemes: [{name: signature, algorithm: hmac-sha256, signature: [{header: "{setting:header}"}], encoding: hex, content: "{body}"}]
id: [{parts: [{json: number}]}]
type: [{parts: [{json: what}]}]
bodies: [{media_type: application/json}]
settings: [{name: header, description: The header of the signature}]
retries: true
evidence: [made up]
`

// A provider of one's own is a file that the configuration names: a reload takes it over, and a reload without it gives it up again.
func TestOwnProvider(t *testing.T) {
	b := open(t, "journal: {dir: data}\nsources: [{name: pay, provider: stripe, secrets: [\"env:STRIPE\"]}]\n", nil)
	builtin, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(b.path), "acme.yaml"), []byte(ownPack), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := b.rewrite("providers: [acme.yaml]\n" + strings.Replace(string(before), "sources: [",
		"sources: [{name: shop, provider: acme, secrets: [\"env:ACME\"], settings: {header: X-Acme}}, ", 1))
	catalogue, err := cfg.Extend(builtin)
	if err != nil {
		t.Fatal(err)
	}
	if b.signer["shop"], err = cfg.Open(cfg.Sources[0], catalogue); err != nil {
		t.Fatal(err)
	}
	if a := b.post("shop", "", "", []byte(`{"number":7,"what":"sold"}`), nil); a.status != http.StatusOK || a.receipt.ID != "7" {
		t.Fatalf("got %+v", a)
	}
	if a := b.post("shop", "", "", []byte(`{"number":8}`), http.Header{"X-Acme": {strings.Repeat("0", 64)}}); a.status != http.StatusUnauthorized {
		t.Errorf("a forged delivery: got %+v", a)
	}
	b.rewrite(string(before))
	if a := b.post("shop", "", "", []byte(`{"number":9}`), nil); a.status != http.StatusNotFound {
		t.Errorf("without its source: got %+v", a)
	}
}
