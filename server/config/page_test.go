package config

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// reference renders the documentation of the file.
func reference(root protoreflect.MessageDescriptor) string {
	var out strings.Builder
	indented := "```yaml\n" + example + "```\n"
	fmt.Fprintf(&out, referenceHead, strings.TrimPrefix(comment(root), "Config is the whole file. "), indented, "```yaml\n"+authExample+"```\n")
	var section func(path string, message protoreflect.MessageDescriptor)
	section = func(path string, message protoreflect.MessageDescriptor) {
		fmt.Fprintf(&out, "\n## %s\n\n", cmp.Or(path, "Top level"))
		if path != "" {
			fmt.Fprintf(&out, "%s\n\n", comment(message))
		}
		fmt.Fprintf(&out, "| key | what it means |\n| --- | --- |\n")
		for i := range message.Fields().Len() {
			field := message.Fields().Get(i)
			fmt.Fprintf(&out, "| `%s` | %s%s |\n", field.TextName(), kindOf(field), strings.ReplaceAll(comment(field), "|", `\|`))
		}
		for i := range message.Fields().Len() {
			field := message.Fields().Get(i)
			if field.Message() == nil || field.IsMap() {
				continue
			}
			child := strings.TrimPrefix(path+"."+field.TextName(), ".")
			if field.IsList() {
				child += "[]"
			}
			section(child, field.Message())
		}
	}
	section("", root)
	return out.String()
}

func kindOf(field protoreflect.FieldDescriptor) string {
	switch {
	case field.IsList():
		return "List. "
	case field.IsMap():
		return "Mapping. "
	case field.Kind() == protoreflect.BoolKind:
		return "true or false. "
	case field.Kind() == protoreflect.Int32Kind, field.Kind() == protoreflect.DoubleKind:
		return "Number. "
	default:
		return ""
	}
}

// TestReference keeps docs/configuration.md in step with the schema's comments.
func TestReference(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "configuration.md")
	want := reference(schema(t))
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, string(got)); diff != "" {
		t.Errorf("run go test ./server/config -update (-want +got)\n%s", diff)
	}
}
