package signature

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// encoding is how bytes are written as text.
type encoding struct {
	name string
	// padded and bare are set for the two forms of base64.
	padded, bare *base64.Encoding
	// hexOfSize is the length of a text that is read as hex all the same; 0: none is.
	hexOfSize int
}

// newEncoding returns the encoding of a name. A strict one takes only the text that encoding the same bytes would give, so that no
// bit of a signature can be changed and still pass, apart from the case of hex digits.
func newEncoding(name string, strict bool) (encoding, error) {
	e := encoding{name: name, padded: base64.StdEncoding, bare: base64.RawStdEncoding}
	switch name {
	case "hex":
		return encoding{name: name}, nil
	case "base64":
	case "base64url":
		e.padded, e.bare = base64.URLEncoding, base64.RawURLEncoding
	default:
		return encoding{}, fmt.Errorf("unknown encoding %q", name)
	}
	if strict {
		e.padded, e.bare = e.padded.Strict(), e.bare.Strict()
	}
	return e, nil
}

// newEitherEncoding is for values of a known size whose sender writes them as hex or as base64: which one, their length says.
func newEitherEncoding(size int) (encoding, error) {
	if size == 0 {
		return encoding{}, errors.New("hex-or-base64 is for algorithms whose signatures have one size")
	}
	e, err := newEncoding("base64", true)
	e.name, e.hexOfSize = "hex or base64", 2*size
	return e, err
}

// decode appends the bytes of text to dst; scratch is overwritten.
func (e encoding) decode(dst, scratch []byte, text string) ([]byte, []byte, bool) {
	scratch = append(scratch[:0], text...)
	var err error
	switch {
	case e.padded == nil || e.hexOfSize == len(text) && len(text) > 0:
		dst, err = hex.AppendDecode(dst, scratch)
	case strings.ContainsAny(text, "\r\n"): // which base64 would pass over
		return dst, scratch, false
	case strings.HasSuffix(text, "="):
		dst, err = e.padded.AppendDecode(dst, scratch)
	default:
		dst, err = e.bare.AppendDecode(dst, scratch)
	}
	return dst, scratch, err == nil
}

func (e encoding) encode(data []byte) string {
	if e.padded == nil || e.hexOfSize > 0 {
		return hex.EncodeToString(data)
	}
	return e.padded.EncodeToString(data)
}
