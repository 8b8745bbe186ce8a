package schema_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/provider"
)

// The id by which repetitions of an event are known, and its type, are the ones that a subscriber finds in its data; where the body is not to be
// read, or could be read in two ways, there are none in either.
func TestTheIDIsTheOneInTheData(t *testing.T) {
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	pack, _ := catalogue.Get("stripe")
	source, err := provider.NewSource(provider.SourceConfig{Name: "test", Pack: pack, Secrets: []string{"whsec_test"}, DigestWindow: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	registry := builtin(t)
	for _, tc := range []struct {
		name, body string
		// id is that in the data, empty where there is no data or no id in it; own says that the event has it too.
		id, typ string
		own     bool
	}{
		{"as it should be", `{"id":"evt_1","object":"event","type":"a.b","created":1}`, "evt_1", "a.b", true},
		{"an escaped key", `{"\u0069d":"evt_1","object":"event","type":"a.b"}`, "evt_1", "a.b", true},
		{"cut off", `{"id":"evt_1","object":"event","type":"a.b"`, "", "unknown", false},
		{"more behind it", `{"id":"evt_1","object":"event","type":"a.b"}}`, "", "unknown", false},
		{"two documents", `{"id":"evt_1","type":"a.b"}{"id":"evt_2","type":"a.c"}`, "", "unknown", false},
		{"something before it", `7.{"id":"evt_1","object":"event","type":"a.b"}`, "", "unknown", false},
		{"the id twice", `{"id":"evt_1","object":"event","type":"a.b","id":"evt_2"}`, "", "a.b", false},
		{"the type twice", `{"id":"evt_1","object":"event","type":"a.b","type":"a.c"}`, "", "unknown", true},
		{"both twice", `{"id":"evt_1","type":"a.b","id":"evt_2","type":"a.c"}`, "", "unknown", false},
		{"a list", `[{"id":"evt_1","type":"a.b"}]`, "", "unknown", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			now := time.Unix(1772355600, 0)
			headers, err := source.Sign(&url.URL{}, []byte(tc.body), "", "", now)
			if err != nil {
				t.Fatal(err)
			}
			outcome, err := source.Receive(t.Context(), &delivery.Request{Method: http.MethodPost, URL: &url.URL{}, Header: headers, Body: []byte(tc.body), ReceivedAt: now})
			if err != nil {
				t.Fatal(err)
			}
			v := outcome.Verified[0]
			id := ""
			if data := registry.Decode(v.Provider, v.Type, v.Document).Data; data != nil {
				var found structpb.Struct
				if err := proto.Unmarshal(data.GetValue(), &found); err != nil {
					t.Fatal(err)
				}
				id = found.GetFields()["id"].GetStringValue()
			}
			if id != tc.id || v.Type != tc.typ {
				t.Errorf("got id %q in the data and type %q, want %q and %q", id, v.Type, tc.id, tc.typ)
			}
			if own := v.ID == "evt_1"; own != tc.own || tc.id != "" && v.ID != tc.id {
				t.Errorf("the event's id is %q", v.ID)
			}
		})
	}
}
