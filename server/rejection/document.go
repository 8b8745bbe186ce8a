package rejection

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/tidwall/gjson"
)

const (
	// maxDepth and maxNodes bound the documents that are written anew, maxGrowth how much larger than it came one may get: deep ones
	// that are indented grow without measure.
	maxDepth, maxNodes = 200, 50_000
	maxGrowth          = 3 * maxBody
)

// node is a JSON value with its members in the order in which they came. Numbers and literals are kept as they were written.
type node struct {
	kind    byte // '{', '[', '"', or 0 for what has no parts
	raw     string
	text    string // of a string
	members []member
}

type member struct {
	key   node
	value node
}

// parse reads a document; ok is false for what is none, or one that is too deep or has too many values.
func parse(body []byte) (root node, ok bool) {
	if !gjson.ValidBytes(body) {
		return node{}, false
	}
	left := maxNodes
	return parseValue(gjson.ParseBytes(body), maxDepth, &left)
}

func parseValue(v gjson.Result, depth int, left *int) (n node, ok bool) {
	if *left--; *left < 0 || depth < 0 {
		return n, false
	}
	switch {
	case v.IsObject(), v.IsArray():
		n.kind, ok = v.Raw[0], true
		v.ForEach(func(key, value gjson.Result) bool {
			var m member
			if n.kind == '{' {
				m.key = node{kind: '"', raw: key.Raw, text: key.Str}
			}
			if m.value, ok = parseValue(value, depth-1, left); ok {
				n.members = append(n.members, m)
			}
			return ok
		})
		return n, ok
	case v.Type == gjson.String:
		return node{kind: '"', raw: v.Raw, text: v.Str}, true
	}
	return node{raw: v.Raw}, true
}

// layout is where a writer puts white space.
type layout struct {
	how          string
	comma, colon string
	indent       string
	// end is whether a writer is known that ends its documents with a line end.
	end bool
}

// escapes is how a writer writes strings.
type escapes struct {
	how string
	// asIs keeps them as they came; else ascii escapes what is not ASCII, with capital letters where upper, and special what stands in it.
	asIs, ascii, upper bool
	// special are further characters that are escaped, html those of Go's encoder, slash that a slash gets a backslash.
	special string
	slash   bool
}

// layouts and strings are what the usual languages write.
func layouts() []layout {
	return []layout{
		{how: "compact", comma: ",", colon: ":", end: true},
		{how: "with a space after colons and commas, as Python writes it", comma: ", ", colon: ": "},
		{how: "indented by two spaces", comma: ",", colon: ": ", indent: "  ", end: true},
		{how: "indented by four spaces", comma: ",", colon: ": ", indent: "    ", end: true},
		{how: "indented by tabs", comma: ",", colon: ": ", indent: "\t", end: true},
	}
}

func allEscapes() []escapes {
	return []escapes{
		{how: "", asIs: true},
		{how: ", with characters unescaped, as JavaScript writes them"},
		{how: `, with other characters than ASCII as \u escapes, as Python writes them`, ascii: true},
		{how: `, with <, > and & as \u escapes, as Go writes them`, special: "<>&\u2028\u2029"},
		{how: `, with \u escapes and slashes escaped, as PHP writes them`, ascii: true, slash: true},
		{how: ", with slashes escaped", slash: true},
		{how: `, with \u escapes in capitals, as .NET writes them`, ascii: true, upper: true, special: "\"&'+<>`"},
	}
}

// asJSON yields the document in a body as other writers write it. It returns false when yield did.
func asJSON(body []byte, yield func(string, []byte) bool) bool {
	root, ok := parse(bytes.TrimSpace(bytes.TrimPrefix(body, []byte(bom))))
	if !ok || root.kind == 0 {
		return true
	}
	for _, sorted := range []bool{false, true} {
		order := ""
		if sorted {
			order = " and with its keys sorted"
		}
		for _, e := range allEscapes() {
			for _, l := range layouts() {
				how := "when the JSON is written " + l.how + e.how + order
				w := &writer{layout: l, escapes: e, sorted: sorted, most: len(body) + maxGrowth}
				w.value(&root, 0)
				if len(w.out) > w.most {
					continue
				}
				if !yield(how, w.out) || l.end && !yield(how+", with a line end after it", append(w.out, '\n')) {
					return false
				}
			}
		}
	}
	return true
}

// writer writes a document in one way.
type writer struct {
	layout
	escapes
	sorted bool
	out    []byte
	// most is how long out may get. What is longer is not finished.
	most int
}

func (w *writer) value(n *node, depth int) {
	switch n.kind {
	case 0:
		w.out = append(w.out, n.raw...)
		return
	case '"':
		w.string(n)
		return
	}
	members := n.members
	if w.sorted && n.kind == '{' {
		members = slices.Clone(members)
		slices.SortStableFunc(members, func(a, b member) int { return strings.Compare(a.key.text, b.key.text) })
	}
	w.out = append(w.out, n.kind)
	for i := range members {
		if len(w.out) > w.most {
			return
		}
		if i > 0 {
			w.out = append(w.out, w.comma...)
		}
		w.line(depth + 1)
		if n.kind == '{' {
			w.string(&members[i].key)
			w.out = append(w.out, w.colon...)
		}
		w.value(&members[i].value, depth+1)
	}
	if len(members) > 0 {
		w.line(depth)
	}
	w.out = append(w.out, n.kind+2) // '}' and ']' come two after '{' and '['
}

// line begins a new line where the layout has lines.
func (w *writer) line(depth int) {
	if w.indent == "" {
		return
	}
	w.out = append(w.out, '\n')
	for range depth {
		w.out = append(w.out, w.indent...)
	}
}

func (w *writer) string(n *node) {
	if w.asIs {
		w.out = append(w.out, n.raw...)
		return
	}
	w.out = append(w.out, '"')
	for _, r := range n.text {
		w.rune(r)
	}
	w.out = append(w.out, '"')
}

func (w *writer) rune(r rune) {
	if strings.ContainsRune(w.special, r) {
		w.escape(r)
		return
	}
	switch r {
	case '"', '\\':
		w.out = append(w.out, '\\', byte(r))
		return
	case '/':
		if w.slash {
			w.out = append(w.out, '\\')
		}
	case '\b':
		w.out = append(w.out, `\b`...)
		return
	case '\f':
		w.out = append(w.out, `\f`...)
		return
	case '\n':
		w.out = append(w.out, `\n`...)
		return
	case '\r':
		w.out = append(w.out, `\r`...)
		return
	case '\t':
		w.out = append(w.out, `\t`...)
		return
	}
	const lastASCII = 0x7f
	if r < ' ' || w.ascii && r > lastASCII {
		w.escape(r)
		return
	}
	w.out = append(w.out, string(r)...)
}

// escape writes a character as one or two \u escapes.
func (w *writer) escape(r rune) {
	units := []rune{r}
	if high, low := utf16.EncodeRune(r); high != '\uFFFD' {
		units = []rune{high, low}
	}
	for _, unit := range units {
		digits := strconv.FormatInt(int64(unit)|1<<16, 16)[1:]
		if w.upper {
			digits = strings.ToUpper(digits)
		}
		w.out = append(append(w.out, `\u`...), digits...)
	}
}
