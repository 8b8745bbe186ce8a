package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Digests of tokens, as hookbridge token new prints them.
var (
	digestA = "sha256:" + strings.Repeat("0a", 32)
	digestB = "sha256:" + strings.Repeat("0B", 32)
)

func TestPrincipals(t *testing.T) {
	dir := pems(t)
	first, err := loadWith(dir, `grpc: {listen: "0.0.0.0:1", tls: {cert: a.crt, key: a.key, client_ca: b.crt}}
admin: {listen: "0.0.0.0:2", insecure: true}
auth:
  principals:
  - name: billing
    tokens: ["`+digestA+`", "`+digestB+`"]
    mtls: ["spiffe://example.org/ns/prod/billing", "CN=billing,O=Example\\, Inc."]
    grants: {sources: ["stripe-*"], types: ["invoice.*", "charge.refunded"], subscriptions: ["billing", "billing-*"]}
  - {name: ops, mtls: ["CN=ops"], grants: {sources: ["*"], types: ["*"], subscriptions: ["*"], manage: true}}
`)
	if err != nil {
		t.Fatal(err)
	}
	digest := func(b byte) (d [32]byte) {
		for i := range d {
			d[i] = b
		}
		return d
	}
	want := []Principal{
		{
			Name: "billing", Tokens: [][32]byte{digest(0x0a), digest(0x0b)},
			Certificates: []string{"spiffe://example.org/ns/prod/billing", `CN=billing,O=Example\, Inc.`},
			Sources:      []string{"stripe-*"}, Types: []string{"invoice.*", "charge.refunded"}, Subscriptions: []string{"billing", "billing-*"},
		},
		{Name: "ops", Certificates: []string{"CN=ops"}, Sources: []string{"*"}, Types: []string{"*"}, Subscriptions: []string{"*"}, Manage: true},
	}
	if diff := cmp.Diff(want, first.Principals); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	other, err := loadWith(dir, `grpc: {listen: "0.0.0.0:1", tls: {cert: a.crt, key: a.key}}
admin: {listen: "0.0.0.0:2", insecure: true}
auth: {principals: [{name: ops, tokens: ["`+digestA+`"]}]}
`)
	if err != nil {
		t.Fatal(err)
	}
	none, err := loadWith(dir, `grpc: {listen: "0.0.0.0:1", insecure: true, tls: {cert: a.crt, key: a.key}}
admin: {listen: "0.0.0.0:2", insecure: true}
`)
	if err != nil {
		t.Fatal(err)
	}
	if keys := first.NeedsRestart(other); keys != nil {
		t.Errorf("other principals need a restart for %q", keys)
	}
	if diff := cmp.Diff([]string{"auth", "grpc"}, first.NeedsRestart(none)); diff != "" {
		t.Errorf("no principals any more (-want +got)\n%s", diff)
	}
	if keys := none.NeedsRestart(other); len(keys) != 1 || keys[0] != "grpc" {
		t.Errorf("the first principals need a restart for %q", keys)
	}
}

// TestAuthExample: the example of the documentation is one that Load takes.
func TestAuthExample(t *testing.T) {
	dir := pems(t)
	for from, to := range map[string]string{"a.crt": "bridge.crt", "a.key": "bridge.key", "b.crt": "clients.crt"} {
		if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := loadWith(dir, authExample)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Principals) != 2 || got.GRPC.TLS == nil || !got.Principals[1].Manage {
		t.Errorf("got %+v", got.Principals)
	}
}

func TestPrincipalProblems(t *testing.T) {
	dir := pems(t)
	const token = "hbt_hunter2hunter2hunter2hunter2hunter2hunter2h"
	const tls = "grpc: {tls: {cert: a.crt, key: a.key, client_ca: a.crt}}\n"
	for _, tc := range []struct{ name, file, want string }{
		{"no value", "auth:\ngrpc: {tls: }\nadmin: {tls: ~}\nhttp: {tls: null}", `2:6: auth: has no value; give it one, or leave the key out to do without
3:13: grpc.tls: has no value; give it one, or leave the key out to do without
4:14: admin.tls: has no value; give it one, or leave the key out to do without
5:13: http.tls: has no value; give it one, or leave the key out to do without`},
		{"nobody", "auth: {}", `2:7: auth.principals: want from 1 to 1000 principals; leave auth out to let everybody in, got nothing`},
		{"nobody in the list", "auth: {principals: []}", `2:20: auth.principals: want from 1 to 1000 principals; leave auth out to let everybody in`},
		{"no credentials", "auth: {principals: [{name: a}, {name: b, tokens: []}]}", `2:21: auth.principals[0] "a": has neither tokens nor mtls, so that nobody could be it
2:32: auth.principals[1] "b": has neither tokens nor mtls, so that nobody could be it`},
		{"names", "auth: {principals: [{tokens: ['" + digestA + "']}, {name: B, tokens: ['" + digestB + "']}]}",
			`2:21: auth.principals[0].name: want lower-case letters, digits, dots, dashes and underscores, at most 63, a letter first, got nothing
2:115: auth.principals[1] "B": name: want lower-case letters, digits, dots, dashes and underscores, at most 63, a letter first, got "B"`},
		{"the same name", "auth:\n  principals:\n  - {name: a, tokens: ['" + digestA + "']}\n  - {name: a, tokens: ['" + digestB + "']}\n",
			`5:12: auth.principals[1] "a": name: "a" is the name of auth.principals[0] already`},
		{"the same token", "auth:\n  principals:\n  - {name: a, tokens: ['" + digestB + "', '" + strings.ToLower(digestB) + "']}\n  - {name: b, tokens: ['" + digestB + "']}\n",
			`4:99: auth.principals[0] "a": tokens[1]: is a token of auth.principals[0] already
5:24: auth.principals[1] "b": tokens[0]: is a token of auth.principals[0] already`},
		{"tokens that are no digests", "auth: {principals: [{name: a, tokens: [" + token + ", 'sha256:hunter2', '" + digestA + "0', '" + digestA[:70] + "g']}]}",
			`2:40: auth.principals[0] "a": tokens[0]: ` + tokenRule + `
2:89: auth.principals[0] "a": tokens[1]: ` + tokenRule + `
2:107: auth.principals[0] "a": tokens[2]: ` + tokenRule + `
2:183: auth.principals[0] "a": tokens[3]: ` + tokenRule},
		{"a token that is no list", "auth: {principals: [{name: a, tokens: " + token + "}]}", `2:39: auth.principals[0] "a": tokens: want a list, got a single value`},
		{"too many tokens", "auth: {principals: [{name: a, tokens: [" + strings.Repeat("hunter2, ", 11) + "]}]}", `2:39: auth.principals[0] "a": tokens: want at most 10 tokens`},
		{"the same certificate", tls + "auth:\n  principals:\n  - {name: a, mtls: [CN=a]}\n  - {name: b, mtls: [CN=b, CN=a]}\n",
			`6:28: auth.principals[1] "b": mtls[1]: is a certificate of auth.principals[0] already`},
		{"certificates that are none", tls + "auth: {principals: [{name: a, mtls: [a, 'spiffe://Example.org/a', 'spiffe://example.org', 'spiffe://example.org/a?b', 'CN=a, O=b', 'https://a/=b']}]}",
			`3:38: auth.principals[0] "a": mtls[0]: want a SPIFFE id like spiffe://example.org/billing, or a whole subject like CN=billing,O=Example; got "a"
3:41: auth.principals[0] "a": mtls[1]: want a SPIFFE id like spiffe://example.org/billing, or a whole subject like CN=billing,O=Example; got "spiffe://Example.org/a"
3:67: auth.principals[0] "a": mtls[2]: want a SPIFFE id like spiffe://example.org/billing, or a whole subject like CN=billing,O=Example; got "spiffe://example.org"
3:91: auth.principals[0] "a": mtls[3]: want a SPIFFE id like spiffe://example.org/billing, or a whole subject like CN=billing,O=Example; got "spiffe://example.org/a?b"
3:119: auth.principals[0] "a": mtls[4]: want a SPIFFE id like spiffe://example.org/billing, or a whole subject like CN=billing,O=Example; got "CN=a, O=b"
3:132: auth.principals[0] "a": mtls[5]: want a SPIFFE id like spiffe://example.org/billing, or a whole subject like CN=billing,O=Example; got "https://a/=b"`},
		{"certificates that nobody looks at", "http: {tls: {cert: a.crt, key: a.key, client_ca: a.crt}}\nauth: {principals: [{name: a, mtls: [CN=a]}]}",
			`3:37: auth.principals[0] "a": mtls: no listener looks at clients' certificates; want grpc.tls.client_ca or admin.tls.client_ca`},
		{"grants", "auth: {principals: [{name: a, tokens: ['" + digestA + "'], grants: {sources: [A], types: [''], subscriptions: [a b], manage: 1, all: true}}]}",
			`2:135: auth.principals[0] "a": grants.sources[0]: want the name of a source, or a pattern like stripe-*, got "A"
2:147: auth.principals[0] "a": grants.types[0]: want an event type, or a pattern like invoice.*, of at most 255 characters, got ""
2:168: auth.principals[0] "a": grants.subscriptions[0]: want the name of a subscription, or a pattern like billing-*, got "a b"
2:182: auth.principals[0] "a": grants.manage: want true or false, got "1"
2:185: auth.principals[0] "a": grants.all: there is no such key`},
		{"tokens in plain text", "grpc: {listen: ':1'}\nadmin: {listen: ':2', tls: {cert: a.crt, key: a.key}}\nauth: {principals: [{name: a, tokens: ['" + digestA + "']}]}",
			`2:16: grpc.listen: ":1" is not a loopback address and tokens would cross the network in plain text; want a loopback address, or grpc.tls, or grpc.insecure: true where nobody can listen in`},
		{"TLS for strangers", "grpc: {listen: ':1', tls: {cert: a.crt, key: a.key, client_ca: a.crt, require_client_cert: true}}",
			`2:16: grpc.listen: ":1" is not a loopback address and nobody has to authenticate there; want a loopback address, or auth and grpc.tls, or grpc.insecure: true where the network itself keeps strangers out`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := problemsWith(t, dir, tc.file)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if strings.Contains(got, "hunter2") {
				t.Errorf("the error repeats a token: %s", got)
			}
		})
	}
}
