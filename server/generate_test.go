package server_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jhump/protoreflect/v2/grpcreflect"
	"github.com/jhump/protoreflect/v2/protoresolve"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/internal/prototest"
)

// buf runs the pinned buf at the root of the repository.
func buf(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"tool", "buf"}, args...)...)
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// buf generates from a running bridge, the user's own messages too, with no file but a template.
func TestGenerateFromARunningBridge(t *testing.T) {
	b := open(t, ownSource+schemas(t, shipmentImage(t)), nil)
	for _, tc := range []struct {
		name        string
		args        []string
		has, hasNot []string
	}{
		{
			name: "all that is no library",
			has: []string{
				"acme/orders/v1/orders.pb.go: type OrderPlaced struct", "acme/shipments/v1/shipments.pb.go: type OrderShipped struct",
				"acme/orders/v1/orders.pb.go: // OrderPlaced says that somebody bought something.",
				"hookbridge/v1/event.pb.go: // Event is one verified delivery of a provider", "hookbridge/stripe/v1/invoice.pb.go: type InvoiceEvent struct",
			},
			hasNot: []string{"buf", "google"},
		},
		{
			name: "one's own", args: []string{"--path", "acme"},
			has: []string{"acme/orders/v1/orders.pb.go: type OrderPlaced struct"}, hasNot: []string{"hookbridge"},
		},
		{
			name: "with libraries", args: []string{"--include-imports", "--path", "acme/orders"},
			has: []string{"buf/validate/validate.pb.go: package validate", "hookbridge/v1/options.pb.go: package hookbridgev1"}, hasNot: []string{"acme/shipments"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			template := fmt.Sprintf(`{"version":"v2","plugins":[{"local":["go","tool","protoc-gen-go"],"out":%q,"opt":"paths=source_relative"}]}`, dir)
			if out, err := buf(t, append([]string{"generate", "http://" + b.at.Admin + "/schema.binpb", "--template", template}, tc.args...)...); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, want := range tc.has {
				name, text, _ := strings.Cut(want, ": ")
				if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.Contains(string(got), text) {
					t.Errorf("%s has no %q, %v", name, text, err)
				}
			}
			for _, name := range tc.hasNot {
				if _, err := os.Stat(filepath.Join(dir, name)); !os.IsNotExist(err) {
					t.Errorf("%s was generated, %v", name, err)
				}
			}
		})
	}
}

// Reflection knows the user's own messages, in both versions of its protocol, and follows a reload.
func TestReflection(t *testing.T) {
	b := open(t, ownSource+schemas(t, orderImage(t)), nil)
	clients := map[string]*grpcreflect.Client{
		"v1":      grpcreflect.NewClientV1(t.Context(), grpc_reflection_v1.NewServerReflectionClient(b.conn)),
		"v1alpha": grpcreflect.NewClientV1Alpha(t.Context(), grpc_reflection_v1alpha.NewServerReflectionClient(b.conn)),
	}
	b.mustStore("orders", "", "1", []byte(`{"event":"order.placed","order_id":"o-1","cents":5}`))
	resp, err := b.client.GetEvent(t.Context(), &hookbridgev1.GetEventRequest{Event: &hookbridgev1.GetEventRequest_Sequence{Sequence: 1}})
	if err != nil {
		t.Fatal(err)
	}
	for version, client := range clients {
		t.Run(version, func(t *testing.T) {
			defer client.Reset()
			services, err := client.ListServices()
			if err != nil {
				t.Fatal(err)
			}
			want := []string{
				"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
				"hookbridge.v1.EventService", "hookbridge.v1.SchemaService", "hookbridge.v1.SourceService", "hookbridge.v1.SubscriptionService",
			}
			var got []string
			for _, s := range services {
				got = append(got, string(s))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("services (-want +got)\n%s", diff)
			}
			for _, symbol := range want {
				if _, err := client.FileContainingSymbol(protoreflect.FullName(symbol)); err != nil {
					t.Errorf("%s: %v", symbol, err)
				}
			}
			// As grpcurl and buf curl print an answer: with what reflection knows, and nothing else.
			m, err := protojson.MarshalOptions{Resolver: protoresolve.TypesFromResolver(client.AsResolver()), UseProtoNames: true}.Marshal(resp.GetEvent().GetData())
			if err != nil || strings.ReplaceAll(string(m), " ", "") != `{"@type":"type.googleapis.com/acme.orders.v1.OrderPlaced","order_id":"o-1","cents":"5"}` {
				t.Errorf("data is %s, %v", m, err)
			}
			numbers, err := client.AllExtensionNumbersForType((&descriptorpb.MessageOptions{}).ProtoReflect().Descriptor().FullName())
			if err != nil || len(numbers) < 2 {
				t.Errorf("extensions of options: %v, %v", numbers, err)
			}
			if _, err := client.FileContainingSymbol("acme.shipments.v1.OrderShipped"); err == nil {
				t.Error("a message is known that no image has")
			}
		})
	}
	if err := b.reload(shipmentImage(t)); err != nil {
		t.Fatal(err)
	}
	for version, client := range clients {
		client.Reset()
		if _, err := client.FileContainingSymbol("acme.shipments.v1.OrderShipped"); err != nil {
			t.Errorf("%s after the reload: %v", version, err)
		}
		client.Reset()
	}
}

// Extensions that an image declares are found by reflection, whatever they are declared in.
func TestReflectionOfExtensions(t *testing.T) {
	b := open(t, ownSource+schemas(t, prototest.Image(t, map[string]string{"acme/v1/x.proto": `syntax = "proto3";
package acme.v1;
import "google/protobuf/descriptor.proto";
extend google.protobuf.EnumOptions { string top = 50001; }
message Outer { message Inner { extend google.protobuf.EnumOptions { string nested = 50002; } } }
`})), nil)
	client := grpcreflect.NewClientV1(t.Context(), grpc_reflection_v1.NewServerReflectionClient(b.conn))
	defer client.Reset()
	for number, want := range map[protoreflect.FieldNumber]string{50001: "acme.v1.top", 50002: "acme.v1.Outer.Inner.nested"} {
		file, err := client.FileContainingExtension("google.protobuf.EnumOptions", number)
		if err != nil || file.Path() != "acme/v1/x.proto" {
			t.Errorf("%s: %v, %v", want, file, err)
		}
	}
	numbers, err := client.AllExtensionNumbersForType("google.protobuf.EnumOptions")
	if diff := cmp.Diff("[50001 50002]", fmt.Sprint(numbers)); err != nil || diff != "" {
		t.Errorf("numbers (-want +got)\n%s%v", diff, err)
	}
}
