package schema

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// plan is a message compiled for transcoding: what to do with each key of its JSON objects.
type plan struct {
	fields map[string]*fieldPlan
}

// fieldPlan is what to do with one field.
type fieldPlan struct {
	// index is the field's place among those of its message, oneof that of the oneof it is in, counted from 1.
	index, oneof int
	shape        shape
	kind         protoreflect.Kind
	form         form
	// tag begins each record of the field; for a packed list the one record of all.
	tag []byte
	// present says that a zero is written too.
	present bool
	// message is for form plain; typ for delegated.
	message *plan
	typ     protoreflect.MessageType
	// enum has the numbers of an open enumeration by name.
	enum map[string]int32
	// value is for entries of a map: its values.
	value *fieldPlan
}

// shape is how often a field may have a value.
type shape uint8

const (
	singular shape = iota
	expanded       // a list, one record for each element
	packed         // a list, one record for all elements
	mapped         // a map with strings for keys
)

// form is what the value of a message field looks like in JSON.
type form uint8

const (
	scalar    form = iota // no message
	plain                 // an object of its fields
	anyValue              // google.protobuf.Value
	anyObject             // google.protobuf.Struct
	anyList               // google.protobuf.ListValue
	delegated             // another form of its own, without messages inside: protojson reads that part
	undecided             // left to protojson, with the whole document
)

// maxPlanned is the most fields of a message that is transcoded: what was seen of them is kept in a small array.
const maxPlanned = 256

// planner compiles messages; those that refer to each other are compiled once.
type planner struct {
	types types
	plans map[protoreflect.FullName]*plan
	// unfit says that a message in the tree can't be transcoded as a whole.
	unfit bool
}

// newPlan compiles a message; nil for one that is left to protojson.
func newPlan(descriptor protoreflect.MessageDescriptor, types types) *plan {
	p := planner{types: types, plans: map[protoreflect.FullName]*plan{}}
	root := p.message(descriptor)
	if p.unfit || ownForm(descriptor.FullName()) {
		return nil
	}
	return root
}

func (p *planner) message(descriptor protoreflect.MessageDescriptor) *plan {
	if known, ok := p.plans[descriptor.FullName()]; ok {
		return known
	}
	made := &plan{fields: map[string]*fieldPlan{}}
	p.plans[descriptor.FullName()] = made
	fields := descriptor.Fields()
	// Required fields have to be checked at the end, which a transcoder without a message can't.
	if fields.Len() > maxPlanned || descriptor.Oneofs().Len() > maxPlanned || descriptor.RequiredNumbers().Len() > 0 {
		p.unfit = true
		return made
	}
	for i := range fields.Len() {
		field := p.field(fields.Get(i))
		field.index = i
		made.fields[fields.Get(i).TextName()] = field
	}
	// protojson looks for the JSON name first.
	for i := range fields.Len() {
		made.fields[fields.Get(i).JSONName()] = made.fields[fields.Get(i).TextName()]
	}
	return made
}

func (p *planner) field(descriptor protoreflect.FieldDescriptor) *fieldPlan {
	f := p.value(descriptor)
	if oneof := descriptor.ContainingOneof(); oneof != nil && !oneof.IsSynthetic() {
		f.oneof = oneof.Index() + 1
	}
	f.present = descriptor.HasPresence()
	switch {
	case descriptor.IsMap():
		f.shape, f.form, f.value = mapped, scalar, p.value(descriptor.MapValue())
		f.value.present = true
		f.tag = protowire.AppendTag(nil, descriptor.Number(), protowire.BytesType)
		if descriptor.MapKey().Kind() != protoreflect.StringKind {
			f.form = undecided
		}
	case descriptor.IsList() && descriptor.IsPacked():
		f.shape = packed
		f.tag = protowire.AppendTag(nil, descriptor.Number(), protowire.BytesType)
	case descriptor.IsList():
		f.shape, f.present = expanded, true
	}
	return f
}

// value is the plan of one value of a field.
func (p *planner) value(descriptor protoreflect.FieldDescriptor) *fieldPlan {
	f := &fieldPlan{kind: descriptor.Kind()}
	wire := protowire.VarintType
	switch f.kind {
	case protoreflect.MessageKind:
		wire = protowire.BytesType
		p.submessage(f, descriptor.Message())
	case protoreflect.StringKind:
		wire = protowire.BytesType
	case protoreflect.DoubleKind:
		wire = protowire.Fixed64Type
	case protoreflect.FloatKind:
		wire = protowire.Fixed32Type
	case protoreflect.BoolKind, protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Uint32Kind, protoreflect.Uint64Kind:
	case protoreflect.EnumKind:
		if descriptor.Enum().IsClosed() || descriptor.Enum().FullName() == "google.protobuf.NullValue" {
			f.form = undecided
			break
		}
		values := descriptor.Enum().Values()
		f.enum = make(map[string]int32, values.Len())
		for i := range values.Len() {
			f.enum[string(values.Get(i).Name())] = int32(values.Get(i).Number())
		}
	default: // bytes, groups, and the integers that hardly anybody uses
		f.form = undecided
	}
	f.tag = protowire.AppendTag(nil, descriptor.Number(), wire)
	return f
}

func (p *planner) submessage(f *fieldPlan, descriptor protoreflect.MessageDescriptor) {
	switch name := descriptor.FullName(); {
	case descriptor.IsMapEntry():
	case name == "google.protobuf.Value":
		f.form = anyValue
	case name == "google.protobuf.Struct":
		f.form = anyObject
	case name == "google.protobuf.ListValue":
		f.form = anyList
	case name == "google.protobuf.Any":
		f.form = undecided
	case ownForm(name):
		typ, err := p.types.FindMessageByName(name)
		if err != nil {
			f.form = undecided
			return
		}
		f.form, f.typ = delegated, typ
	default:
		f.form, f.message = plain, p.message(descriptor)
	}
}

// bitset is a small set of numbers.
type bitset [maxPlanned / 64]uint64

// add adds a number, and returns false if it was in the set.
func (b *bitset) add(n int) bool {
	word, bit := &b[n/64], uint64(1)<<(n%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}

// fits32 tells whether an integer fits the kind of a field.
func fits32(kind protoreflect.Kind, n int64) bool {
	switch kind {
	case protoreflect.Int32Kind, protoreflect.EnumKind:
		return n >= math.MinInt32 && n <= math.MaxInt32
	case protoreflect.Uint32Kind:
		return n >= 0 && n <= math.MaxUint32
	case protoreflect.Uint64Kind:
		return n >= 0
	}
	return true
}
