package signature

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/hookbridge/hookbridge/server/delivery"
)

// maxPathDepth bounds how deep a path may reach into a document.
const maxPathDepth = 16

type placeKind uint8

const (
	inHeader placeKind = iota + 1
	inQuery
	inForm
	inJSON
	inElement
)

// Place is a place of a request that may hold a value: a header, a query parameter, a form field or a path in the JSON.
// Places are comparable. The zero Place is nowhere.
type Place struct {
	kind placeKind
	// name is as written, for headers in canonical form.
	name string
	// path is the name in gjson's notation, for JSON.
	path string
}

// Located is any of the messages that name a place.
type Located interface {
	GetHeader() string
	GetQuery() string
	GetForm() string
	GetJson() string
}

// PlaceOf returns the place that a message names; ok is false where it names none.
func PlaceOf(l Located) (p Place, ok bool, err error) {
	switch {
	case l.GetHeader() != "":
		return header(l.GetHeader()), true, nil
	case l.GetQuery() != "":
		return Place{kind: inQuery, name: l.GetQuery()}, true, nil
	case l.GetForm() != "":
		return Place{kind: inForm, name: l.GetForm()}, true, nil
	case l.GetJson() != "":
		p, err := jsonPlace(l.GetJson())
		return p, err == nil, err
	}
	return Place{}, false, nil
}

// PlaceNamed returns the place of a template's segment, {header:X-Name}.
func PlaceNamed(kind, name string) (Place, error) {
	if name == "" {
		return Place{}, fmt.Errorf("{%s} needs a name, as in {%s:name}", kind, kind)
	}
	switch kind {
	case "header":
		return header(name), nil
	case "query":
		return Place{kind: inQuery, name: name}, nil
	case "form":
		return Place{kind: inForm, name: name}, nil
	case "json":
		return jsonPlace(name)
	}
	return Place{}, fmt.Errorf("unknown {%s:%s}", kind, name)
}

func header(name string) Place {
	return Place{kind: inHeader, name: http.CanonicalHeaderKey(name)}
}

// jsonPlace translates a path: what gjson would take for more than a key is escaped.
func jsonPlace(path string) (Place, error) {
	var keys []string
	var key strings.Builder
	escaped := false
	for _, c := range path {
		switch {
		case escaped:
			if c != '.' && c != '\\' {
				return Place{}, fmt.Errorf("JSON path %q: a backslash stands before a dot or a backslash", path)
			}
			key.WriteRune(c)
			escaped = false
		case c == '\\':
			escaped = true
		case c == '.':
			keys = append(keys, gjson.Escape(key.String()))
			key.Reset()
		default:
			key.WriteRune(c)
		}
	}
	keys = append(keys, gjson.Escape(key.String()))
	switch {
	case escaped:
		return Place{}, fmt.Errorf("JSON path %q ends with a backslash", path)
	case len(keys) > maxPathDepth:
		return Place{}, fmt.Errorf("JSON path %q is deeper than %d", path, maxPathDepth)
	}
	for _, k := range keys {
		if k == "" {
			return Place{}, fmt.Errorf("JSON path %q has an empty key", path)
		}
	}
	return Place{kind: inJSON, name: path, path: strings.Join(keys, ".")}, nil
}

// String names the place for people.
func (p Place) String() string {
	switch p.kind {
	case inHeader:
		return "header " + p.name
	case inQuery:
		return "query parameter " + p.name
	case inForm:
		return "form field " + p.name
	case inJSON, inElement:
		return "JSON field " + p.name
	}
	return "nowhere"
}

// InDocument reports whether the place is in the JSON.
func (p Place) InDocument() bool { return p.kind == inJSON || p.kind == inElement }

// Path returns the path of a place in the JSON, in gjson's notation.
func (p Place) Path() string { return p.path }

// InElement returns the place of the same path in an event of a batch: a proof that names the path in the whole document says nothing
// of it.
func (p Place) InElement() Place {
	if p.kind == inJSON {
		p.kind = inElement
	}
	return p
}

// Header returns the name of the header that the place is, in canonical form, or "".
func (p Place) Header() string {
	if p.kind == inHeader {
		return p.name
	}
	return ""
}

// Lookup returns the value at the place; of several the first. JSON is read from document, everything else from r. An empty
// value counts as absent. The document may be anything: what is no JSON yields nothing, or what can be made out of it.
func (p Place) Lookup(r *delivery.Request, document []byte) (string, bool) {
	switch p.kind {
	case inHeader:
		if values := r.Header[p.name]; len(values) > 0 {
			return values[0], values[0] != ""
		}
	case inQuery:
		if r.URL != nil {
			value, _ := FormValue([]byte(r.URL.RawQuery), p.name)
			return string(value), len(value) > 0
		}
	case inForm:
		value, _ := FormValue(r.Body, p.name)
		return string(value), len(value) > 0
	case inJSON:
		switch result := gjson.GetBytes(document, p.path); result.Type {
		case gjson.String:
			return result.Str, result.Str != ""
		case gjson.Number, gjson.True, gjson.False:
			return result.Raw, true
		}
	}
	return "", false
}

var errTwice = errors.New("is there more than once")

// single is Lookup for what is signed: a place that occurs several times is an error, because another reader could take another
// one. JSON is read from the body.
func (p Place) single(r *delivery.Request) (value string, ok bool, err error) {
	n := 1
	switch p.kind {
	case inHeader:
		n = len(r.Header[p.name])
	case inQuery:
		if r.URL != nil {
			_, n = FormValue([]byte(r.URL.RawQuery), p.name)
		}
	case inForm:
		_, n = FormValue(r.Body, p.name)
	}
	if n > 1 {
		return "", false, fmt.Errorf("%s %w", p, errTwice)
	}
	value, ok = p.Lookup(r, r.Body)
	return value, ok, nil
}
