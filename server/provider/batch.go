package provider

import (
	"bytes"
	"encoding/json"
	"fmt"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
)

const (
	// MaxEvents is the most events that a delivery may carry.
	MaxEvents = 10_000
	// Events that keep what is around them are together at most so many times as large as their delivery, and so much more: a list of
	// many small elements in a large envelope would be copied into something of any size.
	maxCopies, maxCopiesMore = 8, 64 << 10
)

// batch is how a delivery that carries many events is split.
type batch struct {
	// lists are where they are.
	lists []listPath
	// array and lines say of what form the document may be.
	array, lines bool
	// whole says that an event keeps what is around it.
	whole bool
}

func newBatch(spec *providerv1.Batch) (*batch, error) {
	if spec == nil {
		return nil, nil
	}
	b := &batch{whole: spec.GetKeepsEnvelope(), array: spec.GetFormat() != "lines"}
	b.lines = !b.array || spec.GetFormat() == "array-or-lines"
	list, err := newListPath(spec.GetEvents())
	if err != nil {
		return nil, fmt.Errorf("batch: events: %w", err)
	}
	b.lists = []listPath{list}
	for n, path := range spec.GetMoreEvents() {
		if list, err = newListPath(path); err != nil {
			return nil, fmt.Errorf("batch: more_events[%d]: %w", n, err)
		}
		b.lists = append(b.lists, list)
	}
	return b, nil
}

// split returns the events of a document: elements of its lists, as parts of it, or what each leaves of the document. ok is false where there is no such
// list, as in what is no JSON; the delivery is then one event. ErrTooManyEvents.
func (b *batch) split(document []byte) (events [][]byte, ok bool, err error) {
	// What follows takes the document to be right. The standard library looks at it without recursion.
	if b.array && json.Valid(document) {
		s := splitter{whole: b.whole, left: maxCopies*len(document) + maxCopiesMore}
		if ok, err = s.node(document, b.lists, func(event []byte) []byte { return event }); err != nil {
			return nil, false, err
		}
		return s.events, ok, nil
	}
	if b.lines {
		return splitLines(document)
	}
	return nil, false, nil
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
