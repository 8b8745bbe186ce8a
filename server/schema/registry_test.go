package schema_test

import (
	"strings"
	"testing"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/schema"
)

// event is a message of the proto package acme.v1 that stands for events; it has one field, "name".
func event(name, provider string, types ...string) *descriptorpb.DescriptorProto {
	options := &descriptorpb.MessageOptions{}
	proto.SetExtension(options, hookbridgev1.E_Event, &hookbridgev1.EventOptions{Provider: provider, Types: types})
	return &descriptorpb.DescriptorProto{Name: &name, Options: options, Field: []*descriptorpb.FieldDescriptorProto{{
		Name: proto.String("name"), Number: proto.Int32(1), JsonName: proto.String("name"),
		Type:  descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
		Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
	}}}
}

// withRule gives the event's field a rule.
func withRule(m *descriptorpb.DescriptorProto, rules *validate.FieldRules) *descriptorpb.DescriptorProto {
	m.Field[0].Options = &descriptorpb.FieldOptions{}
	proto.SetExtension(m.Field[0].Options, validate.E_Field, rules)
	return m
}

// protoFile is a file of the package acme.v1.
func protoFile(path string, messages ...*descriptorpb.DescriptorProto) *descriptorpb.FileDescriptorProto {
	return &descriptorpb.FileDescriptorProto{
		Name: proto.String(path), Package: proto.String("acme.v1"), Syntax: proto.String("proto3"), MessageType: messages,
		Dependency: []string{"hookbridge/v1/options.proto", "buf/validate/validate.proto"},
	}
}

// encoded is a descriptor set as `buf build -o` writes it, of one file.
func encoded(t *testing.T, messages ...*descriptorpb.DescriptorProto) []byte {
	t.Helper()
	return encodedFiles(t, protoFile("acme/v1/acme.proto", messages...))
}

// encodedFiles is the same of several.
func encodedFiles(t *testing.T, files ...*descriptorpb.FileDescriptorProto) []byte {
	t.Helper()
	set := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(descriptorpb.File_google_protobuf_descriptor_proto),
		protodesc.ToFileDescriptorProto(hookbridgev1.File_hookbridge_v1_options_proto),
	}}
	validateFile := validate.File_buf_validate_validate_proto
	for i := range validateFile.Imports().Len() {
		if imported := validateFile.Imports().Get(i); imported.Path() != "google/protobuf/descriptor.proto" {
			set.File = append(set.File, protodesc.ToFileDescriptorProto(imported))
		}
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(validateFile))
	set.File = append(set.File, files...)
	image, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func image(t *testing.T, name string, messages ...*descriptorpb.DescriptorProto) schema.Set {
	t.Helper()
	set, err := schema.Image(name, encoded(t, messages...))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func imageOf(t *testing.T, name string, files ...*descriptorpb.FileDescriptorProto) schema.Set {
	t.Helper()
	set, err := schema.Image(name, encodedFiles(t, files...))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// An exact element wins over a pattern, a longer pattern over a shorter one, and a provider's types are its own.
func TestLookup(t *testing.T) {
	registry, err := schema.New(schema.Config{Sets: []schema.Set{schema.Builtin(), image(t, "acme.binpb",
		event("Everything", "acme", "*"), event("Order", "acme", "orders/*"), event("OrderLine", "acme", "orders/line/*"),
		event("OrderPaid", "acme", "orders/paid", "order.paid"), event("Push", "forge", "push"),
	)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ provider, typ, want string }{
		{"acme", "orders/paid", "acme.v1.OrderPaid"},
		{"acme", "order.paid", "acme.v1.OrderPaid"},
		{"acme", "orders/create", "acme.v1.Order"},
		{"acme", "orders/", "acme.v1.Order"},
		{"acme", "orders", "acme.v1.Everything"},
		{"acme", "orders/line/added", "acme.v1.OrderLine"},
		{"acme", "", "acme.v1.Everything"},
		{"forge", "push", "acme.v1.Push"},
		{"forge", "push.tag", ""},
		{"Forge", "push", ""},
		{"github", "push", "hookbridge.github.v1.PushEvent"},
		{"shopify", "orders/create", "hookbridge.shopify.v1.OrderEvent"},
		{"shopify", "orders/edited", "hookbridge.shopify.v1.OrderEditedEvent"},
		{"shopify", "orders/risk_assessment_changed", ""},
		{"shopify", "customers/redact", "hookbridge.shopify.v1.CustomerRedactEvent"},
		{"stripe", "charge.refunded", "hookbridge.stripe.v1.ChargeEvent"},
		{"stripe", "charge.refund.updated", "hookbridge.stripe.v1.RefundEvent"},
		{"slack", "message", "hookbridge.slack.v1.MessageEvent"},
	} {
		descriptor, ok := registry.Lookup(tc.provider, tc.typ)
		got := ""
		if ok {
			got = string(descriptor.FullName())
		}
		if got != tc.want {
			t.Errorf("%s %s: want %q, got %q", tc.provider, tc.typ, tc.want, got)
		}
	}
}

// A message of an image decodes and is validated like one that is compiled in.
func TestMessagesOfAnImage(t *testing.T) {
	rules := &validate.FieldRules{Type: &validate.FieldRules_String_{String_: &validate.StringRules{MinLen: proto.Uint64(2)}}}
	registry, err := schema.New(schema.Config{Sets: []schema.Set{
		schema.Builtin(), image(t, "acme.binpb", withRule(event("UserRenamed", "hmac", "user.renamed"), rules)),
	}})
	if err != nil {
		t.Fatal(err)
	}
	for document, want := range map[string]hookbridgev1.Decoding_State{
		`{"name":"Jo"}`: typed, `{"name":"J"}`: mismatch, `{"name":1}`: mismatch, `[]`: undecodable,
	} {
		decoded := registry.Decode("hmac", "user.renamed", []byte(document))
		if decoded.Decoding.GetState() != want || decoded.MessageName != "acme.v1.UserRenamed" {
			t.Errorf("%s: want %s, got %s of %s", document, want, decoded.Decoding, decoded.MessageName)
		}
		if want == typed && decoded.Data.GetTypeUrl() != "type.googleapis.com/acme.v1.UserRenamed" {
			t.Errorf("%s: data is %s", document, decoded.Data.GetTypeUrl())
		}
	}
}

// A rule may compute what it says from the value. That could be a secret, so only what is declared is passed on.
func TestViolationsOfOwnRules(t *testing.T) {
	cel := func(id, message, expression string) *descriptorpb.DescriptorProto {
		return withRule(event("A"+strings.ReplaceAll(id, ".", ""), "acme", id), &validate.FieldRules{Cel: []*validate.Rule{{
			Id: proto.String(id), Message: proto.String(message), Expression: proto.String(expression),
		}}})
	}
	registry, err := schema.New(schema.Config{Sets: []schema.Set{image(t, "acme.binpb",
		cel("declared", "want another name", "this != 'hunter2'"),
		cel("computed", "", "this == 'hunter2' ? 'the name is ' + this : ''"),
	)}})
	if err != nil {
		t.Fatal(err)
	}
	for typ, want := range map[string]string{"declared": "want another name", "computed": `breaks the rule "computed"`} {
		got := registry.Decode("acme", typ, []byte(`{"name":"hunter2"}`)).Decoding
		diff := cmp.Diff(&hookbridgev1.Decoding{State: mismatch, Violations: []*hookbridgev1.Violation{violation("name", want, typ)}}, got, protocmp.Transform())
		if diff != "" {
			t.Errorf("%s (-want +got):\n%s", typ, diff)
		}
	}
}

// All that is wrong with the options is said at once, and where.
func TestWrongOptions(t *testing.T) {
	broken := withRule(event("Broken", "acme", "broken"), &validate.FieldRules{Cel: []*validate.Rule{{
		Id: proto.String("broken"), Message: proto.String("broken"), Expression: proto.String("this.nothing == 1"),
	}}})
	for _, tc := range []struct {
		name string
		sets []schema.Set
		want []string
	}{
		{
			name: "nothing in them", sets: []schema.Set{image(t, "a.binpb", event("A", "", "a"), event("B", "acme"))},
			want: []string{
				"a.binpb: acme.v1.A: option (hookbridge.v1.event): want a provider, got none",
				"a.binpb: acme.v1.B: option (hookbridge.v1.event): want at least one of types, got none",
			},
		},
		{
			name: "patterns", sets: []schema.Set{image(t, "a.binpb", event("A", "acme", "a*b", "", "a**", "ok"))},
			want: []string{
				`a.binpb: acme.v1.A: option (hookbridge.v1.event): types[0]: want the name of a type, or a pattern that ends in its only "*", got "a*b"`,
				`acme.v1.A: option (hookbridge.v1.event): types[1]: want the name of a type, or a pattern that ends in its only "*", got ""`,
				`acme.v1.A: option (hookbridge.v1.event): types[2]: want the name of a type, or a pattern that ends in its only "*", got "a**"`,
			},
		},
		{
			name: "claimed twice", sets: []schema.Set{image(t, "a.binpb", event("A", "acme", "a", "b.*"), event("B", "acme", "a", "b.*"))},
			want: []string{
				`a.binpb: acme.v1.B: option (hookbridge.v1.event): types[0]: "a" is claimed by acme.v1.A too`,
				`acme.v1.B: option (hookbridge.v1.event): types[1]: "b.*" is claimed by acme.v1.A too`,
			},
		},
		{
			name: "a built-in type claimed", sets: []schema.Set{schema.Builtin(), image(t, "a.binpb", event("A", "github", "push"))},
			want: []string{`a.binpb: acme.v1.A: option (hookbridge.v1.event): types[0]: "push" is claimed by hookbridge.github.v1.PushEvent (builtin) too`},
		},
		{
			name: "one name for two messages", sets: []schema.Set{image(t, "a.binpb", event("A", "acme", "a")), image(t, "b.binpb", event("A", "acme", "b"))},
			want: []string{"b.binpb: file acme/v1/acme.proto differs from that of a.binpb"},
		},
		{
			name: "a rule that doesn't compile", sets: []schema.Set{image(t, "a.binpb", broken)},
			want: []string{"a.binpb: acme.v1.Broken: compilation error: failed to compile expression broken: "},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := schema.New(schema.Config{Sets: tc.sets})
			if err == nil {
				t.Fatal("no error")
			}
			lines := strings.Split(err.Error(), "\n")
			for i, want := range tc.want {
				if i >= len(lines) || !strings.HasPrefix(lines[i], want) || !strings.HasSuffix(want, ": ") && lines[i] != want {
					t.Errorf("want line %d to be %q, got %q", i, want, err)
				}
			}
		})
	}
}

// A file that two images have is one: each image has its imports in it.
func TestFileInTwoImages(t *testing.T) {
	shared := protoFile("acme/v1/a.proto", event("A", "acme", "a"))
	commented := proto.CloneOf(shared)
	commented.SourceCodeInfo = &descriptorpb.SourceCodeInfo{Location: []*descriptorpb.SourceCodeInfo_Location{
		{Path: []int32{4, 0}, Span: []int32{1, 0, 1}, LeadingComments: proto.String(" A comment.\n")},
	}}
	registry, err := schema.New(schema.Config{Sets: []schema.Set{
		imageOf(t, "a.binpb", shared), imageOf(t, "b.binpb", commented, protoFile("acme/v1/b.proto", event("B", "acme", "b"))),
	}})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range registry.Types() {
		names = append(names, string(e.Message.FullName())+" of "+e.Origin)
	}
	if got := strings.Join(names, ", "); got != "acme.v1.A of a.binpb, acme.v1.B of b.binpb" {
		t.Errorf("got %s", got)
	}
}

func TestNoImage(t *testing.T) {
	whole := encoded(t, event("A", "acme", "a"))
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(whole, &set); err != nil {
		t.Fatal(err)
	}
	set.File = set.File[len(set.File)-1:]
	withoutImports, err := proto.Marshal(&set)
	if err != nil {
		t.Fatal(err)
	}
	for want, data := range map[string][]byte{
		"acme.binpb: want an encoded google.protobuf.FileDescriptorSet (buf build -o acme.binpb): ": []byte("syntax = \"proto3\";"),
		"acme.binpb: want a descriptor set with all its imports: ":                                  withoutImports,
	} {
		if _, err := schema.Image("acme.binpb", data); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
