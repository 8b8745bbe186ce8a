package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/provider"
)

// Who listens in where secrets cross the network can forge deliveries. That is said of the sources for which it holds, unless something says that TLS
// is in front.
func TestWarnings(t *testing.T) {
	builtin, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	dir := pems(t)
	t.Setenv("TOKEN", "hunter2hunter2")
	t.Setenv("BASIC", "user:hunter2")
	const sources = `journal: {dir: ./data}
sources:
  - {name: token, provider: gitlab, secrets: [env:TOKEN]}
  - {name: basic, provider: postmark, secrets: [env:BASIC]}
  - {name: query, provider: mailchimp, secrets: [env:TOKEN]}
  - {name: signed, provider: github, secrets: [env:TOKEN]}
  - {name: signed-token, provider: netlify, secrets: [env:TOKEN]}
`
	// It signs the URL, and nothing of the body.
	const bearer = "  - {name: bearer, provider: monday, secrets: [env:TOKEN]}\n"
	for _, tc := range []struct {
		name, http, want string
	}{
		{"nothing in front", "{listen: '0.0.0.0:8080'}", "token basic query"},
		{"every address", "{listen: ':8080'}", "token basic query"},
		{"a name", "{listen: 'bridge.internal:8080'}", "token basic query"},
		{"a public URL in plain text", "{listen: ':8080', public_url: 'http://hooks.example.com'}", "token basic query bearer"},
		{"loopback", "{listen: '127.0.0.1:8080'}", ""},
		{"loopback by default", "{}", ""},
		{"a public URL with TLS", "{listen: ':8080', public_url: 'https://hooks.example.com'}", ""},
		{"TLS", "{listen: ':8080', tls: {cert: a.crt, key: a.key}}", ""},
		{"a proxy", "{listen: ':8080', trusted_proxies: [10.0.0.0/8]}", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file, text := filepath.Join(dir, "hookbridge.yaml"), "http: "+tc.http+"\n"+sources
			if strings.Contains(tc.http, "public_url") {
				text += bearer
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := Load(file, For(builtin))
			if err != nil {
				t.Fatal(err)
			}
			warnings, err := cfg.Warnings(builtin)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, text := range warnings {
				name, _, _ := strings.Cut(strings.TrimPrefix(text, `source "`), `"`)
				names = append(names, name)
			}
			if got := strings.Join(names, " "); got != tc.want {
				t.Errorf("warned of %q, want %q", got, tc.want)
			}
		})
	}
}
