package schema_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/schema"
)

// minCoverage is the share of a message's leaf values that must survive typing.
const minCoverage = 0.9

// TestCoverage decodes every fixture and compares the typed view with the document, leaf by leaf: what share of the values
// can a subscriber read from the typed message? Every message must have a fixture, and none may lose a tenth. Fixtures are
// found by their names in testdata, among the samples that `hookbridge send` posts, and in the collection of real deliveries;
// nothing here names an event.
func TestCoverage(t *testing.T) {
	registry := builtin(t)
	own := slices.Concat(ownFixtures(t, "testdata"), ownFixtures(t, samples))
	t.Run("testdata", func(t *testing.T) { cover(t, registry, own) })
	t.Run("with the collection", func(t *testing.T) {
		scores := cover(t, registry, slices.Concat(own, sharedFixtures(t)))
		for _, event := range registry.Types() {
			if scores[event.Message.FullName()] == nil {
				t.Errorf("%s: want a fixture for one of %q in testdata/%s or among the samples, got none",
					event.Message.FullName(), event.Elements, event.Provider)
			}
		}
	})
}

func builtin(t testing.TB) *schema.Registry {
	t.Helper()
	registry, err := schema.New(schema.Config{Sets: []schema.Set{schema.Builtin()}})
	if err != nil {
		t.Fatal(err)
	}
	return registry
}

// score is what became of the leaves of a message's fixtures.
type score struct {
	fixtures, leaves, kept int
	lost                   map[string]int
}

func (s *score) share() float64 {
	if s.leaves == 0 {
		return 1
	}
	return float64(s.kept) / float64(s.leaves)
}

// cover scores fixtures by message. A fixture whose type no message claims is not scored; one that doesn't fit its message
// is an error.
func cover(t *testing.T, registry *schema.Registry, fixtures []fixture) map[protoreflect.FullName]*score {
	t.Helper()
	scores := map[protoreflect.FullName]*score{}
	claimed := 0
	for _, f := range fixtures {
		descriptor, ok := registry.Lookup(f.provider, f.typ)
		if !ok {
			continue
		}
		claimed++
		s := scores[descriptor.FullName()]
		if s == nil {
			s = &score{lost: map[string]int{}}
			scores[descriptor.FullName()] = s
		}
		s.fixtures++
		decoded := registry.Decode(f.provider, f.typ, f.document)
		if decoded.Decoding.GetState() != hookbridgev1.Decoding_STATE_TYPED {
			t.Errorf("%s: want %s as %s, got %s", f.path, f.typ, descriptor.FullName(), decoded.Decoding)
		}
		compareLeaves(t, s, f, descriptor, decoded)
	}
	t.Logf("%d of %d fixtures have a message", claimed, len(fixtures))
	table := table(scores)
	t.Log(table)
	for name, s := range scores {
		if s.share() < minCoverage {
			t.Errorf("%s: want %.0f %% of the values kept, got %.1f %%; lost: %v", name, 100*minCoverage, 100*s.share(), s.lost)
		}
	}
	return scores
}

func compareLeaves(t *testing.T, s *score, f fixture, descriptor protoreflect.MessageDescriptor, decoded schema.Decoded) {
	t.Helper()
	document := parse(t, f.document)
	typed := any(map[string]any{})
	if decoded.Decoding.GetState() == hookbridgev1.Decoding_STATE_TYPED {
		message, err := decoded.Data.UnmarshalNew()
		if err != nil {
			t.Fatalf("%s: %v", f.path, err)
		}
		// A field without presence that holds its zero value is as readable as any other.
		text, err := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(message)
		if err != nil {
			t.Fatalf("%s: %v", f.path, err)
		}
		typed = parse(t, text)
	}
	s.compare("", document, typed, descriptor)
}

func parse(t *testing.T, text []byte) any {
	t.Helper()
	var value any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// compare counts the leaves of a document's value and those that the typed one has too. Null, {} and [] are no leaves: they
// say that there is nothing, and so does a message without the field.
func (s *score) compare(path string, document, typed any, descriptor protoreflect.MessageDescriptor) {
	switch value := document.(type) {
	case nil:
	case map[string]any:
		members, _ := typed.(map[string]any)
		for key, inner := range value {
			name, next := key, protoreflect.MessageDescriptor(nil)
			if field := fieldOf(descriptor, key); field != nil {
				name, next = string(field.Name()), field.Message()
			} else if descriptor != nil && descriptor.IsMapEntry() {
				next = descriptor.Fields().ByNumber(2).Message()
			}
			s.compare(path+"."+key, inner, members[name], next)
		}
	case []any:
		elements, _ := typed.([]any)
		for i, inner := range value {
			var element any
			if i < len(elements) {
				element = elements[i]
			}
			s.compare(path+"[]", inner, element, descriptor)
		}
	default:
		s.leaves++
		if sameLeaf(value, typed) {
			s.kept++
		} else {
			s.lost[strings.TrimPrefix(path, ".")]++
		}
	}
}

// fieldOf is the field of a message that a key stands for; the keys of maps and Structs stand for none.
func fieldOf(descriptor protoreflect.MessageDescriptor, key string) protoreflect.FieldDescriptor {
	if descriptor == nil || descriptor.IsMapEntry() || descriptor.ParentFile().Package() == "google.protobuf" {
		return nil
	}
	if field := descriptor.Fields().ByTextName(key); field != nil {
		return field
	}
	return descriptor.Fields().ByJSONName(key)
}

// sameLeaf compares numbers by value, also where one is written as a string: protojson writes an int64 so.
func sameLeaf(document, typed any) bool {
	if document == typed {
		return true
	}
	a, aNumber := number(document)
	b, bNumber := number(typed)
	return aNumber && bNumber && a.Cmp(b) == 0
}

func number(value any) (*big.Rat, bool) {
	switch value.(type) {
	case json.Number, string:
		return new(big.Rat).SetString(fmt.Sprint(value))
	}
	return nil, false
}

func table(scores map[protoreflect.FullName]*score) string {
	var b strings.Builder
	b.WriteByte('\n')
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "message\tfixtures\tleaves\tkept\t")
	names := make([]protoreflect.FullName, 0, len(scores))
	for name := range scores {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		s := scores[name]
		fmt.Fprintf(w, "%s\t%d\t%d\t%.1f %%\t%s\n", name, s.fixtures, s.leaves, 100*s.share(), lostOf(s))
	}
	_ = w.Flush()
	return b.String()
}

// lostOf names what was lost, the most frequent first.
func lostOf(s *score) string {
	paths := make([]string, 0, len(s.lost))
	for path := range s.lost {
		paths = append(paths, path)
	}
	slices.SortFunc(paths, func(a, b string) int { return s.lost[b] - s.lost[a] })
	return strings.Join(paths[:min(len(paths), 5)], " ")
}
