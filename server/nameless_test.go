package server

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/provider"
)

// codeSchemes are the packages of the few schemes that no description expresses. They may name their providers.
var codeSchemes = []string{"server/signature/method", "server/scheme"}

// commonWords are keys of providers that are also words of the language or names of something else, and what they stand for in the
// code.
var commonWords = map[string]string{
	"line": "a line of text, a position in a file",
	"x":    "what stands for any text",
	"hmac": "the algorithm; and the provider that has its name is ours, for senders of one's own, and the demo's",
}

// A provider is a file: no Go code names one. Test files do, and the usage examples of commands, which are for people.
func TestNoCodeNamesAProvider(t *testing.T) {
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, key := range catalogue.Keys() {
		keys[key] = commonWords[key] == ""
	}
	files := 0
	for _, root := range []string{"server", "client", "cmd"} {
		eachFile(t, root, func(path string, file *ast.File) {
			if strings.HasSuffix(path, "_test.go") || slices.Contains(codeSchemes, filepath.ToSlash(filepath.Dir(path))) {
				return
			}
			files++
			for _, literal := range named(file, keys) {
				t.Errorf("%s names a provider: %s", path, literal)
			}
		})
	}
	if files < 100 {
		t.Errorf("only %d files were looked at", files)
	}
}

// The test above finds what it is for.
func TestNamed(t *testing.T) {
	keys := map[string]bool{"acme": true, "line": false}
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", `package p
import _ "acme"
type t struct{ f string `+"`json:\"acme\"`"+` }
var c = cobra.Command{Example: "send acme", Short: "Send acme", Use: "acme"}
func f(s string) bool { return s == "acme" || s == "acmes" || s == "an acme's" || s == "line" }
`, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := named(file, keys); !slices.Equal(got, []string{`"acme"`, `"acme"`, `"an acme's"`}) {
		t.Errorf("got %q", got)
	}
}

// word is what a key looks like.
var word = regexp.MustCompile(`[a-z0-9_]+`)

// named returns the texts of a file in which a key stands as a word.
func named(file *ast.File, keys map[string]bool) []string {
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			return n.Tag == nil
		case *ast.KeyValueExpr:
			key, ok := n.Key.(*ast.Ident)
			return !ok || !slices.Contains([]string{"Example", "Short", "Long"}, key.Name)
		case *ast.BasicLit:
			text, err := strconv.Unquote(n.Value)
			// A module's path has a host in it, not a provider.
			if n.Kind == token.STRING && err == nil && !strings.HasPrefix(text, "github.com/") && slices.ContainsFunc(word.FindAllString(text, -1), func(w string) bool { return keys[w] }) {
				found = append(found, n.Value)
			}
		}
		return true
	})
	return found
}
