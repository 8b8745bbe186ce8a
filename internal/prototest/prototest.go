// Package prototest makes images out of proto sources, for tests of what users do with messages of their own.
package prototest

import (
	"maps"
	"slices"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Image compiles sources, by their import paths, and returns the encoded descriptor set with all imports and with comments.
// What the sources import is among them or compiled into the test.
func Image(t testing.TB, sources map[string]string) []byte {
	t.Helper()
	compiler := protocompile.Compiler{
		Resolver: protocompile.CompositeResolver{
			&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(sources)},
			protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
				file, err := protoregistry.GlobalFiles.FindFileByPath(path)
				if err != nil {
					return protocompile.SearchResult{}, err
				}
				return protocompile.SearchResult{Proto: protodesc.ToFileDescriptorProto(file)}, nil
			}),
		},
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(t.Context(), slices.Sorted(maps.Keys(sources))...)
	if err != nil {
		t.Fatal(err)
	}
	set, seen := &descriptorpb.FileDescriptorSet{}, map[string]bool{}
	var add func(file protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i).FileDescriptor)
		}
		described := protodesc.ToFileDescriptorProto(file)
		if _, own := sources[file.Path()]; own {
			if with, ok := file.(interface {
				FileDescriptorProto() *descriptorpb.FileDescriptorProto
			}); ok {
				described = with.FileDescriptorProto()
			}
		}
		set.File = append(set.File, described)
	}
	for _, file := range files {
		add(file)
	}
	image, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return image
}
