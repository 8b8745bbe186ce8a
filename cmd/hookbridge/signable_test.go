package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/provider"
)

// unsignable are the providers that send can't sign for, and why: everything else it can, and the test holds it to both.
var unsignable = map[string]string{
	"aws_sns": "the keys are fetched from the provider, and no other pair is taken",
	"paypal":  "as aws_sns",
	"plaid":   "as aws_sns",
}

// typeless are the providers whose pack has a type and whose sample yields an event without one, and why.
var typeless = map[string]string{}

// signable is a provider's source, and what send is called with beside it.
type signable struct {
	key, name, line string
	flags           []string
}

// newSignable writes the secrets into a folder. Where the provider alone has the private key a pair stands in.
func newSignable(t *testing.T, dir string, pack *provider.Pack) signable {
	t.Helper()
	s := signable{key: pack.Key(), name: strings.ReplaceAll(pack.Key(), "_", "-")}
	c, kept := signedCase(t, s.key), 0
	keep := func(value string) string {
		kept++
		path := filepath.Join(dir, fmt.Sprintf("%s-%d", s.key, kept))
		if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%q", "file:"+path)
	}
	var secrets, settings []string
	if _, err := pack.NewPrivateKey(); err == nil && !pack.SignsWithSecret() {
		file := filepath.Join(dir, s.key+".pem")
		if _, errOut, code := call(t.Context(), "providers", "keypair", s.key, file); code != 0 {
			t.Fatal(errOut)
		}
		secrets, s.flags = []string{fmt.Sprintf("%q", "file:"+file+".pub")}, []string{"--keypair", file}
	} else {
		for _, secret := range c.GetSecrets() {
			secrets = append(secrets, keep(secret))
		}
	}
	for _, setting := range pack.Settings() {
		value, ok := c.GetSettings()[setting.GetName()]
		switch {
		case !ok:
		case setting.GetSecret():
			settings = append(settings, setting.GetName()+": "+keep(value))
		default:
			settings = append(settings, fmt.Sprintf("%s: %q", setting.GetName(), value))
		}
	}
	s.line = fmt.Sprintf("  - {name: %s, provider: %s, secrets: [%s], settings: {%s}", s.name, s.key, strings.Join(secrets, ", "), strings.Join(settings, ", "))
	if len(secrets) == 0 {
		s.line = fmt.Sprintf("  - {name: %s, provider: %s, settings: {%s}", s.name, s.key, strings.Join(settings, ", "))
	}
	s.line += "}\n"
	return s
}

// publicConfig is configFile for a bridge that providers call by publicURL.
func publicConfig(t *testing.T, more string) string {
	t.Helper()
	path := configFile(t, more)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	public := strings.Replace(string(text), `http: {listen: "127.0.0.1:0"}`, `http: {listen: "127.0.0.1:0", public_url: "`+publicURL+`"}`, 1)
	if err := os.WriteFile(path, []byte(public), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// listed is an event as events list prints it.
type listed struct {
	Source, Type string
	Decoding     struct{ State string }
}

// For every provider that there is: a source with its fixture's secrets and settings, or with the public half of a pair, takes what send signs for it,
// though the bridge listens elsewhere than where the provider calls it; and the event has a type and fits its schema. Of those that send can't sign
// for, it says why.
func TestSendSignsForEveryProvider(t *testing.T) {
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var all []signable
	var lines strings.Builder
	for _, key := range catalogue.Keys() {
		pack, _ := catalogue.Get(key)
		s := newSignable(t, dir, pack)
		all = append(all, s)
		lines.WriteString(s.line)
	}
	bridge := start(t, publicConfig(t, lines.String()))
	taken := 0
	for _, s := range all {
		t.Run(s.key, func(t *testing.T) {
			to := append([]string{"send", "--config", publicConfig(t, s.line), "--url", "http://" + bridge.http}, s.flags...)
			if unsignable[s.key] != "" {
				if _, errOut, code := call(t.Context(), append(to, s.name)...); code != exitFailure || !strings.Contains(errOut, "cannot sign") {
					t.Errorf("it is listed as one that can't be signed for, and send says %d %s", code, errOut)
				}
				return
			}
			samples := catalogue.Samples(s.key)
			for _, sample := range samples {
				out, errOut, code := call(t.Context(), append(to, s.name, sample.Type)...)
				if code != 0 || errOut != "" || !strings.HasPrefix(out, "20") {
					t.Errorf("%q: %d %s%s", sample.Type, code, out, errOut)
				}
			}
			if len(samples) == 0 {
				t.Error("it has no sample")
			}
			taken++
		})
	}
	if want := len(all) - len(unsignable); taken != want {
		t.Errorf("%d of %d providers were signed for", taken, want)
	}
	out, errOut, code := call(t.Context(), "events", "list", "--server", bridge.grpc, "--limit", "1000", "--json")
	if code != 0 {
		t.Fatal(errOut)
	}
	events := map[string][]listed{}
	for line := range strings.Lines(out) {
		var e listed
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		events[e.Source] = append(events[e.Source], e)
	}
	for _, s := range all {
		pack, _ := catalogue.Get(s.key)
		for _, e := range events[s.name] {
			if e.Decoding.State == "STATE_UNDECODABLE" {
				t.Errorf("%s: %s can't be decoded", s.key, e.Type)
			}
			if e.Type == "unknown" && len(pack.Spec().GetType()) > 0 && typeless[s.key] == "" {
				t.Errorf("%s: the event has no type", s.key)
			}
		}
	}
}
