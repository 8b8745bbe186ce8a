package schema_test

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/schema"
)

// Whatever a document holds, decoding ends in one of its states, with data that can be read where the state promises some, and calls
// JSON text (RFC 8259: in UTF-8) "not JSON".
func FuzzDecode(f *testing.F) {
	registry, err := schema.New(schema.Config{Sets: []schema.Set{schema.Builtin()}})
	if err != nil {
		f.Fatal(err)
	}
	for _, document := range []string{
		`{"action":"created","repository":{"id":1,"owner":{"login":"a"}}}`, `{"id":"evt_1","data":{"object":{"amount":1e400}}}`,
		`[]`, `null`, `""`, `{"a":1,"a":2}`, `{"\ud800":1}`, "{\"a\":\"\xff\"}", `{"a":9007199254740993}`, `{"object_id":-1}`, `{"a":[[[[[[]]]]]]}`, `{`, ``,
	} {
		for _, typ := range []string{"star.created", "invoice.paid", "payment_succeeded", "nothing"} {
			f.Add("github", typ, []byte(document))
			f.Add("stripe", typ, []byte(document))
			f.Add("hmac", typ, []byte(document))
		}
	}
	f.Fuzz(func(t *testing.T, provider, typ string, document []byte) {
		d := registry.Decode(provider, typ, document)
		switch state := d.Decoding.GetState(); state {
		case hookbridgev1.Decoding_STATE_TYPED:
			if m, err := d.Data.UnmarshalNew(); err != nil || m.ProtoReflect().Descriptor().FullName() != d.MessageName {
				t.Errorf("typed data can't be read as %s: %v", d.MessageName, err)
			}
		case hookbridgev1.Decoding_STATE_UNTYPED, hookbridgev1.Decoding_STATE_MISMATCH:
			if err := d.Data.UnmarshalTo(&structpb.Struct{}); err != nil {
				t.Errorf("%s: %v", state, err)
			}
		case hookbridgev1.Decoding_STATE_UNDECODABLE:
			if d.Data != nil || len(d.Decoding.GetViolations()) == 0 {
				t.Errorf("undecodable with data, or without a reason: %v", d)
			}
		default:
			t.Errorf("state %s", state)
		}
		if d.NotJSON && utf8.Valid(document) && json.Valid(document) {
			t.Errorf("JSON was called no JSON: %q", document)
		}
	})
}
