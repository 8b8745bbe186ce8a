package provider

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"

	"buf.build/go/protovalidate"
	"buf.build/go/protoyaml"
	"google.golang.org/protobuf/reflect/protoreflect"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/document"
)

// Parse reads a pack. Its error joins one for each thing that is wrong, in the order of the file, each with file, line, column and field.
// What only follows from something that is wrong already is left out.
func Parse(file string, data []byte) (*Pack, error) {
	// What else ends lines for the YAML parser doesn't for protoyaml, which then looks for the source of an error beyond the last
	// line, and panics.
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	if at := bytes.IndexAny(data, "\r\u0085\u2028\u2029"); at >= 0 {
		begin := bytes.LastIndexByte(data[:at], '\n') + 1
		other := document.Problem{Line: bytes.Count(data[:at], []byte("\n")) + 1, Column: at - begin + 1, Text: "lines end with a line feed, and with nothing else"}
		return nil, errors.New(other.In(file))
	}
	spec := &providerv1.Pack{}
	d, ok := document.Parse(data, spec.ProtoReflect().Descriptor(), nil)
	if !ok || d.At("") {
		return nil, wrong(file, d)
	}
	// Its errors quote the file, and what the walk through the document found covers them.
	err := protoyaml.UnmarshalOptions{Path: file, DiscardUnknown: true}.Unmarshal(data, spec)
	if err != nil && len(d.Problems) == 0 {
		return nil, oneByOne(file, err)
	}
	if err := d.Validate(spec); err != nil {
		return nil, fmt.Errorf("%s: rules of a pack's schema: %w", file, err)
	}
	if want := spec.GetKey() + ".yaml"; path.Base(file) != want && !d.At("key") {
		d.Add("key", "the file of %q is called %s", spec.GetKey(), want)
	}
	pack, err := checkSettings(spec, len(d.Problems) == 0)
	report(d, err)
	if len(d.Problems) > 0 {
		return nil, wrong(file, d)
	}
	pack.line, pack.column = d.Position("key")
	return pack, nil
}

// validate applies the rules of the description. Its error joins what breaks them, each behind the way to its field.
func validate(spec *providerv1.Pack) error {
	err := protovalidate.Validate(spec)
	broken, ok := errors.AsType[*protovalidate.ValidationError](err)
	if !ok {
		return err
	}
	var errs []error
	for _, v := range broken.Violations {
		errs = append(errs, fmt.Errorf("%s: %s", protovalidate.FieldPathString(v.Proto.GetField()), v.Proto.GetMessage()))
	}
	return errors.Join(errs...)
}

// wrong joins an error of each problem.
func wrong(file string, d *document.Document) error {
	d.Sort()
	var errs []error
	for _, p := range d.Problems {
		errs = append(errs, errors.New(p.In(file)))
	}
	return errors.Join(errs...)
}

// oneByOne makes one error of each problem that protoyaml found: its place and its text, without the line of the file beneath.
func oneByOne(file string, err error) error {
	var errs []error
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimRight(line, "\n"); strings.HasPrefix(line, file+":") {
			errs = append(errs, errors.New(line))
		}
	}
	if len(errs) == 0 {
		return fmt.Errorf("%s: %w", file, err)
	}
	return errors.Join(errs...)
}

// report adds what compiling found, but for what is in an element in which something is wrong by its shape: that was compiled without what
// couldn't be read.
func report(d *document.Document, err error) {
	var found []document.Problem
	for _, each := range problems(err) {
		at, text := fieldOf(d.Message, each)
		if !d.Under(unit(at)) {
			found = append(found, document.Problem{Path: at, Text: text})
		}
	}
	for _, p := range found {
		if !d.At(p.Path) {
			d.Add(p.Path, "%s", p.Text)
		}
	}
}

// unit is the beginning of a path that is compiled by itself: "schemes[0]" of "schemes[0].content".
func unit(path string) string {
	if end := strings.IndexAny(path, "]."); end >= 0 {
		return strings.TrimSuffix(path[:end+1], ".")
	}
	return path
}

// fieldOf splits an error's text behind the field that it begins with, as compiling says it: the way down to it, each step followed by a
// colon, and the name of a scheme in between.
func fieldOf(message protoreflect.MessageDescriptor, text string) (path, rest string) {
	for message != nil {
		head, tail, ok := strings.Cut(text, ": ")
		if !ok {
			break
		}
		if strings.HasPrefix(head, `scheme "`) && path != "" {
			text = tail
			continue
		}
		next, ok := document.Resolve(message, head)
		if !ok {
			break
		}
		path, text, message = strings.TrimPrefix(path+"."+head, "."), tail, next
	}
	return path, text
}

// problems are the texts of the errors that are joined in one, each on one line.
func problems(err error) []string {
	if err == nil {
		return nil
	}
	if joined, ok := parts(err); ok {
		var texts []string
		for _, each := range joined {
			texts = append(texts, problems(each)...)
		}
		return texts
	}
	return []string{strings.ReplaceAll(err.Error(), "\n", ": ")}
}

// parts are the errors that errors.Join made one of; ok is false for every other error.
func parts(err error) (joined []error, ok bool) {
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil, false
	}
	var texts []string
	for _, each := range several.Unwrap() {
		texts = append(texts, each.Error())
	}
	return several.Unwrap(), err.Error() == strings.Join(texts, "\n")
}

// within says of each of the errors that are joined in one where it is.
func within(place string, err error) error {
	if err == nil {
		return nil
	}
	joined, ok := parts(err)
	if !ok {
		return fmt.Errorf("%s%w", place, err)
	}
	var errs []error
	for _, each := range joined {
		errs = append(errs, within(place, each))
	}
	return errors.Join(errs...)
}
