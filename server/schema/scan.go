package schema

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner of JSON text. Each method returns false for what is not JSON, and for some of what is: its callers leave the whole
// document to protojson then.
type text struct {
	in []byte
	at int
	// scratch has the string that was read last, where it had escapes.
	scratch []byte
}

// next passes over white space and returns the byte that follows, 0 at the end.
func (t *text) next() byte {
	for t.at < len(t.in) {
		switch c := t.in[t.at]; c {
		case ' ', '\t', '\n', '\r':
			t.at++
		default:
			return c
		}
	}
	return 0
}

// take passes over a byte, if it is what follows.
func (t *text) take(c byte) bool {
	if t.next() != c {
		return false
	}
	t.at++
	return true
}

// word passes over a word.
func (t *text) word(w string) bool {
	if len(t.in)-t.at < len(w) || string(t.in[t.at:t.at+len(w)]) != w {
		return false
	}
	t.at += len(w)
	return true
}

// more says, after an element of an object or array, whether another one follows; the end is the closing byte.
func (t *text) more(end byte) (more, ok bool) {
	switch t.next() {
	case ',':
		t.at++
		return true, true
	case end:
		t.at++
		return false, true
	}
	return false, false
}

// str reads a string that begins here. What it returns is valid until the next one is read, or the document is.
func (t *text) str() ([]byte, bool) {
	if t.at >= len(t.in) || t.in[t.at] != '"' {
		return nil, false
	}
	start := t.at + 1
	ascii := true
	for i := start; i < len(t.in); i++ {
		switch c := t.in[i]; {
		case c == '"':
			t.at = i + 1
			s := t.in[start:i]
			return s, ascii || utf8.Valid(s)
		case c == '\\':
			return t.escaped(start, i)
		case c < ' ':
			return nil, false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, false
}

// escaped reads the rest of a string from its first escape.
func (t *text) escaped(start, i int) ([]byte, bool) {
	out := append(t.scratch[:0], t.in[start:i]...)
	for i < len(t.in) {
		c := t.in[i]
		switch {
		case c == '"':
			t.at, t.scratch = i+1, out
			return out, utf8.Valid(out)
		case c < ' ':
			return nil, false
		case c != '\\':
			out = append(out, c)
			i++
			continue
		}
		if i+1 >= len(t.in) {
			return nil, false
		}
		i += 2
		switch c := t.in[i-1]; c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, ok := t.unit(i)
			if !ok {
				return nil, false
			}
			i += 4
			if utf16.IsSurrogate(r) {
				if i+2 > len(t.in) || t.in[i] != '\\' || t.in[i+1] != 'u' {
					return nil, false
				}
				low, ok := t.unit(i + 2)
				if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
					return nil, false
				}
				i += 6
			}
			out = utf8.AppendRune(out, r)
		default:
			return nil, false
		}
	}
	return nil, false
}

// unit reads the four hexadecimal digits of an escape.
func (t *text) unit(i int) (rune, bool) {
	if i+4 > len(t.in) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(t.in[i:i+4]), 16, 16)
	return rune(n), err == nil
}

// number reads a number that begins here, and says whether it has neither fraction nor exponent.
func (t *text) number() (literal []byte, whole, ok bool) {
	i, start := t.at, t.at
	digits := func() bool {
		from := i
		for i < len(t.in) && t.in[i] >= '0' && t.in[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(t.in) && t.in[i] == '-' {
		i++
	}
	if i < len(t.in) && t.in[i] == '0' {
		i++
	} else if !digits() {
		return nil, false, false
	}
	whole = true
	if i < len(t.in) && t.in[i] == '.' {
		i++
		if whole = false; !digits() {
			return nil, false, false
		}
	}
	if i < len(t.in) && (t.in[i] == 'e' || t.in[i] == 'E') {
		i++
		if i < len(t.in) && (t.in[i] == '+' || t.in[i] == '-') {
			i++
		}
		if whole = false; !digits() {
			return nil, false, false
		}
	}
	t.at = i
	return t.in[start:i], whole, true
}

// integer reads a whole number, in quotes or not.
func (t *text) integer() (int64, bool) {
	quoted := t.at < len(t.in) && t.in[t.at] == '"'
	if quoted {
		t.at++
	}
	literal, whole, ok := t.number()
	if !ok || !whole {
		return 0, false
	}
	if quoted {
		if t.at >= len(t.in) || t.in[t.at] != '"' {
			return 0, false
		}
		t.at++
	}
	const safe = 18 // digits that can't overflow
	if len(literal) > safe {
		n, err := strconv.ParseInt(string(literal), 10, 64)
		return n, err == nil
	}
	n, negative := int64(0), literal[0] == '-'
	if negative {
		literal = literal[1:]
	}
	for _, c := range literal {
		n = n*10 + int64(c-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

// skip passes over a value, which is checked as strictly as any.
func (t *text) skip(depth int) bool {
	if depth > maxTranscoded {
		return false
	}
	switch c := t.next(); c {
	case '"':
		_, ok := t.str()
		return ok
	case 't':
		return t.word("true")
	case 'f':
		return t.word("false")
	case 'n':
		return t.word("null")
	case '{', '[':
		t.at++
		end := c + 2 // as it is in ASCII
		if t.take(end) {
			return true
		}
		for {
			if c == '{' {
				t.next()
				if _, ok := t.str(); !ok || !t.take(':') {
					return false
				}
			}
			if !t.skip(depth + 1) {
				return false
			}
			if more, ok := t.more(end); !more {
				return ok
			}
		}
	default:
		_, _, ok := t.number()
		return ok
	}
}
