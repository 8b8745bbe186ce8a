package provider

import (
	"bytes"
	"fmt"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/signature"
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

// element is an event of a list: its bytes, and what of them values are read from, which is as long.
type element struct{ raw, readable []byte }

// unmasked says that both are the same.
func (e element) unmasked() bool { return len(e.raw) > 0 && &e.raw[0] == &e.readable[0] }

// split returns the events of a delivery: elements of its lists, as parts of it, or what each leaves of the document. ok is false where there is no such
// list, as in what is no JSON, or where the list is there twice; the delivery is then one event. ErrTooManyEvents.
func (b *batch) split(document *reading) (events []element, ok bool, err error) {
	document.read()
	if b.array && document.readable != nil {
		s := splitter{whole: b.whole, left: maxCopies*len(document.carried) + maxCopiesMore}
		all := element{document.carried, document.readable}
		if ok, err = s.node(all, b.lists, func(event element) element { return event }); err != nil {
			return nil, false, err
		}
		return s.events, ok, nil
	}
	if b.lines {
		return splitLines(document.carried)
	}
	return nil, false, nil
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
	return fmt.Errorf("%w: want at most %d in a delivery, and there are more; none of them was stored: let the provider send fewer at once", ErrTooManyEvents, MaxEvents)
}
