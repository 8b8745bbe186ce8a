package schema_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/hookbridge/hookbridge/internal/prototest"
	"github.com/hookbridge/hookbridge/server/schema"
)

// source is a proto file of the package acme.v1, after its imports.
func source(text string) string { return "syntax = \"proto3\";\npackage acme.v1;\n" + text }

func compiled(t *testing.T, name string, sources map[string]string) schema.Set {
	t.Helper()
	set, err := schema.Image(name, prototest.Image(t, sources))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// altered is an image whose files a function may change.
func altered(t *testing.T, name string, sources map[string]string, change func(*descriptorpb.FileDescriptorProto)) schema.Set {
	t.Helper()
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(prototest.Image(t, sources), &set); err != nil {
		t.Fatal(err)
	}
	for _, f := range set.GetFile() {
		change(f)
	}
	image, err := proto.Marshal(&set)
	if err != nil {
		t.Fatal(err)
	}
	made, err := schema.Image(name, image)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

const withOption = "import \"hookbridge/v1/options.proto\";\nmessage A { option (hookbridge.v1.event) = {provider: \"hmac\" types: \"a\"}; string name = 1; }\n"

// What two sets have is one where both say the same, and an error that names both where they don't.
func TestConflicts(t *testing.T) {
	a := compiled(t, "a.binpb", map[string]string{"acme/a.proto": source("message M { string x = 1; }\nenum E { ZERO = 0; }\nservice S {}\n")})
	for _, tc := range []struct {
		name string
		sets []schema.Set
		want string
	}{
		{"the same file", []schema.Set{a, a}, ""},
		{"another file of the package", []schema.Set{a, compiled(t, "b.binpb", map[string]string{"acme/b.proto": source("message N {}")})}, ""},
		{
			"another content", []schema.Set{a, compiled(t, "b.binpb", map[string]string{"acme/a.proto": source("message M { string y = 1; }")})},
			"b.binpb: file acme/a.proto differs from that of a.binpb",
		},
		{
			"a message declared in another file", []schema.Set{a, compiled(t, "b.binpb", map[string]string{"b.proto": source("message M {}")})},
			"b.binpb: acme.v1.M is declared in b.proto, and in acme/a.proto of a.binpb",
		},
		{
			"an enum", []schema.Set{a, compiled(t, "b.binpb", map[string]string{"b.proto": source("message E {}")})},
			"b.binpb: acme.v1.E is declared in b.proto, and in acme/a.proto of a.binpb",
		},
		{
			"a service", []schema.Set{a, compiled(t, "b.binpb", map[string]string{"b.proto": source("service S {}")})},
			"b.binpb: acme.v1.S is declared in b.proto, and in acme/a.proto of a.binpb",
		},
		{
			"a value of an enum", []schema.Set{a, compiled(t, "b.binpb", map[string]string{"b.proto": source("enum F { ZERO = 0; }")})},
			"b.binpb: acme.v1.ZERO is declared in b.proto, and in acme/a.proto of a.binpb",
		},
		{
			"a copy of ours under another path",
			[]schema.Set{compiled(t, "b.binpb", map[string]string{"vendored/options.proto": "syntax = \"proto3\";\npackage hookbridge.v1;\nmessage EventOptions {}\n"})},
			"b.binpb: hookbridge.v1.EventOptions is declared in vendored/options.proto, and in hookbridge/v1/options.proto of builtin",
		},
		{
			"another package under a path of ours",
			[]schema.Set{compiled(t, "b.binpb", map[string]string{"hookbridge/v1/options.proto": source("message M {}")})},
			`b.binpb: file hookbridge/v1/options.proto is of the package "acme.v1", that of builtin is of "hookbridge.v1"`,
		},
		{
			"an older copy of ours", []schema.Set{altered(t, "b.binpb", map[string]string{"acme/a.proto": source(withOption)}, func(f *descriptorpb.FileDescriptorProto) {
				if f.GetName() == "hookbridge/v1/options.proto" {
					f.SourceCodeInfo, f.Options = nil, nil
				}
			})}, "",
		},
		{
			"a newer copy of ours with another event", []schema.Set{altered(t, "b.binpb", map[string]string{"acme/a.proto": source(withOption)}, func(f *descriptorpb.FileDescriptorProto) {
				if f.GetName() == "hookbridge/v1/options.proto" {
					f.MessageType = append(f.MessageType, event("NewEvent", "hmac", "new"))
				}
			})},
			"b.binpb: file hookbridge/v1/options.proto has the event NewEvent, that of builtin doesn't; build the image with the sources of this version",
		},
		{
			"what imports a refused file says nothing of its own", []schema.Set{a, compiled(t, "b.binpb", map[string]string{
				"acme/a.proto": source("message M { string y = 1; }"), "acme/b.proto": source("import \"acme/a.proto\";\nmessage N { M m = 1; }"),
			})},
			"b.binpb: file acme/a.proto differs from that of a.binpb",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := schema.New(schema.Config{Sets: append([]schema.Set{schema.Builtin()}, tc.sets...)})
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("want %q, got %q", tc.want, got)
			}
		})
	}
}

// A message that uses ours is linked with ours as they are here.
func TestOwnMessagesUseOurs(t *testing.T) {
	registry, err := schema.New(schema.Config{Sets: []schema.Set{schema.Builtin(), compiled(t, "a.binpb", map[string]string{"acme/a.proto": source(
		"import \"hookbridge/github/v1/user.proto\";\nimport \"hookbridge/v1/options.proto\";\nimport \"google/protobuf/struct.proto\";\n" +
			"message A { option (hookbridge.v1.event) = {provider: \"hmac\" types: \"a\"}; hookbridge.github.v1.User by = 1; google.protobuf.Value more = 2; }\n",
	)})}})
	if err != nil {
		t.Fatal(err)
	}
	for document, want := range map[string]string{
		`{"by":{"login":"ada","id":7},"more":[1,{"x":null}]}`: "STATE_TYPED",
		`{"by":{"login":7}}`: "STATE_MISMATCH",
	} {
		if got := registry.Decode("hmac", "a", []byte(document)).Decoding.GetState().String(); got != want {
			t.Errorf("%s: want %s, got %s", document, want, got)
		}
	}
}

// Only what neither is ours nor the user's carries buf's mark of an import, whoever built the image.
func TestMarks(t *testing.T) {
	mark := func(imported uint64) []byte {
		inner := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), imported)
		inner = protowire.AppendString(protowire.AppendTag(inner, 2, protowire.BytesType), "")
		return protowire.AppendBytes(protowire.AppendTag(nil, 8042, protowire.BytesType), inner)
	}
	sources := map[string]string{
		"acme/a.proto":   source(withOption + "import \"acme/lib.proto\";\nimport \"acme/shared.proto\";\n"),
		"acme/lib.proto": source("message Lib {}\n"), "acme/shared.proto": source("message Shared {}\n"),
	}
	marked := func(name string, imports ...string) schema.Set {
		return altered(t, name, sources, func(f *descriptorpb.FileDescriptorProto) {
			n := uint64(0)
			if strings.Contains(strings.Join(imports, " "), f.GetName()) {
				n = 1
			}
			f.ProtoReflect().SetUnknown(mark(n))
		})
	}
	registry, err := schema.New(schema.Config{Sets: []schema.Set{
		schema.Builtin(), marked("a.binpb", "acme/lib.proto", "acme/shared.proto"), marked("b.binpb", "acme/lib.proto", "acme/a.proto"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := registry.DescriptorSet()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, f := range set.Files.GetFile() {
		unknown := string(f.ProtoReflect().GetUnknown())
		if !strings.HasPrefix(f.GetName(), "hookbridge/") {
			got[f.GetName()] = unknown != ""
		} else if unknown != "" {
			t.Errorf("%s is marked", f.GetName())
		}
	}
	want := map[string]bool{
		"acme/a.proto": false, "acme/lib.proto": true, "acme/shared.proto": false, "buf/validate/validate.proto": true,
		"google/api/annotations.proto": true, "google/api/http.proto": true, "google/protobuf/any.proto": true, "google/protobuf/descriptor.proto": true,
		"google/protobuf/duration.proto": true, "google/protobuf/empty.proto": true, "google/protobuf/field_mask.proto": true,
		"google/protobuf/struct.proto": true, "google/protobuf/timestamp.proto": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("marks (-want +got)\n%s", diff)
	}
}

// FuzzImage holds that no file makes the registry panic, and that what it takes it can give away again. The file comes after valid
// imports; ours are among those, so that a run costs little.
func FuzzImage(f *testing.F) {
	var imports []*descriptorpb.FileDescriptorProto
	for _, text := range []string{source(withOption), source("message M { message N { N n = 1; } map<string, N> m = 2; }"), source("enum E { ZERO = 0; }")} {
		var set descriptorpb.FileDescriptorSet
		if err := proto.Unmarshal(prototest.Image(f, map[string]string{"acme/a.proto": text}), &set); err != nil {
			f.Fatal(err)
		}
		last := len(set.GetFile()) - 1
		if imports == nil {
			imports = set.GetFile()[:last]
		}
		seed, err := proto.Marshal(set.GetFile()[last])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var fuzzed descriptorpb.FileDescriptorProto
		if err := proto.Unmarshal(text, &fuzzed); err != nil {
			return
		}
		image, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: append(slices.Clip(imports), &fuzzed)})
		if err != nil {
			return
		}
		set, err := schema.Image("a.binpb", image)
		if err != nil {
			return
		}
		registry, err := schema.New(schema.Config{Sets: []schema.Set{set}})
		if err != nil {
			return
		}
		again, err := registry.DescriptorSet()
		if err != nil {
			t.Fatalf("an image that is taken can't be exported: %v", err)
		}
		if _, err := schema.Image("again", again.Encoded); err != nil {
			t.Fatalf("what is exported is no image: %v", err)
		}
	})
}
