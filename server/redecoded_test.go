package server_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/internal/prototest"
)

const sold = `syntax = "proto3";
package acme.goods.v1;
import "hookbridge/v1/options.proto";
message Sold {
  option (hookbridge.v1.event) = {provider: "acme" types: "sold"};
  int64 number = 1;
  string note = 2;
}
message ListedSold {
  option (hookbridge.v1.event) = {provider: "lists" types: "sold"};
  int64 number = 1;
  string note = 2;
}
`

// Data that is too large to be stored is made again by the schema of now: what is said of it is true of what is sent, also when the schema
// or the provider has left the configuration.
func TestLargeDataIsWhatItSaysItIs(t *testing.T) {
	b := open(t, "journal: {min_free: \"0\"}\nsources: [{name: pay, provider: stripe, secrets: [\"env:STRIPE\"]}]\n", nil)
	dir := filepath.Dir(b.path)
	lists := strings.Replace(strings.Replace(ownPack, "key: acme", "key: lists", 1), "retries: true", "batch: {}\nretries: true", 1)
	for name, content := range map[string][]byte{
		"acme.yaml": []byte(ownPack), "lists.yaml": []byte(lists),
		"sold.binpb": prototest.Image(t, map[string]string{"acme/goods/v1/goods.proto": sold}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	const providers = "providers: [acme.yaml, lists.yaml]\n"
	const schemas = "schemas: [sold.binpb]\n"
	sources := strings.Replace(string(before), "sources: [", `sources: [{name: shop, provider: acme, max_body: 16MiB, secrets: ["env:ACME"], settings: {header: X-Acme}}, `+
		`{name: lists, provider: lists, max_body: 16MiB, secrets: ["env:LISTS"], settings: {header: X-Acme}}, `, 1)
	cfg := b.rewrite(providers + schemas + sources)
	catalogue, err := cfg.Extend(b.catalogue)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cfg.Sources[:2] {
		if b.signer[c.Name], err = cfg.Open(c, catalogue); err != nil {
			t.Fatal(err)
		}
	}
	body := fmt.Sprintf(`{"number":7,"what":"sold","note":"%s"}`, strings.Repeat("x", 5<<20))
	b.mustStore("shop", "", "", []byte(body))
	if a := b.post("lists", "", "", []byte("["+body+"]"), nil); a.status != 200 {
		t.Fatalf("a list: %d %.300s", a.status, a.text)
	}

	const structOf = "google.protobuf.Struct"
	gone := `STATE_UNDECODABLE  the provider "acme" is not configured any more, and without it the data can't be made again`
	b.expect("with all", "STATE_TYPED acme.goods.v1.Sold", "STATE_TYPED acme.goods.v1.ListedSold")
	b.rewrite(providers + sources)
	b.expect("without the schema", "STATE_UNTYPED "+structOf, "STATE_UNTYPED "+structOf)
	b.rewrite(providers + schemas + sources)
	b.expect("with all again", "STATE_TYPED acme.goods.v1.Sold", "STATE_TYPED acme.goods.v1.ListedSold")
	b.rewrite(string(before))
	b.expect("without the providers", gone, "STATE_UNTYPED "+structOf)
	b.stop()
	b.start()
	b.expect("after a restart", gone, "STATE_UNTYPED "+structOf)
}

// expect compares what a stream and a call say of the first events: the state, the message and what didn't fit. With the limits that
// clients have, the state is the same and the data is left out.
func (b *bridge) expect(when string, want ...string) {
	b.t.Helper()
	for limit := range map[int32]bool{0: true, 32 << 20: true} {
		ctx, cancel := context.WithTimeout(b.t.Context(), patience)
		defer cancel()
		stream, err := b.client.Subscribe(ctx, &hookbridgev1.SubscribeRequest{
			MaxEventBytes: limit, Start: &hookbridgev1.Start{At: &hookbridgev1.Start_Beginning{Beginning: &emptypb.Empty{}}},
		}, grpc.MaxCallRecvMsgSize(64<<20))
		if err != nil {
			b.t.Fatal(err)
		}
		for n := 0; n < len(want); {
			m, err := stream.Recv()
			if err != nil {
				b.t.Fatalf("%s: the stream ended: %v", when, err)
			}
			if m.GetDelivery() == nil {
				continue
			}
			e := m.GetDelivery().GetEvent()
			state, url := e.GetDecoding().GetState(), strings.TrimPrefix(e.GetData().GetTypeUrl(), "type.googleapis.com/")
			left := e.GetOmission().GetDataBytes() > 5<<20
			if limit == 0 && state != hookbridgev1.Decoding_STATE_UNDECODABLE {
				_, url, _ = strings.Cut(want[n], " ") // it is left out, and says so
				if e.GetData() != nil || !left {
					b.t.Errorf("%s: event %d has %d bytes of data, and %v omitted", when, n+1, len(e.GetData().GetValue()), e.GetOmission())
				}
			} else if e.GetOmission() != nil {
				b.t.Errorf("%s: event %d: %v omitted", when, n+1, e.GetOmission())
			}
			got := state.String() + " " + url
			for _, v := range e.GetDecoding().GetViolations() {
				got += " " + v.GetMessage()
			}
			if got != want[n] {
				b.t.Errorf("%s: event %d: want %s, got %s", when, n+1, want[n], got)
			}
			n++
		}
	}
}
