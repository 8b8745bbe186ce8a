package schema

import (
	"bytes"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	_ "google.golang.org/protobuf/types/known/anypb"
	_ "google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
	_ "google.golang.org/protobuf/types/known/wrapperspb"

	"buf.build/go/protovalidate"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// law holds a transcoder to protojson: what it takes, protojson takes, and the message is the same. It returns whether it was
// taken.
func law(t *testing.T, m *message, document []byte) bool {
	t.Helper()
	encoded, _, ok := m.transcode(document)
	if !ok {
		return false
	}
	want := m.new()
	if err := m.unmarshal(document, want); err != nil {
		t.Fatalf("%s takes what protojson refuses: %v\n%s", m.name, err, document)
	}
	same(t, m.new(), encoded, want, document)
	return true
}

func same(t *testing.T, got proto.Message, encoded []byte, want proto.Message, document []byte) {
	t.Helper()
	if err := (proto.UnmarshalOptions{}).Unmarshal(encoded, got); err != nil {
		t.Fatalf("what was transcoded can't be read: %v\n%s", err, document)
	}
	// By its encoding: cmp takes NaN and -0 for what they are not. In one order, since both are of the same messages.
	deterministic := proto.MarshalOptions{Deterministic: true}
	a, errA := deterministic.Marshal(got)
	b, errB := deterministic.Marshal(want)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Fatalf("transcoded (-protojson +transcoded), %v, %v:\n%s\n%s", errA, errB, cmp.Diff(want, got, protocmp.Transform()), document)
	}
	if a, err := (proto.MarshalOptions{}).Marshal(got); err == nil && len(a) != len(encoded) {
		t.Fatalf("the encoding takes %d bytes, want %d\n%s", len(encoded), len(a), document)
	}
}

func structLaw(t *testing.T, document []byte) bool {
	t.Helper()
	encoded, ok := transcodeStruct(document)
	if !ok {
		return false
	}
	want := &structpb.Struct{}
	if err := (protojson.UnmarshalOptions{RecursionLimit: MaxDepth + 1}).Unmarshal(document, want); err != nil {
		t.Fatalf("a Struct is made of what protojson refuses: %v\n%s", err, document)
	}
	same(t, &structpb.Struct{}, encoded, want, document)
	return true
}

// everyKind is a message with a field of every kind, shape and form that JSON can be read into.
func everyKind(t testing.TB) *message {
	t.Helper()
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("every.proto"), Package: proto.String("every"), Syntax: proto.String("proto3"),
		Dependency: []string{"google/protobuf/struct.proto", "google/protobuf/timestamp.proto", "google/protobuf/duration.proto", "google/protobuf/wrappers.proto", "google/protobuf/any.proto"},
		EnumType: []*descriptorpb.EnumDescriptorProto{{Name: proto.String("Color"), Value: []*descriptorpb.EnumValueDescriptorProto{
			{Name: proto.String("NONE"), Number: proto.Int32(0)}, {Name: proto.String("RED"), Number: proto.Int32(7)},
		}}},
	}
	every := &descriptorpb.DescriptorProto{Name: proto.String("Every"), OneofDecl: []*descriptorpb.OneofDescriptorProto{{Name: proto.String("one")}}}
	number := int32(0)
	add := func(name string, typ descriptorpb.FieldDescriptorProto_Type, message string, edit func(*descriptorpb.FieldDescriptorProto)) {
		number++
		f := &descriptorpb.FieldDescriptorProto{
			Name: proto.String(name), Number: proto.Int32(number), Type: typ.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
		if message != "" {
			f.TypeName = proto.String("." + message)
		}
		if edit != nil {
			edit(f)
		}
		every.Field = append(every.Field, f)
	}
	repeated := func(f *descriptorpb.FieldDescriptorProto) {
		f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	}
	unpacked := func(f *descriptorpb.FieldDescriptorProto) {
		repeated(f)
		f.Options = &descriptorpb.FieldOptions{Packed: proto.Bool(false)}
	}
	one := func(f *descriptorpb.FieldDescriptorProto) { f.OneofIndex = proto.Int32(0) }
	for typ, name := range descriptorpb.FieldDescriptorProto_Type_name {
		typ, name := descriptorpb.FieldDescriptorProto_Type(typ), strings.ToLower(strings.TrimPrefix(name, "TYPE_"))
		switch typ {
		case descriptorpb.FieldDescriptorProto_TYPE_GROUP, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, descriptorpb.FieldDescriptorProto_TYPE_ENUM:
			continue
		}
		add("a_"+name, typ, "", nil)
		add("list_"+name, typ, "", repeated)
	}
	add("one_text", descriptorpb.FieldDescriptorProto_TYPE_STRING, "", one)
	add("one_self", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, "every.Every", one)
	add("a_color", descriptorpb.FieldDescriptorProto_TYPE_ENUM, "every.Color", nil)
	add("list_color", descriptorpb.FieldDescriptorProto_TYPE_ENUM, "every.Color", repeated)
	add("loose", descriptorpb.FieldDescriptorProto_TYPE_INT32, "", unpacked)
	add("a_null", descriptorpb.FieldDescriptorProto_TYPE_ENUM, "google.protobuf.NullValue", nil)
	add("self", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, "every.Every", nil)
	add("list_self", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, "every.Every", repeated)
	for _, name := range []string{"Value", "Struct", "ListValue", "Timestamp", "Duration", "Int64Value", "StringValue", "Any"} {
		add("a_"+strings.ToLower(name), descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, "google.protobuf."+name, nil)
		add("list_"+strings.ToLower(name), descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, "google.protobuf."+name, repeated)
	}
	for _, m := range []struct {
		name    string
		key     descriptorpb.FieldDescriptorProto_Type
		value   descriptorpb.FieldDescriptorProto_Type
		message string
	}{
		{"Text", descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_STRING, ""},
		{"Count", descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_INT64, ""},
		{"Own", descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, "every.Every"},
		{"Loose", descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, "google.protobuf.Value"},
		{"Number", descriptorpb.FieldDescriptorProto_TYPE_INT32, descriptorpb.FieldDescriptorProto_TYPE_STRING, ""},
	} {
		entry := &descriptorpb.DescriptorProto{Name: proto.String("Map" + m.name + "Entry"), Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)}}
		for n, typ := range []descriptorpb.FieldDescriptorProto_Type{m.key, m.value} {
			f := &descriptorpb.FieldDescriptorProto{
				Name: proto.String([]string{"key", "value"}[n]), Number: proto.Int32(int32(n + 1)), Type: typ.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			}
			if n == 1 && m.message != "" {
				f.TypeName = proto.String("." + m.message)
			}
			entry.Field = append(entry.Field, f)
		}
		every.NestedType = append(every.NestedType, entry)
		add("map_"+strings.ToLower(m.name), descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, "every.Every.Map"+m.name+"Entry", repeated)
	}
	file.MessageType = []*descriptorpb.DescriptorProto{every}
	built, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	types := protoregistry.GlobalTypes
	descriptor := built.Messages().ByName("Every")
	m := &message{name: descriptor.FullName(), typ: dynamicpb.NewMessageType(descriptor), types: fields{types}}
	m.plan = newPlan(descriptor, m.types)
	if m.plan == nil {
		t.Fatal("no plan")
	}
	return m
}

// TestTranscoding has what is transcoded and what is left to protojson; all of it is held to the law.
func TestTranscoding(t *testing.T) {
	every := everyKind(t)
	for _, tc := range []struct {
		document string
		taken    bool
	}{
		{`{}`, true}, {" \t\r\n{ } \n", true}, {``, false}, {`null`, false}, {`[]`, false}, {`{} {}`, false}, {"{}\x00", false}, {"\ufeff{}", false}, {`{,}`, false}, {`{"a":1,}`, false},
		// Texts.
		{`{"a_string":""}`, true}, {`{"aString":"x"}`, true}, {`{"a_string":"x","aString":"y"}`, false}, {`{"a_string":1}`, false}, {`{"a_string":null}`, true}, {`{"a_string":null,"a_string":"x"}`, false},
		{`{"a_string":"\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00"}`, true}, {`{"a_string":"\ud83d"}`, false}, {`{"a_string":"\ude00\ud83d"}`, false}, {`{"a_string":"\ud83dx"}`, false}, {`{"a_string":"\u12"}`, false}, {`{"a_string":"\x"}`, false}, {`{"a_string":"\`, false},
		{"{\"a_string\":\"\xff\"}", false}, {"{\"a_string\":\"\\n\xff\"}", false}, {"{\"a_string\":\"a\nb\"}", false}, {"{\"a_string\":\"\\n\nb\"}", false}, {`{"a_string":"é€😀"}`, true}, {`{"a_strin\u0067":"x"}`, true}, {`{"a_string":"\u0000"}`, true},
		{`{"list_string":["a","b",""]}`, true}, {`{"list_string":[null]}`, false}, {`{"list_string":[]}`, true}, {`{"list_string":["a",]}`, false}, {`{"list_string":null}`, true}, {`{"list_string":"a"}`, false},
		// Numbers.
		{`{"a_int64":0}`, true}, {`{"a_int64":-0}`, true}, {`{"a_int64":9223372036854775807}`, true}, {`{"a_int64":9223372036854775808}`, false}, {`{"a_int64":-9223372036854775808}`, true}, {`{"a_int64":"42"}`, true}, {`{"a_int64":"42}`, false}, {`{"a_int64":" 42"}`, false},
		{`{"a_int64":1.0}`, false}, {`{"a_int64":1e2}`, false}, {`{"a_int64":01}`, false}, {`{"a_int64":1e}`, false}, {`{"a_int64":-}`, false}, {`{"a_int64":+1}`, false}, {`{"a_int64":true}`, false}, {`{"a_int64":123456789012345678}`, true}, {`{"a_int64":-123456789012345678}`, true},
		{`{"a_int32":2147483647}`, true}, {`{"a_int32":2147483648}`, false}, {`{"a_int32":-2147483648}`, true}, {`{"a_int32":-2147483649}`, false}, {`{"a_uint32":4294967295}`, true}, {`{"a_uint32":4294967296}`, false}, {`{"a_uint32":-1}`, false}, {`{"a_uint64":9223372036854775807}`, true}, {`{"a_uint64":18446744073709551615}`, false}, {`{"a_uint64":-1}`, false},
		{`{"list_int64":[1,-2,0,"3"]}`, true}, {`{"list_int64":[]}`, true}, {`{"list_uint32":[1,4294967296]}`, false}, {`{"loose":[1,2,-3,0]}`, true},
		{`{"a_double":0}`, true}, {`{"a_double":-0.0}`, true}, {`{"a_double":1.5e-3}`, true}, {`{"a_double":1e400}`, false}, {`{"a_double":"NaN"}`, false}, {`{"a_double":1.}`, false}, {`{"a_double":.5}`, false}, {`{"a_float":0.1}`, true}, {`{"a_float":1e39}`, false}, {`{"list_double":[1,0,-0.0]}`, true}, {`{"list_float":[0.1]}`, true},
		{`{"a_bool":true}`, true}, {`{"a_bool":false}`, true}, {`{"a_bool":"true"}`, false}, {`{"a_bool":truely}`, false}, {`{"list_bool":[true,false]}`, true},
		{`{"a_bytes":"AAAA"}`, false}, {`{"a_sint32":1}`, false}, {`{"a_fixed64":1}`, false},
		{`{"a_color":"RED"}`, true}, {`{"a_color":"NONE"}`, true}, {`{"a_color":7}`, true}, {`{"a_color":99}`, true}, {`{"a_color":"BLUE"}`, false}, {`{"a_color":1.5}`, false}, {`{"list_color":["RED",7,"NONE"]}`, true}, {`{"a_null":null}`, false},
		// Messages.
		{`{"self":{}}`, true}, {`{"self":null}`, true}, {`{"self":{"self":{"a_int32":1}},"list_self":[{},{"a_string":"x"}]}`, true}, {`{"list_self":[null]}`, false}, {`{"self":[]}`, false}, {`{"one_text":"a"}`, true}, {`{"one_text":"","one_self":null}`, true}, {`{"one_text":"a","one_self":{}}`, false}, {`{"one_self":{"one_self":{}}}`, true},
		{`{"a_value":null,"list_value":[null,1,"a",true,false,{"a":[1,{}]},[]]}`, true}, {`{"list_value":null}`, false}, {`{"a_value":{"a":1,"a":2}}`, false}, {`{"a_value":{"\u0061":1,"b":2,"a":2}}`, false}, {`{"a_value":{"\u0061":1,"\u0062":2,"\u0063":[{"\u0064":"\u0065"}]}}`, true}, {`{"a_struct":{"":0,"x":{"y":null}}}`, true}, {`{"a_struct":[]}`, false}, {`{"a_listvalue":[1,[2]]}`, true}, {`{"list_listvalue":[[1],[]]}`, true}, {`{"list_struct":[{},{"a":1}]}`, true},
		{`{"a_timestamp":"2026-03-01T09:00:00.5Z","list_timestamp":["2026-03-01T09:00:00Z"]}`, true}, {`{"a_timestamp":"yesterday"}`, false}, {`{"a_timestamp":null}`, true}, {`{"list_timestamp":[null]}`, false}, {`{"a_duration":"1.5s","a_int64value":"5","a_stringvalue":""}`, true}, {`{"a_int64value":null}`, true}, {`{"a_any":{}}`, false},
		{`{"map_text":{"a":"1","b":""},"map_count":{"":0,"x":"3"},"map_own":{"a":{"a_int32":1}},"map_loose":{"a":null,"b":[1]}}`, true}, {`{"map_text":{"a":"1","a":"2"}}`, false}, {`{"map_text":{"a":null}}`, false}, {`{"map_text":null}`, true}, {`{"map_number":{"1":"a"}}`, false}, {`{"map_text":{}}`, true},
		// What the message doesn't have.
		{`{"nobody":{"a":[1,2.5e3,"\u00e9",{"b":null}],"a":true},"nobody":[],"[ext]":{},"a_int32":5}`, true}, {`{"nobody":01}`, false}, {`{"nobody":tru}`, false}, {`{"nobody":{"a"}}`, false}, {`{"nobody":[1,]}`, false}, {`{"nobody":[1 2]}`, false}, {`{"nobody":"` + "\xff" + `"}`, false}, {`{"nobody":[`, false}, {`{"nobody":1e}`, false},
		// Depth, and many keys.
		{strings.Repeat(`{"self":`, 20) + `{}` + strings.Repeat("}", 20), true}, {strings.Repeat(`{"self":`, 30) + `{}` + strings.Repeat("}", 30), false}, {`{"nobody":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, false}, {`{"a_value":` + strings.Repeat("[", 30) + strings.Repeat("]", 30) + `}`, false},
		{`{"a_string":"` + strings.Repeat("x", 20000) + `","self":{"a_string":"` + strings.Repeat("y", 200) + `","self":{"a_string":"` + strings.Repeat("z", 17000) + `"}}}`, true},
	} {
		if got := law(t, every, []byte(tc.document)); got != tc.taken {
			t.Errorf("taken %v, want %v: %.200s", got, tc.taken, tc.document)
		}
		structLaw(t, []byte(tc.document))
	}
}

// builtinMessages are all messages that are compiled in.
func builtinMessages(t testing.TB) iter.Seq[protoreflect.MessageDescriptor] {
	t.Helper()
	r, err := newRegistry([]Set{Builtin()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(protoreflect.MessageDescriptor) bool) {
		for _, f := range r.library.sorted() {
			for m := range f.messages() {
				if !yield(m) {
					return
				}
			}
		}
	}
}

// TestTranscodingOfRealDeliveries: of what providers really send, everything is transcoded, typed and untyped.
func TestTranscodingOfRealDeliveries(t *testing.T) {
	byName := map[string]*message{}
	rules, err := protovalidate.New()
	if err != nil {
		t.Fatal(err)
	}
	for descriptor := range builtinMessages(t) {
		if descriptor.IsMapEntry() {
			continue
		}
		m, err := (&compiler{types: protoregistry.GlobalTypes, rules: rules}).message(descriptor)
		if err != nil {
			t.Fatal(err)
		}
		if m.plan == nil && strings.HasPrefix(string(m.name), "hookbridge.") && strings.HasSuffix(string(m.name), "Event") {
			t.Errorf("%s has no plan", m.name)
		}
		byName[string(m.name)] = m
	}
	taken, structs, all := 0, 0, 0
	for _, root := range []string{"testdata", "../provider/samples"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".json") {
				return err
			}
			document, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			all++
			for _, m := range byName {
				if m.plan != nil && law(t, m, document) && strings.HasSuffix(string(m.name), "Event") {
					taken++
				}
			}
			if structLaw(t, document) {
				structs++
			} else {
				t.Errorf("%s is not made a Struct", path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if all < 100 || structs != all || taken < all {
		t.Errorf("of %d documents %d were made Structs, and event messages %d times", all, structs, taken)
	}
}

// FuzzTranscode holds the transcoder to protojson on documents that nobody thought of.
func FuzzTranscode(f *testing.F) {
	every := everyKind(f)
	for _, seed := range []string{
		`{"a_string":"\u00e9","a_int64":"5","list_self":[{"map_own":{"a":{}}}],"a_value":{"a":[1,null]},"nobody":[{}]}`,
		`{"a_double":-0.0,"list_bool":[true],"a_timestamp":"2026-03-01T09:00:00Z","map_count":{"a":1},"one_text":"x","a_color":"RED"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		law(t, every, document)
		structLaw(t, document)
	})
}

// BenchmarkDecode compares decoding a small event with what it replaced.
func BenchmarkDecode(b *testing.B) {
	document, err := os.ReadFile("../provider/samples/github/star.created.json")
	if err != nil {
		b.Skip(err)
	}
	var m *message
	for descriptor := range builtinMessages(b) {
		if descriptor.FullName() == protoreflect.FullName("hookbridge.github.v1.StarEvent") {
			if m, err = (&compiler{types: protoregistry.GlobalTypes}).message(descriptor); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("transcode", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(document)))
		for b.Loop() {
			if _, _, ok := m.transcode(document); !ok {
				b.Fatal("left to protojson")
			}
		}
	})
	b.Run("requiring", func(b *testing.B) {
		if m.outline, err = newOutline(&hookbridgev1.EventOptions{Requires: []string{"starred_at", "repository.owner"}}, ""); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		b.SetBytes(int64(len(document)))
		for b.Loop() {
			if _, broken, ok := m.transcode(document); !ok || broken != 0 {
				b.Fatal("left to protojson, or a demand is broken")
			}
		}
	})
	b.Run("protojson", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(document)))
		for b.Loop() {
			typed := m.new()
			if err := m.unmarshal(document, typed); err != nil {
				b.Fatal(err)
			}
			if _, err := pack(typed); err != nil {
				b.Fatal(err)
			}
		}
	})
}
