package server_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/internal/prototest"
	"github.com/hookbridge/hookbridge/server/config"
)

const order = `syntax = "proto3";
package acme.orders.v1;
import "buf/validate/validate.proto";
import "google/protobuf/timestamp.proto";
import "hookbridge/v1/options.proto";
option go_package = "acme.example/orders/v1;ordersv1";
// OrderPlaced says that somebody bought something.
//
// It comes once.
message OrderPlaced {
  option (hookbridge.v1.event) = {provider: "hmac" types: "order.placed"};
  // Which order.
  string order_id = 1 [(buf.validate.field).string.min_len = 1];
  int64 cents = 2 [(buf.validate.field).int64.gt = 0];
  google.protobuf.Timestamp placed_at = 3;
}
`

const shipment = `syntax = "proto3";
package acme.shipments.v1;
import "acme/orders/v1/orders.proto";
import "hookbridge/v1/options.proto";
option go_package = "acme.example/shipments/v1;shipmentsv1";
message OrderShipped {
  option (hookbridge.v1.event) = {provider: "hmac" types: "order.shipped"};
  acme.orders.v1.OrderPlaced order = 1;
}
`

const ownSource = "journal: {min_free: \"0\"}\nsources: [{name: orders, provider: hmac, validation: observe, secrets: [env:hmac]}]\n"

// schemas writes images into a folder and returns the key of the configuration.
func schemas(t *testing.T, images ...[]byte) string {
	t.Helper()
	dir, paths := t.TempDir(), []string{}
	for i, image := range images {
		path := filepath.Join(dir, string(rune('a'+i))+".binpb")
		if err := os.WriteFile(path, image, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return "schemas: [" + strings.Join(paths, ", ") + "]\n"
}

func orderImage(t *testing.T) []byte {
	return prototest.Image(t, map[string]string{"acme/orders/v1/orders.proto": order})
}

func shipmentImage(t *testing.T) []byte {
	return prototest.Image(t, map[string]string{"acme/orders/v1/orders.proto": order, "acme/shipments/v1/shipments.proto": shipment})
}

// resolver has the messages that the bridge describes, and no others.
func (b *bridge) resolver() (*dynamicpb.Types, string) {
	b.t.Helper()
	resp, err := hookbridgev1.NewSchemaServiceClient(b.conn).GetDescriptorSet(b.t.Context(), &hookbridgev1.GetDescriptorSetRequest{})
	if err != nil {
		b.t.Fatal(err)
	}
	files, err := protodesc.NewFiles(resp.GetDescriptorSet())
	if err != nil {
		b.t.Fatal(err)
	}
	return dynamicpb.NewTypes(files), resp.GetEtag()
}

// data is an event's data as compact JSON, read with what the bridge describes.
func (b *bridge) data(e *hookbridgev1.Event) string {
	b.t.Helper()
	types, _ := b.resolver()
	m, err := anypb.UnmarshalNew(e.GetData(), proto.UnmarshalOptions{Resolver: types})
	if err != nil {
		b.t.Fatal(err)
	}
	return compactJSON(b.t, m, types)
}

func compactJSON(t *testing.T, m proto.Message, types *dynamicpb.Types) string {
	t.Helper()
	loose, err := protojson.MarshalOptions{UseProtoNames: true, Resolver: types}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := json.Compact(&out, loose); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// A team's own events come through a source of the provider that their option names: decoded, validated and streamed like those that
// are built in, which go on as they were.
func TestOwnEvents(t *testing.T) {
	b := open(t, ownSource+schemas(t, orderImage(t)), nil)
	next, _ := b.follow(&hookbridgev1.SubscribeRequest{Subscription: "own"})
	for n, tc := range []struct {
		body, url, data string
		state           hookbridgev1.Decoding_State
		violations      string
	}{
		{
			`{"event":"order.placed","order_id":"o-1","cents":1999,"placed_at":"2026-03-01T09:00:00Z","more":1}`, "acme.orders.v1.OrderPlaced",
			`{"order_id":"o-1","cents":"1999","placed_at":"2026-03-01T09:00:00Z"}`, hookbridgev1.Decoding_STATE_TYPED, "",
		},
		{
			`{"event":"order.placed","order_id":"","cents":0}`, "google.protobuf.Struct",
			`{"cents":0,"event":"order.placed","order_id":""}`, hookbridgev1.Decoding_STATE_MISMATCH,
			"order_id: must be at least 1 characters (string.min_len); cents: must be greater than 0 (int64.gt)",
		},
		{
			`{"event":"order.lost"}`, "google.protobuf.Struct", `{"event":"order.lost"}`, hookbridgev1.Decoding_STATE_UNTYPED, "",
		},
		{
			`{"event":"user_created","user_id":42}`, "hookbridge.hmac.v1.UserCreated", `{"event":"user_created","user_id":"42"}`,
			hookbridgev1.Decoding_STATE_TYPED, "",
		},
	} {
		b.mustStore("orders", "", strconv.Itoa(n), []byte(tc.body))
		e := next().GetEvent()
		var violations []string
		for _, v := range e.GetDecoding().GetViolations() {
			violations = append(violations, fmt.Sprintf("%s: %s (%s)", v.GetField(), v.GetMessage(), v.GetRule()))
		}
		if e.GetDecoding().GetState() != tc.state || e.GetData().GetTypeUrl() != "type.googleapis.com/"+tc.url ||
			b.data(e) != tc.data || strings.Join(violations, "; ") != tc.violations {
			t.Errorf("%s: got %s, %s", tc.body, b.data(e), e)
		}
	}
}

// reload takes over the bridge's configuration with other images.
func (b *bridge) reload(images ...[]byte) error {
	b.t.Helper()
	text, err := os.ReadFile(b.path)
	if err != nil {
		b.t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), "schemas: ")
	if err := os.WriteFile(b.path, []byte(before+schemas(b.t, images...)), 0o600); err != nil {
		b.t.Fatal(err)
	}
	cfg, err := config.Load(b.path, config.Options{LookupEnv: lookupKey})
	if err != nil {
		b.t.Fatal(err)
	}
	return b.server.Reload(cfg)
}

// A reload adds types while the bridge runs and a stream is open; one that is refused changes nothing.
func TestReloadOfSchemas(t *testing.T) {
	b := open(t, ownSource, nil)
	next, _ := b.follow(&hookbridgev1.SubscribeRequest{Subscription: "own"})
	_, before := b.resolver()
	states := func(id string) string {
		t.Helper()
		var all []string
		for _, typ := range []string{"order.placed", "order.shipped"} {
			b.mustStore("orders", "", id+typ, fmt.Appendf(nil, `{"event":%q,"order_id":"1","cents":1,"order":{"order_id":"1","cents":1}}`, typ))
			all = append(all, next().GetEvent().GetData().GetTypeUrl()[len("type.googleapis.com/"):])
		}
		_, etag := b.resolver()
		return strings.Join(all, " ") + fmt.Sprint(" ", etag != before)
	}
	const unknown = "google.protobuf.Struct"
	if got := states("0"); got != unknown+" "+unknown+" false" {
		t.Errorf("without images: %s", got)
	}
	if err := b.reload(orderImage(t)); err != nil {
		t.Fatal(err)
	}
	if got := states("1"); got != "acme.orders.v1.OrderPlaced "+unknown+" true" {
		t.Errorf("with the first: %s", got)
	}
	if err := b.reload(orderImage(t), shipmentImage(t)); err != nil {
		t.Fatal(err)
	}
	_, both := b.resolver()
	other := prototest.Image(t, map[string]string{"acme/orders/v1/orders.proto": strings.Replace(order, "cents", "pence", 1)})
	if err := b.reload(orderImage(t), other); err == nil || !strings.HasSuffix(err.Error(), "b.binpb: file acme/orders/v1/orders.proto differs from that of "+
		strings.TrimSuffix(strings.Fields(err.Error())[1], "b.binpb:")+"a.binpb") {
		t.Errorf("a conflict: %v", err)
	}
	if got := states("2"); got != "acme.orders.v1.OrderPlaced acme.shipments.v1.OrderShipped true" {
		t.Errorf("with both: %s", got)
	}
	if _, after := b.resolver(); after != both {
		t.Error("the refused reload changed the schema")
	}
	if err := b.reload(); err != nil {
		t.Fatal(err)
	}
	if got := states("3"); got != unknown+" "+unknown+" false" {
		t.Errorf("without images again: %s", got)
	}
}

// The image has everything that a generator needs and nothing of the bridge's own, each file after its imports, and is the same by
// gRPC and HTTP.
func TestImage(t *testing.T) {
	b := open(t, ownSource+schemas(t, shipmentImage(t)), nil)
	get := func(path, ifNoneMatch string) (int, http.Header, []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+b.at.Admin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("If-None-Match", ifNoneMatch)
		resp, err := poster.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header, body
	}
	status, header, image := get("/schema.binpb", "")
	if status != http.StatusOK || header.Get("Content-Type") != "application/octet-stream" {
		t.Fatalf("%d %v", status, header)
	}
	client := hookbridgev1.NewSchemaServiceClient(b.conn)
	resp, err := client.GetDescriptorSet(t.Context(), &hookbridgev1.GetDescriptorSetRequest{})
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(image)
	if want := hex.EncodeToString(digest[:]); resp.GetEtag() != want || header.Get("ETag") != `"`+want+`"` {
		t.Errorf("want etag %s, got %s by gRPC and %s by HTTP", want, resp.GetEtag(), header.Get("ETag"))
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(image, &set); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(resp.GetDescriptorSet(), &set) {
		t.Error("the images by gRPC and by HTTP differ")
	}
	for tag, want := range map[string]int{
		`"x", W/` + header.Get("ETag"): http.StatusNotModified, "*": http.StatusNotModified, `"x"`: http.StatusOK, resp.GetEtag(): http.StatusOK,
	} {
		if status, _, body := get("/schema.binpb", tag); status != want || (len(body) == 0) != (want == http.StatusNotModified) {
			t.Errorf("If-None-Match %s: %d with %d bytes", tag, status, len(body))
		}
	}

	seen, services, events := map[string]bool{}, []string{}, 0
	for _, f := range set.GetFile() {
		for _, imported := range f.GetDependency() {
			if !seen[imported] {
				t.Errorf("%s comes before its import %s", f.GetName(), imported)
			}
		}
		seen[f.GetName()] = true
		for _, s := range f.GetService() {
			services = append(services, f.GetPackage()+"."+s.GetName())
		}
		for _, m := range f.GetMessageType() {
			if proto.HasExtension(m.GetOptions(), hookbridgev1.E_Event) {
				events++
			}
		}
		if own := strings.HasPrefix(f.GetName(), "hookbridge/") || strings.HasPrefix(f.GetName(), "acme/"); own && len(f.GetSourceCodeInfo().GetLocation()) == 0 {
			t.Errorf("%s has no comments", f.GetName())
		}
	}
	if diff := cmp.Diff([]string{"hookbridge.v1.EventService", "hookbridge.v1.IngestService", "hookbridge.v1.SchemaService", "hookbridge.v1.SourceService", "hookbridge.v1.SubscriptionService"}, slices.Sorted(slices.Values(services))); diff != "" {
		t.Errorf("services (-want +got)\n%s", diff)
	}
	for path, want := range map[string]bool{
		"acme/shipments/v1/shipments.proto": true, "buf/validate/validate.proto": true, "google/api/annotations.proto": true,
		"google/protobuf/any.proto": true, "hookbridge/github/v1/push.proto": true, "hookbridge/config/v1/config.proto": false,
		"hookbridge/storage/v1/storage.proto": false, "hookbridge/provider/v1/pack.proto": false,
	} {
		if seen[path] != want {
			t.Errorf("%s: in the image %v, want %v", path, seen[path], want)
		}
	}
	all, err := client.ListEventTypes(t.Context(), &hookbridgev1.ListEventTypesRequest{})
	if err != nil || len(all.GetEventTypes()) != events {
		t.Errorf("%d event types are listed and %d are in the image, %v", len(all.GetEventTypes()), events, err)
	}
}

// The types of a provider as JSON, with where they come from and their comment.
func TestEventTypes(t *testing.T) {
	image := schemas(t, shipmentImage(t))
	b := open(t, ownSource+image, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+b.at.Admin+"/v1/event-types?provider=hmac", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := poster.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var got struct {
		EventTypes []struct {
			Provider, Message, Origin, Description string
			Types                                  []string
		} `json:"event_types"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	origin := strings.TrimSuffix(strings.TrimPrefix(image, "schemas: ["), "]\n")
	var lines []string
	for _, e := range got.EventTypes {
		lines = append(lines, fmt.Sprintf("%s %s %s of %s: %s", e.Provider, e.Types, e.Message, e.Origin, e.Description))
	}
	want := []string{
		"hmac [order.placed] acme.orders.v1.OrderPlaced of " + origin + ": OrderPlaced says that somebody bought something.\n\nIt comes once.",
		"hmac [order.shipped] acme.shipments.v1.OrderShipped of " + origin + ": ",
	}
	if diff := cmp.Diff(want, lines[:min(2, len(lines))]); diff != "" || len(lines) < 3 || !strings.Contains(lines[2], " of builtin: PaymentSucceeded says ") {
		t.Errorf("(-want +got)\n%s%s", diff, lines)
	}
}
