package server_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
)

const diagnosedSources = `http: {listen: "127.0.0.1:0", public_url: "https://hooks.example.com", trusted_proxies: [127.0.0.0/8]}
grpc: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
journal: {min_free: "0"}
sources:
  - {name: monday, provider: monday, secrets: ["env:monday"]}
  - {name: jira, provider: jira_connect, secrets: ["env:jira"]}
  - {name: netlify, provider: netlify, secrets: ["env:netlify"]}
  - {name: mailgun, provider: mailgun, secrets: ["env:mailgun"]}
  - {name: zoom, provider: zoom, secrets: ["env:another"]}
  - {name: sign, provider: dropbox_sign, secrets: ["env:sign"]}
  - {name: graph, provider: microsoft_graph, secrets: ["env:graph"]}
  - {name: adyen, provider: adyen, secrets: ["env:hex"]}
  - {name: cloudinary, provider: cloudinary, secrets: ["env:cloudinary"]}
  - {name: box, provider: box, secrets: ["env:box"]}
  - {name: github, provider: github, secrets: ["env:github"]}
  - {name: intercom, provider: intercom, secrets: ["env:stripe"]}
  - {name: zendesk, provider: zendesk, secrets: ["env:zendesk"]}
  - {name: braintree, provider: braintree, secrets: ["env:braintree"], settings: {public_key: public1}}
  - {name: shop, provider: acme, secrets: ["env:shop"], settings: {header: X-Shop-Signature}}
`

// acmeOfShops lets the operator choose the header.
const acmeOfShops = `key: acme
name: Acme
docs_url: https://acme.example/webhooks
settings: [{name: header, description: "The header of the signature.", default: X-Acme-Signature}]
schemes:
  - name: signature
    algorithm: hmac-sha256
    signature: [{header: "{setting:header}"}]
    encoding: hex
    content: "{body}"
type: [{parts: [{json: type}]}]
bodies: [{media_type: application/json}]
retries: true
proof: signer
evidence: ["a test"]
guide: {endpoint: "Settings", secret: "Settings, too.", retries: "Never."}
`

// token is a JSON Web Token of HS256, made by hand.
func token(t *testing.T, key string, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(payload)
	return text + "." + encode(sum(key, text))
}

// adyenItem is an item that is signed by hand; its amount may be changed afterwards.
func adyenItem(key []byte, signed, sent int) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "7914073381342284::Shop:order 1:%d:EUR:AUTHORISATION:true", signed)
	return fmt.Sprintf(`{"NotificationRequestItem":{"pspReference":"7914073381342284","merchantAccountCode":"Shop","merchantReference":"order 1",`+
		`"amount":{"value":%d,"currency":"EUR"},"eventCode":"AUTHORISATION","success":"true","additionalData":{"hmacSignature":%q}}}`,
		sent, base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// What is signed inside of the body, by tokens, by item, or in a form that the source doesn't take: what is said of it is what was tried.
func TestDiagnosesOfBodiesTokensAndForms(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	opened := &refusing{bridge: openCatalogue(t, acmeOfShops, diagnosedSources, func() time.Time { return now })}
	opened.followRefusals()
	const document = `{"a":1}`
	digest := func(text string) string { s := sha256.Sum256([]byte(text)); return hex.EncodeToString(s[:]) }
	bearer := func(name, prefix, key string, claims map[string]any) http.Header {
		return header(name, prefix+token(t, key, claims))
	}
	mondayClaims := func(aud string, age time.Duration) map[string]any {
		return map[string]any{"aud": aud, "iat": now.Add(-age - time.Minute).Unix(), "exp": now.Add(-age).Unix()}
	}
	jiraClaims := func(path string, age time.Duration) map[string]any {
		return map[string]any{"qsh": digest("POST&" + path + "&"), "iat": now.Add(-age - time.Minute).Unix(), "exp": now.Add(-age).Unix()}
	}
	mailgun := func(key string, at time.Time) string {
		stamp := fmt.Sprint(at.Unix())
		return fmt.Sprintf(`{"signature":{"timestamp":%q,"token":"tk","signature":%q},"event-data":{"event":"delivered","id":"1"}}`,
			stamp, hex.EncodeToString(sum(key, stamp+"tk")))
	}
	form := func(name, value string) string { return url.Values{name: {value}}.Encode() }
	const formType = "application/x-www-form-urlencoded"
	adyenKey, err := hex.DecodeString(keys["hex"])
	if err != nil {
		t.Fatal(err)
	}
	items := func(list ...string) string {
		return `{"live":"false","notificationItems":[` + strings.Join(list, ",") + `]}`
	}
	sha1Of := func(key, text string) string {
		mac := hmac.New(sha1.New, []byte(key))
		mac.Write([]byte(text))
		return hex.EncodeToString(mac.Sum(nil))
	}
	braintree := func(payload string) string {
		key := sha1.Sum([]byte(anyKey))
		return url.Values{"bt_signature": {"public1|" + sha1Of(string(key[:]), payload)}, "bt_payload": {payload}}.Encode()
	}
	const held = "; by the bridge's clock it is 2026-03-01T09:00:00Z: if that is right, the delivery was held back on its way or sent again as it was; if not, see that the machine gets the time by NTP"
	for _, c := range []struct {
		name, source, body string
		header             http.Header
		want               []string
	}{
		{"an expired token", "monday", document, bearer("Authorization", "", anyKey, mondayClaims("https://hooks.example.com/webhooks/monday", 10*time.Minute)), []string{
			"CLOCK: the token is right, but expired 10m0s ago, by the claim exp" + held,
		}},
		{"a token that is not valid yet", "monday", document, bearer("Authorization", "", anyKey, map[string]any{
			"aud": "https://hooks.example.com/webhooks/monday", "iat": now.Unix(), "nbf": now.Add(time.Hour).Unix(), "exp": now.Add(2 * time.Hour).Unix()}), []string{
			"CLOCK: the token is right, but by the claim nbf is not valid for another 1h0m0s; by the bridge's clock it is 2026-03-01T09:00:00Z: see that both machines get the time by NTP",
		}},
		{"a token for another URL", "monday", document, bearer("Authorization", "", anyKey, mondayClaims("https://x.example/y?token=credential", -time.Hour)), []string{
			`CLAIM: it is signed with secrets[0], but the claim aud has to be the URL https://hooks.example.com/webhooks/monday, and is "https://x.example/y" with a query: set http.public_url, or the webhook's URL at monday.com (apps), so that they agree`,
		}},
		{"a token for the URL in http", "monday", document, bearer("Authorization", "", anyKey, mondayClaims("http://hooks.example.com/webhooks/monday", -time.Hour)), []string{
			"URL: it is signed for http://hooks.example.com/webhooks/monday, and the bridge takes the URL for https://hooks.example.com/webhooks/monday: set http.public_url, or the webhook's URL at monday.com (apps), so that they agree",
		}},
		{"an expired token for another URL", "monday", document, bearer("Authorization", "", anyKey, mondayClaims("https://x.example/y", time.Hour)), []string{
			`CLAIM: it is signed with secrets[0], but the claim aud has to be the URL https://hooks.example.com/webhooks/monday, and is "https://x.example/y": set http.public_url, or the webhook's URL at monday.com (apps), so that they agree`,
			"CLOCK: the token is right, but expired 1h0m0s ago, by the claim exp" + held,
		}},
		{"a token without a claim", "monday", document, bearer("Authorization", "", anyKey, map[string]any{"aud": "https://hooks.example.com/webhooks/monday", "iat": now.Unix()}), []string{
			"CLAIM: it is signed with secrets[0], but the claim exp is not there",
		}},
		{"a token of an unknown secret", "monday", document, bearer("Authorization", "", "nobody's", mondayClaims("https://x.example/y", time.Hour)), []string{
			"UNKNOWN_SECRET: header Authorization is there and well-formed, and matches under none of 15 secrets (1 of this source, 14 of other sources), nor with 1 other reading of this source's secrets, nor with 19 other URLs. " + unknown("monday.com (apps)") + guideTo(t, "monday"),
		}},
		{"an expired token of code", "jira", document, bearer("Authorization", "JWT ", anyKey, jiraClaims("/webhooks/jira", 10*time.Minute)), []string{
			"CLOCK: the token is right, but expired 10m0s ago, by the claim exp" + held,
		}},
		{"a token of code for another path", "jira", document, bearer("Authorization", "JWT ", anyKey, jiraClaims("/elsewhere", -time.Minute)), []string{
			"CLAIM: it is signed with secrets[0], but the claim qsh has to be the digest of POST and path and query of https://hooks.example.com/webhooks/jira, and is something else: set http.public_url, or the webhook's URL at Jira (Connect apps), so that they agree",
		}},
		{"a token of another issuer", "netlify", document, bearer("X-Webhook-Signature", "", anyKey, map[string]any{"iss": "other", "sha256": digest(document)}), []string{
			`CLAIM: it is signed with secrets[0], but the claim iss has to be "netlify", and is "other"`,
		}},
		{"a token for another body", "netlify", document, bearer("X-Webhook-Signature", "", anyKey, map[string]any{"iss": "netlify", "sha256": digest("x")}), []string{
			"CLAIM: it is signed with secrets[0], but the claim sha256 has to be the SHA-256 of the body, and is something else: the body is not the one that was signed, nor was it found in any of 10 rewrites",
		}},
		{"a token for the body as it was", "netlify", `{"a": 1}`, bearer("X-Webhook-Signature", "", anyKey, map[string]any{"iss": "netlify", "sha256": digest(document)}), []string{
			"BODY_CHANGED: it matches when the JSON is written compact: something between Netlify and the bridge, like a proxy or a function that parses the body and writes it anew, changed it. It must pass the bytes on as they came",
		}},
		{"a signature in the JSON, ten hours old", "mailgun", mailgun(anyKey, now.Add(-10*time.Hour)), nil, []string{
			"CLOCK: the signature is right, but made 10h0m0s ago, where 9h0m0s are allowed" + held,
		}},
		{"a signature in the JSON, of another source's secret", "mailgun", mailgun(keys["another"], now), nil, []string{
			`OTHER_SOURCE: it is Mailgun's, signed with secrets[0] of the source "zoom", which is of Zoom: two webhooks' secrets were mixed up`,
		}},
		{"a signature in the JSON, of an unknown secret", "mailgun", mailgun("nobody's", now), nil, []string{
			"UNKNOWN_SECRET: JSON field signature.signature is there and well-formed, and matches under none of 15 secrets (1 of this source, 14 of other sources), nor with 1 other reading of this source's secrets. " + unknown("Mailgun") + guideTo(t, "mailgun"),
		}},
		{"no signature in the JSON", "mailgun", document, nil, []string{
			"SIGNATURE_ABSENT: JSON field signature.signature is not there: has the webhook got a secret at the provider? Mailgun: app.mailgun.com → Settings → API security → HTTP webhook signing key.",
		}},
		{"a signature in the JSON of a form", "sign", form("json", `{"event":{"event_time":"1","event_type":"a","event_hash":"`+strings.Repeat("0", 64)+`"}}`), header("Content-Type", formType), []string{
			"UNKNOWN_SECRET: JSON field event.event_hash is there and well-formed, and matches under none of 15 secrets (1 of this source, 14 of other sources), nor with 1 other reading of this source's secrets. " + unknown("Dropbox Sign (HelloSign)") + guideTo(t, "dropbox_sign"),
		}},
		{"a token in the JSON", "graph", `{"value":[{"clientState":"wrong"}]}`, nil, []string{
			"UNKNOWN_SECRET: JSON field value.*.clientState is there and well-formed, and matches under none of 15 secrets (1 of this source, 14 of other sources), nor with 1 other reading of this source's secrets. " + unknown("Microsoft Graph (change notifications)") + guideTo(t, "microsoft_graph"),
		}},
		{"tokens in the JSON, one of which is wrong", "graph", `{"value":[{"clientState":"` + anyKey + `"},{"clientState":"wrong"},{}]}`, nil, []string{
			"PART: 1 of 3 parts are right, the first of them under secrets[0]; not right is value.1.clientState, value.2.clientState; of all, 1 have no signature. All have to be right: these were changed on the way, put there by somebody else, or signed with another secret",
		}},
		{"items of which one was changed", "adyen", items(adyenItem(adyenKey, 100, 100), adyenItem(adyenKey, 100, 101)), nil, []string{
			"PART: 1 of 2 parts are right, the first of them under secrets[0]; not right is notificationItems.1. All have to be right: these were changed on the way, put there by somebody else, or signed with another secret",
		}},
		{"items of an unknown secret", "adyen", items(adyenItem([]byte("x"), 100, 100)), nil, []string{
			"UNKNOWN_SECRET: the signature is there and well-formed, and matches under none of 15 secrets (1 of this source, 14 of other sources), nor with 3 other readings of this source's secrets. " + unknown("Adyen (standard payments)") + guideTo(t, "adyen"),
		}},
		{"no items", "adyen", `{"live":"false"}`, nil, []string{
			"SIGNATURE_ABSENT: no signature is there: want JSON field additionalData.hmacSignature of each item in notificationItems. Has the webhook got a secret at the provider? Adyen (standard payments): Security → HMAC key → Generate: the key, in hex, as it is shown once.",
		}},
		{"a digest of the longer kind", "cloudinary", document, header("X-Cld-Timestamp", fmt.Sprint(now.Unix()), "X-Cld-Signature", strings.Repeat("0", 64)), []string{
			"UNKNOWN_SECRET: header X-Cld-Signature is there and well-formed, and matches under none of 15 secrets (1 of this source, 14 of other sources), nor with 2 other readings of this source's secrets, nor with 10 rewrites of the body. " + unknown("Cloudinary") + guideTo(t, "cloudinary"),
		}},
		{"a digest of no kind", "cloudinary", document, header("X-Cld-Timestamp", fmt.Sprint(now.Unix()), "X-Cld-Signature", "abc"), []string{
			`CONDITION: header X-Cld-Signature is there, and is looked at by the scheme "sha1" only where all of header X-Cld-Signature matches [0-9a-fA-F]{40}, and by the scheme "sha256" only where all of header X-Cld-Signature matches [0-9a-fA-F]{64}, which is not so`,
		}},
		{"another version of the signature", "box", document, header("Box-Signature-Version", "2", "Box-Signature-Algorithm", "HmacSHA256",
			"Box-Signature-Primary", "AAAA", "Box-Delivery-Timestamp", now.Format(time.RFC3339)), []string{
			`CONDITION: header Box-Signature-Primary is there, and is looked at by the scheme "signature" only where header Box-Signature-Version is "1", which is not so`,
		}},
		{"another version with a right signature", "box", document, header("Box-Signature-Version", "2", "Box-Signature-Algorithm", "HmacSHA256",
			"Box-Signature-Primary", base64.StdEncoding.EncodeToString(sum(anyKey, document+now.Format(time.RFC3339))), "Box-Delivery-Timestamp", now.Format(time.RFC3339)), []string{
			`CONDITION: it is right by Box (webhooks version 2)'s scheme "signature", under secrets[0], but that counts only where header Box-Signature-Version is "1", which is not so`,
		}},
		{"the provider's older header", "github", document, header("X-Hub-Signature", "sha1="+sha1Of(anyKey, document)), []string{
			`OTHER_SCHEME: header X-Hub-Signature is right in GitHub's form "sha1", under secrets[0], and nothing is taken by that form. It is GitHub's older signature, which comes beside X-Hub-Signature-256 and not instead of it: something on the way dropped that header, or it is a GitHub Enterprise Server too old to send it`,
		}},
		{"the provider's older header, of an unknown secret", "github", document, header("X-Hub-Signature", "sha1="+sha1Of("nobody's", document)), []string{
			`OTHER_SCHEME: header X-Hub-Signature is there in GitHub's form "sha1", by which nothing is taken, and it is not right under the source's secrets. It is GitHub's older signature, which comes beside X-Hub-Signature-256 and not instead of it: something on the way dropped that header, or it is a GitHub Enterprise Server too old to send it`,
		}},
		{"a header that several providers have", "zendesk", document, header("X-Hub-Signature", "sha1="+sha1Of("nobody's", document)), []string{
			"OTHER_PROVIDER: the header X-Hub-Signature is there, in which GitHub or Intercom has signatures like this, and this source is of Zendesk: if it is from one of those, such deliveries go to /webhooks/github or /webhooks/intercom",
			"SIGNATURE_ABSENT: header X-Zendesk-Webhook-Signature is not there: has the webhook got a secret at the provider? Zendesk: The webhook's page → Reveal secret. A test from the page of a webhook that isn't saved yet is signed with `dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==`, which everybody knows: never configure it.",
		}},
		{"a secret that everybody knows", "zendesk", document, header("X-Zendesk-Webhook-Signature-Timestamp", "2026-03-01T09:00:00Z", "X-Zendesk-Webhook-Signature",
			base64.StdEncoding.EncodeToString(sum("dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==", "2026-03-01T09:00:00Z"+document))), []string{
			"PUBLIC_SECRET: it is signed with a secret that everybody knows, which Zendesk uses for a test from the page of a webhook that isn't saved yet. It proves nothing, so such deliveries are refused: never configure that secret",
		}},
		{"what could be a challenge", "braintree", braintree(strings.Repeat("a", 20)), header("Content-Type", formType), []string{
			`CONDITION: it is right by Braintree's scheme "signature", under secrets[0], but that counts only where all of form field bt_payload matches [A-Za-z0-9+/=\s]{33,}, which is not so`,
		}},
		{"another key's name in the signature", "braintree", url.Values{"bt_signature": {"other|" + strings.Repeat("0", 40)}, "bt_payload": {strings.Repeat("x", 40)}}.Encode(),
			header("Content-Type", formType), []string{
				"SIGNATURE_ABSENT: form field bt_signature is there, and none of it is of the kind that is looked for: form field bt_signature holds none of this scheme; want form field bt_signature as public1|<hex>. It is of another version, mode or key of the provider, or not of Braintree",
			}},
		{"the header of other settings", "shop", document, header("X-Acme-Signature", hex.EncodeToString(sum(anyKey, document))), []string{
			"OTHER_SCHEME: header X-Acme-Signature is right, under secrets[0], and is where Acme has signatures by default; by the settings of this source (header) they are in header X-Shop-Signature: correct one of the two",
		}},
		{"the header of other settings, of an unknown secret", "shop", document, header("X-Acme-Signature", strings.Repeat("0", 64)), []string{
			"OTHER_SCHEME: header X-Acme-Signature is there, which is where Acme has signatures by default; by the settings of this source (header) they are in header X-Shop-Signature. It is not right under the source's secrets either",
		}},
		{"a body that is too large", "github", `{"a":"` + strings.Repeat("x", 64<<10) + `"}`, github(anyKey, document), []string{
			"NOT_EXAMINED: it was not looked into: the body is larger than the 64 KiB up to which bodies are looked into. All that is known is what the sender was told",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := opened.refuse(c.source, c.body, c.header)
			if diff := cmp.Diff(c.want, diagnosesOf(r)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			for _, secret := range []string{anyKey, keys["another"], keys["hex"], "credential", "nobody's"} {
				if strings.Contains(protojson.Format(r), secret) {
					t.Errorf("a secret is in %s", protojson.Format(r))
				}
			}
		})
	}
}
