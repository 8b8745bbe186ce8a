package schema

import (
	"bytes"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/protobuf/reflect/protoregistry"
)

// The paths that a document lacks, as the fallback finds them.
func TestRequires(t *testing.T) {
	r, err := newRequires([]string{"a", "b.c", "b.d.e"})
	if err != nil {
		t.Fatal(err)
	}
	for document, want := range map[string][]string{
		`{"a":null,"b":{"c":0,"d":{"e":[]}}}`:    nil,
		`{}`:                                     {"a", "b.c", "b.d.e"},
		`{"b":{"c":1}}`:                          {"a", "b.d.e"},
		`{"a":1,"b":[{"c":1}]}`:                  {"b.c", "b.d.e"},
		`{"a":1,"b":null}`:                       {"b.c", "b.d.e"},
		`{"\u0061":1,"b":{"d":{"e":1}}}`:         {"b.c"},
		`{"b.c":1,"a":{"b":{"c":1}},"c":1}`:      {"b.c", "b.d.e"},
		`{"a":{"a":1},"b":{"b":{"c":1},"c":{}}}`: {"b.d.e"},
	} {
		var got []string
		for missing := r.missing([]byte(document)); missing != 0; missing &= missing - 1 {
			got = append(got, r.paths[bits.TrailingZeros64(missing)])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s lacks %v, want %v", document, got, want)
		}
	}
}

// Paths that can't be.
func TestRequiresThatCantBe(t *testing.T) {
	for want, paths := range map[string][]string{
		`requires[1]: want keys joined by dots, got "a..b"`: {"a", "a..b"},
		`requires[0]: want keys joined by dots, got ""`:     {""},
		`requires[1]: "a.b" is there twice`:                 {"a.b", "a.b"},
		`requires: want at most 16 paths, got 17`:           make([]string, 17),
	} {
		if _, err := newRequires(paths); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if r, err := newRequires(nil); r != nil || err != nil {
		t.Errorf("none: %v, %v", r, err)
	}
}

// The transcoder finds what is missing as the fallback does, in objects that are read as messages and in others.
func TestTranscoderFindsWhatIsMissing(t *testing.T) {
	r, err := newRequires([]string{"repository", "repository.owner.login", "issue.user", "nobody.knows", "data.object.id", "data.previous_attributes.a", "commits.id", "sender.sender"})
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for descriptor := range builtinMessages(t) {
		if descriptor.IsMapEntry() {
			continue
		}
		m, err := (&compiler{types: protoregistry.GlobalTypes}).message(descriptor)
		if err != nil {
			t.Fatal(err)
		}
		if m.requires = r; m.plan == nil {
			continue
		}
		paths, err := filepath.Glob("../provider/samples/*/*.json")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			document, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			document = append([]byte(`{"nobody":{"x":[{"knows":1}],"knows":{}},`), bytes.TrimSpace(document)[1:]...)
			_, missing, ok := m.transcode(document)
			if !ok {
				continue
			}
			compared++
			if want := r.missing(document); missing != want {
				t.Errorf("%s as %s lacks %b, want %b", path, m.name, missing, want)
			}
		}
	}
	if compared < 100 {
		t.Errorf("only %d were compared", compared)
	}
}
