package server

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Tests sleep by a fake clock only: a time.Sleep is inside of what synctest.Test is given, or in what is used nowhere else.
func TestSleepsInBubbles(t *testing.T) {
	packages := map[string][]*ast.File{}
	for _, root := range []string{"server", "client", "cmd", "internal"} {
		eachFile(t, root, func(path string, file *ast.File) {
			if strings.HasSuffix(path, "_test.go") {
				dir := filepath.Dir(path) + " " + file.Name.Name
				packages[dir] = append(packages[dir], file)
			}
		})
	}
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		for _, test := range sleepers(packages[name]) {
			t.Errorf("%s: %s sleeps outside of synctest.Test", name, test)
		}
	}
}

// What the rule finds, and what it lets pass.
func TestFindsSleepers(t *testing.T) {
	const source = `package p
import ("testing"; "testing/synctest"; "time")
func TestInside(t *testing.T) { synctest.Test(t, func(t *testing.T) { time.Sleep(1); helper(); m.method() }) }
func TestOutside(t *testing.T) { time.Sleep(1) }
func TestBeside(t *testing.T) { time.Sleep(1); synctest.Test(t, func(t *testing.T) {}) }
func TestThroughAHelper(t *testing.T) { func() { deeper() }() }
func TestThroughAMethod(t *testing.T) { m.method() }
func TestThroughAVariable(t *testing.T) { variable() }
func TestHandsItOn(t *testing.T) { run(time.Sleep) }
func TestNamesABubble(t *testing.T) { synctest.Test(t, named) }
func TestOwnBubble(t *testing.T) { bubble(t) }
func TestGivenToABubble(t *testing.T) { with(t, func(t *testing.T) { time.Sleep(1) }) }
func TestGivenOnToABubble(t *testing.T) { within(t, func(t *testing.T) { time.Sleep(1) }) }
func TestKept(t *testing.T) { f := func() { time.Sleep(1) }; synctest.Test(t, func(t *testing.T) { f() }) }
func TestKeptAndCalled(t *testing.T) { f := func() { time.Sleep(1) }; synctest.Test(t, func(t *testing.T) { f() }); f() }
func TestTable(t *testing.T) { for _, f := range []func(){func() { time.Sleep(1) }} { synctest.Test(t, func(t *testing.T) { f() }) } }
func TestTableOutside(t *testing.T) { for _, f := range []func(){func() { time.Sleep(1) }} { f() } }
func TestTableElsewhere(t *testing.T) { for _, f := range table { synctest.Test(t, func(t *testing.T) { f() }) } }
func TestTableElsewhereOutside(t *testing.T) { for _, f := range table { f() } }
func TestNamesakes(t *testing.T) { f := 1; print(f) }
func TestGivenToWhatCallsItTwice(t *testing.T) { twice(t, func(t *testing.T) { time.Sleep(1) }) }
func BenchmarkSlow(b *testing.B) { helper() }
func FuzzSlow(f *testing.F) { helper() }
func ExampleSlow() { helper() }
func TestMain(m *testing.M) { helper() }
func Testimony() { helper() }
func named(t *testing.T) { helper() }
func deeper() { helper() }
func helper() { time.Sleep(1) }
func bubble(t *testing.T) { synctest.Test(t, func(t *testing.T) { time.Sleep(1) }) }
func with(t *testing.T, f func(t *testing.T)) { synctest.Test(t, func(t *testing.T) { f(t) }) }
func within(t *testing.T, f func(t *testing.T)) { with(t, f) }
func twice(t *testing.T, f func(t *testing.T)) { with(t, f); f(t) }
func (m M) method() { defer time.Sleep(1) }
var table = map[string]func(){"a": func() { helper() }}
var variable = func() { helper() }
`
	file, err := parser.ParseFile(token.NewFileSet(), "p_test.go", source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"BenchmarkSlow", "ExampleSlow", "FuzzSlow", "TestBeside", "TestGivenToWhatCallsItTwice", "TestHandsItOn", "TestKeptAndCalled", "TestMain", "TestOutside", "TestTableElsewhereOutside",
		"TestTableOutside", "TestThroughAHelper", "TestThroughAMethod", "TestThroughAVariable"}
	if got := sleepers([]*ast.File{file}); !slices.Equal(got, want) {
		t.Errorf("want %q\ngot  %q", want, got)
	}
}

// sleepers returns the tests of a package that sleep outside of a bubble, themselves or by what they name. It goes by names, without types: a
// method is every method of its name. Functions in a table count as called in the bubble of their test, where it has one.
func sleepers(files []*ast.File) (tests []string) {
	w := &world{declared: map[string][]ast.Node{}, tables: map[string]bool{}, bubbles: map[string]bool{"synctest.Test": true}}
	for _, file := range files {
		for _, decl := range file.Decls {
			w.declare(decl)
		}
	}
	w.spread(w.bubbles, w.isBubble)
	sleeping := map[string]bool{"time.Sleep": true}
	w.spread(sleeping, func(name string, n ast.Node) bool {
		for used := range w.outside(name, n) {
			if sleeping[used] {
				return true
			}
		}
		return false
	})
	for name := range sleeping {
		if isTest(name) && !strings.Contains(name, "/") {
			tests = append(tests, name)
		}
	}
	slices.Sort(tests)
	return tests
}

// world is what the tests of a package declare.
type world struct {
	// declared has methods with a dot before their names, and the functions that a function keeps in a variable as function/variable.
	declared map[string][]ast.Node
	// tables are variables that hold functions.
	tables map[string]bool
	// bubbles are the functions that run in a bubble what they are given.
	bubbles map[string]bool
}

func (w *world) declare(decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			name = "." + name
		}
		w.declared[name] = append(w.declared[name], d)
		ast.Inspect(d, func(n ast.Node) bool {
			if variable, function := kept(n); variable != "" {
				w.declared[name+"/"+variable] = append(w.declared[name+"/"+variable], function)
			}
			return true
		})
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if values, ok := spec.(*ast.ValueSpec); ok {
				for _, name := range values.Names {
					w.declared[name.Name] = append(w.declared[name.Name], values)
					w.tables[name.Name] = slices.ContainsFunc(values.Values, isTable)
				}
			}
		}
	}
}

// kept is a function that is put into a variable.
func kept(n ast.Node) (variable string, function *ast.FuncLit) {
	if assign, ok := n.(*ast.AssignStmt); ok && len(assign.Lhs) == 1 {
		to, named := assign.Lhs[0].(*ast.Ident)
		if f, ok := assign.Rhs[0].(*ast.FuncLit); ok && named {
			return to.Name, f
		}
	}
	return "", nil
}

// spread adds to a set what belongs to it by what is in it already.
func (w *world) spread(set map[string]bool, belongs func(string, ast.Node) bool) {
	for grown := true; grown; {
		grown = false
		for name, nodes := range w.declared {
			if !set[name] && slices.ContainsFunc(nodes, func(n ast.Node) bool { return belongs(name, n) }) {
				set[name], grown = true, true
			}
		}
	}
}

// isBubble says whether a function runs the function that it is given in a bubble and nowhere else.
func (w *world) isBubble(name string, n ast.Node) bool {
	f, ok := n.(*ast.FuncDecl)
	if !ok || isTest(name) {
		return false
	}
	given := false
	used := w.outside(name, f.Body)
	for _, field := range f.Type.Params.List {
		if _, ok := field.Type.(*ast.FuncType); !ok {
			continue
		}
		for _, parameter := range field.Names {
			if given = true; used[parameter.Name] {
				return false
			}
		}
	}
	return given
}

// outside is what a declaration names outside of bubbles.
func (w *world) outside(name string, n ast.Node) map[string]bool {
	function, _, _ := strings.Cut(name, "/")
	names, bubbled := map[string]bool{}, w.hasBubble(n)
	ast.Inspect(n, func(n ast.Node) bool {
		if variable, _ := kept(n); variable != "" {
			return false
		}
		switch n := n.(type) {
		case *ast.CallExpr:
			return !w.bubbles[callName(n)]
		case *ast.CompositeLit:
			return !bubbled || !isTable(n)
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok {
				names[x.Name+"."+n.Sel.Name] = true
			}
			names["."+n.Sel.Name] = true
		case *ast.Ident:
			if !bubbled || !w.tables[n.Name] {
				names[n.Name], names[function+"/"+n.Name] = true, true
			}
		}
		return true
	})
	return names
}

// isTable says whether something is composed of functions.
func isTable(n ast.Expr) bool {
	composite, ok := n.(*ast.CompositeLit)
	return ok && slices.ContainsFunc(composite.Elts, func(element ast.Expr) bool {
		if entry, ok := element.(*ast.KeyValueExpr); ok {
			element = entry.Value
		}
		_, ok := element.(*ast.FuncLit)
		return ok
	})
}

func (w *world) hasBubble(n ast.Node) (has bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		has = has || ok && w.bubbles[callName(call)]
		return !has
	})
	return has
}

// isTest says whether go test runs a function of this name.
func isTest(name string) bool {
	for _, prefix := range []string{"Test", "Benchmark", "Fuzz", "Example"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok && (rest == "" || strings.ToLower(rest[:1]) != rest[:1]) {
			return true
		}
	}
	return false
}
