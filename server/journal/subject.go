package journal

import (
	"strings"
)

// A subject is <prefix>.events.<source>.<type>, where the type's parts between dots are tokens of their own, so that
// "pull_request.*" can be asked for as pull_request.>. What NATS gives a meaning to, or refuses, is written as %XX, and an
// empty token as %. Decoding gives back exactly what was encoded.

const hexDigits = "0123456789ABCDEF"

// appendToken appends s as one token.
func appendToken(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, '%')
	}
	for i := range len(s) {
		if c := s[i]; plain(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return dst
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// appendType appends a type, one token for each part between dots.
func appendType(dst []byte, typ string) []byte {
	for {
		part, rest, more := strings.Cut(typ, ".")
		if dst = appendToken(dst, part); !more {
			return dst
		}
		dst, typ = append(dst, '.'), rest
	}
}

// eventSubject is the subject of an event under root, which ends with a dot.
func eventSubject(root, source, typ string) string {
	b := make([]byte, 0, len(root)+len(source)+len(typ)+16)
	b = append(b, root...)
	b = appendToken(b, source)
	b = append(b, '.')
	return string(appendType(b, typ))
}

// eventFilter returns a subject filter that passes at least all events that match, or "" where none narrows the stream: one
// exact source, one exact type, one type that ends with ".*".
func eventFilter(root string, sources, types []string) string {
	source, typ := "*", ">"
	if len(sources) == 1 && !strings.Contains(sources[0], "*") {
		source = string(appendToken(nil, sources[0]))
	}
	if len(types) == 1 {
		if !strings.Contains(types[0], "*") {
			typ = string(appendType(nil, types[0]))
		} else if stem, ok := strings.CutSuffix(types[0], ".*"); ok && !strings.Contains(stem, "*") {
			typ = string(appendType(nil, stem)) + ".>"
		}
	}
	if source == "*" && typ == ">" {
		return ""
	}
	return root + source + "." + typ
}

// sideSubject is the subject of a side log's entry under root, which ends with a dot.
func sideSubject(root, owner string) string {
	return string(appendToken([]byte(root), owner))
}

// sideOwner returns whose entry has a subject. What has none, because it only takes up an id, is not an entry.
func sideOwner(root, subject string) (owner string, ok bool) {
	token, ok := strings.CutPrefix(subject, root)
	if !ok {
		return "", false
	}
	owner, ok = decodeToken(token)
	return owner, ok && owner != ""
}

// decodeToken returns what appendToken encoded.
func decodeToken(token string) (s string, ok bool) {
	if token == "%" {
		return "", true
	}
	b := make([]byte, 0, len(token))
	for i := 0; i < len(token); i++ {
		c := token[i]
		if plain(c) {
			b = append(b, c)
			continue
		}
		if c != '%' || i+2 >= len(token) {
			return "", false
		}
		high, low := strings.IndexByte(hexDigits, token[i+1]), strings.IndexByte(hexDigits, token[i+2])
		if high < 0 || low < 0 || plain(byte(high<<4|low)) {
			return "", false
		}
		b, i = append(b, byte(high<<4|low)), i+2
	}
	return string(b), len(b) > 0
}

// recordSubject is the subject of a record under root, which ends with a dot.
func recordSubject(root, key string) string {
	return string(appendToken([]byte(root), key))
}
