package expression

import (
	"cmp"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/hookbridge/hookbridge/server/schema"
)

// Scope says which events an expression will be asked about, so that it can be checked against their messages.
type Scope struct {
	// Sources and Types are the patterns of the filter, in which "*" stands for any run of characters; empty for all.
	Sources, Types []string
	// Providers has the provider of each source that is known. A source that isn't may have any.
	Providers map[string]string
}

// pattern is a text, or with "*" for any run of characters. A literal of an expression that has a "*" in it is taken for wider than
// it is.
type pattern string

// constraint is what an expression demands of a field of the envelope: one of these, or anything when nil.
type constraint []pattern

// demands finds what an expression demands of a field of the envelope in order to be true, by its comparisons with literals.
func demands(e ast.Expr, field string) constraint {
	if e.Kind() != ast.CallKind {
		return nil
	}
	call := e.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalAnd:
		// What both demand is less than what either does; the narrower one comes near enough.
		var least constraint
		for _, arg := range args {
			if c := demands(arg, field); c != nil && (least == nil || len(c) < len(least)) {
				least = c
			}
		}
		return least
	case operators.LogicalOr:
		var either constraint
		for _, arg := range args {
			c := demands(arg, field)
			if c == nil {
				return nil
			}
			either = append(either, c...)
		}
		return either
	case operators.Equals:
		for i := range args {
			if text, ok := literal(args[1-i]); ok && isField(args[i], field) {
				return constraint{pattern(text)}
			}
		}
	case operators.In:
		if isField(args[0], field) && args[1].Kind() == ast.ListKind {
			either := constraint{}
			for _, element := range args[1].AsList().Elements() {
				text, ok := literal(element)
				if !ok {
					return nil
				}
				either = append(either, pattern(text))
			}
			return either
		}
	case "startsWith":
		if call.IsMemberFunction() && isField(call.Target(), field) && len(args) == 1 {
			if text, ok := literal(args[0]); ok {
				return constraint{pattern(text) + "*"}
			}
		}
	}
	return nil
}

func isField(e ast.Expr, field string) bool {
	if e.Kind() != ast.SelectKind || e.AsSelect().IsTestOnly() || e.AsSelect().FieldName() != field {
		return false
	}
	of := e.AsSelect().Operand()
	return of.Kind() == ast.IdentKind && of.AsIdent() == eventVariable
}

// candidates returns the messages that events can have which are in the scope and for which the expression can be true, in the
// order of their names.
func (c *Compiler) candidates(e ast.Expr, in Scope) []protoreflect.FullName {
	providers := demands(e, "provider")
	sources := []constraint{patterns(in.Sources), demands(e, "source")}
	types := []constraint{patterns(in.Types), demands(e, "type")}
	var names []protoreflect.FullName
	for _, t := range c.registry.Types() {
		if !providers.admits(pattern(t.Provider)) || !in.sends(t.Provider, sources) {
			continue
		}
		if !slices.ContainsFunc(types, func(allowed constraint) bool { return !c.claims(t, allowed) }) {
			names = append(names, t.Message.FullName())
		}
	}
	slices.SortFunc(names, func(a, b protoreflect.FullName) int { return cmp.Compare(a, b) })
	return names
}

func patterns(list []string) constraint {
	if len(list) == 0 || slices.Contains(list, "*") {
		return nil
	}
	all := make(constraint, len(list))
	for i, s := range list {
		all[i] = pattern(s)
	}
	return all
}

// sends says whether a source that all constraints admit can be one of a provider.
func (s Scope) sends(provider string, sources []constraint) bool {
	for _, allowed := range sources {
		if allowed == nil {
			continue
		}
		if !slices.ContainsFunc(allowed, func(p pattern) bool {
			known := false
			for source, of := range s.Providers {
				if p.meets(pattern(source)) {
					if of == provider {
						return true
					}
					known = true
				}
			}
			return !known
		}) {
			return false
		}
	}
	return true
}

// claims says whether an event of a type that is allowed can have a message.
func (c *Compiler) claims(t schema.EventType, allowed constraint) bool {
	return allowed == nil || slices.ContainsFunc(allowed, func(p pattern) bool {
		if !strings.Contains(string(p), "*") {
			d, ok := c.registry.Lookup(t.Provider, string(p))
			return ok && d.FullName() == t.Message.FullName()
		}
		return slices.ContainsFunc(t.Elements, func(element string) bool { return p.meets(pattern(element)) })
	})
}

func (c constraint) admits(p pattern) bool {
	return c == nil || slices.ContainsFunc(c, func(q pattern) bool { return q.meets(p) })
}

// meets says whether some text can match both patterns. It looks at what stands before the first "*" of each, and so says yes too
// often.
func (p pattern) meets(q pattern) bool {
	head, _, wild := strings.Cut(string(p), "*")
	other, _, otherWild := strings.Cut(string(q), "*")
	switch {
	case wild && otherWild:
		return strings.HasPrefix(head, other) || strings.HasPrefix(other, head)
	case wild:
		return strings.HasPrefix(other, head)
	case otherWild:
		return strings.HasPrefix(head, other)
	}
	return head == other
}
