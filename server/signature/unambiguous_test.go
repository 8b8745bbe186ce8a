package signature_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/signature"
)

// What some of whose values are signed is one JSON value in which nothing is there twice, in whatever spelling.
func TestUnambiguous(t *testing.T) {
	for _, tc := range []struct{ name, document, want string }{
		{"an object", `{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]}`, ""},
		{"a text", `"a"`, ""},
		{"a member twice", `{"a":1,"b":2,"a":1}`, "has a member twice"},
		{"in two cases", `{"alg":1,"ALG":2}`, "has a member twice"},
		{"in two cases, one escaped", `{"alg":1,"\u0041lg":2}`, "has a member twice"},
		{"in two cases of a letter that is no ASCII", `{"é":1,"É":2}`, "has a member twice"},
		{"the sign of the Kelvin", "{\"k\":1,\"\u212a\":2}", "has a member twice"},
		{"of what is no text both are the same", "{\"a\xff\":1,\"a\xfe\":2}", "has a member twice"},
		{"further in", `[{"a":[{"b":1,"B":2}]}]`, "has a member twice"},
		{"among many", `{` + manyMembers(100) + `,"M7":1}`, "has a member twice"},
		{"many", `{` + manyMembers(100) + `}`, ""},
		{"cut off behind it", `{"a":1,"a":2`, "is no JSON"},
		{"nothing", ``, "is no JSON"},
		{"two values", `{} {}`, "is no JSON"},
		{"as deep as it may be", strings.Repeat("[", 64) + strings.Repeat("]", 64), ""},
		{"deeper", strings.Repeat("[", 65) + strings.Repeat("]", 65), "is nested too deeply"},
		{"deeper than anything", strings.Repeat(`{"a":`, 100_000), "is nested too deeply"},
	} {
		want := "signature malformed: the body " + tc.want
		switch err := signature.Unambiguous([]byte(tc.document)); {
		case tc.want == "" && err != nil:
			t.Errorf("%s: got %v", tc.name, err)
		case tc.want != "" && (!errors.Is(err, signature.ErrMalformed) || err.Error() != want):
			t.Errorf("%s: got %v, want %s", tc.name, err, want)
		}
		// The scanner's memory is used again by who takes keys as they are.
		if got := signature.Readable([]byte(`{"a":1,"A":2}`)); string(got) != `{"a":1,"A":2}` {
			t.Errorf("%s: what comes behind it reads as %s", tc.name, got)
		}
	}
}

func manyMembers(n int) string {
	var list []string
	for i := range n {
		list = append(list, `"m`+strings.Repeat("x", i)+`":1`)
	}
	return strings.Join(append(list, `"m7":1`), ",")
}

// What the standard library's decoder finds there is what is found.
func FuzzUnambiguous(f *testing.F) {
	for _, seed := range []string{
		`{"a":1,"A":2}`, `{"a":{"b":1,"b":2}}`, `{"a":1}{}`, `[{"\u00e9":1,"\u00c9":2}]`, "{\"\xff\":1,\"\\ufffd\":2}", `{"\ud800":1,"\ud801":2}`, `[[[`, `{"a":1,}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		d := json.NewDecoder(bytes.NewReader(document))
		d.UseNumber()
		twice, valid := false, json.Valid(document)
		if valid {
			if err := walkTokens(d, &twice); err != nil {
				t.Fatalf("%q: %v", document, err)
			}
		}
		err := signature.Unambiguous(document)
		if err != nil && strings.HasSuffix(err.Error(), "is nested too deeply") {
			return
		}
		if (err == nil) != (valid && !twice) {
			t.Fatalf("%q: got %v, valid %v, twice %v", document, err, valid, twice)
		}
	})
}

// walkTokens reads a value and says whether an object of it has a member twice.
func walkTokens(d *json.Decoder, twice *bool) error {
	token, err := d.Token()
	open, inside := token.(json.Delim)
	if err != nil || !inside {
		return err
	}
	seen := map[string]bool{}
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return err
			}
			text, ok := name.(string)
			if !ok {
				return io.ErrUnexpectedEOF
			}
			text = strings.ToLower(text)
			*twice = *twice || seen[text]
			seen[text] = true
		}
		if err := walkTokens(d, twice); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}
