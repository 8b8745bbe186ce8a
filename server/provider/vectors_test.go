package provider

import (
	"bytes"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// vector is a signature that somebody else made.
type vector struct {
	Name, Provider, Secret, Expect string
	RotationSecret                 string `json:"rotation_secret"`
	PublicKey                      string `json:"public_key"`
	Headers                        map[string]string
	Body                           string
	Method, URL                    string
	BodyBase64                     string `json:"body_base64"`
	Note                           string
}

// ownVectors are signatures for the packs, made with openssl and python's hmac module; GitHub's is the one in its documentation.
var ownVectors = []vector{
	{Name: "openssl", Provider: "hmac", Secret: "my_shared_secret", Body: `{"event":"user_created","user_id":42}`, Headers: map[string]string{
		"X-Signature": "19753b10cc81221ac740ed2e84236f04edcdcce54ce2e3097483d250290bed4d",
	}},
	{Name: "documentation", Provider: "github", Secret: "It's a Secret to Everybody", Body: "Hello, World!", Headers: map[string]string{
		"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
	}},
	{Name: "token", Provider: "gitlab", Secret: "a token", Body: `{}`, Headers: map[string]string{"X-Gitlab-Token": "a token"}},
	{Name: "signing token", Provider: "gitlab", Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Body: `{"object_kind":"push","event_name":"push"}`, Headers: map[string]string{
		"webhook-id": "b9b7d0f0-6f5b-4d52-8e39-3e2b0a1d6c11", "webhook-timestamp": "1700000000",
		"webhook-signature": "v1,MmKPRhsdx5G3pPW3dY3nJ7AxOxyncBA9DAwt9oLcL1M=",
	}},
	{Name: "two signatures", Provider: "stripe", Secret: "whsec_a_secret_that_is_used_as_it_is", Body: `{"id":"evt_1","type":"invoice.paid"}`, Headers: map[string]string{
		"Stripe-Signature": "t=1700000000,v1=" + strings.Repeat("0", 64) + ",v1=eaaff567eef2c255e496d0b6b78f6d9778601cb071192a3e7a088a423c2756f1,v0=" + strings.Repeat("1", 64),
	}},
	{Name: "event", Provider: "slack", Secret: "8f742231b10e8888abcd99yyyzzz85a5", Body: `{"type":"event_callback","event_id":"Ev1","event":{"type":"message"}}`, Headers: map[string]string{
		"X-Slack-Request-Timestamp": "1700000000", "X-Slack-Signature": "v0=efc28aa666519af0d6b833792a1b972987dcf06ed3e8afc2161f2f5b26f33f34",
	}},
	{Name: "order", Provider: "shopify", Secret: "hush", Body: `{"id":820982911946154508,"admin_graphql_api_id":"gid://shopify/Order/820982911946154508"}`, Headers: map[string]string{
		"X-Shopify-Hmac-SHA256": "QNSQrqj9duVb51o17wBAE7Y8vjTOP3dL4fSzPUdNx2U=",
	}},
	{Name: "order, under the other name", Provider: "shopify", Secret: "hush", Body: `{"id":820982911946154508,"admin_graphql_api_id":"gid://shopify/Order/820982911946154508"}`, Headers: map[string]string{
		"Shopify-Hmac-Sha256": "QNSQrqj9duVb51o17wBAE7Y8vjTOP3dL4fSzPUdNx2U=",
	}},
	{Name: "symmetric", Provider: "standard_webhooks", Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Body: `{"type":"contact.created"}`, Headers: map[string]string{
		"webhook-id": "msg_1", "webhook-timestamp": "1700000000", "webhook-signature": "v1,SAES0FXXwmvmClBJnk5KZ/8146jQ4BQU37P8Ay/om8Q=",
	}},
	{Name: "asymmetric", Provider: "standard_webhooks", Secret: "whpk_nRXAZRwN9xs9XLNKG+q+gglaelGY5Aqi12mhWTWy7EE=", Body: `{"type":"contact.created"}`, Headers: map[string]string{
		"webhook-id": "msg_1", "webhook-timestamp": "1700000000",
		"webhook-signature": "v1a,6HiMBH5auIaz6sloG8BTcH9yrNn9TP9QfiVwb7pe9hOxvMRwY1PIZMsn+gWMUn24JEltyOmepdKNPk4afAq1DA==",
	}},
}

// Each pack that has vectors that are always at hand verifies them, and refuses them when one bit of body, secret, signature, id or
// timestamp changes. Every other scheme is proven by a case of its pack's fixture.
func TestOwnVectors(t *testing.T) {
	c := catalogue(t)
	missing := map[string]bool{}
	for _, key := range c.Keys() {
		pack, _ := c.Get(key)
		if keyed(pack) {
			continue // TestFixtures
		}
		for _, scheme := range pack.schemes {
			missing[key+"/"+scheme.Name()] = true
		}
	}
	for _, v := range ownVectors {
		t.Run(v.Provider+"/"+v.Name, func(t *testing.T) {
			delete(missing, v.Provider+"/"+checkVector(t, v.Provider, v))
		})
	}
	for _, key := range c.Keys() {
		pack, _ := c.Get(key)
		if fixtureCase(t, key) == nil {
			continue
		}
		for _, one := range readFixture(t, key).GetCases() {
			if one.GetOrigin() == "" {
				continue
			}
			for _, a := range fixtureSource(t, pack, one).schemes {
				r := fixtureRequest(t, one)
				if kind, err := pack.bodyOf(r.Header.Get("Content-Type")); err == nil {
					r.Document = kind.document(r.Header.Get("Content-Type"), r.Body)
				}
				if _, err := a.scheme.Verify(r, a.keys, a.tolerance); err == nil {
					delete(missing, key+"/"+a.scheme.Name())
				}
			}
		}
	}
	if len(missing) > 0 {
		t.Errorf("schemes without a vector: %v", slices.Sorted(maps.Keys(missing)))
	}
}

// checkVector receives a vector, as it is and with each of its bits changed, and returns the name of the scheme that it is for.
func checkVector(t *testing.T, key string, v vector) string {
	t.Helper()
	pack, _ := catalogue(t).Get(key)
	s, spec := vectorSource(t, pack, v.Secret)
	target, err := url.Parse(v.URL)
	if err != nil {
		t.Fatal(err)
	}
	receive := func(s *Source, header map[string]string, body []byte) error {
		h := http.Header{}
		for name, value := range header {
			h[http.CanonicalHeaderKey(name)] = []string{value}
		}
		_, err := s.Receive(t.Context(), &delivery.Request{Method: http.MethodPost, URL: target, Header: h, Body: body, ReceivedAt: vectorTime(t, spec, v.Headers)})
		return err
	}
	body := []byte(v.Body)
	if err := receive(s, v.Headers, body); err != nil {
		t.Fatal(err)
	}
	if spec.GetContent() != "" {
		for at := range body {
			for bit := range 8 {
				body[at] ^= 1 << bit
				if err := receive(s, v.Headers, body); !errors.Is(err, ErrSignatureMismatch) {
					t.Errorf("bit %d of byte %d of the body changed: got %v", bit, at, err)
				}
				body[at] ^= 1 << bit
			}
		}
		if err := receive(s, v.Headers, append(bytes.Clone(body), '\n')); !errors.Is(err, ErrSignatureMismatch) {
			t.Errorf("a newline behind the body: got %v", err)
		}
	}
	eachFlip(v.Secret, func(at int, changed string) {
		other, err := NewSource(SourceConfig{Name: "v", Pack: pack, Secrets: []string{changed}, DigestWindow: time.Minute, PublicURL: true})
		if err == nil {
			err = receive(other, v.Headers, body)
		}
		if err == nil && !sameKey(spec, v.Secret, changed) {
			t.Errorf("byte %d of the secret changed, and still taken", at)
		}
	})
	for name, value := range provenHeaders(spec, v.Headers) {
		for _, single := range onlyMatching(spec, value, func(value string) bool {
			return receive(s, with(v.Headers, name, value), body) == nil
		}) {
			eachFlip(single, func(at int, changed string) {
				if sameHex(spec, single[at], changed[at]) {
					return
				}
				err := receive(s, with(v.Headers, name, changed), body)
				if !errors.Is(err, ErrSignatureMissing) && !errors.Is(err, ErrSignatureMalformed) && !errors.Is(err, ErrSignatureMismatch) {
					t.Errorf("byte %d of %s changed: got %v: %s", at, name, err, changed)
				}
			})
		}
	}
	return spec.GetName()
}

// catalogue is read once for a test.
func catalogue(t testing.TB) *Catalogue {
	t.Helper()
	c, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// vectorSource is a source with one secret, and the scheme of the pack that the secret is for.
func vectorSource(t *testing.T, pack *Pack, secret string) (*Source, *providerv1.Scheme) {
	t.Helper()
	s, err := NewSource(SourceConfig{Name: "v", Pack: pack, Secrets: []string{secret}, DigestWindow: time.Minute, PublicURL: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range pack.Spec().GetSchemes() {
		if spec.GetName() == s.schemes[0].scheme.Name() {
			return s, spec
		}
	}
	t.Fatal("no scheme")
	return nil, nil
}

// vectorTime is when a vector was signed.
func vectorTime(t *testing.T, spec *providerv1.Scheme, headers map[string]string) time.Time {
	t.Helper()
	for _, at := range spec.GetTimestamp().GetAt() {
		text := ""
		if at.GetClaim() != "" {
			_, rest, _ := strings.Cut(headers[spec.GetSignature()[0].GetHeader()], ".")
			payload, _, _ := strings.Cut(rest, ".")
			raw, err := base64.RawURLEncoding.DecodeString(payload)
			if err != nil {
				t.Fatal(err)
			}
			text = gjson.GetBytes(raw, at.GetClaim()).Raw
		}
		for name, value := range headers {
			switch {
			case strings.EqualFold(name, at.GetHeader()):
				text = value
			case at.GetItem() != "" && strings.EqualFold(name, spec.GetSignature()[0].GetHeader()):
				for item := range strings.SplitSeq(value, spec.GetList().GetSeparator()) {
					if rest, ok := strings.CutPrefix(item, at.GetItem()+spec.GetList().GetAssign()); ok {
						text = rest
					}
				}
			}
		}
		if text == "" {
			continue
		}
		unit, err := signature.ParseUnit(spec.GetTimestamp().GetUnit())
		if err != nil {
			t.Fatal(err)
		}
		at, ok := unit.Parse(text)
		if !ok {
			t.Fatalf("no time: %q", text)
		}
		return at
	}
	return now
}
