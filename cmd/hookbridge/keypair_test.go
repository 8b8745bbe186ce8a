package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/provider"
)

// settingsOf are those that the provider's fixture has, as a source's configuration has them.
func settingsOf(t *testing.T, key string) string {
	t.Helper()
	fixture := fixtureOf(t, key)
	var b strings.Builder
	for name, value := range fixture.GetCases()[0].GetSettings() {
		fmt.Fprintf(&b, "%s: %q, ", name, value)
	}
	return b.String()
}

// printedSecret is the line of a configuration that keypair prints.
var printedSecret = regexp.MustCompile(`(?m)^  secrets: (\["file:.*"\])$`)

// For every provider that a pair can stand in for: the pair is made, a source gets the public key that is printed, and the real bridge takes what send
// signs. A source with another pair's refuses it. For every provider whose keys are fetched, send says so.
func TestKeyPairs(t *testing.T) {
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var paired, fetched []string
	var more strings.Builder
	for _, key := range catalogue.Keys() {
		pack, _ := catalogue.Get(key)
		file := filepath.Join(dir, key+".pem")
		name := strings.ReplaceAll(key, "_", "-")
		out, errOut, code := call(t.Context(), "providers", "keypair", key, file)
		switch {
		case code == 0:
			paired = append(paired, key)
			secrets := printedSecret.FindStringSubmatch(out)
			public, err := os.ReadFile(file + ".pub")
			if secrets == nil || err != nil || !strings.Contains(out, "\n\n"+string(public)+"\n") {
				t.Fatalf("%s: %v\n%s", key, err, out)
			}
			other, _, _ := call(t.Context(), "providers", "keypair", key, filepath.Join(dir, key+"-other.pem"))
			fmt.Fprintf(&more, "  - {name: %s, provider: %s, secrets: %s, settings: {%s}}\n", name, key, secrets[1], settingsOf(t, key))
			fmt.Fprintf(&more, "  - {name: %s-other, provider: %s, secrets: %s, settings: {%s}}\n", name, key, printedSecret.FindStringSubmatch(other)[1], settingsOf(t, key))
		case strings.Contains(errOut, "are fetched"):
			fetched = append(fetched, key)
			if want := "hookbridge: " + pack.Name() + ": cannot sign: the keys are fetched from the provider, and no other pair is taken\n"; errOut != want || code != exitFailure {
				t.Errorf("%s: %d %q, want %q", key, code, errOut, want)
			}
		case code != exitFailure || !strings.HasSuffix(errOut, "shared secret, which needs no pair\n"):
			t.Errorf("%s: %d %q", key, code, errOut)
		}
		if _, err := os.Stat(file); code != 0 && err == nil {
			t.Errorf("%s: there is a key although it failed", key)
		}
	}
	if len(paired) != 12 || strings.Join(fetched, " ") != "aws_sns paypal plaid" {
		t.Errorf("pairs for %v, fetched for %v", paired, fetched)
	}
	config := publicConfig(t, more.String())
	bridge := start(t, config)
	for _, key := range paired {
		t.Run(key, func(t *testing.T) {
			pack, _ := catalogue.Get(key)
			name, file := strings.ReplaceAll(key, "_", "-"), filepath.Join(dir, key+".pem")
			to := []string{"send", "--config", config, "--url", "http://" + bridge.http, "--keypair", file}
			if out, errOut, code := call(t.Context(), append(to, name)...); code != 0 || errOut != "" || !strings.HasPrefix(out, "20") {
				t.Errorf("send: %d %s%s", code, out, errOut)
			}
			if out, errOut, code := call(t.Context(), append(to, name, "--tamper", "signature")...); code != 0 || errOut != "" || !strings.HasPrefix(out, "40") {
				t.Errorf("send --tamper signature: %d %s%s", code, out, errOut)
			}
			out, errOut, code := call(t.Context(), append(to, name+"-other")...)
			advice := `delivery 1: the bridge refused it; is file:` + file + `.pub among its secrets of source "` + name + `-other", and has it reloaded?` + "\n"
			if code != exitFailure || !strings.HasSuffix(errOut, advice) || !strings.HasPrefix(out, "401 ") {
				t.Errorf("send to another pair's source: %d %s%s", code, out, errOut)
			}
			if !strings.HasPrefix(errOut, "private key, in "+file+"\npublic key, as a secret of "+pack.Name()+":\n\n") {
				t.Errorf("send says of a key that the source doesn't have: %s", errOut)
			}
			out, errOut, code = call(t.Context(), "events", "list", "--server", bridge.grpc, "--source", name, "--json")
			if code != 0 || !strings.Contains(out, `"`+key+`"`) {
				t.Errorf("events: %d %s%s", code, out, errOut)
			}
		})
	}
}

// What is there is kept and not written over, only its owner can read a private key, and keys that openssl makes are taken.
func TestKeyPairFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	make := func(key, path string) (string, string, int) {
		return call(t.Context(), "providers", "keypair", key, path)
	}
	path := filepath.Join(dir, "ed.pem")
	first, errOut, code := make("discord", path)
	if code != 0 || !strings.HasPrefix(first, "private key, new, in "+path+"\n") {
		t.Fatal(code, first, errOut)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the private key's mode: %v, %v", info.Mode(), err)
	}
	again, errOut, code := make("discord", path)
	if code != 0 || again != strings.Replace(first, "key, new, in", "key, in", 1) {
		t.Errorf("made again: %d %s%s", code, again, errOut)
	}
	if err := os.Remove(path + ".pub"); err != nil {
		t.Fatal(err)
	}
	if again, errOut, code = make("discord", path); code != 0 || again != strings.Replace(first, "key, new, in", "key, in", 1) {
		t.Errorf("without its public half: %d %s%s", code, again, errOut)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	old := write("old.pem", "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"+
		string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)})))
	if out, errOut, code := make("wise", old); code != 0 {
		t.Errorf("an RSA PRIVATE KEY: %d %s%s", code, out, errOut)
	}
	orphan := filepath.Join(dir, "orphan.pem")
	write("orphan.pem.pub", "somebody's\n")
	for _, tc := range []struct{ key, path, want string }{
		{"telnyx", path, path + ".pub is there and isn't the public key of " + path + " as a secret of Telnyx; name another file, or remove it"},
		{"wise", path, path + " is no key for Wise: unfit secret: want an RSA public key of 2048 to 8192 bits, as a PEM block"},
		{"discord", orphan, orphan + ".pub is there and isn't the public key of " + orphan + " as a secret of Discord; name another file, or remove it"},
		{"discord", write("text", "no key"), filepath.Join(dir, "text") + ": want a private key as a PEM block, PRIVATE KEY, EC PRIVATE KEY or RSA PRIVATE KEY, without a passphrase"},
		{
			"discord", write("broken", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
			filepath.Join(dir, "broken") + ": the block PRIVATE KEY can't be read as a private key",
		},
	} {
		if out, errOut, code := make(tc.key, tc.path); code != exitFailure || out != "" || errOut != "hookbridge: "+tc.want+"\n" {
			t.Errorf("%s %s: %d %s%s\nwant %s", tc.key, tc.path, code, out, errOut, tc.want)
		}
	}
	if _, err := os.Stat(orphan); err == nil {
		t.Error("a private key was made beside a public one that isn't its")
	}
}
