package schema_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Every built-in message has a sample that `hookbridge send` can post, and every sample fits its message.
func TestEveryBuiltInMessageHasASample(t *testing.T) {
	registry := builtin(t)
	sampled := map[protoreflect.FullName]bool{}
	for _, sample := range ownFixtures(t, samples) {
		decoded := registry.Decode(sample.provider, sample.typ, sample.document)
		want := hookbridgev1.Decoding_STATE_TYPED
		if _, ok := registry.Lookup(sample.provider, sample.typ); !ok {
			want = hookbridgev1.Decoding_STATE_UNTYPED
		}
		if decoded.Decoding.GetState() != want {
			t.Errorf("%s: want %s, got %s", sample.path, want, decoded.Decoding)
		}
		sampled[decoded.MessageName] = true
	}
	for _, event := range registry.Types() {
		if name := event.Message.FullName(); !sampled[name] {
			t.Errorf("%s: want a sample for one of %q in %s/%s, got none", name, event.Elements, samples, event.Provider)
		}
	}
}

// Every message with the option is linked into the built-in set: a new package that nobody imports would be silently unknown.
func TestEveryEventMessageIsBuiltIn(t *testing.T) {
	declared := map[string]int{}
	err := filepath.WalkDir("../../proto", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".proto" {
			return err
		}
		text, err := os.ReadFile(path)
		if n := bytes.Count(text, []byte("option (hookbridge.v1.event) =")); n > 0 {
			declared[filepath.Base(filepath.Dir(filepath.Dir(path)))] += n
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(declared) == 0 {
		t.Fatal("no message has the option")
	}
	linked := map[string]int{}
	for _, event := range builtin(t).Types() {
		linked[event.Provider]++
	}
	for provider, n := range declared {
		if linked[provider] != n {
			t.Errorf("%s: %d messages have the option, %d are built in; builtin.go imports the package?", provider, n, linked[provider])
		}
	}
}
