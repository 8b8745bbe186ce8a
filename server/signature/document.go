package signature

import "bytes"

// maxNesting is how deep a document may be nested; encoding/json has the same bound.
const maxNesting = 10_000

// Readable returns what of a document values may be read from, so that nobody else reads another value there than we do:
//
//   - the document, where it is one JSON text (RFC 8259) and no object of it gives a key twice;
//   - where one does, a copy in which the members of that key are none: readers differ in which of them counts. It is as long as the document,
//     and what is left stands where it stood;
//   - the same where a text isn't UTF-8, or has half of a surrogate pair: some readers drop what they can't read, some replace it, some give up.
//     The text is an empty one in the copy; where it is a key, its member is none, nor is the one whose key is the same without those bytes.
//     What else is in the document is read: the structure of JSON is ASCII, which such bytes can't look like;
//   - nil where the document is no JSON text, is two, or is nested deeper than 10,000 levels: of what doesn't end, or goes on, each reader
//     makes something else; and where objects have more than 65,536 members, which no delivery has: a stranger must not choose how much is
//     remembered of a document.
func Readable(document []byte) []byte {
	s := newScanner(document)
	defer s.release()
	s.hides = true
	switch {
	case !s.scan():
		return nil
	case len(s.twice) == 0 && s.masked == nil:
		return document
	case s.masked == nil:
		s.masked = bytes.Clone(document)
	}
	for _, m := range s.twice {
		blank(s.masked[m.from:m.to], `"":0`) // No path has an empty key, so that nobody finds this one.
	}
	return s.masked
}

// IsJSON reports whether a document is one JSON text, nested no deeper than 10,000 levels, and with no more than 65,536 members in an object.
func IsJSON(document []byte) bool {
	s := newScanner(document)
	defer s.release()
	return s.scan()
}
