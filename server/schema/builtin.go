package schema

import (
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

// Builtin is the set of the messages that are compiled in: everything under the proto package hookbridge.
func Builtin() Set {
	set := Set{name: "built in", types: protoregistry.GlobalTypes}
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if strings.HasPrefix(string(file.Package()), "hookbridge.") {
			set.files = append(set.files, file)
		}
		return true
	})
	return set
}
