package schema_test

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/internal/sharedtest"
	"github.com/hookbridge/hookbridge/server/provider"
)

// samples is where the bodies are that `hookbridge send` posts.
const samples = "../provider/samples"

// fixture is the document of an event.
type fixture struct {
	path, provider, typ string
	document            []byte
}

// ownFixtures reads a folder of fixtures: <provider>/<type>.json, where a "/" in a type is written "~" and a ":" "%3A", and what follows an "@"
// tells fixtures of one type apart (orders~create@minimal.json).
func ownFixtures(t testing.TB, dir string) []fixture {
	t.Helper()
	var found []fixture
	written := strings.NewReplacer("~", "/", "%3A", ":")
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		document, err := os.ReadFile(path)
		typ, _, _ := strings.Cut(strings.TrimSuffix(entry.Name(), ".json"), "@")
		found = append(found, fixture{path, filepath.Base(filepath.Dir(path)), written.Replace(typ), document})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// folders has the folder of each built-in provider in the collection of real deliveries. Of hmac there are none: its senders are
// one's own.
var folders = map[string]string{
	"github": "github", "gitlab": "gitlab", "shopify": "shopify", "slack": "slack", "standard_webhooks": "standard-webhooks", "stripe": "stripe",
}

// sharedFixtures reads the collection of real deliveries; document and type are what the provider's pack finds in each. Handshakes
// are not among them.
func sharedFixtures(t testing.TB) []fixture {
	t.Helper()
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	var found []fixture
	for key, folder := range folders {
		pack, _ := catalogue.Get(key)
		// In a form that every pack takes.
		source, err := provider.NewSource(provider.SourceConfig{Name: "test", Pack: pack, Secrets: []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}})
		if err != nil {
			t.Fatal(err)
		}
		paths, err := filepath.Glob(filepath.Join(sharedtest.Path(t, "payloads", folder), "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, ".headers.json") {
				continue
			}
			if verified := receive(t, source, path); verified != nil {
				found = append(found, fixture{path, key, verified.Type, verified.Document})
			}
		}
	}
	return found
}

// receive signs a real delivery anew and has it verified, with the headers that are beside it; nil for a handshake.
func receive(t testing.TB, source *provider.Source, path string) *delivery.Verified {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1772355600, 0)
	headers, err := source.Sign(&url.URL{}, body, "", "an-id", now)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headersBeside(t, path) {
		if strings.HasSuffix(http.CanonicalHeaderKey(name), "-Event") {
			headers.Set(name, value)
		}
	}
	// The only delivery without a header for its type.
	if source.Provider() == "shopify" {
		headers.Set("X-Shopify-Topic", "orders/updated")
	}
	outcome, err := source.Receive(t.Context(), &delivery.Request{
		Method: http.MethodPost, URL: &url.URL{}, Header: headers, Body: body, ReceivedAt: now,
	})
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if outcome.Verified == nil {
		return nil
	}
	return outcome.Verified[0]
}

// headersBeside are the headers of a real delivery, as far as the collection has them.
func headersBeside(t testing.TB, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(strings.TrimSuffix(path, ".json") + ".headers.json")
	if os.IsNotExist(err) {
		return nil
	}
	headers := map[string]string{}
	if err == nil {
		err = json.Unmarshal(text, &headers)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return headers
}
