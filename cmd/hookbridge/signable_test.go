package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/provider"
)

// The providers of which this doesn't hold, and why. The lists are exact.
var (
	// unsignable can't be signed for.
	unsignable = map[string]string{
		"aws_sns": "proven by a certificate that is fetched, and no other key is taken",
		"paypal":  "proven by a certificate that is fetched, and no other key is taken",
		"plaid":   "proven by keys that are fetched, and no other key is taken",
	}
	// nameless yield an event of the type "unknown".
	nameless = map[string]string{
		"braintree":     "the notification is XML in base64, of which the pack reads nothing",
		"salesforce_om": "the message is SOAP, of which the pack reads nothing",
	}
)

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
	s.line = fmt.Sprintf("  - {name: %s, provider: %s, settings: {%s}", s.name, s.key, strings.Join(settings, ", "))
	if len(secrets) > 0 {
		s.line += fmt.Sprintf(", secrets: [%s]", strings.Join(secrets, ", "))
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

// listedOf are a bridge's events by their source.
func listedOf(t *testing.T, bridge *process) map[string][]listed {
	t.Helper()
	const most = 1000
	out, errOut, code := call(t.Context(), "events", "list", "--server", bridge.grpc, "--limit", fmt.Sprint(most), "--json")
	if n := strings.Count(out, "\n"); code != 0 || n == most {
		t.Fatalf("%d events: %d %s", n, code, errOut)
	}
	events := map[string][]listed{}
	for line := range strings.Lines(out) {
		var e listed
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		events[e.Source] = append(events[e.Source], e)
	}
	return events
}

// For every provider that there is, and each of its samples: a source with its fixture's secrets and settings, or with the public half of a pair, takes
// what send signs, though the bridge listens elsewhere than where the provider calls it; and an event comes of it that has the sample's type and fits
// its schema, where there is one.
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
	var refused, unnamed []string
	for _, s := range all {
		t.Run(s.key, func(t *testing.T) {
			to := append([]string{"send", "--config", publicConfig(t, s.line), "--url", "http://" + bridge.http}, s.flags...)
			samples := catalogue.Samples(s.key)
			if len(samples) == 0 {
				t.Error("it has no sample")
			}
			for _, sample := range samples {
				out, errOut, code := call(t.Context(), append(to, s.name, sample.Type)...)
				switch {
				case code == exitFailure && out == "" && strings.HasPrefix(errOut, fmt.Sprintf("hookbridge: source %q: cannot sign: ", s.name)):
					refused = append(refused, s.key)
				case code != 0 || errOut != "" || !strings.HasPrefix(out, "20") || strings.Contains(out, `"duplicate":true`):
					t.Errorf("%q: %d %s%s", sample.Type, code, out, errOut)
				}
			}
		})
	}
	events := listedOf(t, bridge)
	for _, s := range all {
		types := map[string]bool{}
		for _, e := range events[s.name] {
			types[e.Type] = true
			if e.Decoding.State != "STATE_TYPED" && e.Decoding.State != "STATE_UNTYPED" {
				t.Errorf("%s: %s is %s", s.key, e.Type, e.Decoding.State)
			}
		}
		if types["unknown"] {
			unnamed = append(unnamed, s.key)
		}
		for _, sample := range catalogue.Samples(s.key) {
			if unsignable[s.key] == "" && !types[sample.Type] {
				t.Errorf("%s: no event of the type %q, only %v", s.key, sample.Type, slices.Sorted(maps.Keys(types)))
			}
		}
	}
	if want := slices.Sorted(maps.Keys(unsignable)); !slices.Equal(refused, want) {
		t.Errorf("send can't sign for %v, want %v", refused, want)
	}
	if want := slices.Sorted(maps.Keys(nameless)); !slices.Equal(unnamed, want) {
		t.Errorf("events without a type come of %v, want %v", unnamed, want)
	}
}
