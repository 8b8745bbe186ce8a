package expression

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Program is a compiled expression. It is safe for concurrent use.
type Program struct {
	compiler *Compiler
	text     string
	parsed   *cel.Ast
	// envelope are the parts that look only at event. event is what all parts look at of it; readsEvent and readsData say
	// whether they look at all.
	envelope              []cel.Program
	event                 *mask
	readsEvent, readsData bool

	mu    sync.Mutex
	plans atomic.Pointer[map[string]*plan] // replaced under mu, never changed
	memo  memo
}

// Text is the expression in a form that doesn't hang on spaces, comments and needless parentheses. It is not made for people.
func (p *Program) Text() string { return p.text }

// program returns the program of an expression that was checked against a message.
func (c *Compiler) program(parsed *cel.Ast, name protoreflect.FullName, checked *ast.AST) (*Program, error) {
	text, err := cel.AstToString(parsed)
	if err != nil {
		return nil, fmt.Errorf("text of an expression: %w", err)
	}
	c.mu.Lock()
	known := c.programs[text]
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	p := &Program{compiler: c, text: text, parsed: parsed}
	first, err := c.newPlan(name, checked)
	if err != nil {
		return nil, err
	}
	p.plans.Store(&map[string]*plan{string(name): first})
	env, err := c.environment(name)
	if err != nil {
		return nil, err
	}
	own, data, event, _ := split(checked)
	if p.envelope, err = runnables(env, checked, own); err != nil {
		return nil, err
	}
	p.event = newMask(event, envelope())
	p.readsEvent, p.readsData = p.event.all || len(p.event.fields) > 0, len(data) > 0
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.programs[text]; known != nil {
		return known, nil // somebody was faster
	}
	if len(c.programs) >= maxPrograms {
		clear(c.programs)
	}
	c.programs[text] = p
	return p, nil
}

// plan returns the plan for a message; nil where the registry doesn't have it or the expression doesn't fit it.
func (p *Program) plan(name []byte) *plan {
	if known, ok := (*p.plans.Load())[string(name)]; ok {
		return known
	}
	full := protoreflect.FullName(name)
	if p.compiler.messages[full] == nil && full != structMessage {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	before := *p.plans.Load()
	if known, ok := before[string(name)]; ok {
		return known
	}
	var made *plan
	if checked, err := p.compiler.check(p.parsed, full); err == nil {
		// What was checked can be planned, unless by a defect of ours: then nothing of this message passes either.
		made, _ = p.compiler.newPlan(full, checked)
	}
	after := maps.Clone(before)
	after[string(name)] = made
	p.plans.Store(&after)
	return made
}

// memoSize is how many verdicts a program remembers: as many as are read at a time.
const memoSize = 1024

// memo remembers the latest verdicts by sequence, so that subscriptions with the same expression decide once.
type memo [memoSize]atomic.Uint64

const verdictBits = 2

func (m *memo) get(sequence int64) (Verdict, bool) {
	word := m[sequence%memoSize].Load()
	return Verdict(word & (1<<verdictBits - 1)), word>>verdictBits == uint64(sequence) && sequence > 0
}

func (m *memo) put(sequence int64, v Verdict) {
	if sequence > 0 {
		m[sequence%memoSize].Store(uint64(sequence)<<verdictBits | uint64(v))
	}
}
