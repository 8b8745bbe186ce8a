package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// DescriptorSet is a self-contained image of a registry's schema. It is shared: nothing in it may be changed.
type DescriptorSet struct {
	// Files are each after those that it imports, with comments where the sources have any. Those of libraries (google, buf) are
	// marked as imports in buf's way.
	Files *descriptorpb.FileDescriptorSet
	// Encoded is the same on the wire, and always the same for the same schema of one build.
	Encoded []byte
	// ETag is a digest of Encoded.
	ETag string
}

// DescriptorSet returns the image: all event messages, the API (hookbridge.v1), all files of the images that were added, and
// everything that those import. It is made on first use, which takes some tens of milliseconds.
func (r *Registry) DescriptorSet() (DescriptorSet, error) { return r.export() }

func (l *library) export() (DescriptorSet, error) {
	wanted := map[string]bool{}
	var want func(descriptor protoreflect.FileDescriptor)
	want = func(descriptor protoreflect.FileDescriptor) {
		if wanted[descriptor.Path()] {
			return
		}
		wanted[descriptor.Path()] = true
		for i := range descriptor.Imports().Len() {
			want(descriptor.Imports().Get(i).FileDescriptor)
		}
	}
	for _, f := range l.files {
		if f.proto != nil || f.published() {
			want(f.descriptor)
		}
	}
	set := DescriptorSet{Files: &descriptorpb.FileDescriptorSet{}}
	for _, f := range l.files {
		if !wanted[f.descriptor.Path()] {
			continue
		}
		described, err := f.described()
		if err != nil {
			return DescriptorSet{}, err
		}
		set.Files.File = append(set.Files.File, described)
	}
	var err error
	if set.Encoded, err = (proto.MarshalOptions{Deterministic: true}).Marshal(set.Files); err != nil {
		return DescriptorSet{}, err
	}
	digest := sha256.Sum256(set.Encoded)
	set.ETag = hex.EncodeToString(digest[:])
	return set, nil
}

// published says whether a file that is compiled in is part of what subscribers see: the API and the events. Configuration,
// packs and records are ours alone.
func (f *file) published() bool {
	if f.descriptor.Package() == "hookbridge.v1" {
		return true
	}
	for m := range f.messages() {
		if isEvent(m) {
			return strings.HasPrefix(string(f.descriptor.Package()), "hookbridge.")
		}
	}
	return false
}

// described is the file with its comments and buf's mark.
func (f *file) described() (*descriptorpb.FileDescriptorProto, error) {
	described := f.proto
	if described == nil {
		described = protodesc.ToFileDescriptorProto(f.descriptor)
		var err error
		if described.SourceCodeInfo, err = commentsOf(f.descriptor.Path()); err != nil {
			return nil, err
		}
	}
	if !f.own() {
		return marked(described), nil
	}
	return described, nil
}

// Description returns the comment on an event's message; empty where the sources have none.
func (r *Registry) Description(message protoreflect.FullName) (string, error) {
	set, err := r.export()
	if err != nil {
		return "", err
	}
	descriptor, err := r.library.linked.FindDescriptorByName(message)
	if err != nil {
		return "", err
	}
	m, ok := descriptor.(protoreflect.MessageDescriptor)
	if !ok {
		return "", nil
	}
	for _, f := range set.Files.GetFile() {
		if f.GetName() == m.ParentFile().Path() {
			return description(f.GetSourceCodeInfo(), m), nil
		}
	}
	return "", nil
}
