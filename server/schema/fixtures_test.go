package schema_test

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/internal/sharedtest"
)

// samples is where the bodies are that `hookbridge send` posts.
const samples = "../provider/samples"

// fixture is the document of an event.
type fixture struct {
	path, provider, typ string
	document            []byte
}

// ownFixtures reads a folder of fixtures: <provider>/<type>.json, where a "/" in a type is written "~", and what follows an "@"
// tells fixtures of one type apart (orders~create@minimal.json).
func ownFixtures(t testing.TB, dir string) []fixture {
	t.Helper()
	var found []fixture
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		document, err := os.ReadFile(path)
		typ, _, _ := strings.Cut(strings.TrimSuffix(entry.Name(), ".json"), "@")
		found = append(found, fixture{path, filepath.Base(filepath.Dir(path)), strings.ReplaceAll(typ, "~", "/"), document})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// sharedFixtures reads the collection of real deliveries; the type of each is found as the provider's pack finds it.
func sharedFixtures(t testing.TB) []fixture {
	t.Helper()
	var found []fixture
	for provider, typeOf := range map[string]func(path string, body body) string{
		"github": githubType, "stripe": stripeType, "slack": slackType, "shopify": shopifyType,
	} {
		paths, err := filepath.Glob(filepath.Join(sharedtest.Path(t, "payloads", provider), "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, ".headers.json") {
				continue
			}
			document, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var body body
			if err := json.Unmarshal(document, &body); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if typ := typeOf(path, body); typ != "" {
				found = append(found, fixture{path, provider, typ, document})
			}
		}
	}
	return found
}

// body has what names the type of a delivery in its body.
type body struct {
	Object any `json:"object"`
	Type   any `json:"type"`
	Action any `json:"action"`
	Event  any `json:"event"`
}

func githubType(path string, body body) string {
	var named map[string]string
	raw, err := os.ReadFile(strings.TrimSuffix(path, ".json") + ".headers.json")
	if err != nil || json.Unmarshal(raw, &named) != nil {
		return ""
	}
	headers := http.Header{}
	for name, value := range named {
		headers.Set(name, value)
	}
	typ := headers.Get("X-GitHub-Event")
	if action, ok := body.Action.(string); ok && typ != "" {
		typ += "." + action
	}
	return typ
}

func stripeType(_ string, body body) string {
	if body.Object != "event" {
		return ""
	}
	typ, _ := body.Type.(string)
	return typ
}

func slackType(_ string, body body) string {
	if event, ok := body.Event.(map[string]any); ok {
		typ, _ := event["type"].(string)
		return typ
	}
	typ, _ := body.Type.(string)
	return typ
}

// shopifyType guesses the topic, which is in a header that the collection doesn't have.
func shopifyType(path string, _ body) string {
	for _, resource := range []string{"order", "product", "customer"} {
		if strings.Contains(filepath.Base(path), resource) {
			return resource + "s/updated"
		}
	}
	return ""
}
