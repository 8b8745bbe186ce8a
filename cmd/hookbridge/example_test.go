package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"buf.build/go/protoyaml"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/provider"
)

// TestExampleOfEachProvider takes what "providers show" prints for the configuration of every provider, puts in what is the operator's to put
// in (the secret and the settings of the provider's fixture), and lets "check" read it.
func TestExampleOfEachProvider(t *testing.T) {
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range catalogue.Keys() {
		t.Run(key, func(t *testing.T) {
			out, errOut, code := call(t.Context(), "providers", "show", key)
			if code != 0 {
				t.Fatalf("providers show: exit code %d: %s", code, errOut)
			}
			_, example, found := strings.Cut(out, "\nIn the configuration\n")
			example, _, whole := strings.Cut(example, "Try it\n")
			if !found || !whole {
				t.Fatalf("providers show has no configuration:\n%s", out)
			}
			signed := signedCase(t, key)
			for name, value := range signed.GetSettings() {
				example = strings.ReplaceAll(example, name+": ...", fmt.Sprintf("%s: %q", name, value))
				t.Setenv(strings.ToUpper(key+"_"+name), value)
			}
			if len(signed.GetSecrets()) > 0 {
				t.Setenv(strings.ToUpper(key)+"_SECRET", signed.GetSecrets()[0])
			}
			file := filepath.Join(t.TempDir(), "hookbridge.yaml")
			if err := os.WriteFile(file, []byte(example), 0o600); err != nil {
				t.Fatal(err)
			}
			out, errOut, code = call(t.Context(), "check", "--config", file)
			provenBy := "1 active secret"
			switch {
			case strings.Contains(example, `secrets: ["captured"]`):
				provenBy = "0 active secrets, and one that is captured"
			case !strings.Contains(example, "secrets: "):
				provenBy = "keys that the provider publishes"
			}
			want := fmt.Sprintf("  source    %s: %s, %s\n", strings.ReplaceAll(key, "_", "-"), key, provenBy)
			if code != 0 || !strings.HasSuffix(out, want) {
				t.Errorf("check: exit code %d\n%s%s\nwant %s\nthe configuration was\n%s", code, out, errOut, want, example)
			}
		})
	}
}

// signedCase is the first case of a provider's fixture that is signed under any scheme.
func signedCase(t *testing.T, key string) *providerv1.Case {
	t.Helper()
	fixture := fixtureOf(t, key)
	for _, c := range fixture.GetCases() {
		if c.GetOrigin() != "" && c.GetScheme() == "" {
			return c
		}
	}
	t.Fatalf("%s has no signed case", key)
	return nil
}

// TestProvidersWithoutSecret: what people are told of a secret is what the bridge takes. A secret that a handshake brings is none to paste.
func TestProvidersWithoutSecret(t *testing.T) {
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	none := regexp.MustCompile(`\nSecret\n  None\b`)
	for _, key := range catalogue.Keys() {
		out, _, _ := call(t.Context(), "providers", "show", key)
		needed := strings.Contains(out, `, secrets: ["env:`)
		if told := !none.MatchString(out); told != needed {
			t.Errorf("%s: the guide says that a secret is needed: %v; its example has one: %v\n%s", key, told, needed,
				cmp.Or(regexp.MustCompile(`\nSecret\n.*\n`).FindString(out), "no word of a secret"))
		}
	}
}

// fixtureOf reads the fixture of a provider.
func fixtureOf(t *testing.T, key string) *providerv1.Fixture {
	t.Helper()
	path := filepath.Join("..", "..", "server", "provider", "testdata", "fixtures", key+".yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fixture := &providerv1.Fixture{}
	if err := (protoyaml.UnmarshalOptions{Path: path}).Unmarshal(data, fixture); err != nil {
		t.Fatal(err)
	}
	return fixture
}
