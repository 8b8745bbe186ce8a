package config

import (
	"errors"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var equateSecrets = cmp.AllowUnexported(Config{}, Secret{})

// env makes an environment of its arguments, name after value.
func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

// write puts files into a new folder and returns the path of hookbridge.yaml in it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "hookbridge.yaml")
}

const example = `http:  {listen: "127.0.0.1:8080"}
grpc:  {listen: "127.0.0.1:9090"}
admin: {listen: "127.0.0.1:8081"}
journal: {dir: ./data, retention: {max_age: 168h, max_bytes: 10GiB}, dedupe_window: 24h}
sources:
  - {name: github, provider: github, secrets: ["env:GITHUB_SECRET", "env:GITHUB_SECRET_OLD"]}
  - {name: stripe-eu, provider: stripe, secrets: ["file:./stripe.secret"]}
  - {name: orders, provider: hmac, validation: enforce, secrets: ["env:ORDERS_SECRET"]}
`

func exampleOptions() Options {
	return Options{
		Providers: []string{"github", "stripe", "hmac"},
		LookupEnv: env("GITHUB_SECRET", "g1", "GITHUB_SECRET_OLD", "g0", "ORDERS_SECRET", "o1"),
	}
}

func TestLoadExample(t *testing.T) {
	path := write(t, map[string]string{"hookbridge.yaml": example, "stripe.secret": "whsec_1\n"})
	dir := filepath.Dir(path)
	got, err := Load(path, exampleOptions())
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		File:  path,
		HTTP:  HTTP{Listen: "127.0.0.1:8080", MaxInFlight: 256 << 20, ReadTimeout: 30 * time.Second},
		GRPC:  Listener{Listen: "127.0.0.1:9090"},
		Admin: Listener{Listen: "127.0.0.1:8081"},
		Journal: Journal{
			Dir: filepath.Join(dir, "data"), MaxAge: 168 * time.Hour, MaxBytes: 10 << 30, HoldBytes: 5 << 30,
			DedupeWindow: 24 * time.Hour, MinFree: 512 << 20, DeadLetterBytes: 1 << 30,
		},
		Rejections: Rejections{MaxBytes: 16 << 20, MaxAge: 168 * time.Hour},
		Sources: []Source{
			{
				Name: "github", Provider: "github", DigestWindow: 5 * time.Minute, Secrets: []Secret{
					{value: "g1", reference: "env:GITHUB_SECRET"}, {value: "g0", reference: "env:GITHUB_SECRET_OLD"},
				},
			},
			{
				Name: "stripe-eu", Provider: "stripe", DigestWindow: 5 * time.Minute, Secrets: []Secret{
					{value: "whsec_1", reference: "file:./stripe.secret", file: filepath.Join(dir, "stripe.secret")},
				},
			},
			{
				Name: "orders", Provider: "hmac", Enforce: true, DigestWindow: 5 * time.Minute,
				Secrets: []Secret{{value: "o1", reference: "env:ORDERS_SECRET"}},
			},
		},
		ShutdownTimeout: 20 * time.Second,
	}
	if diff := cmp.Diff(want, got, equateSecrets); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{path, filepath.Join(dir, "stripe.secret")}, got.Files()); diff != "" {
		t.Errorf("files (-want +got)\n%s", diff)
	}
}

func TestLoadEverything(t *testing.T) {
	path := write(t, map[string]string{"nats.creds": "x", "hookbridge.yaml": `
http:
  listen: 0.0.0.0:80
  public_url: https://hooks.example.com/base/
  trusted_proxies: [10.1.2.3/8, 192.0.2.1, "2001:db8::/32"]
  max_in_flight: 64MiB
  read_timeout: 1m30s
grpc: {listen: ":9090", insecure: true}
admin: {listen: "localhost:0"}
journal:
  dir: /var/lib/hookbridge/
  retention: {max_age: 48h, max_bytes: 2GB, hold_bytes: 500MB, dead_letter_bytes: 1MiB, dead_letter_max_age: 1000h}
  dedupe_window: 48h
  min_free: 0
  nats: {url: "nats://a:4222,tls://b", credentials_file: nats.creds, prefix: hooks, replicas: 5}
sources:
- {name: a, provider: hmac, secrets: [env:A], dedupe: none, max_body: 25MiB, tolerance: 10m, rate: 0.5, burst: 3}
- {name: b, provider: hmac, secrets: [env:A], dedupe: digest, digest_window: 1h, validation: observe}
subscriptions:
- {name: billing, hold: all}
- {name: audit.log, hold: bounded}
rejections: {max_bytes: 2MiB, max_age: 24h, bodies: true}
log: {level: debug, format: json}
shutdown_timeout: 1s
`})
	got, err := Load(path, Options{LookupEnv: env("A", "1")})
	if err != nil {
		t.Fatal(err)
	}
	secret := Secret{value: "1", reference: "env:A"}
	want := &Config{
		File: path,
		HTTP: HTTP{
			Listen:    "0.0.0.0:80",
			PublicURL: &url.URL{Scheme: "https", Host: "hooks.example.com", Path: "/base"},
			TrustedProxies: []netip.Prefix{
				netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/32"),
			},
			MaxInFlight: 64 << 20, ReadTimeout: 90 * time.Second,
		},
		GRPC:  Listener{Listen: ":9090", Insecure: true},
		Admin: Listener{Listen: "localhost:0"},
		Journal: Journal{
			Dir: "/var/lib/hookbridge", MaxAge: 48 * time.Hour, MaxBytes: 2e9, HoldBytes: 5e8, DedupeWindow: 48 * time.Hour,
			DeadLetterBytes: 1 << 20, DeadLetterMaxAge: 1000 * time.Hour,
			NATS: &NATS{
				URL: "nats://a:4222,tls://b", CredentialsFile: filepath.Join(filepath.Dir(path), "nats.creds"),
				Prefix: "hooks", Replicas: 5,
			},
		},
		Sources: []Source{
			{Name: "a", Provider: "hmac", Secrets: []Secret{secret}, MaxBody: 25 << 20, Tolerance: 10 * time.Minute, Rate: 0.5, Burst: 3},
			{Name: "b", Provider: "hmac", Secrets: []Secret{secret}, DigestWindow: time.Hour},
		},
		Subscriptions:   []SubscriptionPolicy{{Name: "billing", HoldAll: true}, {Name: "audit.log"}},
		Rejections:      Rejections{MaxBytes: 2 << 20, MaxAge: 24 * time.Hour, Bodies: true},
		Log:             Log{Level: -4, Format: "json"},
		ShutdownTimeout: time.Second,
	}
	equatePrefixes := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if diff := cmp.Diff(want, got, equateSecrets, equatePrefixes); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestProblems has a case per rule: a file and everything that Load says about it.
func TestProblems(t *testing.T) {
	const source = "sources: [{name: a, provider: hmac, secrets: [env:A]}]\n"
	for _, c := range []struct{ name, file, want string }{
		{"empty file", "", `1:1: sources: want at least one source, got nothing`},
		{"only a comment", "# nothing\n", `1:1: sources: want at least one source, got nothing`},
		{"null", "---\n", `2:1: sources: want at least one source, got nothing`},
		{"no mapping", "- a\n", `1:1: want a mapping with the keys http, grpc, admin, journal, sources, subscriptions, providers, rejections, schemas, auth, log, shutdown_timeout; got a list
1:1: sources: want at least one source, got nothing`},
		{"broken syntax", "http:\n  listen: a: b\n", `2:1: is no YAML: mapping values are not allowed in this context`},
		{"broken syntax on the first line", "a: [", `1:1: is no YAML: did not find expected node content`},
		{"unknown anchor", "a: *hunter2", `1:1: is no YAML: unknown anchor (quote a value that begins with *)`},
		{"two documents", source + "---\nhttp: {}\n", `2:1: want one YAML document, got another one here`},
		{"broken second document", source + "---\na: b: c\n", `3:1: is no YAML: mapping values are not allowed in this context`},

		{"unknown keys", source + "htttp: {}\njournal: {retention: {maxAge: 1h}}\nx: 1\n", `2:1: htttp: there is no such key; did you mean "http"?
3:23: journal.retention.maxAge: there is no such key; did you mean "max_age"?
4:1: x: there is no such key`},
		{"key twice", source + "http: {listen: ':1', listen: ':2'}\n", `2:22: http.listen: is given twice, first on line 2`},
		{"key that is no scalar", source + "? [a]\n: b\n", `2:3: want a key, got a list`},
		{"alias", "sources: &s [{name: a, provider: hmac, secrets: [env:A]}]\nhttp: &h {listen: &l ':1'}\ngrpc: *h\nadmin: {listen: *l}\n",
			`3:7: grpc: anchors and aliases are not supported; write the value out
4:17: admin.listen: anchors and aliases are not supported; write the value out`},
		{"nothing given", "sources:\nhttp:\n  listen:\nlog:\n", `1:9: sources: has no value; give one or leave the key out
3:10: http.listen: has no value; give one or leave the key out`},
		{"wrong kinds", "sources: github\nhttp: [1]\ngrpc: {listen: [1], insecure: yes}\nlog: {level: {a: b}}\n",
			`1:10: sources: want a list, got a single value
2:7: http: want a mapping with the keys listen, public_url, trusted_proxies, max_in_flight, read_timeout, tls; got a list
3:16: grpc.listen: want a single value, got a list
3:31: grpc.insecure: want true or false, got "yes"
4:14: log.level: want a single value, got a mapping`},
		{"no numbers", "sources: [{name: a, provider: hmac, secrets: [env:A], rate: fast, burst: 1.5}]\n",
			`1:61: sources[0] "a": rate: want a number, got "fast"
1:74: sources[0] "a": burst: want a whole number, got "1.5"`},
		{"not a number", "sources: [{name: a, provider: hmac, secrets: [env:A], rate: NaN}]\n", `1:61: sources[0] "a": rate: want a number, got "NaN"`},
		{"empty element", "sources: [null, {name: a, provider: hmac, secrets: [env:A, ]}]\n", `1:11: sources[0]: has no value; give one or leave it out`},

		{"source without anything", "sources:\n- {}\n", `2:3: sources[0].name: want lower-case letters, digits and dashes, at most 63, a letter first, got nothing
2:3: sources[0].provider: want the key of a provider, for example github, got nothing
2:3: sources[0].secrets: want from 1 to 10 references, each env:NAME or file:PATH, got nothing`},
		{"bad source", "sources:\n- name: A_b\n  provider: githup\n  secrets: [env:A, env:A]\n  validation: enforced\n  dedupe: off\n  rate: -1\n  burst: -1\n",
			`2:9: sources[0] "A_b": name: want lower-case letters, digits and dashes, at most 63, a letter first, got "A_b"
3:13: sources[0] "A_b": provider: there is no provider "githup"; did you mean "github"?
4:12: sources[0] "A_b": secrets: want each reference once
5:15: sources[0] "A_b": validation: want observe or enforce, got "enforced"
6:11: sources[0] "A_b": dedupe: want digest or none, got "off"
7:9: sources[0] "A_b": rate: want a number of deliveries a second, 0 or more, got "-1"
8:10: sources[0] "A_b": burst: want a number of deliveries, 0 or more, got "-1"`},
		{"unknown provider", "sources: [{name: a, provider: zzz, secrets: [env:A]}]\n", `1:31: sources[0] "a": provider: there is no provider "zzz"`},
		{"duplicate source", "sources:\n- {name: a, provider: hmac, secrets: [env:A]}\n- {name: b, provider: hmac, secrets: [env:A]}\n- {name: a, provider: hmac, secrets: [env:A]}\n",
			`4:10: sources[2] "a": name: "a" is the name of sources[0] already`},
		{"duplicate subscription", source + "subscriptions: [{name: x}, {name: x, hold: some}]\n", `2:35: subscriptions[1] "x": name: "x" is the name of subscriptions[0] already
2:44: subscriptions[1] "x": hold: want bounded or all, got "some"`},
		{"bad subscription", source + "subscriptions: [{name: X}]\n",
			`2:24: subscriptions[0] "X": name: want lower-case letters, digits, dots, dashes and underscores, at most 63, a letter first, got "X"`},
		{"options that contradict each other", "sources: [{name: a, provider: hmac, secrets: [env:A], burst: 5, dedupe: none, digest_window: 1m}]\n",
			`1:62: sources[0] "a": burst: has no meaning without a rate; give a rate or leave it out
1:94: sources[0] "a": digest_window: has no meaning with dedupe: none; leave one of them out`},

		{"secrets", `sources:
- name: orders
  provider: hmac
  secrets: ["env:ORDERS_SECRET", "env:EMPTY", "file:missing", "file:empty", "file:.", "hunter2", "env:hunter2!", "file:", "env:A"]
`, `4:13: sources[0] "orders": secrets[0]: environment variable ORDERS_SECRET is not set
4:34: sources[0] "orders": secrets[1]: environment variable EMPTY is empty
4:47: sources[0] "orders": secrets[2]: file DIR/missing can't be read: no such file or directory
4:63: sources[0] "orders": secrets[3]: file DIR/empty is empty
4:77: sources[0] "orders": secrets[4]: file DIR is not a regular file
4:87: sources[0] "orders": secrets[5]: want a reference, env:NAME or file:PATH; got something else, which is not repeated here because it may be the secret itself
4:98: sources[0] "orders": secrets[6]: want a reference, env:NAME or file:PATH; got something else, which is not repeated here because it may be the secret itself
4:114: sources[0] "orders": secrets[7]: want a reference, env:NAME or file:PATH; got something else, which is not repeated here because it may be the secret itself`},
		{"secret that is no list", "sources: [{name: a, provider: hmac, secrets: hunter2}]\n", `1:46: sources[0] "a": secrets: want a list, got a single value`},
		{"secret that is a mapping", "sources: [{name: a, provider: hmac, secrets: [hunter2: x]}]\n", `1:47: sources[0] "a": secrets[0]: want a single value, got something else`},
		{"huge secret", "sources: [{name: a, provider: hmac, secrets: [file:huge]}]\n", `1:47: sources[0] "a": secrets[0]: file DIR/huge is larger than 64KiB, which no secret is`},

		{"durations and sizes", source + `http: {max_in_flight: 10G, read_timeout: 500ms}
journal: {min_free: -1, retention: {max_age: 7d, max_bytes: 1KiB, hold_bytes: 1.5GiB}, dedupe_window: soon}
shutdown_timeout: 1h
`, `2:23: http.max_in_flight: want a size, like 512KiB, 10MiB or 1GiB; got "10G"
2:42: http.read_timeout: want from 1s to 10m; got "500ms"
3:21: journal.min_free: want a size, like 512KiB, 10MiB or 1GiB; got "-1"
3:46: journal.retention.max_age: want a duration, like 30s, 24h or 1h30m; got "7d"
3:61: journal.retention.max_bytes: want at least 1MiB; got "1KiB"
3:79: journal.retention.hold_bytes: want a size, like 512KiB, 10MiB or 1GiB; got "1.5GiB"
3:103: journal.dedupe_window: want a duration, like 30s, 24h or 1h30m; got "soon"
4:19: shutdown_timeout: want from 1s to 10m; got "1h"`},
		{"limits that contradict each other", `http: {max_in_flight: 1MiB}
journal: {retention: {max_age: 1h, max_bytes: 1GiB, hold_bytes: 2GiB}, dedupe_window: 1h1s}
sources: [{name: a, provider: hmac, secrets: [env:A], max_body: 2MiB, digest_window: 2h}]
`, `2:65: journal.retention.hold_bytes: want at most journal.retention.max_bytes, which is 1GiB; got "2GiB"
2:87: journal.dedupe_window: want at most journal.retention.max_age, which is 1h, because an id is remembered no longer than its event; got "1h1s"
3:65: sources[0] "a": max_body: want at most http.max_in_flight, which is 1MiB; got "2MiB"
3:86: sources[0] "a": digest_window: want at most journal.retention.max_age, which is 1h, because an id is remembered no longer than its event; got "2h"`},
		{"addresses", source + "http: {listen: localhost}\ngrpc: {listen: '127.0.0.1:http'}\nadmin: {listen: '127.0.0.1:65536'}\n",
			`2:16: http.listen: want an address, host:port, like 127.0.0.1:8080; got "localhost"
3:16: grpc.listen: want an address, host:port, like 127.0.0.1:9090; got "127.0.0.1:http"
4:17: admin.listen: want an address, host:port, like 127.0.0.1:8081; got "127.0.0.1:65536"`},
		{"strangers", source + "grpc: {listen: ':1'}\nadmin: {listen: 'bridge.internal:2'}\n",
			`2:16: grpc.listen: ":1" is not a loopback address and nobody has to authenticate there; want a loopback address, or auth and grpc.tls, or grpc.insecure: true where the network itself keeps strangers out
3:17: admin.listen: "bridge.internal:2" is not a loopback address and nobody has to authenticate there; want a loopback address, or auth and admin.tls, or admin.insecure: true where the network itself keeps strangers out`},
		{"same port", source + "http: {listen: '0.0.0.0:1'}\ngrpc: {listen: 'localhost:1'}\nadmin: {listen: '127.0.0.1:9090'}\n",
			`3:16: grpc.listen: "localhost:1" is already taken by http.listen`},
		{"same port as a default", source + "admin: {listen: '127.0.0.1:9090'}\n", `2:17: admin.listen: "127.0.0.1:9090" is already taken by grpc.listen`},
		{"the demo's secret for strangers", "http: {listen: '0.0.0.0:8080'}\nsources:\n- {name: a, provider: hmac, secrets: [env:A, env:DEMO]}\n- {name: b, provider: github, secrets: [env:DEMO]}\n",
			`3:46: sources[0] "a": secrets[1]: everybody knows this one, which is that of serve --demo, and http.listen "0.0.0.0:8080" is not a loopback address; want one of your own
4:41: sources[1] "b": secrets[0]: everybody knows this one, which is that of serve --demo, and http.listen "0.0.0.0:8080" is not a loopback address; want one of your own`},
		{"the demo's secret where only the machine reaches it, and something else", "sources: [{name: a, provider: hmac, secrets: [env:DEMO]}]\nshutdown_timeout: 1h\n",
			`2:19: shutdown_timeout: want from 1s to 10m; got "1h"`},
		{"public url and proxies", source + "http: {public_url: 'https://u:hunter2@x', trusted_proxies: [10.0.0.0/33, proxy]}\n",
			`2:20: http.public_url: want a URL with scheme and host and without user, query or fragment, like https://hooks.example.com
2:61: http.trusted_proxies[0]: want a network or an address, like 10.0.0.0/8; got "10.0.0.0/33"
2:74: http.trusted_proxies[1]: want a network or an address, like 10.0.0.0/8; got "proxy"`},
		{"cluster", source + "journal: {nats: {url: 'nats://a,hunter2', prefix: a.b, replicas: 2, credentials_file: missing}}\n",
			`2:23: journal.nats.url: want the servers, like nats://a:4222,nats://b:4222; got something else, which is not repeated here because it may contain a password
2:51: journal.nats.prefix: want letters, digits, - and _, at most 32, got "a.b"
2:66: journal.nats.replicas: want 1, 3 or 5, got "2"
2:87: journal.nats.credentials_file: file DIR/missing can't be read: no such file or directory`},
		{"cluster with a password", source + "journal: {nats: {url: 'nats://u:hunter2@a'}}\n",
			`2:23: journal.nats.url: want no user or password in the URL; name a file in journal.nats.credentials_file`},
		{"cluster without a url", source + "journal: {nats: {}}\n", `2:17: journal.nats.url: want the servers, like nats://a:4222,nats://b:4222, got nothing`},
		{"log", source + "log: {level: trace, format: xml}\n", `2:14: log.level: want debug, info, warn or error, got "trace"
2:29: log.format: want text or json, got "xml"`},
		{"long value", source + "log: {level: " + strings.Repeat("x", 200) + "}\n",
			`2:14: log.level: want debug, info, warn or error, got "` + strings.Repeat("x", 80) + `"...`},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := write(t, map[string]string{"hookbridge.yaml": c.file, "empty": "\n", "huge": strings.Repeat("x", maxSecret+1)})
			_, err := Load(path, Options{Providers: []string{"github", "hmac"}, LookupEnv: env("A", "1", "EMPTY", "", "DEMO", DemoSecret)})
			if err == nil {
				t.Fatal("no error")
			}
			got := strings.ReplaceAll(strings.ReplaceAll(err.Error(), path+":", ""), filepath.Dir(path), "DIR")
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if strings.Contains(got, "hunter2") {
				t.Errorf("the error repeats a secret: %s", got)
			}
		})
	}
}

func TestProblemsAreData(t *testing.T) {
	path := write(t, map[string]string{"hookbridge.yaml": "sources: [{name: a, provider: hmac, secrets: [env:B]}]\n"})
	_, err := Load(path, Options{LookupEnv: env()})
	got, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("want an *Error, got %T: %v", err, err)
	}
	want := &Error{File: path, Problems: []Problem{
		{Line: 1, Column: 47, Path: "sources[0].secrets[0]", Name: "a", Text: "environment variable B is not set"},
	}, Files: []string{path}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestUnreadableFile(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ path, want string }{
		{filepath.Join(dir, "missing.yaml"), "file DIR/missing.yaml can't be read: no such file or directory"},
		{dir, "file DIR can't be read: is a directory"},
	} {
		_, err := Load(c.path, Options{})
		if err == nil || strings.ReplaceAll(err.Error(), dir, "DIR") != c.want {
			t.Errorf("want %q, got %v", c.want, err)
		}
	}
}

func TestCheckSource(t *testing.T) {
	path := write(t, map[string]string{"hookbridge.yaml": `sources:
- {name: a, provider: hmac, secrets: [env:A]}
- {name: b, provider: hmac, secrets: [env:B]}
- {name: c, provider: hmac, secrets: [env:A]}
`})
	var asked []string
	_, err := Load(path, Options{LookupEnv: env("A", "1"), CheckSource: func(c *Config, s Source) error {
		asked = append(asked, s.Name)
		if s.Name == "c" {
			return errors.New("provider hmac wants 32 bytes")
		}
		return nil
	}})
	want := path + `:3:39: sources[1] "b": secrets[0]: environment variable B is not set
` + path + `:4:3: sources[2] "c": provider hmac wants 32 bytes`
	if err == nil || err.Error() != want {
		t.Errorf("want %s\ngot %v", want, err)
	}
	if diff := cmp.Diff([]string{"a", "c"}, asked); diff != "" {
		t.Errorf("asked (-want +got)\n%s", diff)
	}
}
