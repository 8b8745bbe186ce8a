package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/hookbridge/hookbridge/internal/prototest"
)

const visits = `syntax = "proto3";
package acme.visits.v1;
import "hookbridge/v1/options.proto";
// VisitEnded says that somebody has left.
message VisitEnded {
  option (hookbridge.v1.event) = {provider: "hmac" types: ["visit.ended", "app_mention"]};
  // Who.
  string visitor = 1;
}
`

// visitsConfig writes a configuration with an image and returns its path.
func visitsConfig(t *testing.T, source string) string {
	t.Helper()
	config := configFile(t, "schemas: [acme.binpb]\n")
	image := prototest.Image(t, map[string]string{"acme/visits/v1/visits.proto": source})
	if err := os.WriteFile(filepath.Join(filepath.Dir(config), "acme.binpb"), image, 0o600); err != nil {
		t.Fatal(err)
	}
	return config
}

// call runs a command in this process.
func call(ctx context.Context, args ...string) (out, errOut string, code int) {
	var stdout, stderr bytes.Buffer
	cmd := root()
	cmd.SetArgs(args)
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	code = report(&stderr, cmd.ExecuteContext(ctx))
	return stdout.String(), stderr.String(), code
}

const shown = `// acme/visits/v1/visits.proto

// VisitEnded says that somebody has left.
message VisitEnded {
  option (hookbridge.v1.event) = {
    provider: "hmac",
    types: [ "visit.ended", "app_mention" ]
  };

  // Who.
  string visitor = 1;
}
`

// The messages of this build, of a configuration and of a running bridge, listed and shown.
func TestSchema(t *testing.T) {
	config := visitsConfig(t, visits)
	bridge := start(t, config)
	const listed = "PROVIDER  TYPES                                MESSAGE                              ORIGIN\n" +
		"hmac      visit.ended app_mention              acme.visits.v1.VisitEnded            acme.binpb\n" +
		"hmac      payment.succeeded payment_succeeded  hookbridge.hmac.v1.PaymentSucceeded  builtin\n" +
		"hmac      user.created user_created            hookbridge.hmac.v1.UserCreated       builtin\n"
	for _, tc := range []struct {
		args     []string
		out, err string
		code     int
	}{
		{args: []string{"schema", "list", "--provider", "hmac", "--config", config}, out: listed},
		{args: []string{"schema", "list", "--provider", "hmac", "--server", bridge.grpc}, out: listed},
		{args: []string{"schema", "show", "visit.ended", "--config", config}, out: shown},
		{args: []string{"schema", "show", "visit.ended", "--server", bridge.grpc}, out: shown},
		{args: []string{"schema", "show", "acme.visits.v1.VisitEnded", "--server", bridge.grpc}, out: shown},
		{args: []string{"schema", "show", "app_mention", "--provider", "hmac", "--config", config}, out: shown},
		{
			args: []string{"schema", "show", "app_mention", "--config", config}, code: exitFailure,
			err: "hookbridge: the type \"app_mention\" is one of hmac and of slack; choose with --provider\n",
		},
		{
			args: []string{"schema", "show", "visit.ended"}, code: exitFailure,
			err: "hookbridge: no message stands for the type \"visit.ended\"; hookbridge schema list has those that do\n",
		},
		{
			args: []string{"schema", "list", "--provider", "acme"}, code: exitFailure,
			err: "hookbridge: there are no event messages of the provider \"acme\"\n",
		},
		{args: []string{"schema", "lst"}, code: exitUsage, err: "hookbridge: schema wants list, show or export, got \"lst\"\n"},
		{args: []string{"schema", "show"}, code: exitUsage, err: "hookbridge: schema show wants one TYPE, got 0 arguments\n"},
		{
			args: []string{"schema", "--server", "a:1", "--config", "b"}, code: exitUsage,
			err: "hookbridge: schema wants at most one of --config FILE and --server ADDR\n",
		},
		{
			args: []string{"schema", "--server", "bridge:9090"}, code: exitUsage,
			err: "hookbridge: --server: dial bridge:9090: the bridge is on another machine: want WithTLS, or WithoutTLS for plain text (here: --tls, or --plaintext, with a token also --plaintext-token)\n",
		},
	} {
		t.Run(strings.Join(tc.args[1:], " "), func(t *testing.T) {
			out, errOut, code := call(t.Context(), tc.args...)
			if out != tc.out || errOut != tc.err || code != tc.code {
				t.Errorf("got %d\n%s%s\nwant %d\n%s%s", code, out, errOut, tc.code, tc.out, tc.err)
			}
		})
	}
}

// show adds a sample: that of the type, or that of another type of the message.
func TestSchemaSample(t *testing.T) {
	for typ, want := range map[string]string{
		"user_created": "\n}\n\n// A sample, of the type user_created:\n\n{\"event\":\"user_created\",\"user_id\":42}\n",
		"user.created": "\n}\n\n// A sample, of the type user_created:\n\n{\"event\":\"user_created\",\"user_id\":42}\n",
		"star.deleted": "\n}\n\n// A sample, of the type star.created:\n\n{",
	} {
		out, errOut, code := call(t.Context(), "schema", "show", typ)
		if code != 0 || errOut != "" || !strings.Contains(out, want) || strings.Count(out, "// A sample") != 1 {
			t.Errorf("%s: %d %s\n%s", typ, code, errOut, out)
		}
	}
}

// What a bridge exports is what its configuration exports, and is an image.
func TestSchemaExport(t *testing.T) {
	config := visitsConfig(t, visits)
	bridge := start(t, config)
	file := filepath.Join(t.TempDir(), "schema.binpb")
	if _, errOut, code := call(t.Context(), "schema", "export", "-o", file, "--server", bridge.grpc); code != 0 {
		t.Fatal(errOut)
	}
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if out, errOut, code := call(t.Context(), "schema", "export", "--config", config); code != 0 || out != string(written) {
		t.Errorf("%d %s: %d bytes by the configuration, %d by the bridge", code, errOut, len(out), len(written))
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(written, &set); err != nil {
		t.Fatal(err)
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := files.FindDescriptorByName("acme.visits.v1.VisitEnded"); err != nil {
		t.Error(err)
	}
}

// The sources that are written for people to import compile, into what they were printed from.
func TestSchemaImports(t *testing.T) {
	dir := t.TempDir()
	if _, errOut, code := call(t.Context(), "schema", "export", "--imports", dir); code != 0 {
		t.Fatal(errOut)
	}
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{dir}})}
	for _, path := range []string{"hookbridge/v1/options.proto", "buf/validate/validate.proto"} {
		compiled, err := compiler.Compile(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		linked, err := protoregistry.GlobalFiles.FindFileByPath(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := canonical(t, protodesc.ToFileDescriptorProto(compiled[0])), canonical(t, protodesc.ToFileDescriptorProto(linked)); !proto.Equal(got, want) {
			t.Errorf("%s was changed by printing it", path)
		}
	}
}

// canonical decodes a file anew, so that its options are all of the same types.
func canonical(t *testing.T, file *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	t.Helper()
	encoded, err := proto.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	again := &descriptorpb.FileDescriptorProto{}
	if err := proto.Unmarshal(encoded, again); err != nil {
		t.Fatal(err)
	}
	return again
}

// check finds what is wrong with an image, where the image stands in the file.
func TestCheckSchemas(t *testing.T) {
	event := func(pkg, name, provider, typ string) string {
		return fmt.Sprintf("syntax = \"proto3\";\npackage %s;\nimport \"hookbridge/v1/options.proto\";\nmessage %s {\n  option (hookbridge.v1.event) = {provider: %q types: %q};\n}\n", pkg, name, provider, typ)
	}
	for _, tc := range []struct{ name, a, b, path, want string }{
		{"a built-in type", event("a", "A", "github", "push"), "", "b.proto", `FILE:7:11: schemas[0]: a.binpb: a.A: option (hookbridge.v1.event): types[0]: "push" is claimed by hookbridge.github.v1.PushEvent (builtin) too`},
		{"a type of another image", event("a", "A", "hmac", "x"), event("b", "B", "hmac", "x"), "b.proto", `FILE:7:20: schemas[1]: b.binpb: b.B: option (hookbridge.v1.event): types[0]: "x" is claimed by a.A (a.binpb) too`},
		{"a file of another image", event("a", "A", "hmac", "x"), event("b", "B", "hmac", "y"), "a.proto", "FILE:7:20: schemas[1]: b.binpb: file a.proto differs from that of a.binpb"},
		{"a message of another image", event("a", "A", "hmac", "x"), event("a", "A", "hmac", "y"), "b.proto", "FILE:7:20: schemas[1]: b.binpb: a.A is declared in b.proto, and in a.proto of a.binpb"},
		{"a provider that isn't", event("a", "A", "hmca", "x"), "", "b.proto", `FILE:7:11: schemas[0]: a.binpb: a.A: option (hookbridge.v1.event): there is no provider "hmca"; hookbridge providers lists them`},
		{"fine", event("a", "A", "hmac", "x"), event("b", "B", "hmac", "y"), "b.proto", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			config := configFile(t, "schemas: [a.binpb, b.binpb]\n")
			if tc.b == "" {
				tc.b = event("b", "B", "hmac", "y")
			}
			for name, sources := range map[string]map[string]string{"a.binpb": {"a.proto": tc.a}, "b.binpb": {tc.path: tc.b}} {
				if err := os.WriteFile(filepath.Join(filepath.Dir(config), name), prototest.Image(t, sources), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			out, errOut, code := call(t.Context(), "check", "--config", config)
			if fine := strings.HasSuffix(out, "\n  schema    a.binpb: 1 event message\n  schema    b.binpb: 1 event message\n"); fine != (tc.want == "") {
				t.Errorf("printed %s", out)
			}
			got := strings.ReplaceAll(strings.TrimSuffix(errOut, "\n"), config, "FILE")
			if got != tc.want || (code == 0) != (tc.want == "") {
				t.Errorf("got %d %s\nwant %s", code, got, tc.want)
			}
		})
	}
}
