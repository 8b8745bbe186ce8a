package schema

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Set is a collection of proto files and the Go types of their messages.
type Set struct {
	name  string
	files []protoreflect.FileDescriptor
	types types
}

// types finds the Go type of a message: compiled in, or made from its descriptor.
type types interface {
	protoregistry.MessageTypeResolver
	protoregistry.ExtensionTypeResolver
}

// Image makes a set from an encoded google.protobuf.FileDescriptorSet that contains all its imports, as `buf build -o` and
// `protoc --include_imports -o` write it. The name stands for it in errors: its path.
func Image(name string, image []byte) (Set, error) {
	var descriptors descriptorpb.FileDescriptorSet
	// Resolves the event option and the validation rules to the types that are compiled in.
	if err := proto.Unmarshal(image, &descriptors); err != nil {
		return Set{}, fmt.Errorf("%s: want an encoded google.protobuf.FileDescriptorSet (buf build -o %[1]s): %w", name, err)
	}
	files, err := protodesc.NewFiles(&descriptors)
	if err != nil {
		return Set{}, fmt.Errorf("%s: want a descriptor set with all its imports: %w", name, err)
	}
	set := Set{name: name, types: dynamicpb.NewTypes(files)}
	files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		set.files = append(set.files, file)
		return true
	})
	return set, nil
}

// messages yields the set's messages, nested ones too, in the order of their files' paths.
func (s Set) messages() iter.Seq[protoreflect.MessageDescriptor] {
	files := slices.SortedFunc(slices.Values(s.files), func(a, b protoreflect.FileDescriptor) int {
		return strings.Compare(a.Path(), b.Path())
	})
	return func(yield func(protoreflect.MessageDescriptor) bool) {
		for _, file := range files {
			if !yieldMessages(file.Messages(), yield) {
				return
			}
		}
	}
}

func yieldMessages(messages protoreflect.MessageDescriptors, yield func(protoreflect.MessageDescriptor) bool) bool {
	for i := range messages.Len() {
		if !yield(messages.Get(i)) || !yieldMessages(messages.Get(i).Messages(), yield) {
			return false
		}
	}
	return true
}
