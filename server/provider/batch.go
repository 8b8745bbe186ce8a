package provider

import (
	"bytes"
	"fmt"

	"github.com/tidwall/gjson"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/signature"
)

// MaxEvents is the most events that a delivery may carry.
const MaxEvents = 10_000

// batch is how a delivery that carries many events is split.
type batch struct {
	// path is where the list is, in gjson's notation; empty where it is the document itself.
	path  string
	lines bool
}

func newBatch(spec *providerv1.Batch) (*batch, error) {
	if spec == nil {
		return nil, nil
	}
	b := &batch{lines: spec.GetFormat() == "lines"}
	if spec.GetEvents() != "" {
		place, err := signature.PlaceNamed("json", spec.GetEvents())
		if err != nil {
			return nil, fmt.Errorf("batch: events: %w", err)
		}
		b.path = place.GJSONPath()
	}
	return b, nil
}

// element is an event of a list: its bytes, and what of them values are read from.
type element struct{ raw, readable []byte }

// split returns the elements of the list that a delivery carries. ok is false where there is no such list, as in what is no JSON, or where the list
// is there twice; the delivery is then one event. ErrTooManyEvents.
func (b *batch) split(document *reading) (elements []element, ok bool, err error) {
	document.read()
	if b.lines {
		return splitLines(document.carried)
	}
	from, to, ok := b.find(document.readable)
	if !ok {
		return nil, false, nil
	}
	raw, err := splitArray(document.carried[from:to])
	if err != nil {
		return nil, false, err
	}
	// Where a key is given twice there are two documents, with everything else where it is in the other one.
	readable, err := splitArray(document.readable[from:to])
	if err != nil || len(readable) != len(raw) {
		return nil, false, err
	}
	elements = make([]element, len(raw))
	for n := range raw {
		elements[n] = element{raw[n], readable[n]}
	}
	return elements, true, nil
}

// find returns where the list is in a document, which is JSON or nil.
func (b *batch) find(document []byte) (from, to int, ok bool) {
	if to = len(document); b.path != "" {
		found := gjson.GetBytes(document, b.path)
		from, to = found.Index, found.Index+len(found.Raw)
		if !found.IsArray() || from <= 0 || to > len(document) || string(document[from:to]) != found.Raw {
			return 0, 0, false
		}
	}
	list := trim(document[from:to])
	return from, to, len(list) > 0 && list[0] == '['
}

// splitArray returns the elements of a valid array, as parts of it.
func splitArray(list []byte) ([][]byte, error) {
	elements := [][]byte{}
	list = trim(list)
	rest := trim(list[1 : len(list)-1])
	for len(rest) > 0 {
		if len(elements) == MaxEvents {
			return nil, tooMany()
		}
		end := endOf(rest)
		elements = append(elements, trim(rest[:end:end]))
		if end == len(rest) {
			break
		}
		rest = trim(rest[end+1:])
	}
	return elements, nil
}

// endOf returns where the first element of a valid list ends: before a comma outside of it, or with the list.
func endOf(rest []byte) int {
	depth, text := 0, false
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case c == ',' && depth == 0:
			return i
		}
	}
	return len(rest)
}

// splitLines returns the lines that aren't blank. ok is false where one of them is no JSON.
func splitLines(document []byte) ([]element, bool, error) {
	elements := []element{}
	for line := range bytes.SplitSeq(document, []byte("\n")) {
		if line = trim(line); len(line) == 0 {
			continue
		}
		if len(elements) == MaxEvents {
			return nil, false, tooMany()
		}
		readable := signature.Readable(line)
		if readable == nil {
			return nil, false, nil
		}
		elements = append(elements, element{line[:len(line):len(line)], readable})
	}
	return elements, true, nil
}

// trim cuts JSON's white space off.
func trim(b []byte) []byte { return bytes.Trim(b, " \t\r\n") }

func tooMany() error {
	return fmt.Errorf("%w: a delivery carries at most %d", ErrTooManyEvents, MaxEvents)
}
