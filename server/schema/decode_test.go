package schema_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

const (
	typed       = hookbridgev1.Decoding_STATE_TYPED
	untyped     = hookbridgev1.Decoding_STATE_UNTYPED
	mismatch    = hookbridgev1.Decoding_STATE_MISMATCH
	undecodable = hookbridgev1.Decoding_STATE_UNDECODABLE

	userCreated = "hookbridge.hmac.v1.UserCreated"
	pushEvent   = "hookbridge.github.v1.PushEvent"
	orderEvent  = "hookbridge.shopify.v1.OrderEvent"
)

// decodeCase is a document and what becomes of it.
type decodeCase struct {
	name, provider, typ, document string
	state                         hookbridgev1.Decoding_State
	message                       protoreflect.FullName
	// data is the event's data as protojson writes it with the provider's names; "" for none.
	data       string
	violations []*hookbridgev1.Violation
	notJSON    bool
}

// absent is the violation of a document that lacks what every event of its type has.
func absent(path string) *hookbridgev1.Violation {
	return violation(path, "want a value, as every event of this type has it, got nothing", "")
}

func violation(field, message, rule string) *hookbridgev1.Violation {
	return &hookbridgev1.Violation{Field: field, Message: message, Rule: rule}
}

// TestNothingIsLostInDecoding has the outcomes that a document can have, one case for each reason.
func TestNothingIsLostInDecoding(t *testing.T) {
	registry := builtin(t)
	for _, tc := range decodeCases {
		t.Run(tc.name, func(t *testing.T) {
			decoded := registry.Decode(tc.provider, tc.typ, []byte(tc.document))
			if decoded.MessageName != tc.message || decoded.NotJSON != tc.notJSON {
				t.Errorf("got message %q, not JSON %v", decoded.MessageName, decoded.NotJSON)
			}
			want := &hookbridgev1.Decoding{State: tc.state, Violations: tc.violations}
			if diff := cmp.Diff(want, decoded.Decoding, protocmp.Transform()); diff != "" {
				t.Errorf("decoding (-want +got):\n%s", diff)
			}
			if decoded.Data == nil {
				if tc.data != "" {
					t.Error("no data")
				}
				return
			}
			message, err := decoded.Data.UnmarshalNew()
			if err != nil {
				t.Fatal(err)
			}
			wantName := protoreflect.FullName("google.protobuf.Struct")
			if tc.state == typed {
				wantName = tc.message
			}
			if name := message.ProtoReflect().Descriptor().FullName(); name != wantName {
				t.Errorf("data: want %s, got %s", wantName, name)
			}
			text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(message)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(parse(t, []byte(tc.data)), parse(t, text)); diff != "" {
				t.Errorf("data (-want +got):\n%s", diff)
			}
			again := registry.Redecode(tc.provider, tc.typ, []byte(tc.document))
			if diff := cmp.Diff(decoded.Data, again.Data, protocmp.Transform()); diff != "" {
				t.Errorf("decoded again, data differs (-first +second):\n%s", diff)
			}
		})
	}
}

// nested is a value within n objects, each with the key "a".
func nested(n int, value string) string {
	return strings.Repeat(`{"a":`, n) + value + strings.Repeat("}", n)
}

// deep is the path of the value in them.
func deep(n int) string { return strings.TrimSuffix(strings.Repeat("a.", n), ".") }

var decodeCases = []decodeCase{
	{
		name: "fits", provider: "hmac", typ: "user.created", document: `{"event":"user.created","user_id":42,"name":"Jo"}`,
		state: typed, message: userCreated, data: `{"event":"user.created","user_id":"42","name":"Jo"}`,
	},
	{
		name: "a field that the message doesn't have is left out", provider: "hmac", typ: "user.created", document: `{"user_id":42,"shoe_size":44}`,
		state: typed, message: userCreated, data: `{"user_id":"42"}`,
	},
	{
		name: "null is not there", provider: "shopify", typ: "orders/delete", document: `{"id":1,"email":null,"line_items":null,"customer":null}`,
		state: typed, message: orderEvent, data: `{"id":"1"}`,
	},
	{
		name: "zero is there where null can be", provider: "shopify", typ: "orders/delete", document: `{"id":0,"email":"","test":false}`,
		state: typed, message: orderEvent, data: `{"id":"0","email":"","test":false}`,
	},
	{
		name: "no message claims the type", provider: "hmac", typ: "user.deleted", document: `{"user_id":42,"tags":["a",null,{"b":1.5}]}`,
		state: untyped, data: `{"user_id":42,"tags":["a",null,{"b":1.5}]}`,
	},
	{
		name: "no message of the provider", provider: "acme", typ: "user.created", document: `{}`,
		state: untyped, data: `{}`,
	},
	{
		name: "what is required may be anything", provider: "github", typ: "push", document: ` {"ref":null,"before":"","after":"a"} `,
		state: typed, message: pushEvent, data: `{"before":"","after":"a"}`,
	},
	{
		name: "an empty object lacks what every event of its type has", provider: "github", typ: "push", document: ` {} `,
		state: mismatch, message: pushEvent, data: `{}`,
		violations: []*hookbridgev1.Violation{absent("ref"), absent("before"), absent("after")},
	},
	{
		name: "the body of another type", provider: "github", typ: "pull_request.opened", document: `{"action":"opened","issue":{"number":1}}`,
		state: mismatch, message: "hookbridge.github.v1.PullRequestEvent", data: `{"action":"opened","issue":{"number":1}}`,
		violations: []*hookbridgev1.Violation{absent("number"), absent("pull_request")},
	},
	{
		name: "what is required is within", provider: "stripe", typ: "invoice.paid", document: `{"data":{"object":{}}}`,
		state: typed, message: "hookbridge.stripe.v1.InvoiceEvent", data: `{"data":{"object":{}}}`,
	},
	{
		name: "and nowhere else", provider: "stripe", typ: "invoice.paid", document: `{"object":{},"data":{"data":{"object":{}}}}`,
		state: mismatch, message: "hookbridge.stripe.v1.InvoiceEvent", data: `{"object":{},"data":{"data":{"object":{}}}}`,
		violations: []*hookbridgev1.Violation{violation("object", "want string, got object", ""), absent("data.object")},
	},
	{
		name: "null has nothing within", provider: "stripe", typ: "invoice.paid", document: `{"data":null}`,
		state: mismatch, message: "hookbridge.stripe.v1.InvoiceEvent", data: `{"data":null}`,
		violations: []*hookbridgev1.Violation{absent("data.object")},
	},

	// Numbers.
	{
		name: "an integer beyond 2^53, typed, keeps its digits", provider: "shopify", typ: "orders/create", document: `{"id":9007199254740993}`,
		state: typed, message: orderEvent, data: `{"id":"9007199254740993"}`,
	},
	{
		name: "an integer beyond 2^53, untyped, loses some", provider: "shopify", typ: "carts/create", document: `{"id":9007199254740993}`,
		state: untyped, data: `{"id":9007199254740992}`,
	},
	{
		name: "an integer beyond 2^63", provider: "shopify", typ: "orders/create", document: `{"id":9223372036854775808}`,
		state: mismatch, message: orderEvent, data: `{"id":9223372036854776000}`,
		violations: []*hookbridgev1.Violation{violation("id", "want int64, got number out of its range", "")},
	},
	{
		name: "an integer in another form", provider: "shopify", typ: "orders/create", document: `{"id":"42","number":4.2e1}`,
		state: typed, message: orderEvent, data: `{"id":"42","number":"42"}`,
	},
	{
		name: "a fraction for an integer", provider: "shopify", typ: "orders/create", document: `{"id":1.5}`,
		state: mismatch, message: orderEvent, data: `{"id":1.5}`,
		violations: []*hookbridgev1.Violation{violation("id", "want int64, got number out of its range", "")},
	},
	{
		name: "1e400, untyped", provider: "acme", typ: "a", document: `{"a":[1,1e400]}`, state: undecodable,
		violations: []*hookbridgev1.Violation{violation("a[1]", "number beyond the range of a double", "")},
	},
	{
		name: "1e400 in a field", provider: "shopify", typ: "orders/create", document: `{"id":1e400}`,
		state: undecodable, message: orderEvent,
		violations: []*hookbridgev1.Violation{violation("id", "number beyond the range of a double", "")},
	},
	{
		name: "1e400 where the message has no field", provider: "shopify", typ: "orders/create", document: `{"id":1,"unheard_of":1e400}`,
		state: typed, message: orderEvent, data: `{"id":"1"}`,
	},
	{
		// No JSON, but protojson thinks so. This locks in how far that goes.
		name: "an empty exponent, in an integer and where the message has no field", provider: "shopify", typ: "orders/create", document: `{"id":1e,"unheard_of":1E+}`,
		state: typed, message: orderEvent, data: `{"id":"1"}`,
	},
	{
		name: "an empty exponent elsewhere", provider: "acme", typ: "a", document: `{"a":1e}`, state: undecodable, notJSON: true,
		violations: []*hookbridgev1.Violation{violation("", "not JSON: syntax error after byte 4", "")},
	},

	// Strings.
	{
		name: "half a surrogate pair, untyped", provider: "acme", typ: "a", document: `{"a":{"b":"x\ud83d"}}`, state: undecodable,
		violations: []*hookbridgev1.Violation{violation("a.b", "half of a surrogate pair in a string", "")},
	},
	{
		name: "the other half", provider: "acme", typ: "a", document: `{"a":"\udc00x"}`, state: undecodable,
		violations: []*hookbridgev1.Violation{violation("a", "half of a surrogate pair in a string", "")},
	},
	{
		name: "half a surrogate pair in a key", provider: "acme", typ: "a", document: `{"\ud800":1}`, state: undecodable,
		violations: []*hookbridgev1.Violation{violation("�", "half of a surrogate pair in a key", "")},
	},
	{
		name: "half a surrogate pair in a field", provider: "shopify", typ: "orders/create", document: `{"id":1,"note":"\ud83d"}`,
		state: undecodable, message: orderEvent,
		violations: []*hookbridgev1.Violation{violation("note", "half of a surrogate pair in a string", "")},
	},
	{
		name: "half a surrogate pair where the message has no field", provider: "shopify", typ: "orders/create", document: `{"id":1,"unheard_of":"\ud83d"}`,
		state: undecodable, message: orderEvent,
		violations: []*hookbridgev1.Violation{violation("unheard_of", "half of a surrogate pair in a string", "")},
	},
	{
		name: "a whole pair, and the zero character", provider: "acme", typ: "a", document: `{"a":"\ud83d\ude00\u0000"}`,
		state: untyped, data: `{"a":"😀\u0000"}`,
	},

	// Keys.
	{
		name: "a key given twice, untyped", provider: "acme", typ: "a", document: `{"a":1,"b":[{"c":1,"c":1}]}`, state: undecodable,
		violations: []*hookbridgev1.Violation{violation("b[0].c", "key given twice", "")},
	},
	{
		name: "a field given twice", provider: "shopify", typ: "orders/create", document: `{"id":1,"id":2}`,
		state: undecodable, message: orderEvent,
		violations: []*hookbridgev1.Violation{violation("id", "key given twice", "")},
	},
	{
		name: "a field given under two names", provider: "hmac", typ: "user.created", document: `{"user_id":1,"userId":2}`,
		state: mismatch, message: userCreated, data: `{"user_id":1,"userId":2}`,
		violations: []*hookbridgev1.Violation{violation("userId", "given twice, under two names", "")},
	},
	{
		name: "a key given twice that the message doesn't have", provider: "shopify", typ: "orders/create", document: `{"id":1,"unheard_of":1,"unheard_of":2}`,
		state: typed, message: orderEvent, data: `{"id":"1"}`,
	},

	// Where it doesn't fit.
	{
		name: "every place, by its path", provider: "github", typ: "push",
		document: `{"ref":7,"forced":"yes","commits":[{"id":"a"},{"id":["b"]},"c"],"repository":[]}`,
		state:    mismatch, message: pushEvent,
		data: `{"ref":7,"forced":"yes","commits":[{"id":"a"},{"id":["b"]},"c"],"repository":[]}`,
		violations: []*hookbridgev1.Violation{
			violation("ref", "want string, got number", ""),
			violation("forced", "want bool, got string", ""),
			violation("commits[1].id", "want string, got array", ""),
			violation("commits[2]", "want object, got string", ""),
			violation("repository", "want object, got array", ""),
			absent("before"), absent("after"),
		},
	},
	{
		name: "null in a list", provider: "github", typ: "push", document: `{"ref":"a","before":"b","after":"c","commits":[null]}`,
		state: mismatch, message: pushEvent, data: `{"ref":"a","before":"b","after":"c","commits":[null]}`,
		violations: []*hookbridgev1.Violation{violation("commits[0]", "want object, got null", "")},
	},
	{
		name: "broken rules", provider: "hmac", typ: "user.created", document: `{"user_id":0}`,
		state: mismatch, message: userCreated, data: `{"user_id":0}`,
		violations: []*hookbridgev1.Violation{violation("user_id", "value is required", "required")},
	},

	// Documents that are no object.
	{
		name: "an array", provider: "acme", typ: "a", document: `[{"a":1}]`, state: undecodable,
		violations: []*hookbridgev1.Violation{violation("", "want object, got array", "")},
	},
	{
		name: "an array of a known type", provider: "github", typ: "push", document: `[]`, state: undecodable, message: pushEvent,
		violations: []*hookbridgev1.Violation{violation("", "want object, got array", "")},
	},
	{
		name: "a string", provider: "acme", typ: "a", document: `"a"`, state: undecodable,
		violations: []*hookbridgev1.Violation{violation("", "want object, got string", "")},
	},
	{
		name: "null", provider: "acme", typ: "a", document: `null`, state: undecodable,
		violations: []*hookbridgev1.Violation{violation("", "want object, got null", "")},
	},

	// Depth.
	{name: "as deep as may be", provider: "acme", typ: "a", document: nested(32, "1"), state: untyped, data: nested(32, "1")},
	{name: "an empty object as deep", provider: "acme", typ: "a", document: nested(32, "{}"), state: untyped, data: nested(32, "{}")},
	{
		name: "deeper", provider: "acme", typ: "a", document: nested(33, "1"), state: undecodable,
		violations: []*hookbridgev1.Violation{violation(deep(33), "nested deeper than 32 levels", "")},
	},
	{
		name: "an empty object deeper", provider: "acme", typ: "a", document: nested(33, "{}"), state: undecodable,
		violations: []*hookbridgev1.Violation{violation(deep(33), "nested deeper than 32 levels", "")},
	},
	{
		name: "as deep as may be, and a field that doesn't fit", provider: "github", typ: "push", document: `{"ref":7,"before":"b","after":"c","a":` + nested(31, "{}") + `}`,
		state: mismatch, message: pushEvent, data: `{"ref":7,"before":"b","after":"c","a":` + nested(31, "{}") + `}`,
		violations: []*hookbridgev1.Violation{violation("ref", "want string, got number", "")},
	},
	{
		name: "deeper where the message has no field", provider: "github", typ: "push", document: `{"a":` + nested(33, "1") + `}`,
		state: undecodable, message: pushEvent,
		violations: []*hookbridgev1.Violation{violation(deep(33), "nested deeper than 32 levels", "")},
	},

	// No JSON.
	{
		name: "nothing", provider: "acme", typ: "a", document: "", state: undecodable, notJSON: true,
		violations: []*hookbridgev1.Violation{violation("", "not JSON: empty", "")},
	},
	{
		name: "blanks", provider: "github", typ: "push", document: " \r\n", state: undecodable, message: pushEvent, notJSON: true,
		violations: []*hookbridgev1.Violation{violation("", "not JSON: empty", "")},
	},
	{
		name: "the beginning of an object", provider: "github", typ: "push", document: `{"ref":"a"`, state: undecodable, message: pushEvent, notJSON: true,
		violations: []*hookbridgev1.Violation{violation("", "not JSON: syntax error after byte 10", "")},
	},
	{
		name: "an object and more", provider: "acme", typ: "a", document: `{} {}`, state: undecodable, notJSON: true,
		violations: []*hookbridgev1.Violation{violation("", "not JSON: syntax error after byte 2", "")},
	},
	{
		name: "a secret that isn't quoted", provider: "acme", typ: "a", document: `{"a":hunter2}`, state: undecodable, notJSON: true,
		violations: []*hookbridgev1.Violation{violation("", "not JSON: syntax error after byte 4", "")},
	},
	{
		name: "a byte that is no UTF-8", provider: "acme", typ: "a", document: "{\"a\":\"\xff\"}", state: undecodable, notJSON: true,
		violations: []*hookbridgev1.Violation{violation("", "not JSON: not valid UTF-8", "")},
	},
	{
		name: "such a byte where the message has no field", provider: "github", typ: "push", document: "{\"a\":\"\xff\"}", state: undecodable, message: pushEvent, notJSON: true,
		violations: []*hookbridgev1.Violation{violation("", "not JSON: not valid UTF-8", "")},
	},
	{
		name: "a byte order mark", provider: "acme", typ: "a", document: "\ufeff{}", state: undecodable, notJSON: true,
		violations: []*hookbridgev1.Violation{violation("", "not JSON: syntax error after byte 0", "")},
	},
	{
		name: "a form", provider: "acme", typ: "a", document: `payload=%7B%7D`, state: undecodable, notJSON: true,
		violations: []*hookbridgev1.Violation{violation("", "not JSON: syntax error after byte 0", "")},
	},
	{
		name: "a number as other languages write it", provider: "acme", typ: "a", document: `{"a":NaN}`, state: undecodable, notJSON: true,
		violations: []*hookbridgev1.Violation{violation("", "not JSON: syntax error after byte 4", "")},
	},
}

// However much of a document doesn't fit, the list of it is bounded.
func TestViolationsAreBounded(t *testing.T) {
	key := strings.Repeat("k", 1000)
	documents := map[string]string{
		"many":               `{"commits":[` + strings.TrimSuffix(strings.Repeat("7,", 1000), ",") + `]}`,
		"long key":           `{"` + key + `":{"` + key + `":"\ud800"}}`,
		"long key in quotes": `{".` + key + `":{"` + key + `":"\ud800"}}`,
	}
	registry := builtin(t)
	for name, want := range map[string]int{"many": 20, "long key": 1, "long key in quotes": 1} {
		decoded := registry.Decode("github", "push", []byte(documents[name]))
		if got := decoded.Decoding.GetViolations(); len(got) != want {
			t.Errorf("%s: want %d violations, got %d", name, want, len(got))
		}
		for _, v := range decoded.Decoding.GetViolations() {
			if len(v.GetField()) > 200 {
				t.Errorf("%s: a path of %d bytes", name, len(v.GetField()))
			}
		}
	}
}
