package config

import (
	"os"
	"regexp"
	"testing"

	"github.com/hookbridge/hookbridge/server/provider"
)

// TestGuideOfOwnProviders: what the guide shows is a pack and a configuration that work together.
func TestGuideOfOwnProviders(t *testing.T) {
	guide, err := os.ReadFile("../../docs/own-providers.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(guide, -1)
	if len(blocks) != 2 {
		t.Fatalf("the guide has %d examples, want a pack and a configuration", len(blocks))
	}
	builtin, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	options := For(builtin)
	options.LookupEnv = env("ACME_SECRET", "a secret")
	config, err := Load(write(t, map[string]string{"hookbridge.yaml": string(blocks[1][1]), "acme.yaml": string(blocks[0][1])}), options)
	if err != nil {
		t.Fatal(err)
	}
	if s := config.Sources[0]; s.Provider != "acme" || s.Settings["header"] != "X-Shop-Signature" {
		t.Errorf("got %+v", s)
	}
}
