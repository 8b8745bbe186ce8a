package subscription

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/pattern"
	"github.com/hookbridge/hookbridge/server/subscription/expression"
)

const (
	maxFilterSources = 100
	maxFilterTypes   = 1000
)

// filter chooses events by source and type, and by an expression where it has one. It doesn't change.
type filter struct {
	sources, types names
	// condition is nil for none.
	condition *condition
}

// filter compiles a filter of a request; nil stands for all events. Filters that mean the same by their elements are equal: order,
// repetition and what stands beside a lone "*" make no difference, nor do spaces in the expression.
func (c *conditions) filter(f *hookbridgev1.Filter) (*filter, error) {
	made, err := c.stored(f)
	if err == nil && made.condition != nil {
		err = made.condition.refusal()
	}
	if err != nil {
		return nil, err
	}
	return made, nil
}

// stored makes the filter of a record, whose expression need not fit the schema any more.
func (c *conditions) stored(f *hookbridgev1.Filter) (*filter, error) {
	if n := len(f.GetSources()); n > maxFilterSources {
		return nil, invalid("filter.sources", "at most %d elements, got %d", maxFilterSources, n)
	}
	if n := len(f.GetTypes()); n > maxFilterTypes {
		return nil, invalid("filter.types", "at most %d elements, got %d", maxFilterTypes, n)
	}
	for i, s := range f.GetSources() {
		if !validWord(s, maxSource, false, "*-") {
			return nil, invalid(fmt.Sprintf("filter.sources[%d]", i), "want 1 to %d of a-z, 0-9, '-' and '*', got %q", maxSource, s)
		}
	}
	for i, s := range f.GetTypes() {
		if !validText(s, 1, maxText) {
			return nil, invalid(fmt.Sprintf("filter.types[%d]", i), "want 1 to %d characters, got %d", maxText, utf8.RuneCountInString(s))
		}
	}
	made := &filter{sources: newNames(f.GetSources()), types: newNames(f.GetTypes())}
	if text := f.GetExpression(); text != "" {
		made.condition = &condition{all: c, text: text, sources: made.sources.list, types: made.types.list}
	}
	return made, nil
}

// unknown are the sources that a filter names whole and that are not configured now; nil where it isn't known which there are.
func (c *conditions) unknown(f *filter) []string {
	if len(f.sources.exact) == 0 {
		return nil
	}
	configured := c.sources()
	if configured == nil {
		return nil
	}
	var out []string
	for _, name := range f.sources.list {
		if _, exact := f.sources.exact[name]; !exact {
			continue
		}
		if _, ok := configured[name]; !ok {
			out = append(out, name)
		}
	}
	return out
}

// match says whether events of a source and type may pass: all of them where there is no expression.
func (f *filter) match(source, typ string) bool { return f.sources.match(source) && f.types.match(typ) }

// lets says whether a filter of a request lets an event pass. An expression that fits the schema no more by then refuses the request.
func (f *filter) lets(m *Manager, ev *journal.Stored) (bool, error) {
	matches := f.match(ev.Source, ev.Type)
	if !matches || f.condition == nil {
		return matches, nil
	}
	verdict, err := f.condition.examine(m, ev)
	if err != nil {
		if refusal := f.condition.refusal(); refusal != nil {
			err = refusal
		}
		return false, err
	}
	return verdict == expression.Pass, nil
}

func (f *filter) equal(g *filter) bool {
	return slices.Equal(f.sources.list, g.sources.list) && slices.Equal(f.types.list, g.types.list) &&
		f.condition.normal() == g.condition.normal()
}

func (f *filter) proto() *hookbridgev1.Filter {
	out := &hookbridgev1.Filter{Sources: f.sources.list, Types: f.types.list}
	if f.condition != nil {
		out.Expression = f.condition.text
	}
	return out
}

func (f *filter) String() string {
	out := fmt.Sprintf("sources=%q types=%q", f.sources.list, f.types.list)
	if f.condition != nil {
		out += fmt.Sprintf(" expression=%q", f.condition.text)
	}
	return out
}

// names is one list of a filter: sorted, without repetition, empty for all.
type names struct {
	list     []string
	exact    map[string]struct{}
	patterns []string
}

func newNames(list []string) names {
	if slices.Contains(list, "*") {
		list = nil
	}
	list = slices.Clone(list)
	slices.Sort(list)
	n := names{list: slices.Compact(list), exact: map[string]struct{}{}}
	for _, s := range n.list {
		if strings.Contains(s, "*") {
			n.patterns = append(n.patterns, s)
		} else {
			n.exact[s] = struct{}{}
		}
	}
	return n
}

func (n *names) match(s string) bool {
	if len(n.list) == 0 {
		return true
	}
	if _, ok := n.exact[s]; ok {
		return true
	}
	return slices.ContainsFunc(n.patterns, func(p string) bool { return pattern.Match(p, s) })
}
