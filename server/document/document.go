// Package document reads a YAML file that describes a protobuf message, for the sake of whoever wrote the file: it knows where every field
// stands, and finds what a decoder lets pass (a key twice, a value left out, a second document).
//
// What is wrong is collected, so that a file is mended in one go; each problem says where, by line, column and the path of the field, and what
// was expected. Decoding is somebody else's, and so is what values mean. That a problem doesn't repeat a secret is the caller's to arrange, who
// says which fields are sensitive.
package document

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Document is the YAML tree with an index from the paths of protobuf fields to where they stand, and what is wrong with it.
type Document struct {
	// Problems are in the order in which they were found; see Sort.
	Problems []Problem
	// Message is whose shape it has.
	Message protoreflect.MessageDescriptor

	root  *yaml.Node
	nodes map[string]*yaml.Node
	names map[string]string
	// sensitive says whether a value at a path may be or contain a secret.
	sensitive func(path string) bool
}

// Parse reads the tree and compares it with the shape of a message. The values at sensitive paths are never repeated; nil: there are none.
// ok is false where it is no YAML: that is then the only problem.
func Parse(data []byte, message protoreflect.MessageDescriptor, sensitive func(path string) bool) (d *Document, ok bool) {
	d = &Document{Message: message, nodes: map[string]*yaml.Node{}, names: map[string]string{}, sensitive: sensitive}
	if problem := d.parse(data); problem != nil {
		d.Problems = append(d.Problems, *problem)
		return d, false
	}
	if d.root != nil {
		d.walkMessage(d.root, message, "")
	}
	return d, true
}

// parse reads the tree. The problem is about the syntax and comes with its position where YAML knows one.
func (d *Document) parse(data []byte) *Problem {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var tree, next yaml.Node
	switch err := decoder.Decode(&tree); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return syntaxProblem(err)
	}
	if len(tree.Content) == 1 {
		d.root = tree.Content[0]
	}
	switch err := decoder.Decode(&next); {
	case err == nil:
		return &Problem{Line: next.Line, Column: next.Column, Text: "want one YAML document, got another one here"}
	case !errors.Is(err, io.EOF):
		return syntaxProblem(err)
	}
	return nil
}

func syntaxProblem(err error) *Problem {
	problem := &Problem{Line: 1, Column: 1, Text: "is no YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
	// The name of an unknown anchor could be a secret that begins with an asterisk.
	if strings.Contains(problem.Text, "unknown anchor") {
		problem.Text = "is no YAML: unknown anchor (quote a value that begins with *)"
		return problem
	}
	if m := regexp.MustCompile(`^yaml: line (\d+): (?s:(.*))$`).FindStringSubmatch(err.Error()); m != nil {
		problem.Line, _ = strconv.Atoi(m[1])
		problem.Text = "is no YAML: " + m[2]
	}
	return problem
}

// Position returns where the field at path is, or its nearest parent.
func (d *Document) Position(path string) (line, column int) {
	for path != "" {
		if node, ok := d.nodes[path]; ok {
			return node.Line, node.Column
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	if d.root != nil {
		return d.root.Line, d.root.Column
	}
	return 1, 1
}

// nameAt returns the name of the list element that path is in.
func (d *Document) nameAt(path string) string {
	element, _ := cutElement(path)
	return d.names[element]
}

// Got describes what stands at path. It never repeats what may be a secret.
func (d *Document) Got(path string) string {
	node, ok := d.nodes[path]
	switch {
	case !ok:
		return "nothing"
	case d.sensitive != nil && d.sensitive(path):
		return "something else"
	case node.Kind == yaml.ScalarNode:
		return Quote(node.Value)
	default:
		return kindName(node)
	}
}

// Quote quotes a value, the beginning of one that is long.
func Quote(value string) string {
	const most = 80
	if len(value) > most {
		return strconv.Quote(strings.ToValidUTF8(value[:most], "")) + "..."
	}
	return strconv.Quote(value)
}

// ButGot returns `, got "x"` for a single value, and nothing where there is no use in saying what was found.
func (d *Document) ButGot(path string) string {
	if got := d.Got(path); strings.HasPrefix(got, `"`) || got == "nothing" {
		return ", got " + got
	}
	return ""
}

// IsNull says whether the field at path is there and has no value.
func (d *Document) IsNull(path string) bool {
	node, ok := d.nodes[path]
	return ok && node.Kind == yaml.ScalarNode && node.Tag == "!!null"
}

func kindName(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	default:
		return "a single value"
	}
}
