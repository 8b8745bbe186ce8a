package schema

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"github.com/bufbuild/protocompile/sourceinfo"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	sources "github.com/hookbridge/hookbridge/proto"
)

// commentsOf reads the comments of a file that is compiled in: generated code has none. Locations are by position in the file,
// and generated code keeps those. A file that isn't among the sources has no comments.
func commentsOf(path string) (*descriptorpb.SourceCodeInfo, error) {
	text, err := sources.Sources.ReadFile(path)
	if err != nil {
		return nil, nil
	}
	tree, err := parser.Parse(path, bytes.NewReader(text), reporter.NewHandler(nil))
	if err != nil {
		return nil, fmt.Errorf("comments of %s: %w", path, err)
	}
	return sourceinfo.GenerateSourceInfo(tree, nil), nil
}

// description is the comment above a message, without its line breaks; paragraphs stay apart.
func description(info *descriptorpb.SourceCodeInfo, message protoreflect.MessageDescriptor) string {
	at := position(message)
	for _, location := range info.GetLocation() {
		if !slices.Equal(location.GetPath(), at) {
			continue
		}
		var paragraphs []string
		for paragraph := range strings.SplitSeq(location.GetLeadingComments(), "\n\n") {
			if words := strings.Fields(paragraph); len(words) > 0 {
				paragraphs = append(paragraphs, strings.Join(words, " "))
			}
		}
		return strings.Join(paragraphs, "\n\n")
	}
	return ""
}

// position is the path of a message in its file, as source locations have it: pairs of a field's number and an index.
func position(message protoreflect.MessageDescriptor) []int32 {
	const (
		messagesOfFile    = 4
		messagesOfMessage = 3
	)
	if outer, ok := message.Parent().(protoreflect.MessageDescriptor); ok {
		return append(position(outer), messagesOfMessage, int32(message.Index()))
	}
	return []int32{messagesOfFile, int32(message.Index())}
}
