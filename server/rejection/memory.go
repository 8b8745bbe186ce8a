package rejection

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookbridge/hookbridge/server/provider"
)

const (
	// keepFormer is for how long a source is remembered as it was before a reload.
	keepFormer = 24 * time.Hour
	// formerPerSource and formerInAll bound how many are.
	formerPerSource, formerInAll = 4, 200
)

// memory is the sources, as they are and as they were. It is replaced as a whole; what is in it doesn't change.
type memory struct{ current atomic.Pointer[sources] }

type sources struct {
	byName map[string]*provider.Source
	// names are those of byName, sorted.
	names     []string
	former    []former
	catalogue *provider.Catalogue
	// packs are the providers by the header that their signatures are in. All of them are read when they are first asked for.
	packs func() map[string][]*provider.Pack
}

// former is a source with secrets that were replaced, or removed, at a time. The newest come first.
type former struct {
	source *provider.Source
	until  time.Time
}

// SetSources says what is configured from now on. It is called when the bridge starts and at each reload; one call at a time. What was
// configured before is remembered for a day, in memory only.
func (l *Log) SetSources(catalogue *provider.Catalogue, list []*provider.Source) {
	now := l.cfg.Now()
	next := &sources{catalogue: catalogue, byName: map[string]*provider.Source{}, packs: sync.OnceValue(func() map[string][]*provider.Pack { return byHeader(catalogue) })}
	for _, s := range list {
		next.byName[s.Name()] = s
	}
	next.names = slices.Sorted(maps.Keys(next.byName))
	if old := l.memory.current.Load(); old != nil {
		for _, name := range old.names {
			was, is := old.byName[name], next.byName[name]
			if is == nil || !was.SameSecrets(is) {
				next.remember(former{was, now})
			}
		}
		for _, f := range old.former {
			if now.Sub(f.until) < keepFormer {
				next.remember(f)
			}
		}
	}
	l.memory.current.Store(next)
}

func byHeader(catalogue *provider.Catalogue) map[string][]*provider.Pack {
	packs := map[string][]*provider.Pack{}
	for _, key := range catalogue.Keys() {
		pack, _ := catalogue.Get(key)
		for _, name := range headersOf(pack) {
			packs[name] = append(packs[name], pack)
		}
	}
	return packs
}

func (s *sources) remember(f former) {
	of := 0
	for _, g := range s.former {
		if g.source.Name() == f.source.Name() {
			of++
		}
	}
	if of < formerPerSource && len(s.former) < formerInAll {
		s.former = append(s.former, f)
	}
}

// headersOf returns the headers in which a provider's signatures are, or were, each once. Authorization is everybody's and says nothing.
func headersOf(pack *provider.Pack) []string {
	var names []string
	for _, scheme := range pack.AllSchemes() {
		for _, place := range scheme.Places() {
			if name := place.Header(); name != "" && name != "Authorization" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// others returns the sources besides one, those of the same provider first.
func (s *sources) others(own *provider.Source) []*provider.Source {
	var same, rest []*provider.Source
	for _, name := range s.names {
		switch other := s.byName[name]; {
		case name == own.Name():
		case other.Provider() == own.Provider():
			same = append(same, other)
		default:
			rest = append(rest, other)
		}
	}
	return append(same, rest...)
}
