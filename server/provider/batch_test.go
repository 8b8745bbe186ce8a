package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// head is a pack for tests, as far as they have it in common.
const head = `
key: p
name: P
docs_url: https://example.com/
schemes: [{name: signature, algorithm: hmac-sha256, signature: [{header: X-Signature}], encoding: hex, content: "{body}"}]
bodies: [{media_type: application/json}, {media_type: application/x-ndjson}]
retries: true
evidence: [made for this test]
`

// parse reads a pack "p" with an HMAC over the body in the header X-Signature and what else is given.
func parse(t testing.TB, rest string) *Pack {
	t.Helper()
	pack, err := Parse("p.yaml", []byte(head+rest))
	if err != nil {
		t.Fatal(err)
	}
	return pack
}

func open(t testing.TB, cfg SourceConfig) *Source {
	t.Helper()
	cfg.Name = "s"
	s, err := NewSource(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signed signs a body and delivers it with further headers.
func signed(t testing.TB, s *Source, body string, headers ...string) (Outcome, error) {
	t.Helper()
	h, err := s.Sign(&url.URL{}, []byte(body), "", "", now)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(headers); n += 2 {
		h.Set(headers[n], headers[n+1])
	}
	return s.Receive(t.Context(), &delivery.Request{Method: http.MethodPost, URL: &url.URL{}, Header: h, Body: []byte(body), ReceivedAt: now})
}

// A list becomes its events, each with what is its own.
func TestBatches(t *testing.T) {
	const inDocument = `
id: [{parts: [{json: id}]}, {parts: [{header: X-Delivery}]}]
type: [{parts: [{json: type}]}, {parts: [{envelope: kind}]}]
occurred_at: [{json: at, unit: s}]
ordering_key: [{parts: [{envelope: account}, {json: who}]}]
`
	for _, tc := range []struct {
		name, pack, body string
		headers          []string
		list             bool
		want             []string // id type key body covered
	}{
		{"the document is the list", "batch: {}\n" + inDocument, ` [ {"id":"1","type":"a"}, {"id":"2","type":"b"} ] `, nil, true,
			[]string{`1 a  {"id":"1","type":"a"} true`, `2 b  {"id":"2","type":"b"} true`}},
		{"the list is in the document", "batch: {events: data.events}\n" + inDocument,
			`{"kind":"k","account":"acc","data":{"events":[{"id":1,"who":"x"},{"id":2,"type":"b","who":"y"}]}}`, nil, true,
			[]string{`1 k acc.x {"id":1,"who":"x"} true`, `2 b acc.y {"id":2,"type":"b","who":"y"} true`}},
		{"lines", "batch: {format: lines}\n" + inDocument, "{\"id\":\"1\"}\r\n\n{\"id\":\"2\"}", nil, true,
			[]string{`1 unknown  {"id":"1"} true`, `2 unknown  {"id":"2"} true`}},
		{"an id of the delivery is numbered, and not covered", "batch: {}\n" + inDocument, `[{"a":1},{"id":"own"},{"a":2}]`, []string{"X-Delivery", "d"}, true,
			[]string{`d:0 unknown  {"a":1} false`, `own unknown  {"id":"own"} true`, `d:2 unknown  {"a":2} false`}},
		{"a long one, too", "batch: {}\n" + inDocument, `[0]`, []string{"X-Delivery", strings.Repeat("d", 254)}, true,
			[]string{digest([]byte(strings.Repeat("d", 254))) + ":0 unknown  0 false"}},
		{"an id that an event's condition chooses is still the delivery's", "batch: {}\nid: [{when: [{json: a}], parts: [{header: X-Delivery}]}]\n", `[{"a":1},{"a":1}]`, []string{"X-Delivery", "d"}, true,
			[]string{`d:0 unknown  {"a":1} false`, `d:1 unknown  {"a":1} false`}},
		// The id could have been in a header, which nobody signs: whoever sends one brings about another id.
		{"without any id it is the digest of the delivery, numbered", "batch: {}\n" + inDocument, `[{"a":1},"],[\"\\",{"a":1}]`, nil, true,
			[]string{digest([]byte(`[{"a":1},"],[\"\\",{"a":1}]`)) + `:0 unknown  {"a":1} false`, digest([]byte(`[{"a":1},"],[\"\\",{"a":1}]`)) + `:1 unknown  "],[\"\\" false`,
				digest([]byte(`[{"a":1},"],[\"\\",{"a":1}]`)) + `:2 unknown  {"a":1} false`}},
		{"an empty list", "batch: {}\n" + inDocument, `[]`, nil, true, nil},
		{"no lines", "batch: {format: lines}\n" + inDocument, "\n \n", nil, true, nil},
		{"no list", "batch: {events: events}\n" + inDocument, `{"id":"1","events":{}}`, nil, false, []string{`1 unknown  {"id":"1","events":{}} true`}},
		{"lists in a list, in the order of the document", "batch: {events: entry.*.changes, more_events: [entry.*.messages]}\n" + inDocument,
			`{"entry":[{"changes":[{"id":"1"},{"id":"2"}]},{"messages":[{"id":"3"}],"changes":[{"id":"4"}]},{"changes":[]}]}`, nil, true,
			[]string{`1 unknown  {"id":"1"} true`, `2 unknown  {"id":"2"} true`, `3 unknown  {"id":"3"} true`, `4 unknown  {"id":"4"} true`}},
		{"an element without a list is an event", "batch: {events: entry.*.changes, more_events: [entry.*.messages]}\n" + inDocument,
			`{"entry":[{"changes":[{"id":"1"}]},{"id":"2","changes":"x"},{"id":"3","other":[{"id":"4"}]}]}`, nil, true,
			[]string{`1 unknown  {"id":"1"} true`, `2 unknown  {"id":"2","changes":"x"} true`, `3 unknown  {"id":"3","other":[{"id":"4"}]} true`}},
		{"three levels", "batch: {events: '*.a.b.*.c'}\n" + inDocument, `[{"a":{"b":[{"c":[{"id":"1"}]},{"c":[{"id":"2"}]}]}},{"a":{"b":[]}},{"id":"3"}]`, nil, true,
			[]string{`1 unknown  {"id":"1"} true`, `2 unknown  {"id":"2"} true`, `3 unknown  {"id":"3"} true`}},
		{"the document or a list in it", "batch: {more_events: [old.*.list]}\n" + inDocument, `[{"id":"1"}]`, nil, true, []string{`1 unknown  {"id":"1"} true`}},
		{"a list in it instead", "batch: {more_events: [old.*.list]}\n" + inDocument, `{"old":[{"list":[{"id":"1"}]}]}`, nil, true, []string{`1 unknown  {"id":"1"} true`}},
		{"none of the lists", "batch: {events: entry.*.changes}\n" + inDocument, `{"id":"1","entry":{}}`, nil, false, []string{`1 unknown  {"id":"1","entry":{}} true`}},
		{"what is around is kept", "batch: {events: e.*.c, more_events: [e.*.m], keeps_envelope: true}\nid: [{parts: [{json: e.0.id}, {json: e.0.c.0.id}]}, {parts: [{json: e.0.id}]}]\ntype: [{parts: [{json: kind}]}]\n",
			`{"kind":"k", "e": [{"id":"a","c":[{"id":1}, {"id":2}],"m":[{"id":3}]},{"id":"b"}] }`, nil, true,
			[]string{`a.1 k  {"kind":"k", "e": [{"id":"a","c":[{"id":1}],"m":[]}] } true`, `a.2 k  {"kind":"k", "e": [{"id":"a","c":[{"id":2}],"m":[]}] } true`,
				`a k  {"kind":"k", "e": [{"id":"a","c":[],"m":[{"id":3}]}] } true`, `b k  {"kind":"k", "e": [{"id":"b"}] } true`}},
		{"of the delivery's id each has its place", "batch: {events: e, keeps_envelope: true}\n" + inDocument, `{"e":[{"id":1},{"id":2}]}`, []string{"X-Delivery", "d"}, true,
			[]string{`d:0 unknown  {"e":[{"id":1}]} false`, `d:1 unknown  {"e":[{"id":2}]} false`}},
		{"an array of what may be lines", "batch: {format: array-or-lines}\n" + inDocument, "[{\"id\":\"1\"},\n{\"id\":\"2\"}]", nil, true,
			[]string{`1 unknown  {"id":"1"} true`, `2 unknown  {"id":"2"} true`}},
		{"lines of what may be an array", "batch: {format: array-or-lines}\n" + inDocument, "{\"id\":\"1\"}\n{\"id\":\"2\"}\n", nil, true,
			[]string{`1 unknown  {"id":"1"} true`, `2 unknown  {"id":"2"} true`}},
		{"one object of several lines", "batch: {format: array-or-lines}\n" + inDocument, "{\n\"id\":\"1\"\n}", nil, false, []string{"1 unknown  {\n\"id\":\"1\"\n} true"}},
		{"no such path", "batch: {events: events}\n" + inDocument, `{"id":"1"}`, nil, false, []string{`1 unknown  {"id":"1"} true`}},
		{"no JSON", "batch: {}\n" + inDocument, `[{"id":"1"},{]`, nil, false, []string{digest([]byte(`[{"id":"1"},{]`)) + ` unknown  [{"id":"1"},{] false`}},
		{"a key twice in an element, which stays as it is", "batch: {}\n" + inDocument, `[{"id":"1","type":"a","type":"b"},{"id":"2","type":"c"}]`, nil, true,
			[]string{`1 unknown  {"id":"1","type":"a","type":"b"} true`, `2 c  {"id":"2","type":"c"} true`}},
		{"two lists", "batch: {events: e}\n" + inDocument, `{"id":"1","e":[{"id":"2"}],"e":[{"id":"3"}]}`, nil, false,
			[]string{`1 unknown  {"id":"1","e":[{"id":"2"}],"e":[{"id":"3"}]} true`}},
		{"a key twice in a line", "batch: {format: lines}\n" + inDocument, "{\"id\":\"1\",\"id\":\"2\"}\n{\"id\":\"3\"}", nil, true,
			[]string{digest([]byte("{\"id\":\"1\",\"id\":\"2\"}\n{\"id\":\"3\"}")) + ":0 unknown  {\"id\":\"1\",\"id\":\"2\"} false", `3 unknown  {"id":"3"} true`}},
		{"a line that is no JSON", "batch: {format: lines}\n" + inDocument, "{\"a\":1}\n{", nil, false, []string{digest([]byte("{\"a\":1}\n{")) + " unknown  {\"a\":1}\n{ false"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t, SourceConfig{Pack: parse(t, tc.pack), Secrets: []string{"secret"}, DigestWindow: 1e9})
			outcome, err := signed(t, s, tc.body, tc.headers...)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for n, v := range outcome.Verified {
				got = append(got, fmt.Sprintf("%s %s %s %s %v", v.ID, v.Type, v.OrderingKey, v.Body, v.Auth.IDCovered))
				if !bytes.Equal(v.Body, v.Document) || tc.list != (v.Size == len(tc.want)) || tc.list && v.Index != n {
					t.Errorf("event %d: %+v", n, v)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got\n%q\nwant\n%q", got, tc.want)
			}
			if outcome.List != tc.list || outcome.Verified == nil || outcome.Answer != nil {
				t.Errorf("got %+v", outcome)
			}
		})
	}
}

// A proof of a path in the whole document is none of the same path in an event.
func TestBatchesDeriveWhatIsCovered(t *testing.T) {
	pack, err := Parse("p.yaml", []byte(`
key: p
name: P
docs_url: https://example.com/
schemes: [{name: signature, algorithm: hmac-sha256, signature: [{header: X-Signature}], encoding: hex, content: "{json:id}"}]
bodies: [{media_type: application/json}]
retries: true
evidence: [made for this test]
batch: {events: events}
id: [{parts: [{envelope: id}, {json: id}]}]
type: [{parts: [{envelope: id}]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := signed(t, open(t, SourceConfig{Pack: pack, Secrets: []string{"secret"}}), `{"id":"signed","events":[{"id":"not"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if a := outcome.Verified[0].Auth; a.BodyCovered || a.IDCovered || !a.TypeCovered {
		t.Errorf("covered: %+v, want only the type", a)
	}
}

// Ten thousand events are taken, and one more is not.
func TestTooManyEvents(t *testing.T) {
	for _, batch := range []struct{ format, begin, separator, end string }{{"array", "[", ",", "]"}, {"lines", "", "\n", ""}} {
		s := open(t, SourceConfig{Pack: parse(t, "batch: {format: "+batch.format+"}\n"), Secrets: []string{"secret"}})
		list := func(n int) string {
			return batch.begin + strings.TrimSuffix(strings.Repeat("1"+batch.separator, n), batch.separator) + batch.end
		}
		if outcome, err := signed(t, s, list(MaxEvents)); err != nil || len(outcome.Verified) != MaxEvents {
			t.Errorf("%s: %d events, %v", batch.format, len(outcome.Verified), err)
		}
		const want = "too many events: want at most 10000 in a delivery, and there are more; none of them was stored: let the provider send fewer at once"
		if outcome, err := signed(t, s, list(MaxEvents+1)); !errors.Is(err, ErrTooManyEvents) || err.Error() != want || outcome.Verified != nil {
			t.Errorf("%s: %d events, %v", batch.format, len(outcome.Verified), err)
		}
	}
}

// Elements that are gone from what values are read from are a defect of ours, which the sender is not told is its own: nothing is lost silently.
func TestNoElementIsDropped(t *testing.T) {
	const raw = `{"e":[1,2,3]}`
	for readable, n := range map[string]int{`{"e":[1,2  ]}`: 2, `{"e":[     ]}`: 0, `{"e":[1,,,3]}`: 4} {
		b := &batch{array: true, lists: []listPath{{"e"}}}
		elements, ok, err := b.split(&reading{done: true, carried: []byte(raw), readable: []byte(readable)})
		want := fmt.Sprintf("a list has 3 elements, and %d in what values are read from", n)
		if err == nil || err.Error() != want || ok || elements != nil || errors.Is(err, ErrTooManyEvents) {
			t.Errorf("%s: got %q, %v, %v, want %s", readable, elements, ok, err, want)
		}
	}
}

// What is kept around many events is bounded.
func TestEnvelopesAreBounded(t *testing.T) {
	s := open(t, SourceConfig{Pack: parse(t, "batch: {events: e, keeps_envelope: true}\n"), Secrets: []string{"secret"}})
	list := func(around, n int) string {
		return `{"around":"` + strings.Repeat("x", around) + `","e":[` + strings.TrimSuffix(strings.Repeat("1,", n), ",") + `]}`
	}
	if outcome, err := signed(t, s, list(1000, 50)); err != nil || len(outcome.Verified) != 50 {
		t.Errorf("%d events, %v", len(outcome.Verified), err)
	}
	outcome, err := signed(t, s, list(1000, 500))
	const want = "too many events: each with what is around the list they are more than 8 times as large as the delivery, and 64 KiB; " +
		"none of them was stored: let the provider send fewer at once"
	if !errors.Is(err, ErrTooManyEvents) || err.Error() != want || outcome.Verified != nil {
		t.Errorf("%d events, %v", len(outcome.Verified), err)
	}
}

// FuzzSplit: without what is around them, the elements are parts of the document, in order, and put together they are the list.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{`[]`, `[1]`, ` [ {"a":"],["} , [2,[3]] ] `, `{"e":[{"x":"\\\""}]}`, "1\n2\n", `[`, `{"e":[1,2],"e":[3]}`, `{"x":0, "e": [{"c":[1, {"c":[]}],"m":[2]},{"m":[]},{"n":[3]},4]}`, "[\"\\u005d\"]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		for _, b := range []*batch{
			{array: true, lists: []listPath{{""}}}, {array: true, lists: []listPath{{"e"}}}, {lines: true}, {array: true, lines: true, lists: []listPath{{""}}},
			{array: true, lists: []listPath{{"e", "c"}, {"e", "m"}, {""}}}, {array: true, whole: true, lists: []listPath{{"e", "c"}, {"e", "m"}, {"e"}}},
		} {
			elements, ok, err := b.split(&reading{done: true, carried: document, readable: signature.Readable(document)})
			if err != nil && !errors.Is(err, ErrTooManyEvents) || err != nil && (ok || elements != nil) {
				t.Fatalf("got %q, %v, %v", elements, ok, err)
			}
			if !ok {
				continue
			}
			at := 0
			var raw [][]byte
			for _, e := range elements {
				if b.whole {
					own := &reading{done: true, carried: e.raw, readable: e.readable}
					if again, ok, err := b.split(own); !json.Valid(e.raw) || !ok || err != nil || len(again) != 1 || !bytes.Equal(again[0].raw, e.raw) {
						t.Fatalf("%q splits into %q, %v, %v", e, again, ok, err)
					}
					continue
				}
				n := bytes.Index(document[at:], e.raw)
				if n < 0 || !json.Valid(e.raw) {
					t.Fatalf("element %q is no part of %q that is left, or no JSON", e.raw, document[at:])
				}
				at += n + len(e.raw)
				if want := signature.Readable(e.raw); !bytes.Equal(want, e.readable) {
					t.Fatalf("of element %q values are read from %q, want %q", e.raw, e.readable, want)
				}
				raw = append(raw, e.raw)
			}
			if !b.lines && !b.whole {
				if joined := append(append([]byte("["), bytes.Join(raw, []byte(","))...), ']'); !json.Valid(joined) {
					t.Fatalf("%q is no list", joined)
				}
			}
		}
	})
}
