package main

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What send does beside sending, against the real bridge.
func TestSend(t *testing.T) {
	config := configFile(t, `  - {name: hooks, provider: standard_webhooks, secrets: ["file:./standard"]}
  - {name: terse, provider: dropbox_sign, secrets: ["file:./secret"]}
  - {name: acme, provider: acme, secrets: ["file:./secret"]}
  - {name: shop, provider: stripe, secrets: ["file:./secret"]}
  - {name: pay, provider: adyen, secrets: ["file:./adyen"]}
providers: [acme.yaml]
`)
	if err := os.WriteFile(filepath.Join(filepath.Dir(config), "adyen"), []byte(strings.Repeat("44", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	const acme = `{key: acme, name: Acme, docs_url: "https://acme.example/docs", schemes: [{name: token, algorithm: token, signature: [{header: Token}]}], bodies: [{media_type: application/json}], retries: true, evidence: [a reader]}`
	if err := os.WriteFile(filepath.Join(filepath.Dir(config), "acme.yaml"), []byte(acme), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(config), "standard"), []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), 0o600); err != nil {
		t.Fatal(err)
	}
	bridge := start(t, config)
	stranger := httptest.NewServer(http.NotFoundHandler())
	defer stranger.Close()
	to := []string{"send", "--config", config, "--url", "http://" + bridge.http}
	for _, tc := range []struct {
		args     []string
		out, err string // regular expressions for the whole
		code     int
	}{
		{[]string{"demo", "user_created", "--id", "a", "--set", "user_id=7", "--set", "name=Tern"}, `200 {"id":"a","sequence":"1","duplicate":false}\n`, ``, 0},
		{[]string{"demo", "user_created", "--id", "b", "--duplicate"}, `200 .*"duplicate":false}\n200 .*"duplicate":true}\n`, ``, 0},
		{[]string{"demo", "user_created", "--tamper", "body"}, `401 .*SIGNATURE_MISMATCH.*\n`, ``, 0},
		{[]string{"demo", "user_created", "--tamper", "signature"}, `401 .*SIGNATURE_MISMATCH.*\n`, ``, 0},
		{
			[]string{"demo", "user_created", "--tamper", "timestamp"}, `200 .*\n`,
			`hookbridge: delivery 1: the bridge took it, although its timestamp was damaged: it is not covered by what this provider signs\n`, 1,
		},
		{[]string{"hooks", "--tamper", "timestamp"}, `401 .*TIMESTAMP_OUT_OF_TOLERANCE.*\n`, ``, 0},
		{
			[]string{"hooks", "--tamper", "signature", "--url", stranger.URL}, `404 404 page not found\n`,
			`hookbridge: delivery 1: it was refused, but not because its signature was damaged: 404\n`, 1,
		},
		{
			[]string{"demo", "user_created", "--tamper", "body", "--url", "http://" + bridge.http + "/somewhere"}, `404 .*UNKNOWN_SOURCE.*\n`,
			`hookbridge: delivery 1: it was refused, but not because its body was damaged: 404 UNKNOWN_SOURCE\n`, 1,
		},
		{[]string{"demo", "user_created", "--count", "20", "--rate", "500"}, `20 deliveries: 20 with 200; 0 duplicates; p50 [0-9.µms]+, p99 [0-9.µms]+\n`, ``, 0},
		{[]string{"demo", "user_created", "--count", "3", "--duplicate"}, `6 deliveries: 6 with 200; 3 duplicates; .*\n`, ``, 0},
		{
			[]string{"terse", "--duplicate"}, `200 Hello API Event Received\n200 Hello API Event Received\n`,
			`hookbridge: the answers that this provider gets don't say whether a copy is known: that it was taken once is not shown here; hookbridge events list --source terse shows it\n`, 0,
		},
		{[]string{"terse", "--duplicate", "--count", "2"}, `4 deliveries: 4 with 200; duplicates not told; .*\n`, `hookbridge: the answers .*\n`, 0},
		{[]string{"shop", "invoice.paid"}, `200 {"id":"evt_[a-z0-9]{26}","sequence":"[0-9]+","duplicate":false}\n`, ``, 0},
		{[]string{"shop", "invoice.paid", "--id", "mine"}, `200 {"id":"evt_mine","sequence":"[0-9]+","duplicate":false}\n`, ``, 0},
		{[]string{"shop", "invoice.paid", "--duplicate"}, `200 .*"duplicate":false}\n200 .*"duplicate":true}\n`, ``, 0},
		{[]string{"shop", "invoice.paid", "--count", "3"}, `3 deliveries: 3 with 200; 0 duplicates; .*\n`, ``, 0},
		{[]string{"shop", "invoice.paid", "--count", "3", "--set", "id=evt_1"}, `3 deliveries: 3 with 200; 2 duplicates; .*\n`, ``, 0},
		{[]string{"pay", "--count", "3"}, `3 deliveries: 3 with 200; 0 duplicates; .*\n`, ``, 0},
		{[]string{"acme"}, ``, `hookbridge: Acme has no sample; give a body with --file\n`, 1},
		{[]string{"acme", "order.placed"}, ``, `hookbridge: Acme has no sample; give a body with --file\n`, 1},
		{
			[]string{"demo", "order.placed"}, ``,
			`hookbridge: no sample of type "order\.placed"; there are samples of payment_succeeded, user_created, or give --file\n`, 1,
		},
		{[]string{"demo", "user_created", "--set", "x"}, ``, `hookbridge: --set wants PATH=VALUE, got "x"\n`, 2},
		{[]string{"demo", "user_created", "--set", "a..b=1"}, ``, `hookbridge: --set a\.\.b: want names and numbers with a dot between each two, and element 2 is empty\n`, 2},
		{[]string{"demo", "user_created", "--set", "event.name=x"}, ``, `hookbridge: --set event\.name: event is a text: want an object or a list there\n`, 1},
		{[]string{"demo", "user_created", "--count", "0"}, ``, `hookbridge: --count wants 1 or more, got 0\n`, 2},
		{[]string{"demo", "user_created", "--tamper", "all"}, ``, `hookbridge: --tamper wants body, signature or timestamp, got "all"\n`, 2},
		{[]string{"demo", "user_created", "--tamper", "body", "--duplicate"}, ``, `hookbridge: --tamper and --duplicate: what is refused has no duplicate\n`, 2},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			out, errOut, code := call(t.Context(), append(to[:len(to):len(to)], tc.args...)...)
			if !regexp.MustCompile(`\A(?s:`+tc.out+`)\z`).MatchString(out) || !regexp.MustCompile(`\A`+tc.err+`\z`).MatchString(errOut) || code != tc.code {
				t.Errorf("got %d\n%s%s\nwant %d\n%s%s", code, out, errOut, tc.code, tc.out, tc.err)
			}
		})
	}
	// The events of a list have ids of their own, too: none was taken for one that is known.
	if out, errOut, code := call(t.Context(), "events", "list", "--source", "pay", "--server", bridge.grpc, "--json"); code != 0 || strings.Count(out, "\n") != 3 {
		t.Errorf("the events of lists: %d %s%s", code, out, errOut)
	}
	out, errOut, code := call(t.Context(), "events", "show", "1", "--server", bridge.grpc, "--json", "--content")
	body := base64.StdEncoding.EncodeToString([]byte(`{"event":"user_created","user_id":7,"name":"Tern"}`))
	if code != 0 || !strings.Contains(strings.ReplaceAll(out, " ", ""), body) {
		t.Errorf("the first event: %d %s%s", code, out, errOut)
	}
}
