package schema

import (
	"encoding/json"
	"strconv"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// expectation is what the schema wants of a JSON value; its zero value is anything. At most one of its parts is set.
type expectation struct {
	// message: an object with these fields.
	message protoreflect.MessageDescriptor
	// list: an array of this field's elements. entries: an object, the entries of this map.
	list, entries protoreflect.FieldDescriptor
	// scalar: what protojson makes one value of: a scalar, an enumeration, or a message with a JSON form of its own.
	scalar protoreflect.FieldDescriptor
}

// expect is what the schema wants of a field's value.
func expect(field protoreflect.FieldDescriptor) expectation {
	switch {
	case field.IsList():
		return expectation{list: field}
	case field.IsMap():
		return expectation{entries: field}
	}
	return expectOne(field)
}

func expectOne(field protoreflect.FieldDescriptor) expectation {
	if m := field.Message(); m != nil && !ownForm(m.FullName()) {
		return expectation{message: m}
	}
	return expectation{scalar: field}
}

// ownForm tells whether protojson gives a message a form other than an object of its fields.
func ownForm(name protoreflect.FullName) bool {
	switch name {
	case "google.protobuf.Any", "google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask",
		"google.protobuf.Empty", "google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue",
		"google.protobuf.BoolValue", "google.protobuf.StringValue", "google.protobuf.BytesValue",
		"google.protobuf.Int32Value", "google.protobuf.Int64Value", "google.protobuf.UInt32Value",
		"google.protobuf.UInt64Value", "google.protobuf.FloatValue", "google.protobuf.DoubleValue":
		return true
	}
	return false
}

// takesNull tells whether null is a value of a field, rather than its absence.
func takesNull(field protoreflect.FieldDescriptor) bool {
	return field.Message() != nil && field.Message().FullName() == "google.protobuf.Value" ||
		field.Enum() != nil && field.Enum().FullName() == "google.protobuf.NullValue"
}

func (e expectation) leaf() bool { return e.scalar != nil }

// opens is how the wanted value must begin, 0 where that alone doesn't say.
func (e expectation) opens() json.Delim {
	switch {
	case e.message != nil || e.entries != nil:
		return '{'
	case e.list != nil:
		return '['
	}
	return 0
}

// inside is what the elements of an array and the entries of a map are to be.
func (e expectation) inside() expectation {
	switch {
	case e.list != nil:
		return expectOne(e.list)
	case e.entries != nil:
		return expectOne(e.entries.MapValue())
	}
	return expectation{}
}

// member is the field of a key, found as protojson finds it.
func (e expectation) member(key string) protoreflect.FieldDescriptor {
	if e.message == nil {
		return nil
	}
	if field := e.message.Fields().ByJSONName(key); field != nil {
		return field
	}
	return e.message.Fields().ByTextName(key)
}

// key says what is wrong with a map's key.
func (e expectation) key(key string) string {
	if e.entries == nil {
		return ""
	}
	var err error
	switch kind := e.entries.MapKey().Kind(); kind {
	case protoreflect.StringKind:
	case protoreflect.BoolKind:
		if key != "true" && key != "false" {
			return "want a key of bool"
		}
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		_, err = strconv.ParseInt(key, 10, 32)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		_, err = strconv.ParseUint(key, 10, 32)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		_, err = strconv.ParseUint(key, 10, 64)
	default:
		_, err = strconv.ParseInt(key, 10, 64)
	}
	if err != nil {
		return "want a key of " + e.entries.MapKey().Kind().String()
	}
	return ""
}

// fits asks protojson itself whether a value is one of a scalar, by way of the wrapper message that has the same JSON form.
func (e expectation) fits(m *message, value []byte) bool {
	into := e.holder(m)
	if into == nil {
		return enumFits(e.scalar, value)
	}
	return m.unmarshal(value, into) == nil
}

// holder is an empty message with the JSON form of the scalar, nil for an enumeration.
func (e expectation) holder(m *message) proto.Message {
	switch e.scalar.Kind() {
	case protoreflect.EnumKind:
		return nil
	case protoreflect.BoolKind:
		return &wrapperspb.BoolValue{}
	case protoreflect.StringKind:
		return &wrapperspb.StringValue{}
	case protoreflect.BytesKind:
		return &wrapperspb.BytesValue{}
	case protoreflect.FloatKind:
		return &wrapperspb.FloatValue{}
	case protoreflect.DoubleKind:
		return &wrapperspb.DoubleValue{}
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return &wrapperspb.Int32Value{}
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return &wrapperspb.Int64Value{}
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return &wrapperspb.UInt32Value{}
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return &wrapperspb.UInt64Value{}
	}
	typ, err := m.types.FindMessageByName(e.scalar.Message().FullName())
	if err != nil {
		return nil
	}
	return typ.New().Interface()
}

// enumFits: any name does, since unknown ones are left out, and any number of 32 bits.
func enumFits(field protoreflect.FieldDescriptor, value []byte) bool {
	switch value[0] {
	case '"':
		return true
	case 'n':
		return takesNull(field)
	}
	return protojson.Unmarshal(value, &wrapperspb.Int32Value{}) == nil
}

// String is the wanted type as violations name it.
func (e expectation) String() string {
	switch {
	case e.message != nil || e.entries != nil:
		return "object"
	case e.list != nil:
		return "array"
	case e.scalar == nil:
		return "anything"
	case e.scalar.Message() != nil:
		return string(e.scalar.Message().FullName())
	case e.scalar.Enum() != nil:
		return string(e.scalar.Enum().FullName())
	}
	return e.scalar.Kind().String()
}

// describe names what was found, and more than its kind where that kind could have done.
func (e expectation) describe(token json.Token) string {
	kind := kindOf(token)
	_, number := token.(json.Number)
	_, text := token.(string)
	switch {
	case number && e.scalar.Kind() != protoreflect.StringKind && e.scalar.Kind() != protoreflect.BoolKind && e.scalar.Message() == nil:
		return "number out of its range"
	case text && e.scalar.Message() != nil:
		return "string of another form"
	}
	return kind
}

// kindOf names the kind of a JSON value.
func kindOf(token json.Token) string {
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return "object"
		}
		return "array"
	case string:
		return "string"
	case json.Number:
		return "number"
	case bool:
		return "boolean"
	}
	return "null"
}
