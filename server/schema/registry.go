package schema

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Config says what a registry knows.
type Config struct {
	// Sets are where the messages come from. A message that is in several of them (an image has its imports in it) is taken
	// from the first.
	Sets []Set
	// Registerer takes the metrics. Nil: none are kept.
	Registerer prometheus.Registerer
}

// Registry finds the message of an event. It doesn't change after New and is safe for concurrent use.
type Registry struct {
	providers map[string]*provider
	types     []EventType
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
}

// New makes a registry. All that is wrong with the messages' options is reported at once: an empty provider or list of types,
// a pattern with its "*" elsewhere than at the end, an element that two messages claim, validation rules that don't compile.
func New(cfg Config) (*Registry, error) {
	r := &Registry{providers: map[string]*provider{}}
	var errs []error
	seen := map[protoreflect.FullName]protoreflect.MessageDescriptor{}
	for _, set := range cfg.Sets {
		c := compiler{set: set}
		for descriptor := range set.messages() {
			if !proto.HasExtension(descriptor.Options(), hookbridgev1.E_Event) {
				continue
			}
			name := descriptor.FullName()
			if first, ok := seen[name]; ok {
				if !sameMessage(first, descriptor) {
					errs = append(errs, fmt.Errorf("%s: %s is declared differently in a set before it", set.name, name))
				}
				continue
			}
			seen[name] = descriptor
			if err := r.add(&c, descriptor); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", set.name, err))
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
	var err error
	r.metrics, err = newMetrics(cfg.Registerer)
	return r, err
}

// sameMessage tells whether a second declaration of a message can be passed over. Ours can, whatever it says: an image that
// imports our packages has them as they were when it was built.
func sameMessage(first, second protoreflect.MessageDescriptor) bool {
	return strings.HasPrefix(string(first.FullName()), "hookbridge.") ||
		proto.Equal(protodesc.ToDescriptorProto(first), protodesc.ToDescriptorProto(second))
}

// add registers one message under the elements of its option.
func (r *Registry) add(c *compiler, descriptor protoreflect.MessageDescriptor) error {
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
		if err := p.claim(element, m); err != nil {
			errs = append(errs, fmt.Errorf("%s: option (hookbridge.v1.event): types[%d]: %w", name, i, err))
		}
	}
	r.types = append(r.types, EventType{option.GetProvider(), slices.Clone(option.GetTypes()), descriptor})
	return errors.Join(errs...)
}

func (p *provider) claim(element string, m *message) error {
	star := strings.IndexByte(element, '*')
	if element == "" || star >= 0 && star < len(element)-1 {
		return fmt.Errorf("want the name of a type, or a pattern that ends in its only \"*\", got %q", element)
	}
	other, taken := p.exact[element]
	if star >= 0 {
		i := slices.IndexFunc(p.prefixes, func(c claim) bool { return c.element == element })
		if taken = i >= 0; taken {
			other = p.prefixes[i]
		}
	}
	switch {
	case taken:
		return fmt.Errorf("%q is claimed by %s too", element, other.message.name)
	case star >= 0:
		p.prefixes = append(p.prefixes, claim{element, m})
	default:
		p.exact[element] = claim{element, m}
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
	if !ok {
		return nil, false
	}
	return c.message.typ.Descriptor(), true
}

// Types lists what the registry knows, in the order of provider and message.
func (r *Registry) Types() []EventType { return slices.Clone(r.types) }
