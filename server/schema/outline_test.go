package schema

import (
	"bytes"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/protobuf/reflect/protoregistry"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// everyDemand is an option with demands of every kind, two of them on one path.
func everyDemand() *hookbridgev1.EventOptions {
	return &hookbridgev1.EventOptions{
		Types:    []string{"t", "u"},
		Requires: []string{"a", "b.c", "b.d.e"},
		Excludes: []string{"x", "b.x"},
		Shapes: []*hookbridgev1.EventShape{
			{Begins: []*hookbridgev1.EventPrefix{{Path: "b.id", Text: "gid://"}}},
			{Types: []string{"t"}, Filled: []string{"b.id", "at"}},
			{Types: []string{"u"}, Requires: []string{"only.u"}},
		},
	}
}

// What a document breaks, as the fallback finds it.
func TestOutline(t *testing.T) {
	o, err := newOutline(everyDemand(), "t")
	if err != nil {
		t.Fatal(err)
	}
	for document, want := range map[string][]string{
		`{"a":null,"b":{"c":0,"d":{"e":[]}}}`:          nil,
		`{}`:                                           {"requires a", "requires b.c", "requires b.d.e"},
		`{"a":1,"b":{"c":1}}`:                          {"requires b.d.e"},
		`{"a":1,"b":[{"c":1}]}`:                        {"requires b.c", "requires b.d.e"},
		`{"a":1,"b":null}`:                             {"requires b.c", "requires b.d.e"},
		`{"\u0061":1,"b":{"d":{"e":1}}}`:               {"requires b.c"},
		`{"b.c":1,"a":{"b":{"c":1}},"c":1}`:            {"requires b.c", "requires b.d.e"},
		`{"a":{"a":1},"b":{"b":{"c":1},"c":{}}}`:       {"requires b.d.e"},
		`{"a":1,"b":{"c":0,"d":{"e":1},"x":0},"x":{}}`: {"excludes x", "excludes b.x"},
		`{"a":1,"b":{"c":0,"d":{"e":1},"id":"gid:\/\/1"},"at":0,"c":{"x":1},"x":null}`: nil,
		`{"a":1,"b":{"c":0,"d":{"e":1},"id":"gid:/"},"at":null}`:                       {"begins b.id", "filled at"},
		`{"a":1,"b":{"c":0,"d":{"e":1},"id":7}}`:                                       {"begins b.id"},
		`{"a":1,"b":{"c":0,"d":{"e":1},"id":null}}`:                                    {"filled b.id"},
		`{"a":1,"b":{"c":0,"d":{"e":1},"id":"gid://1"},"b":{"id":"x","x":"y"}}`:        {"excludes b.x", "begins b.id"},
	} {
		var got []string
		for broken := o.broken([]byte(document)); broken != 0; broken &= broken - 1 {
			d := o.demands[bits.TrailingZeros64(broken)]
			got = append(got, d.kind.String()+" "+d.path)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s breaks %v, want %v", document, got, want)
		}
	}
}

// Options that can't be.
func TestOutlineThatCantBe(t *testing.T) {
	shape := func(s *hookbridgev1.EventShape) *hookbridgev1.EventOptions {
		return &hookbridgev1.EventOptions{Types: []string{"t"}, Shapes: []*hookbridgev1.EventShape{s}}
	}
	many := make([]string, 15)
	for n := range many {
		many[n] = string(rune('a' + n))
	}
	crowd := &hookbridgev1.EventOptions{Types: []string{"t"}}
	for range 5 {
		crowd.Shapes = append(crowd.Shapes, &hookbridgev1.EventShape{Requires: slices.Clone(many)})
		for n := range many {
			many[n] += "x"
		}
	}
	for want, option := range map[string]*hookbridgev1.EventOptions{
		`requires[1]: want keys joined by dots, got "a..b"`:           {Requires: []string{"a", "a..b"}},
		`requires[0]: want keys joined by dots, got ""`:               {Requires: []string{""}},
		`requires[1]: "a.b" is there twice`:                           {Requires: []string{"a.b", "a.b"}},
		`requires: want at most 16 paths, got 17`:                     {Requires: make([]string, 17)},
		`excludes[1]: "a" is there twice`:                             {Requires: []string{"a"}, Excludes: []string{"a", "a"}},
		`shapes[0].types[0]: want one of the option's types, got "T"`: shape(&hookbridgev1.EventShape{Types: []string{"T"}}),
		`shapes[0].filled[0]: want keys joined by dots, got "a."`:     shape(&hookbridgev1.EventShape{Filled: []string{"a."}}),
		`shapes[0].begins[0].text: want a text, got none`:             shape(&hookbridgev1.EventShape{Begins: []*hookbridgev1.EventPrefix{{Path: "a"}}}),
		`shapes[0].begins[0].path: want keys joined by dots, got ""`:  shape(&hookbridgev1.EventShape{Begins: []*hookbridgev1.EventPrefix{{Text: "a"}}}),
		`shapes[0].begins: want at most 16 paths, got 17`:             shape(&hookbridgev1.EventShape{Begins: make([]*hookbridgev1.EventPrefix, 17)}),
		`want at most 64 paths for one type, got 75`:                  crowd,
	} {
		if _, err := newOutline(option, "t"); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if o, err := newOutline(&hookbridgev1.EventOptions{}, "t"); o != nil || err != nil {
		t.Errorf("none: %v, %v", o, err)
	}
}

// The transcoder finds what is broken as the fallback does, in objects that are read as messages and in others.
func TestTranscoderFindsWhatIsBroken(t *testing.T) {
	o, err := newOutline(&hookbridgev1.EventOptions{
		Types: []string{"t"}, Requires: []string{"repository", "repository.owner.login", "issue.user", "nobody.knows", "data.object.id", "data.previous_attributes.a", "commits.id", "sender.sender"},
		Excludes: []string{"number", "issue.comments", "data.object.object", "nobody.x"},
		Shapes: []*hookbridgev1.EventShape{{Filled: []string{"organization", "pull_request.merged_at", "customer", "cancelled_at"}, Begins: []*hookbridgev1.EventPrefix{
			{Path: "admin_graphql_api_id", Text: "gid://shopify/Order/"}, {Path: "repository.owner", Text: "x"}, {Path: "data.object.id", Text: "in_"}, {Path: "ref", Text: "refs/"},
		}}},
	}, "t")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for descriptor := range builtinMessages(t) {
		if descriptor.IsMapEntry() {
			continue
		}
		m, err := (&compiler{types: protoregistry.GlobalTypes}).message(descriptor)
		if err != nil {
			t.Fatal(err)
		}
		if m.outline = o; m.plan == nil {
			continue
		}
		paths, err := filepath.Glob("../provider/samples/*/*.json")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			document, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			document = append([]byte(`{"nobody":{"x":[{"knows":1}],"knows":{}},`), bytes.TrimSpace(document)[1:]...)
			_, broken, ok := m.transcode(document)
			if !ok {
				continue
			}
			compared++
			if want := o.broken(document); broken != want {
				t.Errorf("%s as %s breaks %b, want %b", path, m.name, broken, want)
			}
		}
	}
	if compared < 100 {
		t.Errorf("only %d were compared", compared)
	}
}
