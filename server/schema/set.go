package schema

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Set is a collection of proto files, each after those that it imports.
type Set struct {
	name string
	// linked are the files of the set that is compiled in, protos those of an image.
	linked []protoreflect.FileDescriptor
	protos []*descriptorpb.FileDescriptorProto
}

// types finds the Go type of a message: compiled in, or made from its descriptor.
type types interface {
	protoregistry.MessageTypeResolver
	protoregistry.ExtensionTypeResolver
}

// Name is what stands for the set in errors and in listings: "builtin", or the name of the image.
func (s Set) Name() string { return s.name }

// Providers are the providers of the set's events, and the full names of the messages of each, in the order of the image.
func (s Set) Providers() map[string][]string {
	found := map[string][]string{}
	var visit func(scope string, messages []*descriptorpb.DescriptorProto)
	visit = func(scope string, messages []*descriptorpb.DescriptorProto) {
		for _, m := range messages {
			name := strings.TrimPrefix(scope+"."+m.GetName(), ".")
			if option, _ := proto.GetExtension(m.GetOptions(), hookbridgev1.E_Event).(*hookbridgev1.EventOptions); option != nil {
				found[option.GetProvider()] = append(found[option.GetProvider()], name)
			}
			visit(name, m.GetNestedType())
		}
	}
	for _, file := range s.protos {
		visit(file.GetPackage(), file.GetMessageType())
	}
	return found
}

// Image makes a set from an encoded google.protobuf.FileDescriptorSet that contains all its imports, as `buf build -o` and
// `protoc --include_imports -o` write it. The name stands for it in errors: its path.
func Image(name string, image []byte) (Set, error) {
	var descriptors descriptorpb.FileDescriptorSet
	// Resolves the event option and the validation rules to the types that are compiled in.
	if err := proto.Unmarshal(image, &descriptors); err != nil {
		return Set{}, fmt.Errorf("%s: want an encoded google.protobuf.FileDescriptorSet (buf build -o %[1]s): %w", name, err)
	}
	if _, err := protodesc.NewFiles(&descriptors); err != nil {
		return Set{}, fmt.Errorf("%s: want a descriptor set with all its imports: %w", name, err)
	}
	return Set{name: name, protos: sorted(descriptors.GetFile())}, nil
}

// sorted returns the files, of which none imports itself, each after those that it imports.
func sorted(files []*descriptorpb.FileDescriptorProto) []*descriptorpb.FileDescriptorProto {
	byPath := make(map[string]*descriptorpb.FileDescriptorProto, len(files))
	for _, file := range files {
		byPath[file.GetName()] = file
	}
	order := make([]*descriptorpb.FileDescriptorProto, 0, len(files))
	var visit func(path string)
	visit = func(path string) {
		file, ok := byPath[path]
		if !ok {
			return
		}
		delete(byPath, path)
		for _, imported := range file.GetDependency() {
			visit(imported)
		}
		order = append(order, file)
	}
	for _, file := range files {
		visit(file.GetName())
	}
	return order
}
