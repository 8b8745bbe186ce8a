package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The example of the documentation is fine as it stands; what is wrong is said whole, with file, line and field, and the exit code
// tells which of the two it was.
func TestCheck(t *testing.T) {
	const example = `http:  {listen: "127.0.0.1:8080"}
grpc:  {listen: "127.0.0.1:9090"}
admin: {listen: "127.0.0.1:8081"}
journal: {dir: ./data, retention: {max_age: 168h, max_bytes: 10GiB}, dedupe_window: 24h}
sources:
  - {name: github, provider: github, secrets: ["env:GITHUB_SECRET", "env:GITHUB_SECRET_OLD"]}
  - {name: stripe-eu, provider: stripe, secrets: ["file:./stripe.secret"]}
  - {name: orders, provider: hmac, validation: enforce, secrets: ["env:ORDERS_SECRET"]}
`
	for _, tc := range []struct {
		name, config string
		files        map[string]string
		env          map[string]string
		args         []string
		code         int
		out, err     string
	}{
		{
			name: "the example", config: example, files: map[string]string{"stripe.secret": "whsec_1\n"},
			env: map[string]string{"GITHUB_SECRET": "hunter2", "GITHUB_SECRET_OLD": "old", "ORDERS_SECRET": "o"},
			out: `FILE is fine.
  webhooks  127.0.0.1:8080
  gRPC      127.0.0.1:9090
  admin     127.0.0.1:8081
  journal   DIR/data
  source    github: github, 2 active secrets
  source    stripe-eu: stripe, 1 active secret
  source    orders: hmac, 1 active secret
`,
		},
		{
			name: "principals",
			config: "journal: {dir: ./data}\nsources: [{name: a, provider: hmac, secrets: [env:A]}]\nauth: {principals: [{name: billing, tokens: ['sha256:" +
				strings.Repeat("0", 64) + "', 'sha256:" + strings.Repeat("1", 64) + "'], grants: {sources: ['*']}}]}\n",
			env: map[string]string{"A": "hunter2"},
			out: `FILE is fine.
  webhooks  127.0.0.1:8080
  gRPC      127.0.0.1:9090
  admin     127.0.0.1:8081
  journal   DIR/data
  source    a: hmac, 1 active secret
  principal billing: 2 active tokens, 0 certificates
`,
		},
		{
			name: "secrets that cross the network", env: map[string]string{"A": "hunter2hunter2"},
			config: "http: {listen: ':8080'}\njournal: {dir: ./data}\nsources:\n- {name: lab, provider: gitlab, secrets: [env:A]}\n- {name: hub, provider: github, secrets: [env:A]}\n",
			out: `FILE is fine.
  webhooks  :8080
  gRPC      127.0.0.1:9090
  admin     127.0.0.1:8081
  journal   DIR/data
  source    lab: gitlab, 1 active secret
  source    hub: github, 1 active secret
`,
			err: `hookbridge: warning: source "lab": each delivery carries what proves any other, and http.listen ":8080" takes it in plain text: who listens in can forge deliveries; want http.tls, or a proxy that terminates TLS, named in http.trusted_proxies or by an https http.public_url
`,
		},
		{
			name: "an unset variable and an unreadable file", config: example, code: 1,
			env: map[string]string{"GITHUB_SECRET": "hunter2", "GITHUB_SECRET_OLD": ""},
			err: `FILE:6:69: sources[0] "github": secrets[1]: environment variable GITHUB_SECRET_OLD is empty
FILE:7:51: sources[1] "stripe-eu": secrets[0]: file DIR/stripe.secret can't be read: no such file or directory
FILE:8:67: sources[2] "orders": secrets[0]: environment variable ORDERS_SECRET is not set
`,
		},
		{
			name: "every kind of problem", code: 1, env: map[string]string{"A": "hunter2"},
			config: "grpc: {listen: ':9090'}\nlogg: {}\nsources:\n- {name: a, provider: standard_webhooks, secrets: [env:A]}\n- {name: a, provider: hmca, secrets: [env:A]}\n",
			err: `FILE:1:16: grpc.listen: ":9090" is not a loopback address and nobody has to authenticate there; want a loopback address, or auth and grpc.tls, or grpc.insecure: true where the network itself keeps strangers out
FILE:2:1: logg: there is no such key; did you mean "log"?
FILE:5:10: sources[1] "a": name: "a" is the name of sources[0] already
FILE:5:23: sources[1] "a": provider: there is no provider "hmca"; did you mean "hmac"?
`,
		},
		{
			name: "a secret of the wrong form", code: 1, env: map[string]string{"A": "hunter2!"},
			config: "sources:\n- {name: a, provider: hmac, secrets: [env:A]}\n- {name: b, provider: standard_webhooks, secrets: [env:A]}\n",
			err: `FILE:3:52: sources[1] "b": secrets[0]: unfit secret: want "whpk_" and base64; nor is it the signature's: unfit secret: want "whsec_" (or nothing) and base64, not beginning with "whpk_", not beginning with "whsk_"
`,
		},
		{
			name: "a pack, an image and sources that are wrong", code: 1, env: map[string]string{"A": "hunter2!"},
			files:  map[string]string{"acme.yaml": "key: acme\nname: Acme\nname: Twice\n"},
			config: "providers: [acme.yaml]\nschemas: [acme.binpb]\nsources:\n- {name: a, provider: acme, secrets: [env:A]}\n- {name: b, provider: aws_sns, secrets: [env:A]}\n- {name: c, provider: paypal}\n- {name: d, provider: hmac, scheme: none}\n",
			err: `FILE:1:13: providers[0]: acme.yaml:1:1: docs_url: value is empty, which is not a valid URI, got nothing
FILE:1:13: providers[0]: acme.yaml:1:1: schemes: must contain at least 1 item(s), got nothing
FILE:1:13: providers[0]: acme.yaml:1:1: bodies: must contain at least 1 item(s), got nothing
FILE:1:13: providers[0]: acme.yaml:1:1: retries: value is required, got nothing
FILE:1:13: providers[0]: acme.yaml:1:1: evidence: must contain at least 1 item(s), got nothing
FILE:1:13: providers[0]: acme.yaml:3:1: name: is given twice, first on line 2
FILE:2:11: schemas[0]: file DIR/acme.binpb can't be read: no such file or directory
FILE:5:3: sources[1] "b": settings.topic_arn: is wanted: The topic whose messages are taken, as an ARN; with * in place of the topic's name, all of the account in that region.
FILE:5:42: sources[1] "b": secrets[0]: unfit secret: certificate takes none, the provider publishes its keys
FILE:6:3: sources[2] "c": settings.webhook_id: is wanted: The webhook's id, as the list of webhooks of the app shows it.
FILE:7:3: sources[3] "d": secrets: want from 1 to 10 references, each env:NAME or file:PATH, got nothing
FILE:7:37: sources[3] "d": scheme: HMAC (your own senders) has no scheme "none"; there is signature
`,
		},
		{name: "no file", args: []string{"check"}, code: 2, err: "hookbridge: check wants --config FILE\n"},
		{name: "an unknown flag", args: []string{"check", "--confg", "x"}, code: 2, err: "hookbridge: unknown flag: --confg\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "hookbridge.yaml")
			if tc.files == nil {
				tc.files = map[string]string{}
			}
			tc.files["hookbridge.yaml"] = tc.config
			for name, content := range tc.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for name, value := range tc.env {
				t.Setenv(name, value)
			}
			args := tc.args
			if args == nil {
				args = []string{"check", "--config", file}
			}
			var out, errOut bytes.Buffer
			cmd := root()
			cmd.SetArgs(args)
			cmd.SetOut(&out)
			cmd.SetErr(&errOut)
			code := report(&errOut, cmd.ExecuteContext(t.Context()))
			plain := strings.NewReplacer(file, "FILE", dir, "DIR")
			if got := plain.Replace(out.String()); got != tc.out {
				t.Errorf("got\n%s\nwant\n%s", got, tc.out)
			}
			if got := plain.Replace(errOut.String()); got != tc.err {
				t.Errorf("got error\n%s\nwant\n%s", got, tc.err)
			}
			if code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			if strings.Contains(out.String()+errOut.String(), "hunter2") {
				t.Error("a secret was printed")
			}
		})
	}
}
