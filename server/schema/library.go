package schema

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// library has the proto files of all sets, each path once, linked with each other: a file of an image sees our files as they
// are compiled in, not as they were when the image was built.
type library struct {
	linked *protoregistry.Files
	// files are in the order of the sets, each after those that it imports.
	files  []*file
	byPath map[string]*file
	// broken are the paths of files that were refused; what imports one is passed over, because its own errors would say nothing.
	broken map[string]bool
}

// file is one proto file.
type file struct {
	set        string
	descriptor protoreflect.FileDescriptor
	// proto is how the image has it; nil for a file that is compiled in.
	proto *descriptorpb.FileDescriptorProto
	// imported says that it is in every image only because others import it.
	imported bool
}

func newLibrary() *library {
	return &library{linked: &protoregistry.Files{}, byPath: map[string]*file{}, broken: map[string]bool{}}
}

// add takes the files of a set that no set before it had. All conflicts are returned.
func (l *library) add(set Set) []error {
	var errs []error
	for _, descriptor := range set.linked {
		if err := l.register(&file{set: set.name, descriptor: descriptor}); err != nil {
			errs = append(errs, err)
		}
	}
	for _, f := range set.protos {
		if err := l.link(set, f); err != nil {
			l.broken[f.GetName()] = true
			errs = append(errs, err)
		}
	}
	return errs
}

// link adds a file of an image.
func (l *library) link(set Set, f *descriptorpb.FileDescriptorProto) error {
	bare, imported := unmarked(f)
	if known, ok := l.byPath[f.GetName()]; ok {
		known.imported = known.imported && imported
		return known.conflict(f, bare)
	}
	for _, path := range f.GetDependency() {
		if l.broken[path] {
			l.broken[f.GetName()] = true
			return nil
		}
	}
	if err := l.declaredElsewhere(f); err != nil {
		return err
	}
	descriptor, err := protodesc.NewFile(bare, l.linked)
	if err != nil {
		return fmt.Errorf("file %s doesn't fit the files that it imports: %w", f.GetName(), err)
	}
	return l.register(&file{set: set.name, descriptor: descriptor, proto: bare, imported: imported})
}

func (l *library) register(f *file) error {
	if err := l.linked.RegisterFile(f.descriptor); err != nil {
		return err
	}
	l.files = append(l.files, f)
	l.byPath[f.descriptor.Path()] = f
	return nil
}

// conflict says why a file of an image can't be passed over for the one that is known under its path. One of ours can, whatever
// it says, because an image has our files as they were when it was built; only an event that ours lacks would be lost.
func (f *file) conflict(other, bare *descriptorpb.FileDescriptorProto) error {
	if f.proto != nil {
		if !proto.Equal(withoutComments(f.proto), withoutComments(bare)) {
			return fmt.Errorf("file %s differs from that of %s", other.GetName(), f.set)
		}
		return nil
	}
	if string(f.descriptor.Package()) != other.GetPackage() {
		return fmt.Errorf("file %s is of the package %q, that of %s is of %q", other.GetName(), other.GetPackage(), f.set, f.descriptor.Package())
	}
	for _, m := range other.GetMessageType() {
		if proto.HasExtension(m.GetOptions(), hookbridgev1.E_Event) && f.descriptor.Messages().ByName(protoreflect.Name(m.GetName())) == nil {
			return fmt.Errorf("file %s has the event %s, that of %s doesn't; build the image with the sources of this version",
				other.GetName(), m.GetName(), f.set)
		}
	}
	return nil
}

// declaredElsewhere finds a name that another file declares.
func (l *library) declaredElsewhere(f *descriptorpb.FileDescriptorProto) error {
	for name := range declared(f) {
		known, err := l.linked.FindDescriptorByName(name)
		if err != nil {
			continue
		}
		path := known.ParentFile().Path()
		return fmt.Errorf("%s is declared in %s, and in %s of %s", name, f.GetName(), path, l.byPath[path].set)
	}
	return nil
}

// declared yields the names that a file declares at its top level, where values of enums belong to.
func declared(f *descriptorpb.FileDescriptorProto) iter.Seq[protoreflect.FullName] {
	scope := protoreflect.FullName(f.GetPackage())
	return func(yield func(protoreflect.FullName) bool) {
		var names []string
		for _, m := range f.GetMessageType() {
			names = append(names, m.GetName())
		}
		for _, e := range f.GetEnumType() {
			names = append(names, e.GetName())
			for _, value := range e.GetValue() {
				names = append(names, value.GetName())
			}
		}
		for _, s := range f.GetService() {
			names = append(names, s.GetName())
		}
		for _, x := range f.GetExtension() {
			names = append(names, x.GetName())
		}
		for _, name := range names {
			if !yield(scope.Append(protoreflect.Name(name))) {
				return
			}
		}
	}
}

// withoutComments is a file without what doesn't change its meaning.
func withoutComments(f *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	bare := proto.CloneOf(f)
	bare.SourceCodeInfo = nil
	return bare
}

// own says whether a file is one of ours or the user's, rather than one of the libraries that ours and theirs import.
func (f *file) own() bool {
	if f.proto == nil {
		return strings.HasPrefix(string(f.descriptor.Package()), "hookbridge.")
	}
	return !f.imported
}

// sorted returns the files in the order of the sets, and within one in that of their paths: the order in which claims are made.
func (l *library) sorted() []*file {
	rank := map[string]int{}
	for _, f := range l.files {
		if _, ok := rank[f.set]; !ok {
			rank[f.set] = len(rank)
		}
	}
	return slices.SortedFunc(slices.Values(l.files), func(a, b *file) int {
		return cmp.Or(cmp.Compare(rank[a.set], rank[b.set]), cmp.Compare(a.descriptor.Path(), b.descriptor.Path()))
	})
}

// messages yields the messages of a file, nested ones too.
func (f *file) messages() iter.Seq[protoreflect.MessageDescriptor] {
	return func(yield func(protoreflect.MessageDescriptor) bool) { yieldMessages(f.descriptor.Messages(), yield) }
}

func yieldMessages(messages protoreflect.MessageDescriptors, yield func(protoreflect.MessageDescriptor) bool) bool {
	for i := range messages.Len() {
		if !yield(messages.Get(i)) || !yieldMessages(messages.Get(i).Messages(), yield) {
			return false
		}
	}
	return true
}

// isEvent says whether a message has the option.
func isEvent(message protoreflect.MessageDescriptor) bool {
	return proto.HasExtension(message.Options(), hookbridgev1.E_Event)
}
