package config

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/hookbridge/server/provider"
)

// acme is a provider with settings, of which one is secret, and with a handshake that brings its secret.
const acme = `key: acme
name: Acme
docs_url: https://example.com
schemes:
  - {name: signature, algorithm: hmac-sha256, signature: [{header: "{setting:header}"}], encoding: hex, content: "{body}"}
  - {name: token, algorithm: token, signature: [{header: X-Acme-Token}]}
bodies: [{media_type: application/json}]
handshakes:
  - {method: GET, when: [{query: token, equals: "{setting:verify}"}], respond: {content_type: text/plain, body: "{query:challenge}"}}
  - {method: POST, when: [{header: X-Hook-Secret}], captures: {header: X-Hook-Secret}, respond: {}}
settings:
  - {name: header, description: The header of the signature, default: X-Acme-Signature, pattern: "[A-Za-z-]+"}
  - {name: verify, description: The token of the check, secret: true, optional: true}
retries: true
evidence: [made up]
`

// publishing is a provider that publishes its keys.
const publishing = `key: pub
name: Pub
docs_url: https://example.com
schemes:
  - {name: signature, algorithm: ed25519, signature: [{header: S}], encoding: hex, content: "{body}", key_source: {url: "https://example.com/keys", format: pem}}
bodies: [{media_type: application/json}]
retries: true
evidence: [made up]
`

func loadOwn(t *testing.T, file string) (*Config, *provider.Catalogue, string, error) {
	t.Helper()
	builtin, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, map[string]string{
		"hookbridge.yaml": file, "acme.yaml": acme, "pub.yaml": publishing,
		"stripe.yaml": strings.Replace(acme, "key: acme", "key: stripe", 1),
		"other.yaml":  acme,
		"broken.yaml": "key: broken\nfoo: 1\nschemes:\n- {name: X}\n",
		"unused.yaml": strings.NewReplacer("key: acme", "key: unused", `"{setting:header}"`, "X-A").Replace(acme),
		"syntax.yaml": "key: [\n",
		"empty.yaml":  "",
	})
	options := For(builtin)
	options.LookupEnv = env("A", "a secret", "V", "hunter2")
	config, err := Load(path, options)
	return config, builtin, path, err
}

// TestOwnProviders: a source of a provider of one's own is opened with its settings; secret ones are read from where they are.
func TestOwnProviders(t *testing.T) {
	config, builtin, path, err := loadOwn(t, `providers: [acme.yaml, pub.yaml]
sources:
- {name: a, provider: acme, secrets: [env:A], settings: {header: X-Sig, verify: "env:V"}, scheme: signature}
- {name: b, provider: acme, secrets: [captured]}
- {name: c, provider: acme, secrets: [env:A, captured], scheme: token}
- {name: d, provider: pub}
`)
	if err != nil {
		t.Fatal(err)
	}
	if got := config.Sources[0]; got.Settings["header"] != "X-Sig" || got.SecretSettings["verify"].Reveal() != "hunter2" || got.Scheme != "signature" {
		t.Errorf("got %+v", got)
	}
	if b, c := config.Sources[1], config.Sources[2]; !b.Captured || len(b.Secrets) != 0 || !c.Captured || len(c.Secrets) != 1 {
		t.Errorf("got %+v and %+v", b, c)
	}
	dir := filepath.Dir(path)
	files := []string{path, filepath.Join(dir, "acme.yaml"), filepath.Join(dir, "pub.yaml"), filepath.Join(dir, "data/captured/b"), filepath.Join(dir, "data/captured/c")}
	if diff := cmp.Diff(files, config.Files()); diff != "" {
		t.Errorf("files (-want +got)\n%s", diff)
	}
	if _, ok := builtin.Get("acme"); ok {
		t.Error("the built-in providers have been changed")
	}
	catalogue, err := config.Extend(builtin)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range config.Sources {
		if source, err := config.Open(s, catalogue); err != nil || source.Provider() != s.Provider {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

// TestProblemsOfProviders: every problem of a pack is reported with its own file and line, those of a setting where they stand.
func TestProblemsOfProviders(t *testing.T) {
	const source = "sources: [{name: a, provider: hmac, secrets: [env:A]}]\n"
	for _, tc := range []struct{ name, file, want string }{
		{"built in", "providers: [stripe.yaml]\n" + source, `1:13: providers[0]: stripe.yaml:1:6: key: the provider "stripe" is built in; give yours another key`},
		{"twice", "providers: [acme.yaml, ./acme.yaml]\n" + source, `1:24: providers[1]: "./acme.yaml" is providers[0] already`},
		{"under another name", "providers: [other.yaml]\n" + source, `1:13: providers[0]: other.yaml:1:6: key: the file of "acme" is called acme.yaml`},
		{"absent, empty, none", "providers: [none.yaml, empty.yaml, '']\n" + source, `1:13: providers[0]: file DIR/none.yaml can't be read: no such file or directory
1:24: providers[1]: file DIR/empty.yaml is empty
1:36: providers[2]: want the path of a file with a pack, like acme.yaml`},
		{"a setting that nothing uses", "providers: [unused.yaml]\n" + source, `1:13: providers[0]: unused.yaml:12:5: settings[0] "header": nothing uses header`},
		{"no YAML", "providers: [syntax.yaml]\n" + source, `1:13: providers[0]: syntax.yaml:1:1: is no YAML: did not find expected node content`},
		{"broken", "providers: [broken.yaml]\n" + source, `1:13: providers[0]: broken.yaml:1:1: name: must be at least 1 characters, got nothing
1:13: providers[0]: broken.yaml:1:1: docs_url: value is empty, which is not a valid URI, got nothing
1:13: providers[0]: broken.yaml:1:1: bodies: must contain at least 1 item(s), got nothing
1:13: providers[0]: broken.yaml:1:1: retries: value is required, got nothing
1:13: providers[0]: broken.yaml:1:1: evidence: must contain at least 1 item(s), got nothing
1:13: providers[0]: broken.yaml:2:1: foo: there is no such key
1:13: providers[0]: broken.yaml:4:3: schemes[0] "X": the signature is somewhere
1:13: providers[0]: broken.yaml:4:3: schemes[0] "X": algorithm: must be in list [hmac-sha1, hmac-sha256, hmac-sha512, ed25519, ecdsa-p256-sha256, rsa-sha256, rsa-sha512, sha1, sha256, token, basic, jws, code], got nothing
1:13: providers[0]: broken.yaml:4:10: schemes[0] "X": name: does not match regex pattern ` + "`^[a-z][a-z0-9-]{0,31}$`" + `, got "X"`},
		{"settings", "providers: [acme.yaml]\nsources:\n- {name: a, provider: acme, secrets: [env:A], settings: {header: hunter2, verify: hunter2, other: hunter2}}\n", `3:66: sources[0] "a": settings.header: want what matches [A-Za-z-]+
3:83: sources[0] "a": settings.verify: want a reference, env:NAME or file:PATH; got something else, which is not repeated here because it may be the secret itself
3:99: sources[0] "a": settings.other: Acme has no such setting; there is header and verify`},
		{"values", "providers: [acme.yaml]\nsources:\n- {name: a, provider: acme, secrets: [env:A], settings: {header: hunter2, other: hunter2}}\n", `3:66: sources[0] "a": settings.header: want what matches [A-Za-z-]+
3:82: sources[0] "a": settings.other: Acme has no such setting; there is header and verify`},
		{"the shape of settings", "sources:\n- {name: a, provider: hmac, secrets: [env:A], settings: [x]}\n- {name: b, provider: hmac, secrets: [env:A], settings: {x: y, x: z, y: }}\n- {name: c, provider: hmac, secrets: [env:A], settings: {x: y}}\n", `2:57: sources[0] "a": settings: want a mapping, got a list
3:64: sources[1] "b": settings.x: is given twice, first on line 3
3:73: sources[1] "b": settings.y: has no value; give one or leave the key out
4:61: sources[2] "c": settings.x: HMAC (your own senders) has no such setting; it has none`},
		{"schemes", "providers: [acme.yaml]\nsources:\n- {name: a, provider: acme, secrets: [env:A], scheme: basic}\n", `3:55: sources[0] "a": scheme: Acme has no scheme "basic"; there is signature and token`},
		{"captured", "sources:\n- {name: a, provider: hmac, secrets: [captured]}\n- {name: b, provider: hmac, secrets: [captured, env:A]}\n- {name: c, provider: hmac}\n", `2:38: sources[0] "a": secrets: no handshake of HMAC (your own senders) brings a secret that could be captured
3:39: sources[1] "b": secrets[0]: captured is the last of the secrets
4:3: sources[2] "c": secrets: want from 1 to 10 references, each env:NAME or file:PATH, got nothing`},
		{"sources of packs that are wrong", "providers: [syntax.yaml, none.yaml, other.yaml, stripe.yaml]\nsources:\n- {name: a, provider: syntax, secrets: [env:A]}\n- {name: b, provider: none}\n- {name: c, provider: other, settings: {x: y}}\n- {name: d, provider: acme, scheme: zzz, secrets: [env:A]}\n- {name: e, provider: stripe, settings: {header: X}, secrets: [env:A]}\n- {name: f, provider: syntaxx, secrets: [env:A]}\n- {name: g, provider: syntax, secrets: [env:B]}\n", `1:13: providers[0]: syntax.yaml:1:1: is no YAML: did not find expected node content
1:26: providers[1]: file DIR/none.yaml can't be read: no such file or directory
1:37: providers[2]: other.yaml:1:6: key: the file of "acme" is called acme.yaml
1:49: providers[3]: stripe.yaml:1:6: key: the provider "stripe" is built in; give yours another key
8:23: sources[5] "f": provider: there is no provider "syntaxx"; did you mean "syntax"?
9:41: sources[6] "g": secrets[0]: environment variable B is not set`},
		{"a pack that is right after one that is wrong", "providers: [sub/acme.yaml, acme.yaml]\n" + source, `1:13: providers[0]: file DIR/sub/acme.yaml can't be read: no such file or directory
1:28: providers[1]: acme.yaml:1:6: key: the provider "acme" is in sub/acme.yaml already`},
		{"all problems of sources at once", `htp: {}
providers: [acme.yaml, pub.yaml]
grpc: {listen: ':9090'}
sources:
- {name: a, provider: acme, secrets: [env:B, env:A], settings: {header: "hunter2", other: x}, scheme: basic}
- {name: b, provider: twilio, secrets: [env:A]}
- {name: c, provider: twilio, secrets: [env:B]}
- {name: d, provider: standard_webhooks, secrets: [env:B, env:BAD, env:A, env:BAD2]}
- {name: e, provider: stripe, secrets: [env:B, captured], rate: -1}
- {name: f, provider: pub, settings: {x: y}}
- {name: g, provider: hmac, scheme: x}
- {name: a, provider: acme, secrets: [env:B], settings: {verify: "env:B"}}
`, `1:1: htp: there is no such key; did you mean "http"?
3:16: grpc.listen: ":9090" is not a loopback address and nobody has to authenticate there; want a loopback address, or auth and grpc.tls, or grpc.insecure: true where the network itself keeps strangers out
5:39: sources[0] "a": secrets[0]: environment variable B is not set
5:73: sources[0] "a": settings.header: want what matches [A-Za-z-]+
5:91: sources[0] "a": settings.other: Acme has no such setting; there is header and verify
5:103: sources[0] "a": scheme: Acme has no scheme "basic"; there is signature and token
6:3: sources[1] "b": Twilio (voice and messaging) signs the URL: http.public_url must say which one the provider calls
7:3: sources[2] "c": Twilio (voice and messaging) signs the URL: http.public_url must say which one the provider calls
7:41: sources[2] "c": secrets[0]: environment variable B is not set
8:52: sources[3] "d": secrets[0]: environment variable B is not set
8:59: sources[3] "d": secrets[1]: environment variable BAD is not set
8:68: sources[3] "d": secrets[2]: unfit secret: want "whpk_" and base64; nor is it the signature's: unfit secret: want "whsec_" (or nothing) and base64, not beginning with "whpk_", not beginning with "whsk_"
8:75: sources[3] "d": secrets[3]: environment variable BAD2 is not set
9:40: sources[4] "e": secrets: no handshake of Stripe brings a secret that could be captured
9:41: sources[4] "e": secrets[0]: environment variable B is not set
9:65: sources[4] "e": rate: want a number of deliveries a second, 0 or more, got "-1"
10:42: sources[5] "f": settings.x: Pub has no such setting; it has none
11:3: sources[6] "g": secrets: want from 1 to 10 references, each env:NAME or file:PATH, got nothing
11:37: sources[6] "g": scheme: HMAC (your own senders) has no scheme "x"; there is signature
12:10: sources[7] "a": name: "a" is the name of sources[0] already
12:39: sources[7] "a": secrets[0]: environment variable B is not set
12:66: sources[7] "a": settings.verify: environment variable B is not set`},
		{"a public URL that is wrong", "http: {public_url: x}\nsources: [{name: a, provider: twilio, secrets: [env:A]}]\n", `1:20: http.public_url: want a URL with scheme and host and without user, query or fragment, like https://hooks.example.com`},
		{"rejections", "rejections: {max_bytes: 1KiB, max_age: 1000h}\n" + source, `1:25: rejections.max_bytes: want from 1MiB to 1GiB; got "1KiB"
1:40: rejections.max_age: want from 1h to 720h; got "1000h"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, path, err := loadOwn(t, tc.file)
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Fatalf("got %v", err)
			}
			got := strings.NewReplacer(path+":", "", filepath.Dir(path), "DIR").Replace(err.Error())
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if strings.Contains(got, "hunter2") {
				t.Errorf("the error repeats a value: %s", got)
			}
		})
	}
}
