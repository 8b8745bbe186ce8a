package server_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/provider"
)

const rejectingSources = `http: {listen: "127.0.0.1:0", trusted_proxies: [127.0.0.0/8]}
grpc: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
journal: {min_free: "0"}
sources:
  - {name: github, provider: github, secrets: ["env:github"]}
  - {name: team, provider: github, secrets: ["env:another"]}
  - {name: stripe, provider: stripe, secrets: ["env:stripe"]}
  - {name: standard, provider: standard_webhooks, secrets: ["env:standard_webhooks"]}
  - {name: gitlab, provider: gitlab, secrets: ["env:gitlab"]}
  - {name: slack, provider: slack, secrets: ["env:hex"]}
`

func (c *movable) now() time.Time { return *c.at.Load() }

func (c *movable) move(d time.Duration) {
	later := c.now().Add(d)
	c.at.Store(&later)
}

// unknown is what may be where nothing is right.
func unknown(provider string) string {
	return "If " + provider + " sent it, copy the secret again; else what is signed was changed in a way that was not tried, or it is forged. "
}

const proxied = ": something between GitHub and the bridge, like a proxy or a function that parses the body and writes it anew, changed it. It must pass the bytes on as they came"

// Each kind of diagnosis over the whole way, from the POST to who follows: what was found out, in which words. The sender is told
// nothing of it, and no secret is in it.
func TestDiagnoses(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	b := openRefusing(t, rejectingSources, func() time.Time { return now })
	const document = `{"ref":"refs/heads/main"}`
	guideGitHub, guideStripe := guideTo(t, "github"), guideTo(t, "stripe")
	guideStandard, guideSlack := guideTo(t, "standard_webhooks"), guideTo(t, "slack")
	const symmetric = `"whsec_" (or nothing) and base64, not beginning with "whpk_", not beginning with "whsk_"`
	for _, c := range []struct {
		name, source, body string
		header             http.Header
		want               []string
	}{
		{"no signature", "github", document, header("X-GitHub-Event", "push"), []string{
			"SIGNATURE_ABSENT: header X-Hub-Signature-256 is not there: has the webhook got a secret at the provider? " + guideGitHub,
		}},
		{"none of several headers", "standard", document, nil, []string{
			"SIGNATURE_ABSENT: none of header Webhook-Signature or header Svix-Signature is there: has the webhook got a secret at the provider? " + guideStandard,
		}},
		{"a header that belongs to the signature was dropped", "slack", document, header("X-Slack-Signature", "v0="+hex.EncodeToString(sum("x", "y"))), []string{
			"SIGNATURE_ABSENT: header X-Slack-Signature is there, but not all that belongs to it: want header X-Slack-Request-Timestamp, which is part of what is signed. " +
				"Either the provider is set to another version of its signatures, or something on the way drops headers",
		}},
		{"another provider's, of a source that is here", "github", document, stripe("whsec_unknown", document, now), []string{
			"OTHER_PROVIDER: the header Stripe-Signature is there, in which Stripe has signatures like this, and this source is of GitHub: such deliveries go to /webhooks/stripe",
			"SIGNATURE_ABSENT: header X-Hub-Signature-256 is not there: has the webhook got a secret at the provider? " + guideGitHub,
		}},
		{"another provider's, which has no source", "github", document, header("X-Shopify-Hmac-Sha256", "x"), []string{
			"OTHER_PROVIDER: the header X-Shopify-Hmac-Sha256 is there, in which Shopify has signatures like this, and this source is of GitHub: there is no source of that provider yet",
			"SIGNATURE_ABSENT: header X-Hub-Signature-256 is not there: has the webhook got a secret at the provider? " + guideGitHub,
		}},
		{"another source of the provider", "github", document, github("the secret of another team", document), []string{
			`OTHER_SOURCE: it is signed with secrets[0] of the source "team": either the provider should send it to /webhooks/team, or two webhooks' secrets were mixed up`,
		}},
		{"another source of another provider", "github", document, stripe("whsec_of_stripe", document, now), []string{
			`OTHER_SOURCE: it is a delivery of Stripe, signed with secrets[0] of the source "stripe": set the webhook's URL to /webhooks/stripe`,
		}},
		{"another provider's source's secret", "github", document, github("whsec_of_stripe", document), []string{
			`OTHER_SOURCE: it is GitHub's, signed with secrets[0] of the source "stripe", which is of Stripe: two webhooks' secrets were mixed up`,
		}},
		{"the text of a base64 key", "standard", document, standard("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", document, now), []string{
			"KEY_FORM: it matches when secrets[0] is read as it is, and Standard Webhooks's is " + symmetric + ": copy the secret again. " + guideStandard,
		}},
		{"the text of a base64 key without its prefix", "standard", document, standard("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", document, now), []string{
			"KEY_FORM: it matches when secrets[0] is read without its whsec_, as it is, and Standard Webhooks's is " + symmetric + ": copy the secret again. " + guideStandard,
		}},
		{"the bytes of a key in hex", "slack", document,
			slack("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", document, now), []string{
				"KEY_FORM: it matches when secrets[0] is read as hex, and Slack's is a text: copy the secret again. " + guideSlack,
			}},
		{"a secret without its prefix", "stripe", document, stripe("of_stripe", document, now), []string{
			"KEY_FORM: it matches when secrets[0] is read without what stands before its first underscore, as it is, and Stripe's is a text: copy the secret again. " + guideStripe,
		}},
		{"a secret with a line end", "github", document, github(anyKey+"\n", document), []string{
			"KEY_FORM: it matches when secrets[0] is read with a line end that belongs to it, and GitHub's is a text: copy the secret again. " + guideGitHub,
		}},
		{"a body that was written anew", "github", `{"b":1,"a":"é/"}`, github(anyKey, `{"b": 1, "a": "\u00e9/"}`), []string{
			`BODY_CHANGED: it matches when the JSON is written with a space after colons and commas, as Python writes it, with other characters than ASCII as \u escapes, as Python writes them` + proxied,
		}},
		{"a clock that is behind", "stripe", document, stripe("whsec_of_stripe", document, now.Add(-10*time.Minute)), []string{
			"CLOCK: the signature is right, but made 10m0s ago, where 5m0s are allowed; by the bridge's clock it is 2026-03-01T09:00:00Z: if that is right, " +
				"the delivery was held back on its way or sent again as it was; if not, see that the machine gets the time by NTP",
		}},
		{"a clock that is ahead", "stripe", document, stripe("whsec_of_stripe", document, now.Add(301*time.Second)), []string{
			"CLOCK: the signature is right, but made 5m1s in the future, where 5m0s are allowed; by the bridge's clock it is 2026-03-01T09:00:00Z: " +
				"see that both machines get the time by NTP",
		}},
		{"another body and a clock", "stripe", document, stripe("whsec_of_stripe", document+"\n", now.Add(-time.Hour)), []string{
			"BODY_CHANGED: it matches with a line end after the body" + strings.ReplaceAll(proxied, "GitHub", "Stripe"),
			"CLOCK: the signature is right, but made 1h0m0s ago, where 5m0s are allowed; by the bridge's clock it is 2026-03-01T09:00:00Z: if that is right, " +
				"the delivery was held back on its way or sent again as it was; if not, see that the machine gets the time by NTP",
		}},
		{"a scheme without a secret", "gitlab", document, header("X-Gitlab-Token", "something"), []string{
			`OTHER_SCHEME: it has what GitLab's scheme "token" looks for (header X-Gitlab-Token), for which the source has no secret: add it to secrets, ` +
				`as a text, not beginning with "whsec_", or let the provider sign by the scheme "signature"`,
		}},
		{"a scheme that the secret is not for", "gitlab", document, header("X-Gitlab-Token", keys["gitlab"]), []string{
			`OTHER_SCHEME: it is right by GitLab's scheme "token" (header X-Gitlab-Token), with what is secrets[0]; the source doesn't use that scheme. ` +
				`Its secrets are: a text, not beginning with "whsec_"`,
		}},
		{"an unknown secret", "github", document, github("nobody's", document), []string{
			"UNKNOWN_SECRET: header X-Hub-Signature-256 is there and well-formed, and matches under none of 6 secrets (1 of this source, 5 of other sources), " +
				"nor with 1 other reading of this source's secrets, nor with 19 rewrites of the body. " + unknown("GitHub") + guideGitHub,
		}},
		{"a signature in another form", "github", document, header("X-Hub-Signature-256", "sha256="+base64.StdEncoding.EncodeToString(sum(anyKey, document))), []string{
			"MALFORMED: header X-Hub-Signature-256 is no hmac-sha256 in this form; want header X-Hub-Signature-256 as sha256=<hex>. " +
				"So there is nothing in it that could be compared with a signature of GitHub",
		}},
		{"what is no matter of signatures", "github", document, header("Content-Type", "text/plain"), nil},
		{"no source", "nowhere", document, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, told := b.refuse(c.source, c.body, c.header)
			if diff := cmp.Diff(c.want, diagnosesOf(r)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			for _, secret := range []string{anyKey, "whsec_of_stripe", "of_stripe", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", keys["hex"], keys["another"]} {
				if strings.Contains(protojson.Format(r), secret) || strings.Contains(told.text, secret) {
					t.Errorf("a secret is in %s or %s", protojson.Format(r), told.text)
				}
			}
			for _, found := range r.GetDiagnoses() {
				if strings.Contains(told.text, found.GetMessage()) {
					t.Errorf("the sender was told: %s", told.text)
				}
			}
			if len(r.GetBody()) != 0 {
				t.Error("the body was kept, and nobody asked for that")
			}
		})
	}
}

// A secret that a reload took away is known for a day, in memory.
func TestFormerSecretsAreKnown(t *testing.T) {
	clock := newMovable(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC))
	b := openRefusing(t, rejectingSources, clock.now)
	reload := func(change func(name string) (string, bool)) {
		t.Helper()
		catalogue, err := provider.Builtin()
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(b.path, config.Options{Providers: catalogue.Keys(), LookupEnv: change})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.server.Reload(cfg); err != nil {
			t.Fatal(err)
		}
	}
	reload(func(name string) (string, bool) {
		if name == "github" {
			return "the new secret", true
		}
		return lookupKey(name)
	})
	r, _ := b.refuse("github", `{}`, github(anyKey, `{}`))
	want := []string{"PREVIOUS_SECRET: it is signed with a secret that this source had until the configuration was reloaded at 2026-03-01T09:00:00Z (the secrets[0] of then): " +
		"the provider still uses it. Put it back behind the new one, and take it out when the provider has changed over"}
	if diff := cmp.Diff(want, diagnosesOf(r)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	// It is one day later, and something else was reloaded.
	clock.move(24 * time.Hour)
	reload(func(name string) (string, bool) {
		if name == "github" {
			return "the new secret", true
		}
		return lookupKey(name)
	})
	r, _ = b.refuse("github", `{}`, github(anyKey, `{}`))
	if got := r.GetDiagnoses(); len(got) != 1 || got[0].GetKind() != hookbridgev1.Diagnosis_KIND_UNKNOWN_SECRET {
		t.Errorf("want an unknown secret, got %v", diagnosesOf(r))
	}
}

// What was refused is listed, the newest first, by source and time, in pages, over gRPC and as JSON, and is still there after a restart.
func TestRejectionsAreListed(t *testing.T) {
	clock := newMovable(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC))
	b := openRefusing(t, rejectingSources+"rejections: {bodies: true}\n", clock.now)
	for n := range 5 {
		source := []string{"github", "stripe"}[n%2]
		r, _ := b.refuse(source, fmt.Sprintf(`{"n":%d}`, n), nil)
		if string(r.GetBody()) != fmt.Sprintf(`{"n":%d}`, n) || r.GetBodyBytes() != 7 ||
			!cmp.Equal(r.GetHeaderNames(), []string{"Accept-Encoding", "Connection", "Content-Length", "Content-Type", "User-Agent", "X-Forwarded-For"}) {
			t.Errorf("got %s", protojson.Format(r))
		}
		clock.move(time.Minute)
	}
	list := func(req *hookbridgev1.ListRejectionsRequest) (bodies string) {
		t.Helper()
		for {
			resp, err := b.sources.ListRejections(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if req.GetPageSize() > 0 && len(resp.GetRejections()) > int(req.GetPageSize()) {
				t.Errorf("%d on a page of %d", len(resp.GetRejections()), req.GetPageSize())
			}
			for _, r := range resp.GetRejections() {
				bodies += string(bytes.Trim(r.GetBody(), `{}"n:`))
			}
			if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
				return bodies
			}
		}
	}
	at := func(minute int) *timestamppb.Timestamp {
		return timestamppb.New(time.Date(2026, 3, 1, 9, minute, 0, 0, time.UTC))
	}
	for round := range 2 {
		for _, c := range []struct {
			req  *hookbridgev1.ListRejectionsRequest
			want string
		}{
			{&hookbridgev1.ListRejectionsRequest{}, "43210"},
			{&hookbridgev1.ListRejectionsRequest{PageSize: 2}, "43210"},
			{&hookbridgev1.ListRejectionsRequest{Source: "stripe"}, "31"},
			{&hookbridgev1.ListRejectionsRequest{Source: "github", PageSize: 1}, "420"},
			{&hookbridgev1.ListRejectionsRequest{Source: "slack"}, ""},
			{&hookbridgev1.ListRejectionsRequest{Since: at(3)}, "43"},
			{&hookbridgev1.ListRejectionsRequest{Since: at(2), Source: "github"}, "42"},
			{&hookbridgev1.ListRejectionsRequest{Since: at(5)}, ""},
		} {
			if got := list(c.req); got != c.want {
				t.Errorf("round %d: %v: want %s, got %s", round, c.req, c.want, got)
			}
		}
		resp, err := poster.Get("http://" + b.at.Admin + "/v1/rejections?source=stripe&page_size=1")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		page := &hookbridgev1.ListRejectionsResponse{}
		if err != nil || protojson.Unmarshal(text, page) != nil || len(page.GetRejections()) != 1 || string(page.GetRejections()[0].GetBody()) != `{"n":3}` {
			t.Errorf("%v %s", err, text)
		}
		if round == 0 {
			b.stop()
			b.start()
			b.followRefusals()
		}
	}
	_, err := b.sources.ListRejections(t.Context(), &hookbridgev1.ListRejectionsRequest{PageToken: "07"})
	if want := "rpc error: code = InvalidArgument desc = page_token is not one that was returned as next_page_token"; err == nil || err.Error() != want {
		t.Errorf("want %s, got %v", want, err)
	}
}
