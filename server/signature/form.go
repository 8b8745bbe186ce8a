package signature

import (
	"bytes"
	"errors"
	"iter"
	"slices"
	"strings"
)

// maxSortedFields bounds the fields of a form that is signed sorted: they are sorted before anything is verified.
const maxSortedFields = 1000

// FormValue returns the first value of a field in application/x-www-form-urlencoded data and how many there are. It looks at every
// pair once and unescapes no more than it returns; pairs with a broken escape are passed over.
func FormValue(data []byte, name string) (value []byte, n int) {
	for pair := range bytes.SplitSeq(data, []byte("&")) {
		rawKey, rawValue, _ := bytes.Cut(pair, []byte("="))
		if !keyIs(rawKey, name) {
			continue
		}
		text, ok := unescape(rawValue)
		if !ok {
			continue
		}
		if n++; n == 1 {
			value = text
		}
	}
	return value, n
}

// FormFields yields the fields of application/x-www-form-urlencoded data in their order; those with a broken escape are passed over.
func FormFields(data []byte) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for pair := range bytes.SplitSeq(data, []byte("&")) {
			rawName, rawValue, _ := bytes.Cut(pair, []byte("="))
			name, nameOK := unescape(rawName)
			value, valueOK := unescape(rawValue)
			if nameOK && valueOK && len(name) > 0 && !yield(string(name), string(value)) {
				return
			}
		}
	}
}

// keyIs compares an escaped key, without unescaping one that can't be it.
func keyIs(raw []byte, name string) bool {
	if len(raw) < len(name) || len(raw) > 3*len(name) {
		return false
	}
	if !bytes.ContainsAny(raw, "%+") {
		return string(raw) == name
	}
	key, ok := unescape(raw)
	return ok && string(key) == name
}

// unescape returns a copy without escapes; ok is false where an escape is broken.
func unescape(raw []byte) (text []byte, ok bool) {
	text = make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; c {
		case '+':
			text = append(text, ' ')
		case '%':
			if i+2 >= len(raw) {
				return nil, false
			}
			high, low := unhex(raw[i+1]), unhex(raw[i+2])
			if high > 15 || low > 15 {
				return nil, false
			}
			text = append(text, high<<4|low)
			i += 2
		default:
			text = append(text, c)
		}
	}
	return text, true
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// sortedForm appends name and value of every field: names in order, each with its distinct values in order.
func sortedForm(dst, data []byte) ([]byte, error) {
	type field struct{ name, value string }
	if bytes.Count(data, []byte("&")) >= maxSortedFields {
		return nil, errors.New("the form has more than 1000 fields")
	}
	var fields []field
	for pair := range bytes.SplitSeq(data, []byte("&")) {
		rawName, rawValue, _ := bytes.Cut(pair, []byte("="))
		name, nameOK := unescape(rawName)
		value, valueOK := unescape(rawValue)
		if !nameOK || !valueOK {
			return nil, errors.New("the form has a broken escape")
		}
		if len(name) > 0 {
			fields = append(fields, field{string(name), string(value)})
		}
	}
	slices.SortFunc(fields, func(a, b field) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	for _, f := range slices.Compact(fields) {
		dst = append(append(dst, f.name...), f.value...)
	}
	return dst, nil
}
