package rejection

import (
	"strings"
	"testing"
)

// Bodies that were changed on the way, with what the provider had signed as other languages' own writers wrote it, and how it is found.
func TestBodiesAreFound(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		name, arrived, signed, contentType, how string
	}{
		{"a line end was added", "{\"a\":1}\n", `{"a":1}`, "", "without the line end after the body"},
		{"a line end was cut off", `{"a":1}`, "{\"a\":1}\n", "", "with a line end after the body"},
		{"a line end became another", "{\"a\":1}\n", "{\"a\":1}\r\n", "", "with a line end of CR and LF after the body"},
		{"white space was added", " {\"a\":1}\t", `{"a":1}`, "", "without the white space around the body"},
		{"LF became CR and LF", "{\r\n\"a\":1\r\n}", "{\n\"a\":1\n}", "", "when lines end with LF"},
		{"CR and LF became LF", "{\n\"a\":\"\\u00e9\"\n}", "{\r\n\"a\":\"\\u00e9\"\r\n}", "", "when lines end with CR and LF"},
		{"a byte order mark was added", bom + `{"a":1}`, `{"a":1}`, "", "without the byte order mark before the body"},
		{"a byte order mark was cut off", `{"a":1}`, bom + `{"a":1}`, "", "with a byte order mark before the body"},
		{"UTF-8 was taken for Latin-1", `{"a":"Ã©"}`, `{"a":"é"}`, "", "when text that was taken for Latin-1 and written as UTF-8 is turned back"},
		{"UTF-8 was written as Latin-1", "{\"a\":\"\xe9\"}", `{"a":"é"}`, "", "when text that was written as Latin-1 is UTF-8 again"},
		// JSON.stringify, json.Marshal, json.dumps(separators=(",", ":")), Jackson
		{"it was indented", "{\n  \"b\": 1.50,\n  \"a\": [ ]\n}", `{"b":1.50,"a":[]}`, "", "when the JSON is written compact"},
		// json.dumps(d)
		{"it was made compact", `{"b":1,"a":[1,2,{}]}`, `{"b": 1, "a": [1, 2, {}]}`, "", "when the JSON is written with a space after colons and commas, as Python writes it"},
		// JSON.stringify(d, null, 2)
		{"it lost its lines", `{"b":[1,[]],"a":{"c":null}}`, "{\n  \"b\": [\n    1,\n    []\n  ],\n  \"a\": {\n    \"c\": null\n  }\n}", "", "when the JSON is written indented by two spaces"},
		// json.dumps(d, indent=4)
		{"it lost its four spaces", `{"b":1}`, "{\n    \"b\": 1\n}", "", "when the JSON is written indented by four spaces"},
		// json.MarshalIndent(d, "", "\t")
		{"it lost its tabs", `{"b":1}`, "{\n\t\"b\": 1\n}", "", "when the JSON is written indented by tabs"},
		// json.NewEncoder(w).Encode(d), from what was indented
		{"it lost its line end as well", `{ "b" : 1 }`, "{\"b\":1}\n", "", "when the JSON is written compact, with a line end after it"},
		// JSON.stringify of what a Python proxy wrote
		{"characters were escaped", `{"a":"\u00e9\ud83d\ude00 \/ \""}`, `{"a":"é😀 / \""}`, "", "when the JSON is written compact, with characters unescaped, as JavaScript writes them"},
		{"escapes became characters", `{"a":"é😀"}`, `{"a":"\u00e9\ud83d\ude00"}`, "", `when the JSON is written compact, with other characters than ASCII as \u escapes, as Python writes them`},
		// json.Marshal(d)
		{"what Go escapes was unescaped", `{"a":"<b> & é"}`, `{"a":"\u003cb\u003e \u0026 é"}`, "", `when the JSON is written compact, with <, > and & as \u escapes, as Go writes them`},
		// json_encode($d)
		{"what PHP escapes was unescaped", `{"u":"http://x/é"}`, `{"u":"http:\/\/x\/\u00e9"}`, "", `when the JSON is written compact, with \u escapes and slashes escaped, as PHP writes them`},
		// JsonSerializer.Serialize(d)
		{"what .NET escapes was unescaped", `{"a":"é+'"}`, `{"a":"\u00E9\u002B\u0027"}`, "", `when the JSON is written compact, with \u escapes in capitals, as .NET writes them`},
		// json.dumps(d, sort_keys=True), from what kept another order
		{"its keys were in order", `{"b":1,"a":{"d":1,"c":[{"f":1,"e":2}]}}`, `{"a": {"c": [{"e": 2, "f": 1}], "d": 1}, "b": 1}`, "",
			"when the JSON is written with a space after colons and commas, as Python writes it and with its keys sorted"},
		// new URLSearchParams(d), urllib.parse.urlencode(d)
		{"a form's spaces were written otherwise", "a=1%202&b=%C3%A9~", "a=1+2&b=%C3%A9%7E", form, "when the form is written with spaces as +"},
		{"a form's escapes were in small letters", "a=1+2&b=%C3%A9", "a=1+2&b=%c3%a9", form, "when the form is written with spaces as + and escapes in small letters"},
		// encodeURIComponent
		{"a form's signs were escaped", "a=%28x%29+%2A", "a=(x)%20*", form, "when the form is written with spaces as %20 and !'()*~ as they are"},
		{"a form's fields were in order", "b=1&a=2", "a=2&b=1", form, "when the form is written with spaces as + and with its fields sorted"},
		{"a form is looked for in forms only", "b=1&a=2", "a=2&b=1", "application/json", ""},
		{"another value", `{"a":1}`, `{"a":2}`, "", ""},
		{"too deep", strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2), strings.Repeat("[ ", maxDepth+2), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := ""
			for how, body := range bodiesLike([]byte(c.arrived), c.contentType) {
				if string(body) == c.signed && c.arrived != c.signed {
					found = how
					break
				}
			}
			if found != c.how {
				t.Errorf("%q is found %q, want %q", c.signed, found, c.how)
			}
		})
	}
}

// Whatever a stranger sends: no panic, bounded work, and what is written anew is the same document.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{`{"a":[1,"\ud800é/<"],"b":{}}`, `[`, "a=1&b=%zz", "\xff\xfe{}", `{"a":1,"a":2}`, bom, "a=b&c"} {
		f.Add([]byte(seed), "application/x-www-form-urlencoded")
	}
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		if len(body) > maxBody {
			t.Skip("a body as large as this is not looked into")
		}
		most, n := len(body)+maxGrowth+maxBody, 0
		for how, like := range bodiesLike(body, contentType) {
			if n++; n > 400 || how == "" || len(like) > most {
				t.Fatalf("number %d, %q, %d bytes", n, how, len(like))
			}
		}
	})
}
