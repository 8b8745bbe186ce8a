package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// document is the YAML tree with an index from the paths of protobuf fields to its nodes. protoyaml decodes; the document
// finds what protoyaml lets pass (a key twice, a value left out, a second document) and knows where everything stands.
type document struct {
	root  *yaml.Node
	nodes map[string]*yaml.Node
	names map[string]string
}

// parseDocument reads the tree. The error is about the syntax and comes with its position where YAML knows one.
func parseDocument(data []byte) (*document, *Problem) {
	d := &document{nodes: map[string]*yaml.Node{}, names: map[string]string{}}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var tree, next yaml.Node
	switch err := decoder.Decode(&tree); {
	case errors.Is(err, io.EOF):
		return d, nil
	case err != nil:
		return d, syntaxProblem(err)
	}
	if len(tree.Content) == 1 {
		d.root = tree.Content[0]
	}
	switch err := decoder.Decode(&next); {
	case err == nil:
		return d, &Problem{Line: next.Line, Column: next.Column, Text: "want one YAML document, got another one here"}
	case !errors.Is(err, io.EOF):
		return d, syntaxProblem(err)
	}
	return d, nil
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

// position returns where the field at path is, or its nearest parent.
func (d *document) position(path string) (line, column int) {
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
func (d *document) nameAt(path string) string {
	element, _ := cutElement(path)
	return d.names[element]
}

// got describes what stands at path. It never repeats what may be a secret.
func (d *document) got(path string) string {
	node, ok := d.nodes[path]
	switch {
	case !ok:
		return "nothing"
	case sensitive(path):
		return "something else"
	case node.Kind == yaml.ScalarNode:
		return quote(node.Value)
	default:
		return kindName(node)
	}
}

// sensitive says whether a value at path may be or contain a secret.
func sensitive(path string) bool {
	return strings.Contains(path, ".secrets") || strings.Contains(path, ".settings.") || strings.Contains(path, ".tokens") || path == "journal.nats.url" || path == "http.public_url"
}

func quote(value string) string {
	const most = 80
	if len(value) > most {
		return strconv.Quote(strings.ToValidUTF8(value[:most], "")) + "..."
	}
	return strconv.Quote(value)
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

// walkMessage indexes a mapping and reports what doesn't fit the message's shape.
func (p *problems) walkMessage(node *yaml.Node, message protoreflect.MessageDescriptor, path string) {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return
	}
	if node.Kind != yaml.MappingNode {
		p.addAt(node.Line, node.Column, path, "want a mapping with the keys %s; got %s", keys(message), kindName(node))
		return
	}
	seen := map[string]int{}
	for pair := range slices.Chunk(node.Content, 2) {
		key, value := pair[0], pair[1]
		child := strings.TrimPrefix(path+"."+key.Value, ".")
		field := message.Fields().ByTextName(key.Value)
		switch line, twice := seen[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			p.addAt(key.Line, key.Column, path, "want a key, got %s", kindName(key))
		case field == nil:
			p.addAt(key.Line, key.Column, child, "there is no such key%s", didYouMean(key.Value, fieldNames(message)))
		case twice:
			p.addAt(key.Line, key.Column, child, "is given twice, first on line %d", line)
		default:
			seen[key.Value] = key.Line
			p.walkField(value, field, child)
		}
	}
}

func (p *problems) walkField(node *yaml.Node, field protoreflect.FieldDescriptor, path string) {
	p.document.nodes[path] = node
	switch {
	case node.Kind == yaml.AliasNode:
		p.add(path, "anchors and aliases are not supported; write the value out")
	case node.Kind == yaml.ScalarNode && node.Tag == "!!null" && (field.Message() == nil || field.IsList()):
		p.add(path, "has no value; give one or leave the key out")
	case field.IsMap():
		p.walkMap(node, field, path)
	case !field.IsList():
		p.walkValue(node, field, path)
	case node.Kind != yaml.SequenceNode:
		p.add(path, "want a list, got %s", kindName(node))
	default:
		for i, item := range node.Content {
			element := fmt.Sprintf("%s[%d]", path, i)
			if name := nameOf(item); name != "" && path != "" {
				p.document.names[element] = name
			}
			p.document.nodes[element] = item
			switch {
			case item.Kind == yaml.AliasNode:
				p.add(element, "anchors and aliases are not supported; write the value out")
			case item.Kind == yaml.ScalarNode && item.Tag == "!!null":
				p.add(element, "has no value; give one or leave it out")
			default:
				p.walkValue(item, field, element)
			}
		}
	}
}

// walkMap indexes a mapping of names to texts, each as if its name were a key.
func (p *problems) walkMap(node *yaml.Node, field protoreflect.FieldDescriptor, path string) {
	if node.Kind != yaml.MappingNode {
		p.add(path, "want a mapping, got %s", kindName(node))
		return
	}
	seen := map[string]int{}
	for pair := range slices.Chunk(node.Content, 2) {
		key, value := pair[0], pair[1]
		child := path + "." + key.Value
		switch line, twice := seen[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			p.addAt(key.Line, key.Column, path, "want a key, got %s", kindName(key))
		case twice:
			p.addAt(key.Line, key.Column, child, "is given twice, first on line %d", line)
		default:
			seen[key.Value] = key.Line
			p.walkField(value, field.MapValue(), child)
		}
	}
}

// walkValue checks one value, or one element of a list, against the field's type.
func (p *problems) walkValue(node *yaml.Node, field protoreflect.FieldDescriptor, path string) {
	if message := field.Message(); message != nil {
		p.walkMessage(node, message, path)
		return
	}
	want, fits := "a single value", true
	switch field.Kind() {
	case protoreflect.BoolKind:
		want = "true or false"
		fits = node.Tag == "!!bool" && (node.Value == "true" || node.Value == "false")
	case protoreflect.Int32Kind:
		want = "a whole number"
		_, err := strconv.ParseInt(node.Value, 10, 32)
		fits = err == nil
	case protoreflect.DoubleKind:
		want = "a number"
		number, err := strconv.ParseFloat(node.Value, 64)
		fits = err == nil && !math.IsInf(number, 0) && !math.IsNaN(number)
	}
	if !fits || node.Kind != yaml.ScalarNode {
		p.add(path, "want %s, got %s", want, p.document.got(path))
	}
}

// nameOf returns the value of the key "name" of a mapping.
func nameOf(node *yaml.Node) string {
	if node.Kind != yaml.MappingNode {
		return ""
	}
	for pair := range slices.Chunk(node.Content, 2) {
		if pair[0].Value == "name" && pair[1].Kind == yaml.ScalarNode && pair[1].Tag == "!!str" {
			return pair[1].Value
		}
	}
	return ""
}

func fieldNames(message protoreflect.MessageDescriptor) []string {
	names := make([]string, message.Fields().Len())
	for i := range names {
		names[i] = message.Fields().Get(i).TextName()
	}
	return names
}

func keys(message protoreflect.MessageDescriptor) string {
	return strings.Join(fieldNames(message), ", ")
}
