package provider

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/hookbridge/hookbridge/server/signature"
)

// listPath is where a list is: the paths of the lists on the way, each in an element of the one before, and its own, in gjson's notation.
// "" is the value itself.
type listPath []string

func newListPath(path string) (listPath, error) {
	if path == "" {
		return listPath{""}, nil
	}
	var list listPath
	path, inRoot := strings.CutPrefix(path, "*.")
	if inRoot {
		list = append(list, "")
	}
	for level := range strings.SplitSeq(path, ".*.") {
		place, err := signature.PlaceNamed("json", level)
		if err != nil {
			return nil, err
		}
		list = append(list, place.GJSONPath())
	}
	return list, nil
}

// splitter collects the events of a document that is right.
type splitter struct {
	events []element
	// whole says that an event keeps what is around it, left is how many bytes more may be made for that.
	whole bool
	left  int
}

// span is a list in a value: where it is, and which lists are in its elements.
type span struct {
	path     string
	from, to int
	below    []listPath
}

// node splits a value by the lists that may be in it. around puts an event of it into what is around the value. ok is false where there
// is none of the lists.
func (s *splitter) node(value element, lists []listPath, around func(element) element) (ok bool, err error) {
	spans := find(value.readable, lists)
	for n, at := range spans {
		elements, err := elementsOf(value, at)
		if err != nil {
			return false, err
		}
		place := around
		if s.whole && at.path != "" { // There is nothing around a list that is the value itself.
			place = func(e element) element {
				raw := narrow(value.raw, spans, n, e.raw)
				if value.unmasked() {
					return around(element{raw, raw})
				}
				return around(element{raw, narrow(value.readable, spans, n, e.readable)})
			}
		}
		for _, e := range elements {
			inside := false
			if at.below != nil {
				if inside, err = s.node(e, at.below, place); err != nil {
					return false, err
				}
			}
			if inside {
				continue
			}
			if err := s.add(place(e)); err != nil {
				return false, err
			}
		}
	}
	if len(spans) > 0 && s.events == nil {
		s.events = []element{}
	}
	return len(spans) > 0, nil
}

// elementsOf returns the elements of a list. What was masked in the readable document is inside of them, so that it has as many; if it hadn't, that
// would be a defect, and no reason to lose an event.
func elementsOf(value element, at span) ([]element, error) {
	raw, err := splitArray(value.raw[at.from:at.to])
	if err != nil {
		return nil, err
	}
	readable, err := splitArray(value.readable[at.from:at.to])
	if err != nil {
		return nil, err
	}
	if len(raw) != len(readable) {
		return nil, fmt.Errorf("a list has %d elements, and %d in what values are read from", len(raw), len(readable))
	}
	elements := make([]element, len(raw))
	for n := range elements {
		elements[n] = element{raw[n], readable[n]}
	}
	return elements, nil
}

func (s *splitter) add(event element) error {
	if len(s.events) == MaxEvents {
		return tooMany()
	}
	if s.whole {
		if s.left -= len(event.raw); s.left < 0 {
			return fmt.Errorf("%w: each with what is around the list they are more than %d times as large as the delivery, and %d KiB; none of them was stored: "+
				"let the provider send fewer at once", ErrTooManyEvents, maxCopies, maxCopiesMore>>10)
		}
	}
	s.events = append(s.events, event)
	return nil
}

// find returns the lists that are in a value, in its order.
func find(value []byte, lists []listPath) []span {
	var spans []span
	for n, list := range lists {
		if slices.ContainsFunc(lists[:n], func(l listPath) bool { return l[0] == list[0] }) {
			continue
		}
		at, ok := locate(value, list[0])
		if !ok {
			continue
		}
		at.path = list[0]
		for _, other := range lists {
			if other[0] == list[0] && len(other) > 1 {
				at.below = append(at.below, other[1:])
			}
		}
		spans = append(spans, at)
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	return slices.CompactFunc(spans, func(a, b span) bool { return a.from < b.to && b.from < a.to })
}

// locate finds the list at a path of a value.
func locate(value []byte, path string) (span, bool) {
	if path == "" {
		from := len(value) - len(bytes.TrimLeft(value, " \t\r\n"))
		to := from + len(trim(value))
		return span{from: from, to: to}, to > from && value[from] == '['
	}
	found := gjson.GetBytes(value, path)
	from := found.Index
	to := from + len(found.Raw)
	if !found.IsArray() || from <= 0 || to > len(value) || string(value[from:to]) != found.Raw {
		return span{}, false
	}
	return span{from: from, to: to}, true
}

// narrow returns a value of which one list has one element, and the others none.
func narrow(value []byte, spans []span, own int, element []byte) []byte {
	size := len(value) + len(element)
	for _, s := range spans {
		size += len("[]") - (s.to - s.from)
	}
	out, at := make([]byte, 0, size), 0
	for n, s := range spans {
		out = append(append(out, value[at:s.from]...), '[')
		if n == own {
			out = append(out, element...)
		}
		out, at = append(out, ']'), s.to
	}
	return append(out, value[at:]...)
}
