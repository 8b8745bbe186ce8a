package rejection

import (
	"bytes"
	"hash/maphash"
	"iter"
	"strings"
	"unicode/utf8"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/provider"
)

// perRewrite is what writing a body anew costs for each of its bytes, compared with hashing it.
const perRewrite = 4

// bodies tries what the body may have been before something on the way changed it.
func (x *examination) bodies() bool {
	var provers []provider.Prover
	for _, p := range x.own.Provers() {
		if p.Scheme.CoversBody() {
			provers = append(provers, p)
		}
	}
	if len(provers) == 0 || len(x.request.Body) == 0 {
		return false
	}
	seed, seen := maphash.MakeSeed(), map[uint64]bool{}
	seen[maphash.Bytes(seed, x.request.Body)] = true
	for how, body := range bodiesLike(x.request.Body, x.request.Header.Get("Content-Type")) {
		if !x.spend(perRewrite * len(body)) {
			return false
		}
		if sum := maphash.Bytes(seed, body); seen[sum] {
			continue
		} else {
			seen[sum] = true
		}
		r := *x.request
		r.Body = body
		if p, right, ok := x.whole(provers, &r); ok {
			return x.right(p, right, hookbridgev1.Diagnosis_KIND_BODY_CHANGED, "it matches %s: something between %s and the bridge, like a proxy or a function "+
				"that parses the body and writes it anew, changed it. It must pass the bytes on as they came", how, x.own.Pack().Name())
		}
		x.tried.bodies++
	}
	return false
}

// bodiesLike yields what a body may have been, the likely first, each with how it differs. Some may be equal.
func bodiesLike(body []byte, contentType string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, source := range []func([]byte, func(string, []byte) bool) bool{plainly, asJSON} {
			if !source(body, yield) {
				return
			}
		}
		if strings.Contains(contentType, "form") || contentType == "" {
			asForm(body, yield)
		}
	}
}

const bom = "\xef\xbb\xbf"

// plainly yields bodies that differ in their ends, their line ends or their encoding. It returns false when yield did.
func plainly(body []byte, yield func(string, []byte) bool) bool {
	trimmed := bytes.TrimRight(body, "\r\n")
	dos := bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	for _, v := range []struct {
		how  string
		body []byte
	}{
		{"without the line end after the body", trimmed},
		{"with a line end after the body", append(bytes.Clone(trimmed), '\n')},
		{"with a line end of CR and LF after the body", append(bytes.Clone(trimmed), "\r\n"...)},
		{"without the white space around the body", bytes.TrimSpace(body)},
		{"when lines end with LF", dos},
		{"when lines end with CR and LF", bytes.ReplaceAll(dos, []byte("\n"), []byte("\r\n"))},
		{"without the byte order mark before the body", bytes.TrimPrefix(body, []byte(bom))},
		{"with a byte order mark before the body", append([]byte(bom), body...)},
		{"when text that was taken for Latin-1 and written as UTF-8 is turned back", fromLatin1(body)},
		{"when text that was written as Latin-1 is UTF-8 again", toUTF8(body)},
	} {
		if !yield(v.how, v.body) {
			return false
		}
	}
	return true
}

// fromLatin1 undoes the writing of bytes as if each were a character. What can't be that stays as it is.
func fromLatin1(body []byte) []byte {
	out := make([]byte, 0, len(body))
	for _, r := range string(body) {
		if r > 0xff {
			return body
		}
		out = append(out, byte(r))
	}
	return out
}

// toUTF8 writes bytes that are no UTF-8 as if they were Latin-1.
func toUTF8(body []byte) []byte {
	if utf8.Valid(body) {
		return body
	}
	out := make([]byte, 0, 2*len(body))
	for _, b := range body {
		out = utf8.AppendRune(out, rune(b))
	}
	return out
}
