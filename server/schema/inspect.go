package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// report is what a second look at a document found.
type report struct {
	// undecodable says why the document fits no Struct; nil when it does. notJSON says that it isn't JSON at all.
	undecodable *violation
	notJSON     bool
	// found is where it doesn't fit the message.
	found []violation
}

// inspector reads a document that could not be decoded, once and token by token. Unlike protojson it goes on after the first
// error, knows the path, and quotes nothing of the document.
type inspector struct {
	message  *message
	document []byte
	tokens   *json.Decoder
	// start and end are where the last token stands.
	start, end int64
	at         path
	depth      int
	report     report
}

// Errors that end an inspection before the document's end.
var (
	errSyntax  = errors.New("syntax error")
	errTooDeep = errors.New("too deep")
)

// inspect looks at a document against a message, or, where that is nil, only at whether a Struct can hold it.
func inspect(m *message, document []byte) report {
	in := &inspector{message: m, document: document, tokens: json.NewDecoder(bytes.NewReader(document))}
	in.tokens.UseNumber()
	var want expectation
	if m != nil {
		want = expectation{message: m.typ.Descriptor()}
	}
	err := in.root(want)
	switch {
	case !utf8.Valid(document):
		in.notJSON("not JSON: not valid UTF-8")
	case document == nil:
		in.notJSON("no JSON: the body is empty, or what carries its JSON is not there, not readable, or there more than once")
	case len(bytes.TrimSpace(document)) == 0:
		in.notJSON("not JSON: empty")
	case errors.Is(err, errSyntax):
		in.notJSON(fmt.Sprintf("not JSON: syntax error after byte %d", in.end))
	}
	return in.report
}

func (in *inspector) root(want expectation) error {
	token, err := in.next()
	if err != nil {
		return err
	}
	if token != json.Delim('{') {
		in.undecodable("want object, got " + kindOf(token))
		want = expectation{}
	}
	if err := in.value(token, want); err != nil {
		return err
	}
	if _, err := in.tokens.Token(); !errors.Is(err, io.EOF) {
		return errSyntax
	}
	return nil
}

// next reads a token. The decoder's own errors quote the document.
func (in *inspector) next() (json.Token, error) {
	token, err := in.tokens.Token()
	if err != nil {
		return nil, errSyntax
	}
	last := in.end
	in.end = in.tokens.InputOffset()
	separators := bytes.TrimLeft(in.document[last:in.end], " \t\r\n,:")
	in.start = in.end - int64(len(separators))
	return token, nil
}

func (in *inspector) notJSON(message string) {
	in.report.notJSON = true
	in.report.undecodable = &violation{message: message}
}

// undecodable notes the first reason why no Struct can hold the document. Reading goes on: what isn't JSON further on is not
// JSON.
func (in *inspector) undecodable(message string) {
	if in.report.undecodable == nil {
		in.report.undecodable = &violation{field: in.at.String(), message: message}
	}
}

func (in *inspector) mismatch(message string) {
	if len(in.report.found) < MaxViolations {
		in.report.found = append(in.report.found, violation{field: in.at.String(), message: message, label: in.at.label()})
	}
}

// value checks the value that begins with a token, and reads it to its end.
func (in *inspector) value(token json.Token, want expectation) error {
	start := in.start
	if in.depth > MaxDepth {
		in.undecodable(fmt.Sprintf("nested deeper than %d levels", MaxDepth))
		return errTooDeep
	}
	if opens := want.opens(); opens != 0 && token != opens {
		in.mismatch(fmt.Sprintf("want %s, got %s", want, kindOf(token)))
		want = expectation{}
	}
	switch t := token.(type) {
	case json.Delim:
		in.depth++
		read := in.array
		if t == '{' {
			read = in.object
		}
		if err := read(want); err != nil {
			return err
		}
		in.depth--
	case string:
		if loneSurrogate(in.document[in.start:in.end]) {
			in.undecodable("half of a surrogate pair in a string")
		}
	case json.Number:
		if _, err := strconv.ParseFloat(t.String(), 64); err != nil {
			in.undecodable("number beyond the range of a double")
		}
	}
	if want.leaf() && !want.fits(in.message, in.document[start:in.end]) {
		in.mismatch(fmt.Sprintf("want %s, got %s", want, want.describe(token)))
	}
	return nil
}

// object reads the members of an object: fields of a message, entries of a map, or whatever there is.
func (in *inspector) object(want expectation) error {
	keys := map[string]bool{}
	var fields members
	for {
		token, err := in.next()
		if err != nil || token == json.Delim('}') {
			in.missing(want, fields)
			return err
		}
		key, _ := token.(string)
		field := want.member(key)
		in.at = append(in.at, step{key: key, index: -1, field: field})
		if loneSurrogate(in.document[in.start:in.end]) {
			in.undecodable("half of a surrogate pair in a key")
		}
		if keys[key] {
			in.undecodable("key given twice")
		}
		keys[key] = true
		if token, err = in.next(); err != nil {
			return err
		}
		inner := want.inside()
		if field != nil {
			var problem string
			if inner, problem = fields.add(field, token); problem != "" {
				in.mismatch(problem)
			}
		} else if problem := want.key(key); problem != "" {
			in.mismatch(problem)
		}
		if err := in.value(token, inner); err != nil {
			return err
		}
		in.at = in.at[:len(in.at)-1]
	}
}

// missing notes the required fields (proto2) that a message lacks.
func (in *inspector) missing(want expectation, got members) {
	if want.message == nil {
		return
	}
	numbers := want.message.RequiredNumbers()
	for i := range numbers.Len() {
		if field := want.message.Fields().ByNumber(numbers.Get(i)); !got.set[field.Number()] {
			in.at = append(in.at, step{key: documentKey(field), index: -1, field: field})
			in.mismatch("want " + expect(field).String() + ", got nothing")
			in.at = in.at[:len(in.at)-1]
		}
	}
}

func (in *inspector) array(want expectation) error {
	for i := 0; ; i++ {
		token, err := in.next()
		if err != nil || token == json.Delim(']') {
			return err
		}
		in.at = append(in.at, step{index: i})
		if err := in.value(token, want.inside()); err != nil {
			return err
		}
		in.at = in.at[:len(in.at)-1]
	}
}

// members are the fields of a message that an object has given so far.
type members struct {
	seen, set map[protoreflect.FieldNumber]bool
	oneofs    map[protoreflect.FullName]bool
}

// add notes a field and returns what its value is to be, and what is wrong with giving it here.
func (m *members) add(field protoreflect.FieldDescriptor, value json.Token) (expectation, string) {
	if m.seen == nil {
		m.seen, m.set = map[protoreflect.FieldNumber]bool{}, map[protoreflect.FieldNumber]bool{}
		m.oneofs = map[protoreflect.FullName]bool{}
	}
	var problem string
	if m.seen[field.Number()] {
		problem = "given twice, under two names"
	}
	m.seen[field.Number()] = true
	if value == nil && !takesNull(field) {
		return expectation{}, problem
	}
	m.set[field.Number()] = true
	if oneof := field.ContainingOneof(); oneof != nil && !field.IsList() && !field.IsMap() {
		if m.oneofs[oneof.FullName()] {
			problem = "given beside another of which only one may be"
		}
		m.oneofs[oneof.FullName()] = true
	}
	return expect(field), problem
}

// loneSurrogate tells whether a JSON string, in its quotes, escapes half of a surrogate pair.
func loneSurrogate(quoted []byte) bool {
	text := string(quoted)
	for {
		i := strings.IndexByte(text, '\\')
		if i < 0 {
			return false
		}
		unit, rest := escape(text[i:])
		switch {
		case 0xdc00 <= unit && unit < 0xe000:
			return true
		case 0xd800 <= unit && unit < 0xdc00:
			if unit, rest = escape(rest); unit < 0xdc00 || unit >= 0xe000 {
				return true
			}
		}
		text = rest
	}
}

// escape reads a string's escape and returns its UTF-16 unit, 0 for those of one letter, and what follows it.
func escape(text string) (uint64, string) {
	switch {
	case len(text) < 2 || text[0] != '\\':
		return 0, text
	case text[1] != 'u' || len(text) < 6:
		return 0, text[2:]
	}
	unit, err := strconv.ParseUint(text[2:6], 16, 16)
	if err != nil {
		return 0, text[2:]
	}
	return unit, text[6:]
}
