package schema

import (
	"sync/atomic"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Live has the registry that is in force. It is swapped as a whole: whoever reads sees one schema or the other, never parts of
// both. It is safe for concurrent use, and reading costs an atomic load.
type Live struct {
	current atomic.Pointer[Registry]
	metrics *metrics
}

// NewLive makes the first registry, with New's errors.
func NewLive(cfg Config) (*Live, error) {
	counted, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, err
	}
	l := &Live{metrics: counted}
	first, err := l.Prepare(cfg.Sets)
	if err != nil {
		return nil, err
	}
	l.Use(first)
	return l, nil
}

// Registry returns the registry in force.
func (l *Live) Registry() *Registry { return l.current.Load() }

// Prepare makes a registry that counts into the same metrics, with New's errors, and puts nothing into force.
func (l *Live) Prepare(sets []Set) (*Registry, error) { return newRegistry(sets, l.metrics) }

// Use puts a registry into force. Documents that are being decoded are finished with the one they began with.
func (l *Live) Use(r *Registry) { l.current.Store(r) }

// Resolver finds the descriptors of the registry in force, and, of what that doesn't have, those that are compiled in. It is what
// gRPC reflection asks.
type Resolver struct{ live *Live }

// Resolver returns a resolver that follows what is in force.
func (l *Live) Resolver() Resolver { return Resolver{l} }

// FindFileByPath implements protodesc.Resolver.
func (r Resolver) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	if found, err := r.live.Registry().library.linked.FindFileByPath(path); err == nil {
		return found, nil
	}
	return protoregistry.GlobalFiles.FindFileByPath(path)
}

// FindDescriptorByName implements protodesc.Resolver.
func (r Resolver) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	if found, err := r.live.Registry().library.linked.FindDescriptorByName(name); err == nil {
		return found, nil
	}
	return protoregistry.GlobalFiles.FindDescriptorByName(name)
}

// FindExtensionByName implements protoregistry.ExtensionTypeResolver.
func (r Resolver) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionType, error) {
	if found, err := protoregistry.GlobalTypes.FindExtensionByName(name); err == nil {
		return found, nil
	}
	return r.live.Registry().dynamic.FindExtensionByName(name)
}

// FindExtensionByNumber implements protoregistry.ExtensionTypeResolver.
func (r Resolver) FindExtensionByNumber(message protoreflect.FullName, number protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	if found, err := protoregistry.GlobalTypes.FindExtensionByNumber(message, number); err == nil {
		return found, nil
	}
	return r.live.Registry().dynamic.FindExtensionByNumber(message, number)
}

// RangeExtensionsByMessage calls f for the extensions of a message until it returns false.
func (r Resolver) RangeExtensionsByMessage(message protoreflect.FullName, f func(protoreflect.ExtensionType) bool) {
	more := true
	protoregistry.GlobalTypes.RangeExtensionsByMessage(message, func(x protoreflect.ExtensionType) bool {
		more = f(x)
		return more
	})
	registry := r.live.Registry()
	for _, file := range registry.library.files {
		if !more {
			return
		}
		if file.proto != nil {
			more = registry.rangeExtensions(file.descriptor.Extensions(), file.descriptor.Messages(), message, f)
		}
	}
}

// rangeExtensions goes through the extensions of a scope and of the messages in it.
func (r *Registry) rangeExtensions(
	extensions protoreflect.ExtensionDescriptors, messages protoreflect.MessageDescriptors, of protoreflect.FullName,
	f func(protoreflect.ExtensionType) bool,
) bool {
	for i := range extensions.Len() {
		x := extensions.Get(i)
		if x.ContainingMessage().FullName() != of {
			continue
		}
		if found, err := r.dynamic.FindExtensionByName(x.FullName()); err == nil && !f(found) {
			return false
		}
	}
	for i := range messages.Len() {
		if m := messages.Get(i); !r.rangeExtensions(m.Extensions(), m.Messages(), of, f) {
			return false
		}
	}
	return true
}
