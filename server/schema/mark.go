package schema

import (
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// buf marks the files of an image that are in it only because others import them; generators pass those over unless asked for
// imports. The mark is an extension of FileDescriptorProto that no public package has:
// https://github.com/bufbuild/buf/blob/main/proto/buf/alpha/image/v1/image.proto
const (
	markNumber   protowire.Number = 8042 // ImageFile.buf_extension
	isImportedAt protowire.Number = 1    // ImageFileExtension.is_import
)

// unmarked returns a copy of a file without buf's mark, and whether it was marked as imported. An image of protoc has no marks;
// there the files of the packages that everybody imports are taken for it.
func unmarked(f *descriptorpb.FileDescriptorProto) (bare *descriptorpb.FileDescriptorProto, imported bool) {
	bare = proto.CloneOf(f)
	imported = strings.HasPrefix(f.GetName(), "google/") || strings.HasPrefix(f.GetName(), "buf/validate/")
	var kept []byte
	rest := []byte(bare.ProtoReflect().GetUnknown())
	for len(rest) > 0 {
		number, kind, n := protowire.ConsumeField(rest)
		if n < 0 {
			break
		}
		if number == markNumber && kind == protowire.BytesType {
			imported = imported || marksImport(rest[:n])
		} else {
			kept = append(kept, rest[:n]...)
		}
		rest = rest[n:]
	}
	bare.ProtoReflect().SetUnknown(kept)
	return bare, imported
}

// marksImport reads is_import out of a mark.
func marksImport(field []byte) bool {
	_, _, header := protowire.ConsumeTag(field)
	mark, n := protowire.ConsumeBytes(field[header:])
	for n >= 0 && len(mark) > 0 {
		number, kind, size := protowire.ConsumeTag(mark)
		if size < 0 {
			return false
		}
		if number == isImportedAt && kind == protowire.VarintType {
			value, _ := protowire.ConsumeVarint(mark[size:])
			return value != 0
		}
		length := protowire.ConsumeFieldValue(number, kind, mark[size:])
		if length < 0 {
			return false
		}
		mark = mark[size+length:]
	}
	return false
}

// marked returns a copy of a file that is marked as imported.
func marked(f *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	copied := proto.CloneOf(f)
	mark := protowire.AppendVarint(protowire.AppendTag(nil, isImportedAt, protowire.VarintType), 1)
	field := protowire.AppendBytes(protowire.AppendTag(nil, markNumber, protowire.BytesType), mark)
	copied.ProtoReflect().SetUnknown(append(copied.ProtoReflect().GetUnknown(), field...))
	return copied
}
