package provider

import (
	"strings"
	"testing"
	"time"
)

// What is no JSON, says a thing twice, or isn't text gives no values: each reader would make something else of it. What else gives them goes on to,
// and the delivery is taken with its body as it is. A document is read all the same where something else in it isn't text.
func TestUnreadableBodiesGiveNoValues(t *testing.T) {
	const pack = `
id: [{parts: [{json: id}]}, {parts: [{header: X-Delivery}]}]
type: [{parts: [{json: event.type}]}, {when: [{json: legacy, absent: true}], parts: [{header: X-Event}]}]
occurred_at: [{json: at, unit: s}]
ordering_key: [{parts: [{json: key}]}]
`
	const ofBody = "(of the body)"
	for _, tc := range []struct {
		name, body             string
		headers                []string
		id, typ, ordering      string
		occurred               int64
		idCovered, typeCovered bool
	}{
		{"readable", `{"id":"a","event":{"type":"t"},"at":1772355600,"key":"k"}`, nil, "a", "t", "k", 1772355600, true, true},
		{"readable, with headers that don't count", `{"id":"a","event":{"type":"t"}}`, []string{"X-Delivery", "d", "X-Event", "e"}, "a", "t", "", 0, true, true},
		{"cut off", `{"id":"a","event":{"type":"t"},"at":1772355600,"key":"k"`, nil, ofBody, "unknown", "", 0, false, false},
		{"cut off, with headers", `{"id":"a","event":{"type":"t"}`, []string{"X-Delivery", "d", "X-Event", "e"}, "d", "e", "", 0, false, false},
		{"something behind it", `{"id":"a","event":{"type":"t"},"key":"k"}]`, nil, ofBody, "unknown", "", 0, false, false},
		{"two documents", `{"id":"a","event":{"type":"t"}}{"id":"b"}`, nil, ofBody, "unknown", "", 0, false, false},
		{"two lines", "{\"id\":\"a\",\"event\":{\"type\":\"t\"}}\n{\"id\":\"b\"}", nil, ofBody, "unknown", "", 0, false, false},
		{"something before it", `1772355600:{"id":"a","event":{"type":"t"}}`, nil, ofBody, "unknown", "", 0, false, false},
		{"a hash's padding behind it", "{\"id\":\"a\",\"event\":{\"type\":\"t\"}}\x80\x00\x00{\"id\":\"b\"}", nil, ofBody, "unknown", "", 0, false, false},
		{"no JSON at all", `id=a&type=t`, nil, ofBody, "unknown", "", 0, false, false},
		{"empty", ``, nil, ofBody, "unknown", "", 0, false, false},
		{"deeper than anybody reads", `{"id":"a","x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, nil, ofBody, "unknown", "", 0, false, false},
		{"an id twice", `{"id":"a","event":{"type":"t"},"id":"b"}`, nil, ofBody, "t", "", 0, false, true},
		{"an id twice, and one in a header", `{"id":"a","id":"b","event":{"type":"t"}}`, []string{"X-Delivery", "d"}, "d", "t", "", 0, false, true},
		{"an id twice, the same", `{"id":"a","id":"a","event":{"type":"t"}}`, nil, ofBody, "t", "", 0, false, true},
		{"an id twice, once escaped", `{"id":"a","\u0069\u0064":"b","event":{"type":"t"}}`, nil, ofBody, "t", "", 0, false, true},
		{"a type twice", `{"id":"a","event":{"type":"t","type":"u"},"key":"k"}`, nil, "a", "unknown", "k", 0, true, false},
		{"what the type is in twice", `{"id":"a","event":{"type":"t"},"event":{"type":"t"}}`, nil, "a", "unknown", "", 0, true, false},
		{"a time and a key twice", `{"id":"a","event":{"type":"t"},"at":1772355600,"at":1772355601,"key":"k","key":"l"}`, nil, "a", "t", "", 0, true, true},
		{"a byte somewhere that is no UTF-8", "{\"id\":\"a\",\"event\":{\"type\":\"t\"},\"at\":1772355600,\"key\":\"k\",\"x\":\"\xff\xfe\"}", nil, "a", "t", "k", 1772355600, true, true},
		{"half a pair of surrogates somewhere", `{"id":"a","event":{"type":"t"},"key":"k","x":"\ud834"}`, nil, "a", "t", "k", 0, true, true},
		{"a type that is no UTF-8", "{\"id\":\"a\",\"event\":{\"type\":\"t\xff\"},\"key\":\"k\"}", nil, "a", "unknown", "k", 0, true, false},
		{"a type that is no UTF-8, and one in a header", "{\"id\":\"a\",\"event\":{\"type\":\"t\xff\"}}", []string{"X-Event", "e"}, "a", "e", "", 0, true, false},
		{"a type with half a pair of surrogates", `{"id":"a","event":{"type":"t\udd1e"}}`, nil, "a", "unknown", "", 0, true, false},
		{"an id that is no UTF-8", "{\"id\":\"a\xff\",\"event\":{\"type\":\"t\"}}", []string{"X-Delivery", "d"}, "d", "t", "", 0, false, true},
		{"an id that is no UTF-8, alone", "{\"id\":\"\xe3\",\"event\":{\"type\":\"t\"}}", nil, ofBody, "t", "", 0, false, true},
		{"a time and a key that are no UTF-8", "{\"id\":\"a\",\"event\":{\"type\":\"t\"},\"at\":\"1772355600\xff\",\"key\":\"\xff\"}", nil, "a", "t", "", 0, true, true},
		{"a key that is the type's without its byte", "{\"id\":\"a\",\"event\":{\"type\":\"t\",\"ty\xffpe\":\"u\"}}", nil, "a", "unknown", "", 0, true, false},
		{"something else twice", `{"id":"a","event":{"type":"t","x":{"id":1,"id":2}},"key":"k"}`, nil, "a", "t", "k", 0, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t, SourceConfig{Pack: parse(t, pack), Secrets: []string{"secret"}, DigestWindow: time.Minute})
			outcome, err := signed(t, s, tc.body, tc.headers...)
			if err != nil {
				t.Fatal(err)
			}
			v, want := outcome.Verified[0], tc.id
			if want == ofBody {
				want = digest([]byte(tc.body))
			}
			if v.ID != want || v.Type != tc.typ || v.OrderingKey != tc.ordering {
				t.Errorf("got id %q, type %q, ordering key %q, want %q, %q, %q", v.ID, v.Type, v.OrderingKey, want, tc.typ, tc.ordering)
			}
			if tc.occurred == 0 != v.OccurredAt.IsZero() || tc.occurred != 0 && v.OccurredAt.Unix() != tc.occurred {
				t.Errorf("occurred at %v, want %d", v.OccurredAt, tc.occurred)
			}
			if v.Auth.IDCovered != tc.idCovered || v.Auth.TypeCovered != tc.typeCovered {
				t.Errorf("covered: id %v, type %v", v.Auth.IDCovered, v.Auth.TypeCovered)
			}
			if string(v.Body) != tc.body || string(v.Document) != tc.body {
				t.Errorf("the body became %q, its document %q", v.Body, v.Document)
			}
		})
	}
}
