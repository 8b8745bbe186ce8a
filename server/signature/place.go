package signature

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
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
	// inBody is the whole body; inClaim and inJWSHeader are in a JSON Web Signature, and in no request by themselves.
	inBody
	inClaim
	inJWSHeader
	// inElement is a path in one of the events of a delivery that carries many.
	inElement
	nowhere
)

// Absent stands in a description for the value of a setting that a source doesn't have. No text of a delivery is compared with it:
// what names it counts as absent.
const Absent = "\x00"

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
	if b, is := l.(interface{ GetBody() bool }); is && b.GetBody() {
		return Place{kind: inBody}, true, nil
	}
	switch {
	case strings.Contains(l.GetHeader()+l.GetQuery()+l.GetForm()+l.GetJson(), Absent):
		return Place{kind: nowhere}, true, nil
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
	return rarePlace(l)
}

// rarePlace is for the places that only some messages can name.
func rarePlace(l Located) (p Place, ok bool, err error) {
	if l, is := l.(interface{ GetBody() bool }); is && l.GetBody() {
		return Place{kind: inBody}, true, nil
	}
	kind, path := inClaim, ""
	if l, is := l.(interface{ GetClaim() string }); is {
		path = l.GetClaim()
	}
	if l, is := l.(interface{ GetJwsHeader() string }); is && path == "" {
		kind, path = inJWSHeader, l.GetJwsHeader()
	}
	if path == "" {
		return Place{}, false, nil
	}
	p, err = jsonPlace(path)
	p.kind = kind
	return p, err == nil, err
}

// PlaceNamed returns the place of a template's segment, {header:X-Name}.
func PlaceNamed(kind, name string) (Place, error) {
	if strings.Contains(name, Absent) {
		return Place{kind: nowhere}, nil
	}
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
	keys, err := splitPath(path)
	if err != nil {
		return Place{}, err
	}
	return Place{kind: inJSON, name: path, path: joinPath(keys)}, nil
}

// splitPath returns the keys of a path.
func splitPath(path string) ([]string, error) {
	var keys []string
	var key strings.Builder
	escaped := false
	for _, c := range path {
		switch {
		case escaped:
			if c != '.' && c != '\\' {
				return nil, fmt.Errorf("JSON path %q: a backslash stands before a dot or a backslash", path)
			}
			key.WriteRune(c)
			escaped = false
		case c == '\\':
			escaped = true
		case c == '.':
			keys = append(keys, key.String())
			key.Reset()
		default:
			key.WriteRune(c)
		}
	}
	keys = append(keys, key.String())
	switch {
	case escaped:
		return nil, fmt.Errorf("JSON path %q ends with a backslash", path)
	case len(keys) > maxPathDepth:
		return nil, fmt.Errorf("JSON path %q is deeper than %d", path, maxPathDepth)
	case slices.Contains(keys, ""):
		return nil, fmt.Errorf("JSON path %q has an empty key", path)
	}
	return keys, nil
}

// joinPath writes keys in gjson's notation.
func joinPath(keys []string) string {
	escaped := make([]string, len(keys))
	for i, key := range keys {
		escaped[i] = gjson.Escape(key)
	}
	return strings.Join(escaped, ".")
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
	case inBody:
		return "the body"
	case nowhere:
		return "what a setting names that the source doesn't have"
	case inClaim:
		return "claim " + p.name
	case inJWSHeader:
		return "token header " + p.name
	}
	return "nowhere"
}

// InDocument reports whether the place is in the JSON.
func (p Place) InDocument() bool { return p.kind == inJSON || p.kind == inElement }

// GJSONPath returns the path of a place in the JSON, in gjson's notation.
func (p Place) GJSONPath() string { return p.path }

// InElement returns the place of the same path in an event of a batch: a proof that names the path in the whole document says nothing
// of it.
func (p Place) InElement() Place {
	if p.kind == inJSON {
		p.kind = inElement
	}
	return p
}

// AnyKey returns the place that is the keys of the JSON document. It holds no value; a proof that covers the body covers it.
func AnyKey() Place { return Place{kind: inElement, name: "(its keys)"} }

// Header returns the name of the header that the place is, in canonical form, or "".
func (p Place) Header() string {
	if p.kind == inHeader {
		return p.name
	}
	return ""
}

// ElementPath returns the path in an event of a batch that the place is, as it was written, or "".
func (p Place) ElementPath() string {
	if p.kind == inElement {
		return p.name
	}
	return ""
}

// InQuery reports whether the place is in the URL's query.
func (p Place) InQuery() bool { return p.kind == inQuery }

// Path returns the path in the JSON that the place is, as it was written, or "".
func (p Place) Path() string {
	if p.kind == inJSON {
		return p.name
	}
	return ""
}

// Lookup returns the value at the place. One that is given more than once counts as none, whatever the values are, because readers differ in
// which of them they take; so does an empty one. JSON is read from document, everything else from r. The document is what Readable
// made of it; of anything else, what is no JSON yields nothing, or what can be made out of it, and of a key that is given twice the first.
func (p Place) Lookup(r *delivery.Request, document []byte) (string, bool) {
	value, n := p.find(r, document)
	if n != 1 || value == "" {
		return "", false
	}
	return value, true
}

// Single is Lookup that says by its error, fit for the sender, that a value is given more than once.
func (p Place) Single(r *delivery.Request, document []byte) (value string, ok bool, err error) {
	value, n := p.find(r, document)
	if n > 1 {
		return "", false, fmt.Errorf("%s %w", p, errTwice)
	}
	return value, value != "", nil
}

// holds reports whether there is anything at the place but emptiness, and be it several values.
func (p Place) holds(r *delivery.Request, document []byte) bool {
	value, n := p.find(r, document)
	return n > 1 || value != ""
}

// find returns the first value at the place, and how many there are. Of the JSON that is one: see Lookup.
func (p Place) find(r *delivery.Request, document []byte) (value string, n int) {
	switch p.kind {
	case inHeader:
		if values := r.Header[p.name]; len(values) > 0 {
			return values[0], len(values)
		}
	case inQuery:
		if r.URL != nil {
			value, n := FormValue([]byte(r.URL.RawQuery), p.name)
			return string(value), n
		}
	case inForm:
		value, n := FormValue(r.Body, p.name)
		return string(value), n
	case inJSON, inElement:
		value, _ := scalar(gjson.GetBytes(document, p.path))
		return value, 1
	case inBody:
		return string(r.Body), 1
	}
	return "", 0
}

var errTwice = errors.New("is there more than once")

// single is Single for what is signed, of the document as it came.
func (p Place) single(r *delivery.Request) (value string, ok bool, err error) {
	if p.kind == inJSON && p.occurrences(r.Document) > 1 {
		return "", false, fmt.Errorf("%s %w", p, errTwice)
	}
	return p.Single(r, r.Document)
}

// occurrences is 2 where a key on the way to the value occurs several times in its object.
func (p Place) occurrences(document []byte) int {
	keys, err := splitPath(p.name)
	if err != nil {
		return 0
	}
	at := gjson.ParseBytes(document)
	for _, key := range keys {
		if !at.IsObject() {
			at = at.Get(gjson.Escape(key))
			continue
		}
		n, next := 0, gjson.Result{}
		at.ForEach(func(k, v gjson.Result) bool {
			if k.String() == key {
				if n++; n == 1 {
					next = v
				}
			}
			return n < 2
		})
		if n != 1 {
			return n
		}
		at = next
	}
	return 1
}
