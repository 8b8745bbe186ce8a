package expression

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// Error is what is wrong with an expression, and where: line and column count from 1, columns in characters.
type Error struct {
	Line, Column int
	Message      string
	// unfit says that the message lacks a field, near that it has one of a similar name.
	unfit, near bool
}

// Error returns "line:column: message".
func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message) }

// further says whether e comes after another error in the text.
func (e *Error) further(than *Error) bool {
	return cmp.Or(cmp.Compare(e.Line, than.Line), cmp.Compare(e.Column, than.Column)) > 0
}

// likelier says whether the message that e is about is rather the one that is meant: it has all fields, or the error is further on,
// or it has a field of a similar name.
func (e *Error) likelier(than *Error) bool {
	switch {
	case than == nil || e.unfit != than.unfit:
		return than == nil || than.unfit
	case e.further(than) != than.further(e):
		return e.further(than)
	}
	return e.near && !than.near
}

// refused is an error about the expression as a whole.
func refused(format string, args ...any) *Error {
	return &Error{Line: 1, Column: 1, Message: fmt.Sprintf(format, args...)}
}

// firstOf returns the first of the issues in the order of the text. Fields that were looked for in vain give the names of
// messages.
func firstOf(issues *cel.Issues, text string, missing []missingField) *Error {
	var found *Error
	for _, issue := range issues.Errors() {
		e := &Error{Line: max(issue.Location.Line(), 1), Column: max(issue.Location.Column(), 0) + 1, Message: plain(issue.Message)}
		if at := slices.IndexFunc(missing, func(m missingField) bool { return issue.Message == "undefined field '"+m.field+"'" }); at >= 0 {
			e.Message, e.near = missing[at].describe()
			e.seek(text, missing[at].field)
		}
		if found == nil || found.further(e) {
			found = e
		}
	}
	found.unfit = len(missing) > 0
	return found
}

// seek moves to the next place where a word stands: a selection's own place is that of its dot.
func (e *Error) seek(text, word string) {
	runes, want := []rune(text), []rune(word)
	line, column := 1, 1
	part := func(i int) bool {
		return i >= 0 && i < len(runes) && (runes[i] == '_' || unicode.IsLetter(runes[i]) || unicode.IsDigit(runes[i]))
	}
	for i := range runes {
		after := line > e.Line || line == e.Line && column >= e.Column
		if after && i+len(want) <= len(runes) && slices.Equal(runes[i:i+len(want)], want) && !part(i-1) && !part(i+len(want)) {
			e.Line, e.Column = line, column
			return
		}
		if column++; runes[i] == '\n' {
			line, column = line+1, 1
		}
	}
}

var (
	expecting = regexp.MustCompile(` expecting \{.*\}$`)
	mangled   = regexp.MustCompile(`'[_!@a-z=<>+\-*/%&|?:\[\]]+'`)
)

// plain makes the library's messages like ours: lower case, and operators as they are written.
func plain(message string) string {
	message = expecting.ReplaceAllString(message, "")
	message = strings.Replace(message, "'_?_:_'", "'?:'", 1)
	message = mangled.ReplaceAllStringFunc(message, func(quoted string) string {
		if name, ok := operators.FindReverse(strings.Trim(quoted, "'")); ok && name != "" {
			return "'" + name + "'"
		}
		return quoted
	})
	return strings.ToLower(message[:1]) + message[1:]
}

// missingField is a field that a message doesn't have.
type missingField struct {
	message, field string
	fields         []string
}

// maxListed bounds the fields that are listed where none is near.
const maxListed = 8

// describe says what is missing, and whether there is a similar name.
func (m missingField) describe() (text string, similar bool) {
	slices.Sort(m.fields)
	text = fmt.Sprintf("undefined field '%s' of %s", m.field, m.message)
	switch near := nearest(m.field, m.fields); {
	case len(near) > 0:
		return text + "; did you mean " + strings.Join(near, " or ") + "?", true
	case len(m.fields) == 0:
		return text, false
	case len(m.fields) > maxListed:
		return fmt.Sprintf("%s; it has %s and %d more", text, strings.Join(m.fields[:maxListed], ", "), len(m.fields)-maxListed), false
	}
	return text + "; it has " + strings.Join(m.fields, ", "), false
}

// note wraps a provider of types and notes the fields that were looked for in vain.
type note struct {
	types.Provider
	missing []missingField
}

// FindStructFieldType implements types.Provider.
func (n *note) FindStructFieldType(message, field string) (*types.FieldType, bool) {
	t, ok := n.Provider.FindStructFieldType(message, field)
	if !ok {
		names, _ := n.FindStructFieldNames(message)
		n.missing = append(n.missing, missingField{message, field, names})
	}
	return t, ok
}

// nearest returns the names, at most three, that differ least from a word, and little.
func nearest(word string, names []string) []string {
	if len(word) > 64 {
		return nil // no field's name is that long, and the distance takes quadratic time
	}
	least := max(1, len(word)/3)
	var near []string
	for _, name := range names {
		switch d := distance(word, name); {
		case d < least:
			least, near = d, []string{name}
		case d == least:
			near = append(near, name)
		}
	}
	return near[:min(len(near), 3)]
}

// distance is how many characters have to be inserted, deleted or replaced to make one word of another.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
