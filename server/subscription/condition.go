package subscription

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/schema"
	"github.com/hookbridge/hookbridge/server/subscription/expression"
)

// conditions compiles the expressions of filters, for the registry that there is at the time.
type conditions struct {
	registry func() *schema.Registry
	sources  func() map[string]string

	mu       sync.Mutex
	of       *schema.Registry
	compiler *expression.Compiler
}

// newConditions takes the registry, and the providers of the sources, each nil for none.
func newConditions(registry func() *schema.Registry, sources func() map[string]string) *conditions {
	if registry == nil {
		empty := &schema.Registry{}
		registry = func() *schema.Registry { return empty }
	}
	if sources == nil {
		sources = func() map[string]string { return nil }
	}
	return &conditions{registry: registry, sources: sources}
}

// compilerOf returns the compiler for a registry. Programs that are used go on to be shared as long as it stays.
func (c *conditions) compilerOf(registry *schema.Registry) (*expression.Compiler, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == registry {
		return c.compiler, nil
	}
	made, err := expression.NewCompiler(registry)
	if err != nil {
		return nil, err
	}
	c.of, c.compiler = registry, made
	return made, nil
}

// condition is the expression of a filter. Its program is that for the registry of the time, and so is whether it has one.
type condition struct {
	all            *conditions
	text           string
	sources, types []string

	mu  sync.Mutex
	now atomic.Pointer[compiled] // replaced under mu
}

// compiled is what became of an expression under a registry.
type compiled struct {
	registry *schema.Registry
	program  *expression.Program
	err      error
}

// compile returns what the expression is under the registry that there is now.
func (c *condition) compile() *compiled {
	registry := c.all.registry()
	if now := c.now.Load(); now != nil && now.registry == registry {
		return now
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now.Load(); now != nil && now.registry == registry {
		return now
	}
	now := &compiled{registry: registry}
	compiler, err := c.all.compilerOf(registry)
	if err == nil {
		now.program, err = compiler.Compile(c.text, expression.Scope{Sources: c.sources, Types: c.types, Providers: c.all.sources()})
	}
	now.err = err
	c.now.Store(now)
	return now
}

// normal is the same for conditions that are written differently but mean the same.
func (c *condition) normal() string {
	if c == nil {
		return ""
	}
	if now := c.compile(); now.program != nil {
		return now.program.Text()
	}
	return c.text
}

// refusal is the error for a request that has the expression; nil where it compiles.
func (c *condition) refusal() error {
	err := c.compile().err
	var wrong *expression.Error
	if !errors.As(err, &wrong) {
		return err
	}
	return fault.Invalid(fault.ErrInvalidArgument, "filter.expression:"+wrong.Error(), fault.Violation{Field: "filter.expression", Message: wrong.Error()})
}

// unusable is the error for a subscription that has the expression; nil where it compiles.
func (c *condition) unusable(name string) error {
	err := c.compile().err
	var wrong *expression.Error
	if !errors.As(err, &wrong) {
		return err
	}
	return fault.Detail(fault.ErrFilterUnusable,
		"the filter of subscription %q doesn't fit the schema any more, give it another: filter.expression:%v", name, wrong)
}

// examine decides about an event. The error says that there is nothing to decide with.
func (c *condition) examine(m *Manager, ev *journal.Stored) (expression.Verdict, error) {
	now := c.compile()
	if now.err != nil {
		return expression.Drop, now.err
	}
	event := expression.Event{Sequence: ev.Sequence, ReplayOf: ev.ReplayOf, Encoded: ev.Event}
	if ev.DataDropped {
		event.Data = func() (*anypb.Any, error) {
			whole, err := m.event(ev, false, math.MaxInt)
			if err != nil {
				return nil, fmt.Errorf("data of sequence %d: %w", ev.Sequence, err)
			}
			return whole.GetData(), nil
		}
	}
	return now.program.Examine(event), nil
}
