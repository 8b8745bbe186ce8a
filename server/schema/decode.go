package schema

import (
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

const (
	// MaxDepth is how many objects and arrays a value may stand in. Protobuf libraries other than Go's refuse messages that
	// are nested more than 100 deep, and one level of JSON is up to three levels of a Struct.
	MaxDepth = 32
	// MaxViolations is how many violations are reported of one document.
	MaxViolations = 20
)

// Decoded is what became of a document.
type Decoded struct {
	// Data is the typed message, a google.protobuf.Struct, or nil when the state is STATE_UNDECODABLE.
	Data *anypb.Any
	// Decoding says which, and what didn't fit. Never nil.
	Decoding *hookbridgev1.Decoding
	// MessageName is the message that the registry has for the event, whether or not the document fits; empty where it has none.
	MessageName protoreflect.FullName
	// NotJSON says that the document is no JSON text at all (RFC 8259), rather than one that doesn't fit. Only with
	// STATE_UNDECODABLE.
	NotJSON bool
}

// Decode decodes the document of an event and counts the outcome.
func (r *Registry) Decode(provider, typ string, document []byte) Decoded {
	claim, _ := r.find(provider, typ)
	decoded, found := decode(claim.message, document)
	r.metrics.observe(provider, claim, decoded, found)
	return decoded
}

// Redecode decodes a document again, when its event is read whose data was not stored, and counts nothing.
func (r *Registry) Redecode(provider, typ string, document []byte) Decoded {
	claim, _ := r.find(provider, typ)
	decoded, _ := decode(claim.message, document)
	return decoded
}

// decode tries the event's message (nil: there is none), and then a Struct. Only when one of them fails the document is looked
// at a second time, to say why: protojson stops at the first error and doesn't say where in the document it is.
func decode(m *message, document []byte) (Decoded, []violation) {
	if m == nil {
		return decodeStruct(hookbridgev1.Decoding_STATE_UNTYPED, "", document, nil)
	}
	if m.contradicted {
		return decodeStruct(hookbridgev1.Decoding_STATE_MISMATCH, m.name, document, []violation{{message: "the body makes it a type that " + string(m.name) + " never has: it is another event's"}})
	}
	if data, found, ok := m.fast(document); ok {
		if len(found) > 0 {
			return decodeStruct(hookbridgev1.Decoding_STATE_MISMATCH, m.name, document, found)
		}
		return m.decoded(data), nil
	}
	typed := m.new()
	if err := m.unmarshal(document, typed); err != nil {
		report := inspect(m, document)
		if report.undecodable != nil {
			return undecodable(m.name, report)
		}
		if len(report.found) == 0 {
			report.found = []violation{{message: "does not fit " + string(m.name)}}
		}
		report.found = append(report.found, m.foreign(document)...)
		report.found = report.found[:min(len(report.found), MaxViolations)]
		return decodeStruct(hookbridgev1.Decoding_STATE_MISMATCH, m.name, document, report.found)
	}
	if found := append(m.foreign(document), m.validate(typed)...); len(found) > 0 {
		found = found[:min(len(found), MaxViolations)]
		return decodeStruct(hookbridgev1.Decoding_STATE_MISMATCH, m.name, document, found)
	}
	data, err := pack(typed)
	if err != nil {
		return decodeStruct(hookbridgev1.Decoding_STATE_MISMATCH, m.name, document, []violation{{message: "can't be encoded as " + string(m.name)}})
	}
	return m.decoded(data), nil
}

// fast decodes a document by transcoding it, and checks the rules on the result. ok is false when that can't be done.
func (m *message) fast(document []byte) (data *anypb.Any, found []violation, ok bool) {
	encoded, broken, ok := m.transcode(document)
	if !ok {
		return nil, nil, false
	}
	if broken != 0 {
		found = m.outline.violations(broken)
	}
	if m.rules != nil {
		typed := m.new()
		if err := proto.Unmarshal(encoded, typed); err != nil {
			return nil, nil, false
		}
		found = append(found, m.validate(typed)...)
		found = found[:min(len(found), MaxViolations)]
	}
	return &anypb.Any{TypeUrl: m.url, Value: encoded}, found, true
}

// foreign says by what a document, which is JSON, is known to be of another type.
func (m *message) foreign(document []byte) []violation {
	if m.outline == nil {
		return nil
	}
	return m.outline.violations(m.outline.broken(document))
}

// decoded is the outcome when a document fits.
func (m *message) decoded(data *anypb.Any) Decoded {
	return Decoded{Data: data, Decoding: &hookbridgev1.Decoding{State: hookbridgev1.Decoding_STATE_TYPED}, MessageName: m.name}
}

// unmarshal is protojson without what the schema doesn't know.
func (m *message) unmarshal(document []byte, into proto.Message) error {
	return protojson.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: MaxDepth + 1, Resolver: m.types}.Unmarshal(document, into)
}

func decodeStruct(
	state hookbridgev1.Decoding_State, name protoreflect.FullName, document []byte, found []violation,
) (Decoded, []violation) {
	decoding := &hookbridgev1.Decoding{State: state, Violations: violations(found)}
	if encoded, ok := transcodeStruct(document); ok {
		return Decoded{Data: &anypb.Any{TypeUrl: structURL, Value: encoded}, Decoding: decoding, MessageName: name}, found
	}
	var untyped structpb.Struct
	err := protojson.UnmarshalOptions{RecursionLimit: MaxDepth + 1}.Unmarshal(document, &untyped)
	if err != nil {
		return undecodable(name, inspect(nil, document))
	}
	data, err := pack(&untyped)
	if err != nil {
		return undecodable(name, report{})
	}
	return Decoded{Data: data, Decoding: decoding, MessageName: name}, found
}

const structURL = urlPrefix + "google.protobuf.Struct"

func undecodable(name protoreflect.FullName, report report) (Decoded, []violation) {
	reason := report.undecodable
	if reason == nil {
		reason = &violation{message: "does not fit a google.protobuf.Struct"}
	}
	return Decoded{
		Decoding: &hookbridgev1.Decoding{
			State:      hookbridgev1.Decoding_STATE_UNDECODABLE,
			Violations: violations([]violation{*reason}),
		},
		MessageName: name,
		NotJSON:     report.notJSON,
	}, []violation{*reason}
}

// pack encodes a message into an Any, in one allocation.
func pack(m proto.Message) (*anypb.Any, error) {
	var data anypb.Any
	err := anypb.MarshalFrom(&data, m, proto.MarshalOptions{})
	return &data, err
}
