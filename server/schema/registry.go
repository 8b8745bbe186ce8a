package schema

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Config says what a registry knows.
type Config struct {
	// Sets are where the messages come from, the built-in one first. A file that is in several of them (an image has its imports
	// in it) is taken from the first.
	Sets []Set
	// Registerer takes the metrics. Nil: none are kept.
	Registerer prometheus.Registerer
}

// Registry finds the message of an event. It doesn't change after New and is safe for concurrent use.
type Registry struct {
	providers map[string]*provider
	types     []EventType
	library   *library
	dynamic   *dynamicpb.Types
	export    func() (DescriptorSet, error)
	metrics   *metrics
}

// EventType is a message that stands for events.
type EventType struct {
	// Provider is the catalogue key of the provider that sends them.
	Provider string
	// Elements are the names of the types, or patterns that end in "*".
	Elements []string
	// Message describes the message.
	Message protoreflect.MessageDescriptor
	// Origin is the name of the set that the message comes from.
	Origin string
}

// provider has the claims of one provider's messages: by their exact name, and by the prefix of a pattern, longest first.
type provider struct {
	exact    map[string]claim
	prefixes []claim
}

// claim is an element of a message's types.
type claim struct {
	element string
	message *message
	origin  string
}

// SetError is what is wrong with a set. Its text begins with the set's name.
type SetError struct {
	// Set is the name.
	Set string
	err error
}

func (e *SetError) Error() string { return e.Set + ": " + e.err.Error() }

// Unwrap returns the problem without the name.
func (e *SetError) Unwrap() error { return e.err }

// New makes a registry. All that is wrong is reported at once, as SetErrors: files and names that two sets have and declare
// differently, and what is wrong with the messages' options: an empty provider or list of types, a pattern with its "*" elsewhere
// than at the end, an element that two messages claim, validation rules that don't compile.
func New(cfg Config) (*Registry, error) {
	counted, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, err
	}
	return newRegistry(cfg.Sets, counted)
}

func newRegistry(sets []Set, counted *metrics) (*Registry, error) {
	r := &Registry{providers: map[string]*provider{}, library: newLibrary(), metrics: counted}
	var errs []error
	compilers := map[string]*compiler{}
	for _, set := range sets {
		for _, err := range r.library.add(set) {
			errs = append(errs, &SetError{set.name, err})
		}
	}
	r.dynamic = dynamicpb.NewTypes(r.library.linked)
	r.export = sync.OnceValues(r.library.export)
	for _, f := range r.library.sorted() {
		for descriptor := range f.messages() {
			if !isEvent(descriptor) {
				continue
			}
			c := compilers[f.set]
			if c == nil {
				c = &compiler{types: r.typesOf(f)}
				compilers[f.set] = c
			}
			if err := r.add(c, f, descriptor); err != nil {
				errs = append(errs, &SetError{f.set, err})
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, p := range r.providers {
		slices.SortFunc(p.prefixes, func(a, b claim) int { return cmp.Compare(len(b.element), len(a.element)) })
	}
	slices.SortFunc(r.types, func(a, b EventType) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Message.FullName(), b.Message.FullName()))
	})
	return r, nil
}

// typesOf are the Go types of a file's messages.
func (r *Registry) typesOf(f *file) types {
	if f.proto == nil {
		return protoregistry.GlobalTypes
	}
	return r.dynamic
}

// add registers one message under the elements of its option.
func (r *Registry) add(c *compiler, f *file, descriptor protoreflect.MessageDescriptor) error {
	option, _ := proto.GetExtension(descriptor.Options(), hookbridgev1.E_Event).(*hookbridgev1.EventOptions)
	name := descriptor.FullName()
	if option.GetProvider() == "" {
		return fmt.Errorf("%s: option (hookbridge.v1.event): want a provider, got none", name)
	}
	if len(option.GetTypes()) == 0 {
		return fmt.Errorf("%s: option (hookbridge.v1.event): want at least one of types, got none", name)
	}
	m, err := c.message(descriptor)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p := r.providers[option.GetProvider()]
	if p == nil {
		p = &provider{exact: map[string]claim{}}
		r.providers[option.GetProvider()] = p
	}
	var errs []error
	for i, element := range option.GetTypes() {
		own := *m
		if own.outline, err = newOutline(option, element); err != nil {
			return fmt.Errorf("%s: option (hookbridge.v1.event): %w", name, err)
		}
		if err := p.claim(claim{element, &own, f.set}); err != nil {
			errs = append(errs, fmt.Errorf("%s: option (hookbridge.v1.event): types[%d]: %w", name, i, err))
		}
	}
	for i, element := range option.GetContradictoryTypes() {
		own := *m
		own.contradicted = true
		if err := p.claim(claim{element, &own, f.set}); err != nil {
			errs = append(errs, fmt.Errorf("%s: option (hookbridge.v1.event): contradictory_types[%d]: %w", name, i, err))
		}
	}
	r.types = append(r.types, EventType{option.GetProvider(), slices.Clone(option.GetTypes()), descriptor, f.set})
	return errors.Join(errs...)
}

func (p *provider) claim(c claim) error {
	star := strings.IndexByte(c.element, '*')
	if c.element == "" || star >= 0 && star < len(c.element)-1 {
		return fmt.Errorf("want the name of a type, or a pattern that ends in its only \"*\", got %q", c.element)
	}
	other, taken := p.exact[c.element]
	if star >= 0 {
		i := slices.IndexFunc(p.prefixes, func(known claim) bool { return known.element == c.element })
		if taken = i >= 0; taken {
			other = p.prefixes[i]
		}
	}
	switch {
	case taken && other.origin != c.origin:
		return fmt.Errorf("%q is claimed by %s (%s) too", c.element, other.message.name, other.origin)
	case taken:
		return fmt.Errorf("%q is claimed by %s too", c.element, other.message.name)
	case star >= 0:
		p.prefixes = append(p.prefixes, c)
	default:
		p.exact[c.element] = c
	}
	return nil
}

// find returns the claim that a type falls under: an exact element before a pattern, a longer pattern before a shorter one.
func (r *Registry) find(provider, typ string) (claim, bool) {
	p := r.providers[provider]
	if p == nil {
		return claim{}, false
	}
	if c, ok := p.exact[typ]; ok {
		return c, true
	}
	for _, c := range p.prefixes {
		if strings.HasPrefix(typ, c.element[:len(c.element)-1]) {
			return c, true
		}
	}
	return claim{}, false
}

// Lookup returns the message that stands for a type, and whether there is one.
func (r *Registry) Lookup(provider, typ string) (protoreflect.MessageDescriptor, bool) {
	c, ok := r.find(provider, typ)
	if !ok || c.message.contradicted {
		return nil, false
	}
	return c.message.typ.Descriptor(), true
}

// Types lists what the registry knows, in the order of provider and message.
func (r *Registry) Types() []EventType { return slices.Clone(r.types) }
