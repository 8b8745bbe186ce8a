package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/provider"
)

// TestProvidersList shows every provider once, and counts them by how they were proven.
func TestProvidersList(t *testing.T) {
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	out, errOut, code := call(t.Context(), "providers")
	if code != 0 || errOut != "" {
		t.Fatalf("exit code %d: %s", code, errOut)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	keys := catalogue.Keys()
	if len(lines) != len(keys)+3 {
		t.Fatalf("%d lines for %d providers", len(lines), len(keys))
	}
	counts := map[string]int{}
	for n, key := range keys {
		pack, _ := catalogue.Get(key)
		line := lines[n+1]
		if strings.Fields(line)[0] != key || !strings.HasSuffix(line, pack.Proof()) {
			t.Errorf("line %d is %q, want that of %s, proven by %s", n+1, line, key, pack.Proof())
		}
		counts[pack.Proof()]++
	}
	sum := lines[len(lines)-1]
	if want := fmt.Sprintf("%d providers: ", len(keys)); !strings.HasPrefix(sum, want) {
		t.Errorf("it ends with %q, want %q", sum, want)
	}
	for proof, n := range counts {
		if !strings.Contains(sum, fmt.Sprintf("%d by %s", n, proof)) {
			t.Errorf("it ends with %q, without %d by %s", sum, n, proof)
		}
	}
}

// TestProvidersShow shows what one needs, in words, and what goes into the configuration.
func TestProvidersShow(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want []string
		code int
	}{
		{[]string{"show", "slack"}, []string{"\nURL\n  api.slack.com/apps", "\nSecret\n  Your app", "- {name: slack, provider: slack, secrets: [\"env:SLACK_SECRET\"]}\n"}, 0},
		{[]string{"show", "hmac"}, []string{"\nHeaders stored\n  Content-Type, X-Delivery-Id; Traceparent where it has its valid form.\n"}, 0},
		{[]string{"show", "slack"}, []string{"\n  What to paste there: https://YOUR-HOST/webhooks/slack\n", "\nTry it\n  hookbridge send --config hookbridge.yaml slack\n\nSignature\n"}, 0},
		{[]string{"show", "aws_sns"}, []string{"- {name: aws-sns, provider: aws_sns, settings: {topic_arn: ...}}\nTry it\n  Only with the provider: hookbridge send can't sign, because what verifies is fetched from it.\n\n"}, 0},
		{[]string{"show", "adyen"}, []string{"- {name: adyen, provider: adyen, secrets: [\"env:ADYEN_SECRET\"]}\nTry it\n  hookbridge send --config hookbridge.yaml adyen\n\n"}, 0},
		{[]string{"show", "fireblocks_v1"}, []string{"\n  hookbridge providers keypair fireblocks_v1 ./fireblocks-v1.pem\n  hookbridge send --config hookbridge.yaml fireblocks-v1-test --keypair ./fireblocks-v1.pem\n\n"}, 0},
		{[]string{"show", "discord"}, []string{"is answered with {\"type\":1} and is no event"}, 0},
		{[]string{"show", "twilio"}, []string{"\n  http: {public_url: \"https://YOUR-HOST\"} # the URL is signed: as it is entered there, up to /webhooks\n  sources:\n"}, 0},
		{[]string{"list", "--like", "strip"}, []string{"\nstripe "}, 0},
		{[]string{"show", "git"}, []string{`no provider "git"; did you mean `, "github"}, 1},
		{[]string{"show", "zzz"}, []string{`no provider "zzz"; hookbridge providers lists them`}, 1},
		{[]string{"show"}, []string{"wants one KEY"}, 2},
		{[]string{"shw"}, []string{`wants list, show or keypair, got "shw"`}, 2},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			out, errOut, code := call(t.Context(), append([]string{"providers"}, tc.args...)...)
			if code != tc.code {
				t.Errorf("exit code %d, want %d: %s", code, tc.code, errOut)
			}
			for _, want := range tc.want {
				if !strings.Contains(out+errOut, want) {
					t.Errorf("got %s%s, without %q", out, errOut, want)
				}
			}
			if long := regexp.MustCompile(`(?m)^.{110,}$`).FindString(out); long != "" {
				t.Errorf("a line is too long for a terminal: %q", long)
			}
		})
	}
}
