package document

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a document.
type Problem struct {
	// Line and Column are where, counted from 1. Of a key that is missing they are where its parent begins; 0 when the problem
	// is in no place of the file.
	Line, Column int
	// Path is the field, for example "journal.retention.max_age" or "sources[2].secrets[0]"; empty for the file as a whole.
	Path string
	// Name is the name of the source, subscription or principal that Path is in, where it has one.
	Name string
	// Text says what was expected and what was found.
	Text string
}

// String is the problem without its position: `sources[2] "orders": secrets[0]: environment variable ORDERS is not set`.
func (p Problem) String() string {
	if p.Path == "" {
		return p.Text
	}
	element, field := cutElement(p.Path)
	if p.Name == "" {
		return p.Path + ": " + p.Text
	}
	if field == "" {
		return fmt.Sprintf("%s %q: %s", element, p.Name, p.Text)
	}
	return fmt.Sprintf("%s %q: %s: %s", element, p.Name, field, p.Text)
}

// cutElement splits a path behind its first element of a list: "auth.principals[1].tokens[0]" behind "auth.principals[1]".
func cutElement(path string) (element, field string) {
	head, rest, listed := strings.Cut(path, "]")
	if !listed {
		return path, ""
	}
	return head + "]", strings.TrimPrefix(rest, ".")
}

// In is the problem behind its position in a file: file:line:column: path: what was expected. Without a file it is String.
func (p Problem) In(file string) string {
	switch {
	case file == "":
		return p.String()
	case p.Line == 0:
		return fmt.Sprintf("%s: %s", file, p)
	}
	return fmt.Sprintf("%s:%d:%d: %s", file, p.Line, p.Column, p)
}

// Add reports a problem with the field at path, or with the nearest parent that the file has.
func (d *Document) Add(path, format string, args ...any) {
	line, column := d.Position(path)
	d.addAt(line, column, path, format, args...)
}

func (d *Document) addAt(line, column int, path, format string, args ...any) {
	d.Problems = append(d.Problems, Problem{
		Line: line, Column: column, Path: path, Name: d.nameAt(path), Text: fmt.Sprintf(format, args...),
	})
}

// At says whether the field at path, or a parent of it, has a problem already: what is unreadable need not be reported as
// missing as well. Of the whole document (no path) it says so only for itself.
func (d *Document) At(path string) bool {
	return slices.ContainsFunc(d.Problems, func(p Problem) bool { return (path == "" || p.Path != "") && within(path, p.Path) })
}

// Under says whether something at path or in it has a problem already.
func (d *Document) Under(path string) bool {
	return slices.ContainsFunc(d.Problems, func(p Problem) bool { return within(p.Path, path) })
}

// within says whether a path is another one, or in it.
func within(path, parent string) bool {
	rest, ok := strings.CutPrefix(path, parent)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Sort puts the problems into the order of the file.
func (d *Document) Sort() {
	slices.SortStableFunc(d.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
