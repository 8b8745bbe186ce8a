package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

// schema returns the message of the file, with its comments, which generated code doesn't have.
func schema(t *testing.T) protoreflect.MessageDescriptor {
	t.Helper()
	compiler := protocompile.Compiler{
		Resolver: protocompile.CompositeResolver{
			&protocompile.SourceResolver{ImportPaths: []string{"../../proto"}},
			protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
				file, err := protoregistry.GlobalFiles.FindFileByPath(path)
				if err != nil {
					return protocompile.SearchResult{}, err
				}
				return protocompile.SearchResult{Proto: protodesc.ToFileDescriptorProto(file)}, nil
			}),
		},
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(t.Context(), "hookbridge/config/v1/config.proto")
	if err != nil {
		t.Fatal(err)
	}
	return files[0].Messages().ByName("Config")
}

// comment returns the words of the comment above a descriptor, on one line.
func comment(d protoreflect.Descriptor) string {
	return strings.Join(strings.Fields(d.ParentFile().SourceLocations().ByDescriptor(d).LeadingComments), " ")
}

// key is a field of the file with its path, where an element of a list is [0].
type key struct {
	path  string
	field protoreflect.FieldDescriptor
}

// leaves returns the keys below a message that have no keys themselves.
func leaves(message protoreflect.MessageDescriptor, path string) []key {
	var all []key
	for i := range message.Fields().Len() {
		field := message.Fields().Get(i)
		name := strings.TrimPrefix(path+"."+field.TextName(), ".")
		switch {
		case field.Message() == nil || field.IsMap():
			all = append(all, key{name, field})
		case field.IsList():
			all = append(all, leaves(field.Message(), name+"[0]")...)
		default:
			all = append(all, leaves(field.Message(), name)...)
		}
	}
	return all
}

// yamlWith returns a valid file, as nested flow mappings, in which the keys have these values. What a key needs beside it is added,
// certificates from the folder.
func yamlWith(pems string, values map[string]string) string {
	all := map[string]string{"sources[0].name": "a", "sources[0].provider": "hmac", "sources[0].secrets": "[env:A]"}
	set := func(path, value string) {
		if _, given := values[path]; !given {
			all[path] = value
		}
	}
	for path, value := range values {
		if listener, key, ok := strings.Cut(path, ".tls."); ok {
			set(listener+".tls.cert", filepath.Join(pems, "a.crt"))
			set(listener+".tls.key", filepath.Join(pems, "a.key"))
			if key == "require_client_cert" {
				set(listener+".tls.client_ca", filepath.Join(pems, "a.crt"))
			}
		}
		if strings.HasPrefix(path, "auth.") {
			set("auth.principals[0].name", "x")
			set("auth.principals[0].tokens", "["+digestA+"]")
			set("grpc.tls.cert", filepath.Join(pems, "a.crt"))
			set("grpc.tls.key", filepath.Join(pems, "a.key"))
			set("grpc.tls.client_ca", filepath.Join(pems, "a.crt"))
		}
		if strings.HasPrefix(path, "subscriptions[0].") {
			all["subscriptions[0].name"] = "x"
		}
		if strings.HasPrefix(path, "journal.nats.") {
			all["journal.nats.url"] = "nats://a"
		}
		all[path] = value
	}
	type node map[string]any
	root := node{}
	for path, value := range all {
		at := root
		elements := strings.Split(path, ".")
		for _, element := range elements[:len(elements)-1] {
			if at[element] == nil {
				at[element] = node{}
			}
			at = at[element].(node)
		}
		at[elements[len(elements)-1]] = value
	}
	var render func(node) string
	render = func(n node) string {
		var fields []string
		for name, value := range n {
			if child, ok := value.(node); ok {
				value = render(child)
			}
			if list, ok := strings.CutSuffix(name, "[0]"); ok {
				name, value = list, fmt.Sprintf("[%v]", value)
			}
			fields = append(fields, fmt.Sprintf("%s: %v", name, value))
		}
		return "{" + strings.Join(fields, ", ") + "}"
	}
	return render(root)
}

func load(t *testing.T, pems string, values map[string]string) *Config {
	t.Helper()
	file := yamlWith(pems, values)
	config, err := parse([]byte(file), "test.yaml", "/etc/hookbridge/test.yaml", Options{LookupEnv: env("A", "1", "B", "2")})
	if err != nil {
		t.Fatalf("%s\n%v", file, err)
	}
	return config
}

// TestEveryKeyCounts gives each key of the schema a value that isn't its default. A key that Load ignores changes nothing, and
// a new key has no value here: both fail.
func TestEveryKeyCounts(t *testing.T) {
	dir := pems(t)
	values := map[string]string{
		"http.listen":                           `"127.0.0.1:1"`,
		"http.public_url":                       "https://hooks.example.com",
		"http.trusted_proxies":                  "[10.0.0.0/8]",
		"http.max_in_flight":                    "1MiB",
		"http.read_timeout":                     "1s",
		"grpc.listen":                           `"127.0.0.1:1"`,
		"grpc.insecure":                         "true",
		"admin.listen":                          `"127.0.0.1:1"`,
		"admin.insecure":                        "true",
		"journal.dir":                           "elsewhere",
		"journal.retention.max_age":             "1000h",
		"journal.retention.max_bytes":           "1MiB",
		"journal.retention.hold_bytes":          "1MiB",
		"journal.retention.dead_letter_bytes":   "1MiB",
		"journal.retention.dead_letter_max_age": "1000h",
		"journal.dedupe_window":                 "1s",
		"journal.min_free":                      "0",
		"journal.nats.url":                      "nats://a",
		"journal.nats.credentials_file": func() string {
			path := filepath.Join(t.TempDir(), "nats.creds")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}(),
		"journal.nats.prefix":                     "hooks",
		"journal.nats.replicas":                   "1",
		"sources[0].name":                         "b",
		"sources[0].provider":                     "github",
		"sources[0].secrets":                      "[env:B]",
		"sources[0].validation":                   "enforce",
		"sources[0].dedupe":                       "none",
		"sources[0].digest_window":                "1s",
		"sources[0].max_body":                     "1KiB",
		"sources[0].tolerance":                    "1s",
		"sources[0].rate":                         "1",
		"sources[0].burst":                        "1",
		"sources[0].settings":                     "{x: y}",
		"sources[0].scheme":                       "signature",
		"rejections.max_bytes":                    "1MiB",
		"rejections.max_age":                      "1h",
		"rejections.bodies":                       "true",
		"subscriptions[0].name":                   "y",
		"subscriptions[0].hold":                   "all",
		"auth.principals[0].name":                 "y",
		"auth.principals[0].tokens":               "[" + digestB + "]",
		"auth.principals[0].mtls":                 "[CN=a]",
		"auth.principals[0].grants.sources":       "[a]",
		"auth.principals[0].grants.types":         "[a]",
		"auth.principals[0].grants.subscriptions": "[a]",
		"auth.principals[0].grants.manage":        "true",
		"schemas": func() string {
			path := filepath.Join(t.TempDir(), "acme.binpb")
			if err := os.WriteFile(path, []byte("an image"), 0o600); err != nil {
				t.Fatal(err)
			}
			return "[" + path + "]"
		}(),
		"providers": func() string {
			path := filepath.Join(t.TempDir(), "acme.yaml")
			if err := os.WriteFile(path, []byte("key: acme"), 0o600); err != nil {
				t.Fatal(err)
			}
			return "[" + path + "]"
		}(),
		"log.level":        "error",
		"log.format":       "json",
		"shutdown_timeout": "1s",
	}
	for _, listener := range []string{"http", "grpc", "admin"} {
		values[listener+".tls.cert"] = filepath.Join(dir, "b.crt")
		values[listener+".tls.key"] = filepath.Join(dir, "a.sec1")
		values[listener+".tls.client_ca"] = filepath.Join(dir, "b.crt")
		values[listener+".tls.require_client_cert"] = "true"
	}
	// What a key needs beside it.
	beside := map[string]map[string]string{
		"sources[0].burst":              {"sources[0].rate": "1"},
		"subscriptions[0].hold":         {"subscriptions[0].name": "x"},
		"journal.nats.credentials_file": {"journal.nats.url": "nats://a"},
		"journal.nats.prefix":           {"journal.nats.url": "nats://a"},
		"journal.nats.replicas":         {"journal.nats.url": "nats://a"},
	}
	// A key is compared with the same file without it, but for what it needs beside it.
	for path := range values {
		if listener, key, ok := strings.Cut(path, ".tls."); ok {
			beside[path] = map[string]string{listener + ".tls.cert": filepath.Join(dir, "a.crt")}
			if key == "require_client_cert" {
				beside[path][listener+".tls.client_ca"] = filepath.Join(dir, "a.crt")
			}
		} else if strings.HasPrefix(path, "auth.") {
			beside[path] = map[string]string{"auth.principals[0].name": "x"}
		}
	}
	keys := leaves(schema(t), "")
	if len(keys) != len(values) {
		t.Errorf("the schema has %d keys and the test %d", len(keys), len(values))
	}
	for _, k := range keys {
		value, ok := values[k.path]
		if !ok {
			t.Errorf("%s: no value here", k.path)
			continue
		}
		with := map[string]string{k.path: value}
		for path, value := range beside[k.path] {
			if path != k.path {
				with[path] = value
			}
		}
		if gocmp.Equal(load(t, dir, beside[k.path]), load(t, dir, with), equateSecrets) {
			t.Errorf("%s: %s changes nothing", k.path, value)
		}
	}
}

// TestDocumentedDefaults gives each key the default that its comment names. That must change nothing.
func TestDocumentedDefaults(t *testing.T) {
	named := regexp.MustCompile(`Default ([^,\s]+?)(?:\.(?: |$)|,)`)
	missing := regexp.MustCompile(`Required\.|Default( none|: |ing| half of)`)
	found, dir := 0, pems(t)
	for _, k := range leaves(schema(t), "") {
		match := named.FindStringSubmatch(comment(k.field))
		switch {
		case match != nil && match[1] != "none":
			found++
			base := map[string]string{}
			if strings.HasPrefix(k.path, "subscriptions") {
				base["subscriptions[0].name"] = "x"
			}
			if listener, key, ok := strings.Cut(k.path, ".tls."); ok {
				base[listener+".tls.cert"] = filepath.Join(dir, "a.crt")
				if key == "require_client_cert" {
					base[listener+".tls.client_ca"] = filepath.Join(dir, "a.crt")
				}
			}
			if strings.HasPrefix(k.path, "auth.") {
				base["auth.principals[0].name"] = "x"
			}
			if strings.HasPrefix(k.path, "journal.nats") {
				base["journal.nats.url"] = "nats://a"
			}
			without := load(t, dir, base)
			base[k.path] = match[1]
			if strings.Contains(match[1], ":") {
				base[k.path] = `"` + match[1] + `"`
			}
			if diff := gocmp.Diff(without, load(t, dir, base), equateSecrets); diff != "" {
				t.Errorf("%s: the comment says that the default is %s, but giving it changes something (-default +given)\n%s", k.path, match[1], diff)
			}
		case !missing.MatchString(comment(k.field)):
			t.Errorf("%s: the comment neither says that it is required nor what the default is", k.path)
		}
	}
	if found < 15 {
		t.Errorf("found only %d defaults in the comments", found)
	}
}

const referenceHead = `<!-- Generated from proto/hookbridge/config/v1/config.proto by "go test ./server/config -update"; not edited by hand. -->

# Configuration

%s

    hookbridge check --config hookbridge.yaml    # says everything that is wrong, with line and column
    hookbridge serve --config hookbridge.yaml

A whole file; everything but ` + "`sources`" + ` may be left out:

%s
Secrets are never written into the file, only where they are: ` + "`env:NAME`" + ` or ` + "`file:PATH`" + `. A change of the file or of a file
with a secret, a provider, a certificate, a key or an image, or SIGHUP, reloads providers, sources, subscriptions, schemas, principals
and certificates without dropping a request; other sections take effect when the bridge is started anew. A file that is wrong is reported in the log
and changes nothing.

## Who may subscribe

With ` + "`auth`" + ` only the callers that it lists may do anything on the gRPC and admin listeners, and only what they are granted:

%s
A token's digest is no secret and stands in the file; ` + "`hookbridge token new --name billing`" + ` prints both, the token once. What is not
granted is refused; "*" grants everything. [operating.md](operating.md#who-may-subscribe) says how to go about it.
`

// authExample is the part of a file that names callers.
const authExample = `grpc:
  listen: "0.0.0.0:9090"
  tls: {cert: bridge.crt, key: bridge.key, client_ca: clients.crt}
auth:
  principals:
    - name: billing
      tokens: ["sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
      grants: {sources: ["stripe-*"], types: ["invoice.*"], subscriptions: ["billing", "billing-*"]}
    - name: platform
      mtls: ["spiffe://example.org/platform", "CN=platform,O=Example"]
      grants: {sources: ["*"], types: ["*"], subscriptions: ["*"], manage: true}
`
