package signature

import "bytes"

// maxNesting is how deep a document may be nested; encoding/json has the same bound.
const maxNesting = 10_000

// Readable returns what of a document values may be read from, so that nobody else reads another value there than we do:
//
//   - the document, where it is one JSON text (RFC 8259) and no object of it gives a key twice;
//   - where one does, a copy in which the members of that key are none: readers differ in which of them counts. It is as long as the document,
//     and what is left stands where it stood;
//   - nil where the document is no JSON text, is two, or is nested deeper than 10,000 levels: of what doesn't end, or goes on, each reader
//     makes something else; and where objects have more than 65,536 members, which no delivery has: a stranger must not choose how much is
//     remembered of a document.
//
// What can't be assumed: text that isn't UTF-8 and halves of surrogate pairs are let pass, in which readers differ too.
func Readable(document []byte) []byte {
	s := newScanner(document)
	defer s.release()
	switch {
	case !s.scan():
		return nil
	case len(s.twice) == 0:
		return document
	}
	masked := bytes.Clone(document)
	for _, m := range s.twice {
		// No path has an empty key, so that nobody finds this one.
		for n := copy(masked[m.from:m.to], `"":0`) + int(m.from); n < int(m.to); n++ {
			masked[n] = ' '
		}
	}
	return masked
}

// IsJSON reports whether a document is one JSON text, nested no deeper than 10,000 levels, and with no more than 65,536 members in an object.
func IsJSON(document []byte) bool {
	s := newScanner(document)
	defer s.release()
	return s.scan()
}
