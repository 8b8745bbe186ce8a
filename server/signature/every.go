package signature

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/hookbridge/hookbridge/server/delivery"
)

// maxElements bounds the elements whose token is compared; a batch has no more events.
const maxElements = 10_000

// few is how many wrong elements are named.
const few = 3

// every is a place in each element of a list: a token that stands there once for each event of a delivery.
type every struct {
	name string
	// list is the path of the list, "" where the document is it; rest is the path in an element, "" where that is the token.
	list, rest string
}

// newEvery reads a path with a "*" in place of an array's number; nil where it has none.
func newEvery(path string) (*every, error) {
	keys, err := splitPath(path)
	if err != nil {
		return nil, err
	}
	star := slices.Index(keys, "*")
	if star < 0 {
		return nil, nil
	}
	if slices.Contains(keys[star+1:], "*") {
		return nil, fmt.Errorf("JSON path %q has several *, want one", path)
	}
	return &every{name: path, list: joinPath(keys[:star]), rest: joinPath(keys[star+1:])}, nil
}

// String names the place for people.
func (e *every) String() string { return "JSON field " + e.name }

// elements returns the list; ok is false where the document has none, or is no JSON: what is compared has to be all that anybody
// reads out of it.
func (e *every) elements(document []byte) (list gjson.Result, ok bool) {
	if !IsJSON(document) {
		return list, false
	}
	if list = gjson.ParseBytes(document); e.list != "" {
		list = list.Get(e.list)
	}
	return list, list.IsArray()
}

// verify compares the token of each element. Every one must be one of the keys, not all the same. A list without elements, or with
// none that has a token, proves nothing.
func (e *every) verify(r *delivery.Request, keys []*Key, want string) (Match, error) {
	list, ok := e.elements(r.Document)
	if !ok {
		return Match{}, fmt.Errorf("%w: want %s", ErrMissing, want)
	}
	elements, found, right, first := 0, 0, 0, 0
	var wrong []string
	list.ForEach(func(_, element gjson.Result) bool {
		elements++
		token, ok := e.token(element)
		key := -1
		if ok {
			found++
			key = position(token, keys)
		}
		switch {
		case key >= 0:
			if right++; right == 1 {
				first = key
			}
		case len(wrong) < few:
			wrong = append(wrong, strings.Replace(e.name, "*", strconv.Itoa(elements-1), 1))
		}
		return elements <= maxElements
	})
	partly := func(err error) error {
		if right == 0 {
			return err
		}
		some := NewSomeRight(err, first, right, elements, wrong)
		some.Absent = elements - found
		return some
	}
	switch {
	case elements > maxElements:
		return Match{}, fmt.Errorf("%w: %s holds more than %d values", ErrMalformed, e, maxElements)
	case found == 0:
		return Match{}, fmt.Errorf("%w: want %s", ErrMissing, want)
	case found < elements:
		return Match{}, partly(fmt.Errorf("%w: %s is absent in an element", ErrMismatch, e))
	case right < elements:
		return Match{}, partly(fmt.Errorf("%w: %s is under none of the secrets (%d)", ErrMismatch, e, len(keys)))
	}
	return Match{Key: first}, nil
}

// token is what an element has.
func (e *every) token(element gjson.Result) (string, bool) {
	if e.rest != "" {
		element = element.Get(e.rest)
	}
	return element.Str, element.Type == gjson.String && element.Str != "" && len(element.Str) <= maxSignatureText
}

// position is that of the key which is the token, or -1.
func position(token string, keys []*Key) int {
	var scratch [sha256.Size]byte
	digest := appendDigest(scratch[:0], []byte(token))
	return slices.IndexFunc(keys, func(k *Key) bool { return subtle.ConstantTimeCompare(digest, k.digest[:]) == 1 })
}

// paths are those of the tokens in a document, in gjson's notation, for signing.
func (e *every) paths(document []byte) ([]string, bool) {
	list, ok := e.elements(document)
	if !ok {
		return nil, false
	}
	var paths []string
	for n := range list.Array() {
		keys := []string{fmt.Sprint(n)}
		if e.list != "" {
			keys = []string{e.list, keys[0]}
		}
		if e.rest != "" {
			keys = append(keys, e.rest)
		}
		paths = append(paths, strings.Join(keys, "."))
	}
	return paths, len(paths) > 0 && len(paths) <= maxElements
}
