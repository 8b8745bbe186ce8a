package schema

import (
	"errors"
	"strconv"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// validate returns what of the message's rules a decoded document breaks.
func (m *message) validate(decoded proto.Message) []violation {
	if m.rules == nil {
		return nil
	}
	err := m.rules.Validate(decoded)
	if err == nil {
		return nil
	}
	broken, ok := errors.AsType[*protovalidate.ValidationError](err)
	if !ok {
		// The cause quotes what the rule was given.
		return []violation{{message: "the validation rules of " + string(m.name) + " can't be evaluated on it"}}
	}
	var found []violation
	for _, v := range broken.Violations[:min(len(broken.Violations), MaxViolations)] {
		at := rulePath(m.typ.Descriptor(), v.Proto.GetField())
		found = append(found, violation{
			field: at.String(), message: m.text(v), rule: v.Proto.GetRuleId(), label: at.label(),
		})
	}
	return found
}

// text is what a broken rule says. Standard rules say what they want; a rule of the schema's author can compute its text from
// the value, so only a declared one is passed on.
func (m *message) text(v *protovalidate.Violation) string {
	elements := v.Proto.GetRule().GetElements()
	own := len(elements) == 0 && v.Proto.GetRuleId() == "" || v.RuleDescriptor != nil && v.RuleDescriptor.IsExtension()
	for _, e := range elements {
		own = own || e.GetFieldName() == "cel" || e.GetFieldName() == "cel_expression"
	}
	if !own && v.Proto.GetMessage() != "" {
		return v.Proto.GetMessage()
	}
	if declared := m.custom[v.Proto.GetRuleId()]; own && declared != "" {
		return declared
	}
	return "breaks the rule " + strconv.Quote(v.Proto.GetRuleId())
}

// rulePath is the path of a rule's field in the document.
func rulePath(descriptor protoreflect.MessageDescriptor, fields *validate.FieldPath) path {
	var at path
	for _, e := range fields.GetElements() {
		var field protoreflect.FieldDescriptor
		if descriptor != nil {
			field = descriptor.Fields().ByName(protoreflect.Name(e.GetFieldName()))
		}
		s := step{key: e.GetFieldName(), index: -1, field: field}
		descriptor = nil
		if field != nil {
			s.key = documentKey(field)
			descriptor = field.Message()
			if field.IsMap() {
				descriptor = field.MapValue().Message()
			}
		}
		at = append(at, s)
		switch e.WhichSubscript() {
		case validate.FieldPathElement_Index_case:
			at = append(at, step{index: int(e.GetIndex())})
		case validate.FieldPathElement_StringKey_case:
			at = append(at, step{key: e.GetStringKey(), index: -1})
		case validate.FieldPathElement_BoolKey_case:
			at = append(at, step{key: strconv.FormatBool(e.GetBoolKey()), index: -1})
		case validate.FieldPathElement_IntKey_case:
			at = append(at, step{key: strconv.FormatInt(e.GetIntKey(), 10), index: -1})
		case validate.FieldPathElement_UintKey_case:
			at = append(at, step{key: strconv.FormatUint(e.GetUintKey(), 10), index: -1})
		}
	}
	return at
}

// documentKey is the key of a field in documents: its own name, which is the provider's, unless the schema gives it another
// for JSON because the provider's can't be one in a proto file.
func documentKey(field protoreflect.FieldDescriptor) string {
	if field.HasJSONName() && field.JSONName() != camelCase(string(field.Name())) {
		return field.JSONName()
	}
	return string(field.Name())
}

// camelCase is the JSON name that protoc gives a field which has none of its own.
func camelCase(name string) string {
	var b []byte
	upper := false
	for _, c := range []byte(name) {
		if c == '_' {
			upper = true
			continue
		}
		if upper && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper = false
		b = append(b, c)
	}
	return string(b)
}
