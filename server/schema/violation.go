package schema

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// maxKey is how many bytes of a document's key a path has.
const maxKey = 64

// violation is one place where a document doesn't fit.
type violation struct {
	// field is the path in the document.
	field, message, rule string
	// label is the path in the schema, for metrics: without positions and keys of maps, which anybody could make up.
	label string
}

func violations(found []violation) []*hookbridgev1.Violation {
	list := make([]*hookbridgev1.Violation, len(found))
	for i, v := range found {
		list[i] = &hookbridgev1.Violation{Field: v.field, Message: v.message, Rule: v.rule}
	}
	return list
}

// path is where one is in a document: keys and positions from the outside in.
type path []step

type step struct {
	// key is the key of an object; index counts in an array, from 0, and is -1 for a key.
	key   string
	index int
	// field is the schema's field of that key, nil where it has none: inside of a map, a Struct or something unknown.
	field protoreflect.FieldDescriptor
}

// String writes a path as in "commits[3].id"; keys that don't read well in one are quoted: `labels["a.b"]`.
func (p path) String() string {
	var b strings.Builder
	for _, s := range p {
		switch {
		case s.index >= 0:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case s.key == "" || strings.ContainsAny(s.key, ".[]\"\\ \n\t") || !printable(s.key):
			b.WriteString("[" + strconv.Quote(cut(s.key)) + "]")
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(cut(s.key))
		}
	}
	return b.String()
}

func printable(key string) bool {
	return strings.IndexFunc(key, func(r rune) bool { return !strconv.IsPrint(r) }) < 0
}

func cut(key string) string {
	if len(key) <= maxKey {
		return key
	}
	end := maxKey
	for !utf8.RuneStart(key[end]) {
		end--
	}
	return key[:end] + "…"
}

// label is the path by the names of the schema's fields, or "other" where it leaves the schema or could go round in circles.
func (p path) label() string {
	var names []string
	seen := map[protoreflect.FullName]bool{}
	for _, s := range p {
		if s.index >= 0 || s.field == nil {
			continue
		}
		owner := s.field.ContainingMessage().FullName()
		if seen[owner] {
			return other
		}
		seen[owner] = true
		names = append(names, string(s.field.Name()))
	}
	if len(names) == 0 {
		return other
	}
	return strings.Join(names, ".")
}
