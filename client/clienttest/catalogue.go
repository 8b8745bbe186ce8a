package clienttest

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// claimOf is what is written on an event message; nil if it is none.
func claimOf(message protoreflect.MessageDescriptor) *hookbridgev1.EventOptions {
	if options, ok := proto.GetExtension(message.Options(), hookbridgev1.E_Event).(*hookbridgev1.EventOptions); ok && len(options.GetTypes()) > 0 {
		return options
	}
	return nil
}

// rankOf says how closely a message claims a type: 0 not at all, else more for a longer pattern, and most for the type itself.
func rankOf(claim *hookbridgev1.EventOptions, typ string) int {
	best := 0
	for _, element := range claim.GetTypes() {
		prefix, pattern := strings.CutSuffix(element, "*")
		switch {
		case element == typ:
			best = max(best, len(typ)+2)
		case pattern && strings.HasPrefix(typ, prefix):
			best = max(best, len(prefix)+1)
		}
	}
	return best
}

// messageFor finds the message that is linked into the program for a provider's type; nil if there is none.
func messageFor(provider, typ string) protoreflect.MessageType {
	var found protoreflect.MessageType
	best := 0
	protoregistry.GlobalTypes.RangeMessages(func(kind protoreflect.MessageType) bool {
		if claim := claimOf(kind.Descriptor()); claim != nil && claim.GetProvider() == provider {
			if rank := rankOf(claim, typ); rank > best {
				found, best = kind, rank
			}
		}
		return true
	})
	return found
}
