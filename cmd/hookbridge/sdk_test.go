package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/internal/sdktest"
)

// publicURL is what the sources of these tests are called.
const publicURL = "https://hooks.example.com"

// sdkSource is a source for a provider's own library, as its fixture has it.
type sdkSource struct {
	key, secret, body string
	settings          map[string]string
	contentType       string
}

// sdkSources are the cases of the fixtures that a library made or accepts: one for each provider.
func sdkSources(t *testing.T, libraries *sdktest.Libraries) []sdkSource {
	t.Helper()
	var list []sdkSource
	for _, key := range libraries.Keys() {
		fixture := fixtureOf(t, key)
		for _, c := range fixture.GetCases() {
			if c.GetOrigin() != "" && len(c.GetEvents()) > 0 && len(c.GetSecrets()) > 0 {
				list = append(list, sdkSource{key: key, secret: c.GetSecrets()[0], body: c.GetBody(), settings: c.GetSettings(), contentType: c.GetHeaders()["Content-Type"]})
				break
			}
		}
	}
	return list
}

// sdkConfig has a source for each, named after its provider.
func sdkConfig(t *testing.T, sources []sdkSource) string {
	t.Helper()
	var more strings.Builder
	for _, s := range sources {
		fmt.Fprintf(&more, "  - {name: %s, provider: %s, secrets: [\"file:./%s.secret\"]", strings.ReplaceAll(s.key, "_", "-"), s.key, s.key)
		if len(s.settings) > 0 {
			more.WriteString(", settings: {")
			for name, value := range s.settings {
				fmt.Fprintf(&more, "%s: %q, ", name, value)
			}
			more.WriteString("}")
		}
		more.WriteString("}\n")
	}
	config := publicConfig(t, more.String())
	for _, s := range sources {
		if err := os.WriteFile(filepath.Join(filepath.Dir(config), s.key+".secret"), []byte(s.secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return config
}

// notSent are libraries that don't take what send signs, and why.
var notSent = map[string]string{
	"discord":  "the source has the public key, and nobody but the provider the private one",
	"sendgrid": "as discord",
	"telnyx":   "as discord",
	"sanity":   "the library wants base64url without padding, send writes it with",
}

// TestOfficialSDKsOverHTTP lets the providers' own libraries sign deliveries that the real bridge has to take, and not when they were
// changed; and has the libraries verify what send signs.
func TestOfficialSDKsOverHTTP(t *testing.T) {
	libraries := sdktest.Start(t)
	sources := sdkSources(t, libraries)
	config := sdkConfig(t, sources)
	bridge := start(t, config)
	signed, verified := 0, 0
	for _, s := range sources {
		can := libraries.Ability(s.key)
		name := strings.ReplaceAll(s.key, "_", "-")
		if can.Sign {
			signed++
			t.Run(s.key+" signs", func(t *testing.T) {
				question := sdktest.Request{
					Key: s.key, Do: "sign", Secret: s.secret, Settings: s.settings, At: time.Now().UnixMilli(), ID: "sdk-1",
					Method: http.MethodPost, URL: publicURL + "/webhooks/" + name, Body: []byte(s.body),
				}
				answer := libraries.Ask(t, question)
				if answer.Error != "" {
					t.Fatal(answer.Error)
				}
				for body, want := range map[string]int{s.body: http.StatusOK, strings.Replace(s.body, "e", "E", 1): http.StatusUnauthorized} {
					req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+bridge.http+"/webhooks/"+name, strings.NewReader(body))
					if err != nil {
						t.Fatal(err)
					}
					req.Header.Set("Content-Type", s.contentType)
					for header, value := range answer.Headers {
						req.Header.Set(header, value)
					}
					resp, err := http.DefaultClient.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					text, _ := io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					if resp.StatusCode != want && !(want == http.StatusOK && resp.StatusCode/100 == 2) {
						t.Errorf("%q: %d %s, want %d", body, resp.StatusCode, text, want)
					}
				}
				if out, errOut, code := call(t.Context(), "events", "list", "--server", bridge.grpc, "--source", name, "--json"); code != 0 || strings.Count(out, "\n") != 1 {
					t.Errorf("%d: want one event of what was signed, got %s%s", code, out, errOut)
				}
			})
		}
		if can.Verify && notSent[s.key] == "" {
			verified++
			t.Run(s.key+" verifies", func(t *testing.T) { verifies(t, libraries, config, name, s) })
		}
	}
	if signed < 6 || verified < 30 {
		t.Errorf("%d libraries signed and %d verified", signed, verified)
	}
}

// verifies has send sign a body and the provider's own library look at what arrives, and at what is damaged.
func verifies(t *testing.T, libraries *sdktest.Libraries, config, name string, s sdkSource) {
	var taken []bool
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		headers := map[string]string{}
		for header := range r.Header {
			headers[header] = r.Header.Get(header)
		}
		answer := libraries.Ask(t, sdktest.Request{
			Key: s.key, Do: "verify", Secret: s.secret, Settings: s.settings, At: time.Now().UnixMilli(), Method: r.Method,
			URL: publicURL + r.URL.String(), Headers: headers, Body: body,
		})
		if taken = append(taken, answer.OK); !answer.OK {
			t.Logf("the library: %s", answer.Error)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer receiver.Close()
	for _, tamper := range []string{"", "signature"} {
		args := []string{"send", "--config", config, "--url", receiver.URL, name}
		if tamper != "" {
			args = append(args, "--tamper", tamper)
		}
		if out, errOut, code := call(t.Context(), args...); code != 0 {
			t.Fatalf("send %s: %d %s%s", tamper, code, out, errOut)
		}
	}
	if len(taken) != 2 || !taken[0] || taken[1] {
		t.Errorf("the library took %v, want what is right and not what isn't", taken)
	}
}
