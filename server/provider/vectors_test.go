package provider

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/internal/sharedtest"
)

// vector is a published signature.
type vector struct {
	Name, Provider, Secret, Expect string
	Headers                        map[string]string
	Body                           string
	BodyBase64                     string `json:"body_base64"`
}

// vectorProviders are the packs that a vector's provider is tried with.
var vectorProviders = map[string]string{
	"github": "github", "gitlab": "gitlab", "stripe": "stripe", "slack": "slack", "shopify": "shopify",
	"standard_webhooks": "standard_webhooks", "svix": "standard_webhooks", "openai": "standard_webhooks", "lithic": "standard_webhooks",
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	content, err := os.ReadFile(sharedtest.Path(t, "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []vector
	if err := json.Unmarshal(content, &list); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(sharedtest.Path(t, "payloads", "vectors.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		body, err := base64.StdEncoding.DecodeString(v.BodyBase64)
		if err != nil {
			t.Fatal(err)
		}
		v.Body = string(body)
		list = append(list, v)
	}
	return list
}

// Every published vector of a provider that has a pack verifies, and fails when one bit of body, secret, signature or timestamp
// changes.
func TestPublishedVectors(t *testing.T) {
	tried := 0
	for _, v := range readVectors(t) {
		key, ok := vectorProviders[v.Provider]
		if !ok {
			continue
		}
		tried++
		t.Run(v.Provider+"/"+v.Name, func(t *testing.T) {
			err := receiveVector(t, key, v.Secret, v.Headers, []byte(v.Body))
			if v.Expect == "invalid" {
				if err == nil {
					t.Error("an invalid vector was taken")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			step := max(1, len(v.Body)/64)
			for at := 0; at < len(v.Body); at += step {
				body := []byte(v.Body)
				body[at] ^= 1 << (at % 7)
				if receiveVector(t, key, v.Secret, v.Headers, body) == nil {
					t.Errorf("byte %d of the body changed, and still taken", at)
				}
			}
			secret := []byte(v.Secret)
			secret[len(secret)/2] ^= 1
			if receiveVector(t, key, string(secret), v.Headers, []byte(v.Body)) == nil {
				t.Error("another secret, and still taken")
			}
			for name, value := range v.Headers {
				if !isProof(name) {
					continue
				}
				for at := range len(value) {
					changed := []byte(value)
					changed[at] ^= 1
					h := map[string]string{}
					for n, val := range v.Headers {
						h[n] = val
					}
					h[name] = string(changed)
					if receiveVector(t, key, v.Secret, h, []byte(v.Body)) == nil && !sameHex(value[at], changed[at]) {
						t.Errorf("%s: byte %d changed, and still taken: %s", name, at, changed)
					}
				}
			}
		})
	}
	if tried < 10 {
		t.Errorf("only %d vectors were tried", tried)
	}
}

// sameHex is for letters whose case doesn't matter.
func sameHex(a, b byte) bool { return a|0x20 == b|0x20 && a != b }

func isProof(header string) bool {
	switch http.CanonicalHeaderKey(header) {
	case "X-Hub-Signature-256", "X-Slack-Signature", "X-Slack-Request-Timestamp", "Svix-Id", "Svix-Timestamp", "Svix-Signature",
		"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature":
		return true
	}
	return false
}

// receiveVector receives at the vector's own time.
func receiveVector(t *testing.T, key, secret string, headers map[string]string, body []byte) error {
	t.Helper()
	c, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	pack, _ := c.Get(key)
	s, err := NewSource(SourceConfig{Name: "v", Pack: pack, Secrets: []string{secret}, DigestWindow: time.Minute})
	if err != nil {
		return err
	}
	h := http.Header{}
	at := now
	for name, value := range headers {
		h.Set(name, value)
		if name := http.CanonicalHeaderKey(name); name == "X-Slack-Request-Timestamp" || name == "Svix-Timestamp" || name == "Webhook-Timestamp" {
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				at = time.Unix(n, 0)
			}
		}
		var n int64
		if _, err := fmt.Sscanf(value, "t=%d,", &n); err == nil && http.CanonicalHeaderKey(name) == "Stripe-Signature" {
			at = time.Unix(n, 0)
		}
	}
	_, err = s.Receive(&delivery.Request{Method: http.MethodPost, URL: &url.URL{}, Header: h, Body: body, ReceivedAt: at})
	return err
}
