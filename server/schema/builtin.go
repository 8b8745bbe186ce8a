package schema

import (
	"cmp"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	// The packages of events, one for each provider, linked for their descriptors.
	_ "github.com/hookbridge/hookbridge/gen/hookbridge/github/v1"
	_ "github.com/hookbridge/hookbridge/gen/hookbridge/hmac/v1"
	_ "github.com/hookbridge/hookbridge/gen/hookbridge/shopify/v1"
	_ "github.com/hookbridge/hookbridge/gen/hookbridge/slack/v1"
	_ "github.com/hookbridge/hookbridge/gen/hookbridge/stripe/v1"
)

// BuiltinName is the name of the set that is compiled in.
const BuiltinName = "builtin"

// Builtin is the set of what is compiled in: everything under the proto package hookbridge, and what that imports.
func Builtin() Set {
	var roots []protoreflect.FileDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if strings.HasPrefix(string(file.Package()), "hookbridge.") {
			roots = append(roots, file)
		}
		return true
	})
	slices.SortFunc(roots, func(a, b protoreflect.FileDescriptor) int { return cmp.Compare(a.Path(), b.Path()) })
	set := Set{name: BuiltinName}
	seen := map[string]bool{}
	var visit func(file protoreflect.FileDescriptor)
	visit = func(file protoreflect.FileDescriptor) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			visit(file.Imports().Get(i).FileDescriptor)
		}
		set.linked = append(set.linked, file)
	}
	for _, file := range roots {
		visit(file)
	}
	return set
}
