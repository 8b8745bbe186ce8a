package schema_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/schema"
)

// maxField bounds a violation's path: MaxDepth keys of 64 bytes, each byte perhaps escaped.
const maxField = 32 * (4*64 + 8)

// FuzzDecode: whatever the document, decoding ends in one of the four states, what it yields is complete and can be read, and it
// is the same when done again. A Struct has the very values of the document, as encoding/json reads them.
func FuzzDecode(f *testing.F) {
	registry := builtin(f)
	events := registry.Types()
	types := [][2]string{{"acme", "anything"}}
	for _, e := range events {
		types = append(types, [2]string{e.Provider, strings.ReplaceAll(e.Elements[0], "*", "x")})
	}
	for _, tc := range decodeCases {
		for n, typ := range types {
			if n == 0 || typ[0] == tc.provider {
				f.Add(uint8(n), []byte(tc.document))
			}
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, document []byte) {
		typ := types[int(n)%len(types)]
		decoded := registry.Decode(typ[0], typ[1], document)
		state, violations := decoded.Decoding.GetState(), decoded.Decoding.GetViolations()
		valid := json.Valid(document) && utf8.Valid(document)
		if decoded.NotJSON && (valid || state != undecodable) {
			t.Errorf("called no JSON, valid %v, state %s", valid, state)
		}
		switch state {
		case typed:
			// What the message has no field for is skipped by looser rules.
			if len(violations) != 0 {
				t.Errorf("typed: violations %v", violations)
			}
		case untyped:
			if len(violations) != 0 || !valid {
				t.Errorf("untyped: valid JSON %v, violations %v", valid, violations)
			}
		case mismatch:
			if len(violations) == 0 || len(violations) > 20 || !valid {
				t.Errorf("mismatch: valid JSON %v, %d violations", valid, len(violations))
			}
		case undecodable:
			if len(violations) != 1 || decoded.Data != nil {
				t.Errorf("undecodable: violations %v, data %v", violations, decoded.Data)
			}
		default:
			t.Fatalf("state %s", state)
		}
		checkViolations(t, violations)
		if state != undecodable {
			checkData(t, document, decoded)
		}
		if diff := cmp.Diff(decoded.Decoding, registry.Redecode(typ[0], typ[1], document).Decoding, protocmp.Transform()); diff != "" {
			t.Errorf("decoded again (-first +second):\n%s", diff)
		}
	})
}

func checkViolations(t *testing.T, violations []*hookbridgev1.Violation) {
	t.Helper()
	for _, v := range violations {
		// The last resort is for what protojson refuses and the inspector finds nothing wrong with: there must be no such thing.
		if strings.HasPrefix(v.GetMessage(), "does not fit") || strings.HasPrefix(v.GetMessage(), "can't be") {
			t.Errorf("no reason: %v", v)
		}
		if v.GetMessage() == "" || !utf8.ValidString(v.GetField()) || !utf8.ValidString(v.GetMessage()) || len(v.GetField()) > maxField {
			t.Errorf("violation %v", v)
		}
	}
}

// checkData reads the data as a subscriber would.
func checkData(t *testing.T, document []byte, decoded schema.Decoded) {
	t.Helper()
	message, err := decoded.Data.UnmarshalNew()
	if err != nil {
		t.Fatal(err)
	}
	object, isStruct := message.(*structpb.Struct)
	if isStruct == (decoded.Decoding.GetState() == typed) {
		t.Fatalf("%s: data is a %s", decoded.Decoding.GetState(), message.ProtoReflect().Descriptor().FullName())
	}
	if !isStruct {
		return
	}
	var want map[string]any
	if err := json.Unmarshal(document, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, object.AsMap()); diff != "" {
		t.Errorf("the Struct is not the document (-want +got):\n%s", diff)
	}
}
