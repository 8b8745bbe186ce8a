package provider

import (
	"bytes"
	"encoding/json"
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

// split returns the elements of the list in a document, as parts of it. ok is false where there is no such list, as in what is no JSON;
// the delivery is then one event. ErrTooManyEvents.
func (b *batch) split(document []byte) (elements [][]byte, ok bool, err error) {
	if b.lines {
		return splitLines(document)
	}
	// What follows takes the document to be right. The standard library looks at it without recursion.
	if !json.Valid(document) {
		return nil, false, nil
	}
	list := document
	if b.path != "" {
		found := gjson.GetBytes(document, b.path)
		end := found.Index + len(found.Raw)
		if !found.IsArray() || found.Index <= 0 || end > len(document) || string(document[found.Index:end]) != found.Raw {
			return nil, false, nil
		}
		list = document[found.Index:end]
	}
	if list = trim(list); len(list) == 0 || list[0] != '[' {
		return nil, false, nil
	}
	elements, err = splitArray(list)
	return elements, err == nil, err
}

// splitArray returns the elements of a valid array.
func splitArray(list []byte) ([][]byte, error) {
	elements := [][]byte{}
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
func splitLines(document []byte) ([][]byte, bool, error) {
	elements := [][]byte{}
	for line := range bytes.SplitSeq(document, []byte("\n")) {
		if line = trim(line); len(line) == 0 {
			continue
		}
		if len(elements) == MaxEvents {
			return nil, false, tooMany()
		}
		if !json.Valid(line) {
			return nil, false, nil
		}
		elements = append(elements, line[:len(line):len(line)])
	}
	return elements, true, nil
}

// trim cuts JSON's white space off.
func trim(b []byte) []byte { return bytes.Trim(b, " \t\r\n") }

func tooMany() error {
	return fmt.Errorf("%w: a delivery carries at most %d", ErrTooManyEvents, MaxEvents)
}
