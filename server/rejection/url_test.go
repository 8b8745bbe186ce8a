package rejection

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/provider"
)

// acme signs the URL and the body.
const acme = `key: acme
name: Acme
docs_url: https://acme.example/webhooks
schemes:
  - name: signature
    algorithm: hmac-sha256
    signature: [{header: X-Acme-Signature}]
    encoding: hex
    content: "{url}{body}"
type: [{parts: [{json: type}]}]
bodies: [{media_type: application/json}]
retries: true
proof: signer
evidence: ["a test"]
guide: {endpoint: "Settings", secret: "Settings, too.", retries: "Never."}
`

func parsePack(t *testing.T, text string) *provider.Pack {
	t.Helper()
	pack, err := provider.Parse("acme.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return pack
}

func newSource(t *testing.T, name string, pack *provider.Pack, secrets ...string) *provider.Source {
	t.Helper()
	s, err := provider.NewSource(provider.SourceConfig{Name: name, Pack: pack, Secrets: secrets, PublicURL: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func builtin(t *testing.T) *provider.Catalogue {
	t.Helper()
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return catalogue
}

// look looks into a request that the source acme refused.
func look(t *testing.T, own *provider.Source, r *delivery.Request, host string) []*hookbridgev1.Diagnosis {
	t.Helper()
	l, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	l.SetSources(builtin(t), []*provider.Source{own})
	return l.examine(t.Context(), &item{entry: &hookbridgev1.RefusedDelivery{Source: own.Name()}, request: r, host: host})
}

// Another URL than the configured one was signed: another host, scheme, port or path, with or without the query. What stands in a
// query is not repeated: there may be a credential in it.
func TestURLsAreFound(t *testing.T) {
	const configured = "https://hooks.example.com/base/webhooks/acme?token=credential"
	const todo = ": set http.public_url, or the webhook's URL at Acme, so that they agree"
	const is = ", and the bridge takes the URL for https://hooks.example.com/base/webhooks/acme"
	own := newSource(t, "acme", parsePack(t, acme), "a secret of acme")
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct{ name, signed, host, forwarded, want string }{
		{"another scheme", "http://hooks.example.com/base/webhooks/acme?token=credential", "", "",
			"it is signed for http://hooks.example.com/base/webhooks/acme" + is + todo},
		{"the host that the sender called", "https://other.example.com/base/webhooks/acme?token=credential", "other.example.com", "",
			"it is signed for https://other.example.com/base/webhooks/acme" + is + todo},
		{"the host that a proxy was called by", "https://front.example.com/base/webhooks/acme?token=credential", "10.0.0.1:8080", "front.example.com",
			"it is signed for https://front.example.com/base/webhooks/acme" + is + todo},
		{"a port", "https://hooks.example.com:443/base/webhooks/acme?token=credential", "", "",
			"it is signed for https://hooks.example.com:443/base/webhooks/acme" + is + todo},
		{"without a port", "http://10.0.0.1/base/webhooks/acme?token=credential", "10.0.0.1:8080", "",
			"it is signed for http://10.0.0.1/base/webhooks/acme" + is + todo},
		{"a slash", "https://hooks.example.com/base/webhooks/acme/?token=credential", "", "",
			"it is signed for https://hooks.example.com/base/webhooks/acme/" + is + todo},
		{"the path without that of the public URL", "https://hooks.example.com/webhooks/acme?token=credential", "", "",
			"it is signed for https://hooks.example.com/webhooks/acme" + is + todo},
		{"without the query", "https://hooks.example.com/base/webhooks/acme", "", "",
			"it is signed for https://hooks.example.com/base/webhooks/acme without its query" + is + " with its query" + todo},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := []byte(`{"type":"x"}`)
			signedURL, err := url.Parse(c.signed)
			if err != nil {
				t.Fatal(err)
			}
			h, err := own.Sign(signedURL, body, "x", "1", now)
			if err != nil {
				t.Fatal(err)
			}
			if c.forwarded != "" {
				h.Set("X-Forwarded-Host", c.forwarded)
			}
			here, err := url.Parse(configured)
			if err != nil {
				t.Fatal(err)
			}
			found := look(t, own, &delivery.Request{Method: http.MethodPost, URL: here, Header: h, Body: body, ReceivedAt: now}, c.host)
			var got []string
			for _, d := range found {
				got = append(got, d.GetKind().String()+" "+d.GetMessage())
			}
			if diff := cmp.Diff([]string{"KIND_URL " + c.want}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
