package server

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/hookbridge/hookbridge/"
	rooms  = module + "server/"
)

// imports says which room may see which, besides delivery's neighbours at the bottom. A room that is not here may see none.
var imports = map[string][]string{
	"edge":             {"provider", "delivery", "fault", "requestid"},
	"provider":         {"document", "signature", "signature/method", "publickey", "delivery"},
	"signature":        {"publickey", "delivery"},
	"signature/method": {"signature", "publickey", "delivery"},
	"keysource":        {"publickey"},
	"gateway":          {"schema", "delivery", "fault", "requestid", "document"},
	"ingest":           {"journal", "fault"},
	"subscription":     {"subscription/machine", "subscription/expression", "journal", "schema", "fault", "auth", "pattern"},
	// It sees what a delivery saw on its way to being refused, and the log that refusals are kept in.
	"rejection":            {"provider", "signature", "delivery", "journal", "fault"},
	"source":               {"provider", "fault"},
	"auth":                 {"pattern", "fault"},
	"config":               {"document", "provider"},
	"journal/journaltest":  {"journal"},
	"journal/journalfake":  {"journal"},
	"subscription/machine": {},
	// What a field is is asked of the schema only.
	"subscription/expression": {"schema"},
}

// onlyFor are libraries that belong to one room.
var onlyFor = map[string]string{
	"github.com/nats-io/":                               "journal",
	"github.com/cockroachdb/pebble":                     "journal",
	"cel.dev/cel-go":                                    "subscription/expression",
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime": "gateway",
}

// A delivery goes through the rooms once, in one direction: no room sees more than its neighbours.
func TestImportDirection(t *testing.T) {
	eachFile(t, "server", func(path string, file *ast.File) {
		room := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), "server"))
		room = strings.TrimPrefix(room, "/")
		if room == "" || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(room, "internal/") {
			return
		}
		for _, spec := range file.Imports {
			name := strings.Trim(spec.Path.Value, `"`)
			if seen, ok := strings.CutPrefix(name, rooms); ok && !slices.Contains(imports[room], seen) {
				t.Errorf("%s: %s must not see %s", path, room, seen)
			}
			for library, owner := range onlyFor {
				if strings.HasPrefix(name, library) && room != owner {
					t.Errorf("%s: only %s may import %s", path, owner, library)
				}
			}
		}
	})
}

// The client uses the API like anybody else does: it knows nothing of the server. Its tests run against the real one.
func TestClientKnowsOnlyTheAPI(t *testing.T) {
	eachFile(t, "client", func(path string, file *ast.File) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		for _, spec := range file.Imports {
			if strings.HasPrefix(strings.Trim(spec.Path.Value, `"`), rooms) {
				t.Errorf("%s imports %s", path, spec.Path.Value)
			}
		}
	})
}

// Every package has exactly one package comment.
func TestPackageComments(t *testing.T) {
	comments, packages := map[string]int{}, map[string]bool{}
	for _, root := range []string{"server", "client", "cmd"} {
		eachFile(t, root, func(path string, file *ast.File) {
			if strings.HasSuffix(path, "_test.go") {
				return
			}
			dir := filepath.Dir(path)
			packages[dir] = true
			if file.Doc != nil {
				comments[dir]++
			}
		})
	}
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		if comments[dir] != 1 {
			t.Errorf("%s has %d package comments, want 1", dir, comments[dir])
		}
	}
}

// Packages have no init functions, nothing below main panics or ends the process, and nothing but a test sleeps.
func TestForbiddenCalls(t *testing.T) {
	for _, root := range []string{"server", "client", "cmd"} {
		eachFile(t, root, func(path string, file *ast.File) {
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					if n.Recv == nil && n.Name.Name == "init" {
						t.Errorf("%s: func init", path)
					}
				case *ast.CallExpr:
					if name := callName(n); slices.Contains([]string{"time.Sleep", "panic", "log.Fatal", "log.Fatalf"}, name) && !strings.HasSuffix(path, "_test.go") {
						t.Errorf("%s: calls %s", path, name)
					}
				}
				return true
			})
		})
	}
}

func callName(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
	}
	return ""
}

// go.mod replaces nothing: what is tested is what users get.
func TestNoReplace(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(repository(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(content), "\n") {
		if strings.HasPrefix(line, "replace") {
			t.Errorf("go.mod: %s", line)
		}
	}
}

// The rules for the schema are the same with and without a registry.
func TestOfflineWorkspaceHasTheSameRules(t *testing.T) {
	rules := func(name string) string {
		content, err := os.ReadFile(filepath.Join(repository(t), name))
		if err != nil {
			t.Fatal(err)
		}
		_, after, found := strings.Cut(string(content), "\nlint:\n")
		if !found {
			t.Fatalf("%s has no lint rules", name)
		}
		var lines []string
		for _, line := range strings.Split(after, "\n") {
			if !strings.HasPrefix(strings.TrimSpace(line), "#") {
				lines = append(lines, line)
			}
		}
		return strings.Join(lines, "\n")
	}
	if published, offline := rules("buf.yaml"), rules("buf.offline.yaml"); published != offline {
		t.Errorf("buf.yaml has\n%s\nbuf.offline.yaml has\n%s", published, offline)
	}
}

// eachFile parses every Go file under a folder of the repository.
func eachFile(t *testing.T, root string, visit func(path string, file *ast.File)) {
	t.Helper()
	base := repository(t)
	err := filepath.WalkDir(filepath.Join(base, root), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			if os.IsNotExist(err) {
				return nil
			}
			return err
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(base, path)
		if err != nil {
			return err
		}
		visit(relative, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// repository is the root of the checkout: the tests of a package run in its folder.
func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}
