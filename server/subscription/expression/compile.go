package expression

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Compile checks an expression against the messages that events in the scope can have, and returns its program. Expressions that are
// written differently but mean the same by their form share one. An error is an *Error unless it is a defect of ours.
func (c *Compiler) Compile(text string, in Scope) (*Program, error) {
	if n := utf8.RuneCountInString(text); n > MaxLength {
		return nil, refused("at most %d characters, got %d", MaxLength, n)
	}
	if !utf8.ValidString(text) {
		return nil, refused("want UTF-8")
	}
	parsed, issues := c.untyped.Parse(text)
	if issues.Err() != nil {
		return nil, firstOf(issues, text, nil)
	}
	// What is wrong whatever data is needs no message to be named.
	if _, err := c.check(parsed, structMessage); err != nil {
		return nil, err
	}
	candidates := c.candidates(parsed.NativeRep().Expr(), in)
	if len(candidates) == 0 {
		candidates = []protoreflect.FullName{structMessage}
	}
	var likeliest *Error
	for _, name := range candidates {
		checked, err := c.check(parsed, name)
		if err == nil {
			return c.program(parsed, name, checked)
		}
		var wrong *Error
		if !errors.As(err, &wrong) {
			return nil, err
		}
		if wrong.likelier(likeliest) {
			likeliest = wrong
		}
	}
	if likeliest.unfit && len(candidates) > 1 {
		likeliest.Message += fmt.Sprintf(" (the nearest of %d messages that these events can have; narrow them by types or event.type)", len(candidates))
	}
	return nil, likeliest
}

// check checks an expression against a message.
func (c *Compiler) check(parsed *cel.Ast, name protoreflect.FullName) (*ast.AST, error) {
	env, err := c.environment(name)
	if err != nil {
		return nil, err
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		noting := &note{Provider: env.CELTypeProvider()}
		again, err := env.Extend(cel.CustomTypeProvider(noting))
		if err != nil {
			return nil, fmt.Errorf("environment of expressions over %s: %w", name, err)
		}
		_, issues = again.Check(parsed)
		return nil, firstOf(issues, parsed.Source().Content(), noting.missing)
	}
	if t := checked.OutputType(); t.Kind() != types.BoolKind && t.Kind() != types.DynKind {
		return nil, refused("want a bool, got %s", cel.FormatCELType(t))
	}
	least, err := cost.Cost(checked.NativeRep(), sizes{})
	if err != nil {
		return nil, fmt.Errorf("cost of an expression: %w", err)
	}
	if least.Min > CostLimit {
		return nil, refused("costs at least %d to evaluate, want at most %d", least.Min, CostLimit)
	}
	return checked.NativeRep(), nil
}

// sizes are the sizes of the envelope's fields that are bounded.
type sizes struct{}

// EstimateSize implements cost.Estimator.
func (sizes) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	path := node.Path()
	if len(path) != 2 || path[0] != eventVariable {
		return nil
	}
	switch path[1] {
	case "id", "source", "provider", "type", "ordering_key":
		size := cost.RangedSizeEstimate(0, 255)
		return &size
	}
	return nil
}

// EstimateCallCost implements cost.Estimator.
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
