package document

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"buf.build/go/protoyaml"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// duration is a message that is written as a single value.
const duration = "google.protobuf.Duration"

// walkMessage indexes a mapping and reports what doesn't fit the message's shape.
func (d *Document) walkMessage(node *yaml.Node, message protoreflect.MessageDescriptor, path string) {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return
	}
	if node.Kind != yaml.MappingNode {
		d.addAt(node.Line, node.Column, path, "want a mapping with the keys %s; got %s", keys(message), kindName(node))
		return
	}
	seen, chosen := map[string]int{}, map[protoreflect.Name]string{}
	for pair := range slices.Chunk(node.Content, 2) {
		key, value := pair[0], pair[1]
		child := strings.TrimPrefix(path+"."+key.Value, ".")
		field := message.Fields().ByTextName(key.Value)
		switch line, twice := seen[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			d.addAt(key.Line, key.Column, path, "want a key, got %s", kindName(key))
		case field == nil:
			d.addAt(key.Line, key.Column, child, "there is no such key%s", DidYouMean(key.Value, fieldNames(message)))
		case twice:
			d.addAt(key.Line, key.Column, child, "is given twice, first on line %d", line)
		default:
			seen[key.Value] = key.Line
			if o := field.ContainingOneof(); o != nil && !o.IsSynthetic() {
				if first, twice := chosen[o.Name()]; twice {
					d.addAt(key.Line, key.Column, child, "want only one of %s and %s", first, key.Value)
				}
				chosen[o.Name()] = key.Value
			}
			d.walkField(value, field, child)
		}
	}
}

func (d *Document) walkField(node *yaml.Node, field protoreflect.FieldDescriptor, path string) {
	d.nodes[path] = node
	switch {
	case node.Kind == yaml.AliasNode:
		d.Add(path, "anchors and aliases are not supported; write the value out")
	case node.Kind == yaml.ScalarNode && node.Tag == "!!null" && (field.Message() == nil || field.IsList()):
		d.Add(path, "has no value; give one or leave the key out")
	case field.IsMap():
		d.walkMap(node, field, path)
	case !field.IsList():
		d.walkValue(node, field, path)
	case node.Kind != yaml.SequenceNode:
		d.Add(path, "want a list, got %s", kindName(node))
	default:
		for i, item := range node.Content {
			element := fmt.Sprintf("%s[%d]", path, i)
			if name := nameOf(item); name != "" && path != "" {
				d.names[element] = name
			}
			d.nodes[element] = item
			switch {
			case item.Kind == yaml.AliasNode:
				d.Add(element, "anchors and aliases are not supported; write the value out")
			case item.Kind == yaml.ScalarNode && item.Tag == "!!null":
				d.Add(element, "has no value; give one or leave it out")
			default:
				d.walkValue(item, field, element)
			}
		}
	}
}

// walkMap indexes a mapping of names to texts, each as if its name were a key.
func (d *Document) walkMap(node *yaml.Node, field protoreflect.FieldDescriptor, path string) {
	if node.Kind != yaml.MappingNode {
		d.Add(path, "want a mapping, got %s", kindName(node))
		return
	}
	seen := map[string]int{}
	for pair := range slices.Chunk(node.Content, 2) {
		key, value := pair[0], pair[1]
		child := path + "." + key.Value
		switch line, twice := seen[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			d.addAt(key.Line, key.Column, path, "want a key, got %s", kindName(key))
		case twice:
			d.addAt(key.Line, key.Column, child, "is given twice, first on line %d", line)
		default:
			seen[key.Value] = key.Line
			d.walkField(value, field.MapValue(), child)
		}
	}
}

// walkValue checks one value, or one element of a list, against the field's type.
func (d *Document) walkValue(node *yaml.Node, field protoreflect.FieldDescriptor, path string) {
	want, fits := "a single value", true
	switch message := field.Message(); {
	case message != nil && message.FullName() == duration:
		want = "a duration, like 30s or 1h30m"
		_, err := protoyaml.ParseDuration(node.Value)
		fits = err == nil
	case message != nil:
		d.walkMessage(node, message, path)
		return
	}
	switch field.Kind() {
	case protoreflect.BoolKind:
		want = "true or false"
		fits = node.Tag == "!!bool" && (node.Value == "true" || node.Value == "false")
	case protoreflect.Int32Kind:
		want = "a whole number"
		_, err := strconv.ParseInt(node.Value, 10, 32)
		fits = err == nil
	case protoreflect.Int64Kind:
		want = "a whole number"
		_, err := strconv.ParseInt(node.Value, 10, 64)
		fits = err == nil
	case protoreflect.DoubleKind:
		want = "a number"
		number, err := strconv.ParseFloat(node.Value, 64)
		fits = err == nil && !math.IsInf(number, 0) && !math.IsNaN(number)
	}
	if !fits || node.Kind != yaml.ScalarNode {
		d.Add(path, "want %s, got %s", want, d.Got(path))
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
