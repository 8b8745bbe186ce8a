package signature_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

func TestReadable(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	members := func(keys string) string {
		var list []string
		for key := range strings.SplitSeq(keys, "") {
			list = append(list, `"`+key+`":1`)
		}
		return "{" + strings.Join(list, ",") + "}"
	}
	for _, tc := range []struct{ name, document, want string }{
		{"an object", `{"id":"a","b":{"id":"b"}}`, `{"id":"a","b":{"id":"b"}}`},
		{"space", " [1 , {\t\"a\" : -0.5e+7 }\r\n] ", " [1 , {\t\"a\" : -0.5e+7 }\r\n] "},
		{"a text", `"\u00e4\n\"\\"`, `"\u00e4\n\"\\"`},
		{"words", `[true,false,null,{},[]]`, `[true,false,null,{},[]]`},
		{"the same key in other objects", `{"a":{"a":{}},"b":[{"a":1},{"a":2}]}`, `{"a":{"a":{}},"b":[{"a":1},{"a":2}]}`},
		{"the deepest", deep(10_000), deep(10_000)},
		{"as deep within others", `{"a":` + deep(9_999) + `}`, `{"a":` + deep(9_999) + `}`},

		{"a key twice", `{"id":"a","type":"t","id":"b"}`, `{"":0    ,"type":"t","":0    }`},
		{"a key twice that looks otherwise", `{"id":"a","\u0069d":"b"}`, `{"":0    ,"":0         }`},
		{"a key twice further in", `{"id":"a","b":[{"c":1,"c":2,"d":3}]}`, `{"id":"a","b":[{"":0 ,"":0 ,"d":3}]}`},
		{"a key twice in what is there twice", `{"b":{"c":1,"c":2},"d":3,"b":4}`, `{"":0             ,"d":3,"":0 }`},
		{"a key three times among many", members("abcdefghijklamnopa"), strings.ReplaceAll(members("abcdefghijklamnopa"), `"a":1`, `"":0 `)},
		{"many keys", members("abcdefghijklmnopq"), members("abcdefghijklmnopq")},
		{"the empty key twice", `{"":1,"":2}`, `{"":0,"":0}`},
		{"a text that is no UTF-8", "{\"id\":\"a\xffb\",\"type\":\"t\"}", `{"id":""   ,"type":"t"}`},
		{"a byte that is no UTF-8", "[\"\xff\",\"a\"]", `["" ,"a"]`},
		{"a character cut off", "{\"id\":\"\xe3\",\"type\":\"t\"}", `{"id":"" ,"type":"t"}`},
		{"a surrogate in UTF-8", "[\"\xed\xa0\x80\"]", `[""   ]`},
		{"characters of all lengths", `{"é":"é水𝄞"}`, `{"é":"é水𝄞"}`},
		{"a pair of surrogates", `["\ud834\udd1e", "\uD834\uDD1E\ud834\udd1e"]`, `["\ud834\udd1e", "\uD834\uDD1E\ud834\udd1e"]`},
		{"half a pair", `{"id":"a\ud834","type":"t"}`, `{"id":""       ,"type":"t"}`},
		{"the other half", `{"id":"\udd1e"}`, `{"id":""      }`},
		{"the halves the wrong way round", `["\udd1e\ud834"]`, `[""            ]`},
		{"a half before a pair", `["\ud834\ud834\udd1e"]`, `[""                  ]`},
		{"something between the halves", `["\ud834 \udd1e"]`, `[""             ]`},
		{"what only looks like a half", `["\\ud834"]`, `["\\ud834"]`},
		{"the replacement of what is none", `["\ufffd�"]`, `["\ufffd�"]`},
		{"a key that is no UTF-8", "{\"i\xff\":\"a\",\"type\":\"t\"}", `{"":0    ,"type":"t"}`},
		{"a key with half a pair", `{"i\ud834":{"a":1},"type":"t"}`, `{"":0             ,"type":"t"}`},
		{"a key twice for who drops what is no UTF-8", "{\"id\":\"a\",\"i\xffd\":\"b\",\"type\":\"t\"}", `{"":0    ,"":0     ,"type":"t"}`},
		{"a text and its key", "{\"\xff\":\"\xff\",\"a\":[\"\xff\"]}", `{"":0   ,"a":["" ]}`},
		{"a document that is such a text", "\"\xff\"", `"" `},

		{"upper and lower case differ", `{"id":"a","ID":"b"}`, `{"id":"a","ID":"b"}`},

		{"nothing", "", ""},
		{"space alone", "  ", ""},
		{"cut off", `{"id":"a"`, ""},
		{"cut off in a text", `{"id":"a`, ""},
		{"cut off in an escape", `{"id":"a\`, ""},
		{"cut off in a number", `{"id":1.`, ""},
		{"cut off behind a comma", `{"id":"a",`, ""},
		{"more behind it", `{"id":"a"}x`, ""},
		{"two documents", `{"id":"a"}{"id":"b"}`, ""},
		{"two lines", "{\"id\":\"a\"}\n{\"id\":\"b\"}", ""},
		{"a byte that is none behind it", "{\"id\":\"a\"}\x00", ""},
		{"something before it", `1700000000:{"id":"a"}`, ""},
		{"a byte order mark", "\xef\xbb\xbf{\"id\":\"a\"}", ""},
		{"no quotes", `{id:"a"}`, ""},
		{"a comma too many", `{"id":"a",}`, ""},
		{"brackets that don't match", `{"id":["a"}]`, ""},
		{"a colon in a list", `["id":"a"]`, ""},
		{"a line end in a text", "{\"id\":\"a\n\"}", ""},
		{"an escape that is none", `{"id":"\x"}`, ""},
		{"half an escape", `{"id":"\u12g4"}`, ""},
		{"a plus", `[+1]`, ""},
		{"leading zeros", `[01]`, ""},
		{"an empty exponent", `[1e]`, ""},
		{"too deep", deep(10_001), ""},
		{"never closed", strings.Repeat("[", 1<<20), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := signature.Readable([]byte(tc.document))
			if string(got) != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if is := signature.IsJSON([]byte(tc.document)); is != (tc.want != "") {
				t.Errorf("is JSON: %v", is)
			}
		})
	}
}

// What is JSON is for the standard library to say; a masked document is JSON in UTF-8 in which the keys are gone that were given twice, or are no text, and values
// that are none, and nothing else.
func FuzzReadable(f *testing.F) {
	for _, seed := range []string{
		`{"id":"a","type":{"id":[1,-2.5e3,true,null,"\u00e4"]}}`, `{"a":1,"a":2}`, `{"a":{"b":1,"\u0062":2},"c":[{"d":1,"d":2}]}`, `{"id":"a"`, `1 2`, "[\"\xff\"]", "{\"i\xffd\":1,\"id\":\"\xe3\"}", `["\ud834","\ud834\udd1e"]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		before := bytes.Clone(document)
		got := signature.Readable(document)
		if valid := json.Valid(document); valid != (got != nil) || valid != signature.IsJSON(document) {
			t.Fatalf("the standard library says %v, and we %v of %q", valid, got != nil, document)
		}
		if !bytes.Equal(before, document) {
			t.Fatalf("%q was changed", before)
		}
		if got == nil {
			return
		}
		if len(got) != len(document) || !json.Valid(got) || !utf8.Valid(got) {
			t.Fatalf("%q became %q", document, got)
		}
		uniqueOrEmpty(t, gjson.ParseBytes(got), 0)
		if bytes.Equal(got, document) {
			return
		}
		if again := signature.Readable(got); !bytes.Equal(again, got) && !bytes.Contains(got, []byte(`"":`)) {
			t.Fatalf("%q became %q, and that %q", document, got, again)
		}
	})
}

func uniqueOrEmpty(t *testing.T, value gjson.Result, depth int) {
	if depth > 100 {
		return
	}
	seen := map[string]bool{}
	value.ForEach(func(key, inner gjson.Result) bool {
		if value.IsObject() {
			if seen[key.Str] && key.Str != "" {
				t.Fatalf("%q is there twice in %s", key.Str, value.Raw)
			}
			seen[key.Str] = true
		}
		uniqueOrEmpty(t, inner, depth+1)
		return true
	})
}

func BenchmarkReadable(b *testing.B) {
	document := []byte(`{"id":"evt_1","object":"event","created":1772355600,"type":"invoice.paid","data":{"object":{"id":"in_1","lines":[` +
		strings.TrimSuffix(strings.Repeat(`{"id":"il_1","amount":4200,"currency":"eur","description":"A mug, blue"},`, 12), ",") + `]}}}`)
	b.SetBytes(int64(len(document)))
	b.ReportAllocs()
	for b.Loop() {
		if signature.Readable(document) == nil {
			b.Fatal("it is JSON")
		}
	}
}

// What nobody has verified yet is looked at without recursion: a body of nothing but brackets ends nothing.
func TestEveryTokenInADeepDocument(t *testing.T) {
	scheme := compile(t, `{algorithm: token, signature: [{json: "list.*.sig"}]}`)
	key, err := scheme.Key("hunter2")
	if err != nil {
		t.Fatal(err)
	}
	body := append([]byte(`{"list":`), bytes.Repeat([]byte("["), 25<<20)...)
	_, err = scheme.Verify(&delivery.Request{Body: body, Document: body}, []*signature.Key{key}, 0)
	if !errors.Is(err, signature.ErrMissing) {
		t.Errorf("got %v, want %v", err, signature.ErrMissing)
	}
}

// How much is remembered of a document is nobody's to choose: beyond a bound there are no values in it.
func TestReadableIsBounded(t *testing.T) {
	members := func(n int, key func(int) string) []byte {
		var b bytes.Buffer
		b.WriteByte('{')
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "%q:0", key(i))
		}
		b.WriteByte('}')
		return b.Bytes()
	}
	own, same := func(n int) string { return fmt.Sprint(n) }, func(int) string { return "" }
	list := func(n int, of []byte) []byte {
		return append(append([]byte("["), bytes.Repeat(append(of, ','), n)...), "1]"...)
	}
	for name, c := range map[string]struct {
		document []byte
		readable bool
	}{
		"as many members as there may be":              {members(65_536, own), true},
		"one more":                                     {members(65_537, own), false},
		"many objects, one after the other":            {list(1000, members(1000, own)), true},
		"many objects, each of which gives keys again": {list(1000, members(1000, same)), false},
	} {
		if got := signature.Readable(c.document) != nil; got != c.readable {
			t.Errorf("%s: readable %v, want %v", name, got, c.readable)
		}
	}
}
