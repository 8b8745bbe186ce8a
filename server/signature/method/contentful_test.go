package method_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// The signature was made with
//
//	printf %s "$CONTENT" | openssl dgst -sha256 -hmac 'a shared secret' -r
//
// for POST, /webhooks/demo?a=1, the headers x-contentful-signed-headers, x-contentful-timestamp and x-contentful-topic, and the body {}.
func TestContentful(t *testing.T) {
	const (
		list = "x-contentful-signed-headers,x-contentful-timestamp,x-contentful-topic"
		made = "9dca1551195fa15354be3f4bad71d22fa49e369da0515ff6501fe7457838ef94"
	)
	header := func(name, value string) func(*delivery.Request) {
		return func(r *delivery.Request) { r.Header.Set(name, value) }
	}
	mismatch := "signature mismatch: header X-Contentful-Signature matches under none of the secrets (2)"
	for _, tc := range []struct {
		name   string
		change func(*delivery.Request)
		want   string
	}{
		{"right", nil, ""},
		{"a header that isn't listed", header("X-Other", "x"), ""},
		{"another body", func(r *delivery.Request) { r.Body = []byte("[]") }, mismatch},
		{"another method", func(r *delivery.Request) { r.Method = http.MethodPut }, mismatch},
		{"another query", func(r *delivery.Request) { r.URL.RawQuery = "a=2" }, mismatch},
		{"another topic", header("X-Contentful-Topic", "ContentManagement.Entry.delete"), mismatch},
		{"another time", header("X-Contentful-Timestamp", "1772355599001"), mismatch},
		{"a list without itself", header("X-Contentful-Signed-Headers", "x-contentful-timestamp"), "signature malformed: want header X-Contentful-Signed-Headers to list X-Contentful-Signed-Headers"},
		{"a list without the time", header("X-Contentful-Signed-Headers", "x-contentful-signed-headers"), "signature malformed: want header X-Contentful-Signed-Headers to list X-Contentful-Timestamp"},
		{"a header listed twice", header("X-Contentful-Signed-Headers", list+",x-contentful-topic"), "signature malformed: want header X-Contentful-Signed-Headers to list at most 64 headers, each once"},
		{"a listed header that isn't there", func(r *delivery.Request) { r.Header.Del("X-Contentful-Topic") }, "signature missing: want header X-Contentful-Topic"},
		{"a listed header twice", func(r *delivery.Request) { r.Header.Add("X-Contentful-Topic", "x") }, "signature malformed: header X-Contentful-Topic is there more than once"},
		{"no signature", func(r *delivery.Request) { r.Header.Del("X-Contentful-Signature") }, "signature missing: want header X-Contentful-Signature"},
		{"a signature that is none", header("X-Contentful-Signature", "zz"), "signature malformed: want header X-Contentful-Signature in hex"},
		{"too old", func(r *delivery.Request) { r.ReceivedAt = now.Add(30 * time.Second) }, "timestamp out of tolerance: signed 31s ago, which is more than 30s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			scheme := compile(t, "{code: contentful}")
			r := request("{}")
			r.URL.RawQuery = "a=1"
			for name, value := range map[string]string{
				"X-Contentful-Signature": made, "X-Contentful-Signed-Headers": list, "X-Contentful-Timestamp": "1772355599000",
				"X-Contentful-Topic": "ContentManagement.Entry.publish",
			} {
				r.Header.Set(name, value)
			}
			if tc.change != nil {
				tc.change(r)
			}
			tolerance, _ := scheme.Tolerance()
			m, err := scheme.Verify(r, secrets(t, scheme, "another", "a shared secret"), tolerance)
			if text(err) != tc.want || err == nil && (m.Key != 1 || !m.Time.Equal(now.Add(-time.Second)) || !m.TimeCovered) {
				t.Errorf("got %q, %+v, want %q", text(err), m, tc.want)
			}
		})
	}
}

func TestContentfulSigns(t *testing.T) {
	scheme := compile(t, "{code: contentful}")
	keys := secrets(t, scheme, "s")
	r := request(`{"sys":{}}`)
	r.URL.RawQuery = "x=%20y"
	r.Header.Set("X-Contentful-Topic", "ContentManagement.Entry.publish")
	signed, err := scheme.Sign(r, keys[0], "", now)
	if err != nil {
		t.Fatal(err)
	}
	r = signed
	if _, err := scheme.Verify(r, keys, time.Second); err != nil {
		t.Error(err)
	}
	r.Header.Set("X-Contentful-Topic", "x")
	if _, err := scheme.Verify(r, keys, time.Second); err == nil {
		t.Error("the topic changed, and still taken")
	}
	for kind, want := range map[string]bool{"X-Contentful-Topic": false, "X-Contentful-Timestamp": true} {
		p, err := signature.PlaceNamed("header", kind)
		if err != nil {
			t.Fatal(err)
		}
		if scheme.Covers(p) != want || !scheme.CoversBody() || !scheme.UsesURL() {
			t.Errorf("%s: covered is %v", kind, scheme.Covers(p))
		}
	}
}
