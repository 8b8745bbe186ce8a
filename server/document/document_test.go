package document_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/document"
)

// pack is the description that has every shape: lists, messages, durations, places of which one is chosen.
func pack() protoreflect.MessageDescriptor { return (&providerv1.Pack{}).ProtoReflect().Descriptor() }

// TestResolve: a path is followed down, step by step, and no further than there are messages.
func TestResolve(t *testing.T) {
	for path, want := range map[string]string{
		"schemes[0]":                     "hookbridge.provider.v1.Scheme true",
		"schemes":                        "hookbridge.provider.v1.Scheme true",
		"schemes[12].timestamp.at[0]":    "hookbridge.provider.v1.TimestampPlace true",
		"schemes[0].content":             " true",
		"stored_headers[1]":              " true",
		"answers.success.body":           " true",
		"answers[0].success":             " false",
		"schemes[0":                      " false",
		"schemes[0].content.x":           " false",
		"docsUrl":                        " false",
		"":                               " false",
		"schemes[0].signature[0].header": " true",
	} {
		message, ok := document.Resolve(pack(), path)
		got := " false"
		if ok {
			got = " true"
		}
		if message != nil {
			got = string(message.FullName()) + got
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
}

// TestWhereProblemsAre: a field that is in one with a problem has one, and so has one that a field with a problem is in; a name that only
// begins like it is another.
func TestWhereProblemsAre(t *testing.T) {
	d, ok := document.Parse([]byte("key: p\nschemes:\n  - {name: a}\n  - {name: b, when: [{}]}\n"), pack(), nil)
	if !ok || len(d.Problems) > 0 {
		t.Fatalf("got %v", d.Problems)
	}
	d.Add("schemes[1].when[0]", "is %s", "wrong")
	want := []document.Problem{{Line: 4, Column: 22, Path: "schemes[1].when[0]", Name: "b", Text: "is wrong"}}
	if diff := cmp.Diff(want, d.Problems); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for path, want := range map[string][2]bool{
		"schemes[1].when[0]":         {true, true},
		"schemes[1].when[0].matches": {true, false},
		"schemes[1].when":            {false, true},
		"schemes[1]":                 {false, true},
		"schemes":                    {false, true},
		"schemes[10]":                {false, false},
		"schemes[0]":                 {false, false},
		"scheme":                     {false, false},
		"key":                        {false, false},
	} {
		if got := [2]bool{d.At(path), d.Under(path)}; got != want {
			t.Errorf("%s: at and under are %v, want %v", path, got, want)
		}
	}
	if d.At("") {
		t.Error("the document as a whole has no problem")
	}
}

// TestSensitive: what stands at a sensitive path is never repeated, neither by the walk nor by who asks.
func TestSensitive(t *testing.T) {
	d, _ := document.Parse([]byte("max_body: hunter2\nretries: hunter2\n"), pack(), func(path string) bool { return path == "max_body" })
	var got []string
	for _, p := range d.Problems {
		got = append(got, p.In("p.yaml"))
	}
	want := []string{
		"p.yaml:1:11: max_body: want a whole number, got something else",
		`p.yaml:2:10: retries: want true or false, got "hunter2"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if text := d.ButGot("max_body"); text != "" {
		t.Errorf("got %q", text)
	}
}

// FuzzParse: whatever the file, each problem has a place in it.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "a", "key: p\nkey: q\n", "schemes: [{name: a, when: [{header: A, query: b}]}, null]\n", "? [a]\n: b\n", "deadline: 1y\nretries: &a x\nmax_body: *a\n", "---\n---\n", "answers: {success: {status: 1e9}}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, ok := document.Parse(data, pack(), nil)
		if !ok && len(d.Problems) != 1 {
			t.Fatalf("%d problems of what is no YAML", len(d.Problems))
		}
		d.Sort()
		for _, p := range d.Problems {
			if p.Line < 1 || p.Text == "" || !strings.HasPrefix(p.In("f"), "f:") {
				t.Errorf("got %+v", p)
			}
		}
	})
}
