package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
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

// Error is everything that is wrong with a configuration.
type Error struct {
	// File is the path as Load was given it.
	File string
	// Problems is in the order of the file and not empty.
	Problems []Problem
	// Files are the files on which it depends, those that can't be read included, in the order of the configuration: when one of
	// them changes, Load may succeed.
	Files []string
}

// Error has one line per problem: file:line:column: path: what was expected.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		switch {
		case e.File == "":
			lines[i] = p.String()
		case p.Line == 0:
			lines[i] = fmt.Sprintf("%s: %s", e.File, p)
		default:
			lines[i] = fmt.Sprintf("%s:%d:%d: %s", e.File, p.Line, p.Column, p)
		}
	}
	return strings.Join(lines, "\n")
}

// problems collects what is wrong.
type problems struct {
	document *document
	list     []Problem
}

// add reports a problem with the field at path, or with the nearest parent that the file has.
func (p *problems) add(path, format string, args ...any) {
	line, column := p.document.position(path)
	p.addAt(line, column, path, format, args...)
}

func (p *problems) addAt(line, column int, path, format string, args ...any) {
	p.list = append(p.list, Problem{
		Line: line, Column: column, Path: path, Name: p.document.nameAt(path), Text: fmt.Sprintf(format, args...),
	})
}

// at says whether the field at path, or a parent of it, has a problem already: what is unreadable need not be reported as
// missing as well.
func (p *problems) at(path string) bool {
	return slices.ContainsFunc(p.list, func(q Problem) bool {
		rest, ok := strings.CutPrefix(path, q.Path)
		return ok && q.Path != "" && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// err makes an error of the problems, of which there is at least one.
func (p *problems) err(file string) *Error {
	slices.SortStableFunc(p.list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &Error{File: file, Problems: p.list}
}
