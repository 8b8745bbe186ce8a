package provider

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/providers.md anew")

const introduction = `<!-- Generated from server/provider/packs by "go test ./server/provider -update"; not edited by hand. -->

# Providers

A source of the configuration has a provider, one of the keys below, and listens at ` + "`/webhooks/{source}`" + `:

` + "```yaml" + `
sources:
  - {name: github, provider: github, secrets: ["env:GITHUB_SECRET", "env:GITHUB_SECRET_OLD"]}
` + "```" + `

All secrets of a source are active at once, which is how one is rotated: add the new one in front, change it at the provider,
remove the old one. Where the provider publishes its keys, the secret is none, and ` + "`secrets`" + ` is left out. What "the proof covers" nobody without a secret can change. What it doesn't cover may be made up by whoever
has recorded a delivery; each event says in its ` + "`auth`" + ` what was covered.

What is *not confirmed* nobody has found in a source that we could read: look there first when a provider does something else. What is
*confirmed* other sources doubt or don't say, and the source that is named says it. A deadline is the shortest that a provider names.

`

// TestReference keeps docs/providers.md in step with the packs.
func TestReference(t *testing.T) {
	var b strings.Builder
	b.WriteString(introduction)
	c := catalogue(t)
	b.WriteString("| provider | key | the signature covers | proven by |\n| --- | --- | --- | --- |\n")
	for _, key := range c.Keys() {
		pack, _ := c.Get(key)
		covered := "nothing"
		if list := pack.Covered(); len(list) > 0 {
			covered = strings.Join(list, ", ")
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", pack.Spec().GetName(), key, covered, pack.Proof())
	}
	b.WriteString("\n")
	for _, key := range c.Keys() {
		pack, _ := c.Get(key)
		if pack.Spec().GetGuide() == nil {
			t.Errorf("%s has no guide", key)
			continue
		}
		fmt.Fprintf(&b, "## %s\n\n`provider: %s` ([the provider's documentation](%s))\n\n", pack.Spec().GetName(), key, pack.Spec().GetDocsUrl())
		for _, trait := range pack.Traits() {
			fmt.Fprintf(&b, "- **%s.** %s\n", trait.Name, trait.Text)
		}
		b.WriteString("\n")
	}
	path := filepath.Join("..", "..", "docs", "providers.md")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), b.String()); diff != "" {
		t.Errorf("docs/providers.md is not what the packs say; run go test ./server/provider -update (-file +packs)\n%s", diff)
	}
}
