package expression

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/schema"
)

// acme is a registry of the built-in messages and of one that was read at run time.
func acme(t *testing.T) *schema.Registry {
	t.Helper()
	options := &descriptorpb.MessageOptions{}
	proto.SetExtension(options, hookbridgev1.E_Event, &hookbridgev1.EventOptions{Provider: "acme", Types: []string{"order.*"}})
	field := func(name string, n int32, typ descriptorpb.FieldDescriptorProto_Type, label descriptorpb.FieldDescriptorProto_Label, of string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{Name: proto.String(name), JsonName: proto.String(name), Number: proto.Int32(n), Type: typ.Enum(), Label: label.Enum()}
		if of != "" {
			f.TypeName = proto.String(of)
		}
		return f
	}
	const one, many = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL, descriptorpb.FieldDescriptorProto_LABEL_REPEATED
	const message, text, number = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_INT64
	files := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(descriptorpb.File_google_protobuf_descriptor_proto),
		protodesc.ToFileDescriptorProto(timestamppb.File_google_protobuf_timestamp_proto),
		protodesc.ToFileDescriptorProto(hookbridgev1.File_hookbridge_v1_options_proto),
		{
			Name: proto.String("acme/v1/order.proto"), Package: proto.String("acme.v1"), Syntax: proto.String("proto3"),
			Dependency: []string{"google/protobuf/timestamp.proto", "hookbridge/v1/options.proto"},
			MessageType: []*descriptorpb.DescriptorProto{
				{Name: proto.String("Order"), Options: options, Field: []*descriptorpb.FieldDescriptorProto{
					field("id", 1, text, one, ""), field("lines", 2, message, many, ".acme.v1.Line"),
					field("placed_at", 3, message, one, ".google.protobuf.Timestamp"),
				}},
				{Name: proto.String("Line"), Field: []*descriptorpb.FieldDescriptorProto{field("sku", 1, text, one, ""), field("count", 2, number, one, "")}},
			},
		},
	}}
	encoded, err := proto.Marshal(files)
	if err != nil {
		t.Fatal(err)
	}
	set, err := schema.Image("acme.binpb", encoded)
	if err != nil {
		t.Fatal(err)
	}
	registry, err := schema.New(schema.Config{Sets: []schema.Set{schema.Builtin(), set}})
	if err != nil {
		t.Fatal(err)
	}
	return registry
}

// Messages that were read at run time are checked and decoded as those that are compiled in.
func TestMessagesOfAnImage(t *testing.T) {
	registry := acme(t)
	c, err := NewCompiler(registry)
	if err != nil {
		t.Fatal(err)
	}
	decoded := registry.Redecode("acme", "order.placed", []byte(`{"id":"o1","lines":[{"sku":"mug","count":3},{"sku":"cup","count":"4"}],"placed_at":"2026-03-01T09:00:00Z"}`))
	encoded, err := proto.Marshal(&hookbridgev1.Event{Provider: "acme", Type: "order.placed", Data: decoded.Data, Decoding: decoded.Decoding})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]Verdict{
		`data.lines.exists(l, l.sku == "cup" && l.count > 3)`:                                      Pass,
		`data.lines.exists(l, l.sku == "cup" && l.count > 4)`:                                      Drop,
		`data.placed_at < timestamp("2026-03-01T09:00:01Z") && data.placed_at.getHours() == 9`:     Pass,
		`data.lines[0] == acme.v1.Line{sku: "mug", count: 3} && size(data.lines) == 2`:             Pass,
		`event.type.startsWith("order.") && data.id == "o1" && data.lines.map(l, l.count)[7] == 1`: Fail,
	} {
		p, err := c.Compile(text, Scope{})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := p.examine(Event{Encoded: encoded}); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
	_, err = c.Compile(`event.type == "order.placed" && data.lines[0].skew == "x"`, Scope{})
	if want := "1:47: undefined field 'skew' of acme.v1.Line; it has count, sku"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
