package expression

import (
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/operators"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// plan is an expression made ready for one message.
type plan struct {
	// parts are those that look at data; where none does they are empty. nil stands for a message that the expression doesn't fit.
	parts []cel.Program
	// typ is the message, mask what is decoded of it. For a google.protobuf.Struct typ is nil, and keys say what is.
	typ  protoreflect.MessageType
	mask *mask
	keys *paths
}

// conjuncts splits an expression at its outermost &&.
func conjuncts(e ast.Expr, list []ast.Expr) []ast.Expr {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.LogicalAnd {
		for _, arg := range e.AsCall().Args() {
			list = conjuncts(arg, list)
		}
		return list
	}
	return append(list, e)
}

// split sorts the parts of a checked expression into those that look at data and those that don't, and returns the paths that
// all of them look at.
func split(checked *ast.AST) (envelope, data []ast.Expr, event, object *paths) {
	event, object = &paths{}, &paths{}
	for _, e := range conjuncts(checked.Expr(), nil) {
		u := used{checked: checked, event: event, data: &paths{}}
		u.whole(e, nil)
		if len(u.data.below) == 0 {
			envelope = append(envelope, e)
			continue
		}
		data = append(data, e)
		u.data = object
		u.whole(e, nil)
	}
	return envelope, data, event.step(eventVariable), object.step(dataVariable)
}

// runnables plans parts of a checked expression.
func runnables(env *cel.Env, checked *ast.AST, parts []ast.Expr) ([]cel.Program, error) {
	list := make([]cel.Program, len(parts))
	for i, e := range parts {
		var err error
		if list[i], err = runnable(env, checked, e, CostLimit/uint64(len(parts))); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// runnable plans one part of a checked expression, with its share of the limit. The cost is counted only where it may exceed the limit: counting doubles it.
func runnable(env *cel.Env, checked *ast.AST, e ast.Expr, limit uint64) (cel.Program, error) {
	own := ast.NewCheckedAST(ast.NewAST(e, checked.SourceInfo()), checked.TypeMap(), checked.ReferenceMap())
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	most, err := cost.Cost(own, sizes{})
	if err != nil {
		return nil, fmt.Errorf("cost of an expression: %w", err)
	}
	if most.Max > limit {
		options = append(options, cel.CostLimit(limit))
	}
	run, err := env.PlanProgram(own, options...)
	if err != nil {
		return nil, fmt.Errorf("plan of an expression: %w", err)
	}
	return run, nil
}

// newPlan makes a plan out of an expression that was checked against a message.
func (c *Compiler) newPlan(name protoreflect.FullName, checked *ast.AST) (*plan, error) {
	env, err := c.environment(name)
	if err != nil {
		return nil, err
	}
	_, data, _, object := split(checked)
	p := &plan{typ: c.messages[name], keys: object}
	if p.parts, err = runnables(env, checked, data); err != nil {
		return nil, err
	}
	if p.typ != nil {
		p.mask = newMask(object, p.typ.Descriptor())
	}
	return p, nil
}
