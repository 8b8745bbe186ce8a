package document

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Resolve follows a path like "schemes[0].timestamp" down from a message. ok is false where there is no such field. The message that the field
// holds is nil where it holds none.
func Resolve(message protoreflect.MessageDescriptor, path string) (next protoreflect.MessageDescriptor, ok bool) {
	for step := range strings.SplitSeq(path, ".") {
		if message == nil {
			return nil, false
		}
		name, _, indexed := strings.Cut(step, "[")
		field := message.Fields().ByTextName(name)
		if field == nil || indexed && (!field.IsList() || !strings.HasSuffix(step, "]")) {
			return nil, false
		}
		message = field.Message()
	}
	return message, true
}
