package expression

import (
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// paths is a tree of the fields of a message, or keys of an object, that an expression looks at. Lists are passed through: what stands
// below one is looked at in each of its elements.
type paths struct {
	// all says that everything below is looked at.
	all   bool
	below map[string]*paths
}

// step returns what is below a name.
func (p *paths) step(name string) *paths {
	if p == nil {
		return nil
	}
	next := p.below[name]
	if next == nil {
		next = &paths{}
		if p.below == nil {
			p.below = map[string]*paths{}
		}
		p.below[name] = next
	}
	return next
}

func (p *paths) whole() {
	if p != nil {
		p.all = true
	}
}

// used collects what an expression looks at. Where it can't be told exactly it is too much, never too little.
type used struct {
	checked     *ast.AST
	event, data *paths
}

// scope has the variables of comprehensions: where in the data their values are, nil for elsewhere.
type scope map[string]*paths

// bind returns the scope with other variables in front.
func (s scope) bind(names ...string) scope {
	inner := make(scope, len(s)+len(names))
	for name, at := range s {
		inner[name] = at
	}
	for _, name := range names {
		if name != "" {
			inner[name] = nil
		}
	}
	return inner
}

// whole notes that the value of an expression is used.
func (u *used) whole(e ast.Expr, vars scope) { u.at(e, vars).whole() }

// at notes what is needed to find the value of an expression, and returns where it is; nil where it is no part of a variable.
func (u *used) at(e ast.Expr, vars scope) *paths {
	switch e.Kind() {
	case ast.IdentKind:
		return u.variable(e.AsIdent(), vars)
	case ast.SelectKind:
		return u.at(e.AsSelect().Operand(), vars).step(e.AsSelect().FieldName())
	case ast.CallKind:
		return u.call(e.AsCall(), vars)
	case ast.ComprehensionKind:
		u.comprehension(e.AsComprehension(), vars)
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			u.whole(element, vars)
		}
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			u.whole(entry.AsMapEntry().Key(), vars)
			u.whole(entry.AsMapEntry().Value(), vars)
		}
	case ast.StructKind:
		for _, field := range e.AsStruct().Fields() {
			u.whole(field.AsStructField().Value(), vars)
		}
	}
	return nil
}

func (u *used) variable(name string, vars scope) *paths {
	name, global := strings.CutPrefix(name, ".")
	if at, ok := vars[name]; ok && !global {
		return at
	}
	switch name {
	case eventVariable:
		return u.event.step(eventVariable)
	case dataVariable:
		return u.data.step(dataVariable)
	}
	return nil
}

func (u *used) call(c ast.CallExpr, vars scope) *paths {
	if c.IsMemberFunction() {
		u.whole(c.Target(), vars)
	}
	if args := c.Args(); c.FunctionName() == operators.Index && len(args) == 2 {
		u.whole(args[1], vars)
		at := u.at(args[0], vars)
		if key, ok := literal(args[1]); ok {
			return at.step(key)
		}
		if u.isList(args[0]) {
			return at
		}
		at.whole()
		return nil
	}
	for _, arg := range c.Args() {
		u.whole(arg, vars)
	}
	return nil
}

func (u *used) comprehension(c ast.ComprehensionExpr, vars scope) {
	at := u.at(c.IterRange(), vars)
	inner := vars.bind(c.AccuVar(), c.IterVar(), c.IterVar2())
	if u.isList(c.IterRange()) && !c.HasIterVar2() {
		inner[c.IterVar()] = at
	} else {
		at.whole()
	}
	u.whole(c.AccuInit(), vars)
	u.whole(c.LoopCondition(), inner)
	u.whole(c.LoopStep(), inner)
	u.whole(c.Result(), vars.bind(c.AccuVar()))
}

func (u *used) isList(e ast.Expr) bool { return u.checked.GetType(e.ID()).Kind() == types.ListKind }

// literal is the value of a string literal.
func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}
