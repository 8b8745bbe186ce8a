package signature_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// The first value of a form's field, unescaped, and how many there are.
func TestFormValue(t *testing.T) {
	for _, tc := range []struct {
		data, value string
		n           int
	}{
		{"payload=%7B%22a%22%3A1%7D", `{"a":1}`, 1},
		{"a=1&payload=x&b=2", "x", 1},
		{"payload=a+b%2Bc%20d", "a b+c d", 1},
		{"payload=%e2%82%AC", "€", 1},
		{"payload=%00%0A", "\x00\n", 1},
		{"payload=%FF", "\xff", 1},
		{"payload=a=b=c", "a=b=c", 1},
		{"payload=a;payload=b", "a;payload=b", 1},
		{"payload=1&payload=2", "1", 2},
		{"payload=&payload=2", "", 2},
		{"%70ayload=1", "1", 1},
		{"%70%61%79%6c%6F%61%64=1&payload=2", "1", 2},
		{"payload", "", 1},
		{"", "", 0},
		{"&&=&", "", 0},
		{"payloads=1", "", 0},
		{"Payload=1", "", 0},
		{"pay+load=1", "", 0},
		// A broken escape is passed over, whole.
		{"payload=%", "", 0},
		{"payload=%4", "", 0},
		{"payload=%zz&payload=2", "2", 1},
		{"payloa%6=1", "", 0},
	} {
		value, n := signature.FormValue([]byte(tc.data), "payload")
		if string(value) != tc.value || n != tc.n {
			t.Errorf("%q: got %q, %d, want %q, %d", tc.data, value, n, tc.value, tc.n)
		}
	}
}

// What is no form of net/url is none here, and what is one has the same values.
func FuzzFormValue(f *testing.F) {
	for _, seed := range []string{"payload=%7B%7D", "a=1&payload=+%2b&payload=2", "payload=%", "%70ayload=%00", "payload;=1", "=&&"} {
		f.Add(seed, "payload")
	}
	f.Add("a+b=1", "a+b") // the key is "a b"
	f.Fuzz(func(t *testing.T, data, name string) {
		if name == "" {
			t.Skip("a pack's field has a name")
		}
		value, n := signature.FormValue([]byte(data), name)
		if n == 0 && value != nil {
			t.Fatalf("%q: no value and %q", data, value)
		}
		// net/url refuses semicolons, which are text here as in every browser and in most providers' forms.
		if strings.Contains(data, ";") {
			return
		}
		values, err := url.ParseQuery(data)
		if err != nil {
			return // it keeps some pairs and drops others, as we do, but doesn't say which
		}
		if want := values[name]; n != len(want) || n > 0 && string(value) != want[0] {
			t.Fatalf("%q: got %q, %d, want %q", data, value, n, want)
		}
	})
}

// A path into JSON means the key that it spells, whatever the key is made of, and never a pattern or a modifier.
func TestJSONPlaces(t *testing.T) {
	for _, tc := range []struct{ path, document, want string }{
		{"type", `{"type":"a"}`, "a"},
		{"a.b.c", `{"a":{"b":{"c":"x"}}}`, "x"},
		{"events.1.id", `{"events":[{"id":1},{"id":2}]}`, "2"},
		{`a\.b`, `{"a.b":"x","a":{"b":"y"}}`, "x"},
		{`a\\b`, `{"a\\b":"x"}`, "x"},
		{"n", `{"n":1.50}`, "1.50"},
		{"n", `{"n":9007199254740993}`, "9007199254740993"},
		{"n", `{"n":false}`, "false"},
		{"n", `{"n":null}`, ""},
		{"n", `{"n":{}}`, ""},
		{"n", `{"n":[1]}`, ""},
		{"n", `{"n":""}`, ""},
		{"n", `{"n":"first","n":"second"}`, "first"},
		{"*", `{"a":"x"}`, ""},
		{"a*", `{"ab":"x","a*":"y"}`, "y"},
		{"?", `{"a":"x"}`, ""},
		{"e.#", `{"e":[1,2]}`, ""},
		{"e.#.id", `{"e":[{"id":1}]}`, ""},
		{"@this", `{"a":"x"}`, ""},
		{"@this", `{"@this":"x"}`, "x"},
		{"a|b", `{"a":{"b":"x"}}`, ""},
		{"a", `no JSON`, ""},
		{"a", ``, ""},
		{"a", `[]`, ""},
	} {
		place, err := signature.PlaceNamed("json", tc.path)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := place.Lookup(&delivery.Request{}, []byte(tc.document))
		if got != tc.want || ok != (tc.want != "") {
			t.Errorf("%s of %s: got %q, %v, want %q", tc.path, tc.document, got, ok, tc.want)
		}
	}
}
