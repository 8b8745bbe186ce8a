package signature

import (
	"bytes"
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// scanner reads a document once and finds what is given twice in it, without recursion: its nesting is the sender's.
type scanner struct {
	in []byte
	at int
	// open has, for each object that is open, where its members begin; for an array noMembers.
	open    []int
	members []member
	// twice are the members whose key their object gives again, those of inner objects first.
	twice []member
	keys  []uint64
	seed  maphash.Seed
	// deepest is how deep the document may be nested; tooDeep, that it is deeper.
	deepest int
	tooDeep bool
	// fold says that keys are the same which differ in nothing but case.
	fold bool
	// doubtful says that the text which was read last is one that readers differ in: it is no UTF-8, or has half of a surrogate pair.
	doubtful bool
	// odd says that a key was doubtful.
	odd bool
	// hides says that doubtful texts that are no keys are to be hidden; masked is the copy in which they are, once there is one.
	hides  bool
	masked []byte
}

const noMembers = -1

// member is a member of an object by its key's hash, with where it stands.
type member struct {
	key      uint64
	from, to uint32
	doubtful bool
}

// maxMembers is how many members the objects that are open at one place may have together, and how many may have a key that is given again:
// what is remembered of a document stays within a few megabytes, whatever a stranger sends.
const maxMembers = 65_536

// keepMembers is how much of a scanner's memory is kept for the next document.
const keepMembers = 4096

var scanners = sync.Pool{New: func() any { return &scanner{seed: maphash.MakeSeed()} }}

// newScanner returns a scanner of a document, which must be released.
func newScanner(document []byte) *scanner {
	s, _ := scanners.Get().(*scanner)
	s.in, s.at, s.open, s.members, s.twice, s.keys = document, 0, s.open[:0], s.members[:0], s.twice[:0], s.keys[:0]
	s.deepest, s.tooDeep, s.fold = maxNesting, false, false
	s.doubtful, s.odd, s.hides, s.masked = false, false, false, nil
	return s
}

func (s *scanner) release() {
	s.in, s.masked = nil, nil
	if cap(s.members)+cap(s.open)+cap(s.twice)+cap(s.keys) <= keepMembers {
		scanners.Put(s)
	}
}

// scan reads the whole document.
func (s *scanner) scan() bool {
	if len(s.in) > math.MaxUint32 {
		return false // nobody receives that, and positions are as large as that
	}
	for {
		inside, ok := s.begin()
		switch {
		case !ok:
			return false
		case inside:
			continue
		}
		// What was read is a value; the objects and arrays end that it is the last of.
		for more := false; !more; {
			if len(s.open) == 0 {
				s.next()
				return s.at == len(s.in)
			}
			if more, ok = s.goOn(); !ok {
				return false
			}
		}
	}
}

// begin reads a value, or, where that has others inside, up to the first of them.
func (s *scanner) begin() (inside, ok bool) {
	switch c := s.next(); c {
	case '{', '[':
		s.at++
		if s.tooDeep = len(s.open) == s.deepest; s.tooDeep {
			return false, false
		}
		if s.next() == c+2 { // the one that closes, as they are in ASCII
			s.at++
			return false, true
		}
		if c == '[' {
			s.open = append(s.open, noMembers)
			return true, true
		}
		s.open = append(s.open, len(s.members))
		return true, s.key()
	case '"':
		from := s.at
		if _, ok = s.text(); s.doubtful && s.hides {
			s.hide(from)
		}
	case 't':
		ok = s.word("true")
	case 'f':
		ok = s.word("false")
	case 'n':
		ok = s.word("null")
	default:
		ok = s.number()
	}
	return false, ok
}

// goOn reads what stands behind an element: a comma, and then there are more, or the end.
func (s *scanner) goOn() (more, ok bool) {
	c, first := s.next(), s.open[len(s.open)-1]
	isObject := first != noMembers
	if isObject {
		s.members[len(s.members)-1].to = uint32(s.at)
	}
	switch {
	case c == ',' && isObject:
		s.at++
		return true, s.key()
	case c == ',':
		s.at++
		return true, true
	case c == '}' && isObject:
		s.compare(first)
		s.members = s.members[:first]
	case c == ']' && !isObject:
	default:
		return false, false
	}
	s.at++
	s.open = s.open[:len(s.open)-1]
	return false, true
}

// key reads the key of a member and its colon.
func (s *scanner) key() bool {
	if s.next() != '"' {
		return false
	}
	from := s.at
	escaped, ok := s.text()
	if !ok {
		return false
	}
	if len(s.members) == maxMembers || len(s.twice) > maxMembers {
		return false
	}
	m := member{from: uint32(from), doubtful: s.doubtful}
	switch {
	case s.fold:
		m.key = maphash.String(s.seed, strings.ToLower(gjson.ParseBytes(s.in[from:s.at]).Str))
	case s.doubtful:
		// For a reader that drops what it can't read it is this key.
		s.odd = true
		m.key = maphash.String(s.seed, strings.ReplaceAll(strings.ToValidUTF8(gjson.ParseBytes(s.in[from:s.at]).Str, ""), "\ufffd", ""))
	case escaped:
		m.key = maphash.String(s.seed, gjson.ParseBytes(s.in[from:s.at]).Str)
	default:
		m.key = maphash.Bytes(s.seed, s.in[from+1:s.at-1])
	}
	s.members = append(s.members, m)
	if s.next() != ':' {
		return false
	}
	s.at++
	return true
}

// hide makes the text that was read last an empty one, which is none to whoever looks for a value.
func (s *scanner) hide(from int) {
	if s.masked == nil {
		s.masked = bytes.Clone(s.in)
	}
	blank(s.masked[from:s.at], `""`)
}

// blank replaces a part of a document by something shorter and white space.
func blank(part []byte, by string) {
	for n := copy(part, by); n < len(part); n++ {
		part[n] = ' '
	}
}

// compare finds the members of an object whose key it gives again, or is doubtful.
func (s *scanner) compare(first int) {
	const few = 8
	members := s.members[first:]
	if s.odd && slices.ContainsFunc(members, func(m member) bool { return m.doubtful }) {
		s.collect(members)
		return
	}
	if len(members) <= few {
		for n, m := range members {
			if slices.ContainsFunc(members[n+1:], func(o member) bool { return o.key == m.key }) {
				s.collect(members)
				return
			}
		}
		return
	}
	s.keys = s.keys[:0]
	for _, m := range members {
		s.keys = append(s.keys, m.key)
	}
	slices.Sort(s.keys)
	for n := range s.keys[1:] {
		if s.keys[n] == s.keys[n+1] {
			s.collect(members)
			return
		}
	}
}

func (s *scanner) collect(members []member) {
	count := map[uint64]int{}
	for _, m := range members {
		count[m.key]++
	}
	for _, m := range members {
		if m.doubtful || count[m.key] > 1 {
			s.twice = append(s.twice, m)
		}
	}
}

// next passes over white space and returns the byte that follows, 0 at the end.
func (s *scanner) next() byte {
	for ; s.at < len(s.in); s.at++ {
		switch c := s.in[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) word(w string) bool {
	if len(s.in)-s.at < len(w) || string(s.in[s.at:s.at+len(w)]) != w {
		return false
	}
	s.at += len(w)
	return true
}

// text reads a string, which begins here, and says whether anything in it is escaped.
func (s *scanner) text() (escaped, ok bool) {
	// half is behind the first half of a surrogate pair, where the second must stand.
	from, ascii, lone, half := s.at, true, false, 0
	s.doubtful = false
	for i := s.at + 1; i < len(s.in); i++ {
		switch c := s.in[i]; {
		case c == '"':
			s.at = i + 1
			s.doubtful = lone || half > 0 || !ascii && !utf8.Valid(s.in[from:i])
			return escaped, true
		case c >= utf8.RuneSelf:
			ascii = false
		case c < ' ':
			return false, false
		case c == '\\':
			escaped = true
			if i++; i == len(s.in) {
				return false, false
			}
			switch s.in[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if len(s.in)-i <= 4 {
					return false, false
				}
				for _, digit := range s.in[i+1 : i+5] {
					if unhex(digit) > 15 {
						return false, false
					}
				}
				if unhex(s.in[i+1]) == 0xd && unhex(s.in[i+2]) >= 8 {
					second := unhex(s.in[i+2]) >= 0xc
					switch {
					case second && half == i-1:
						half = 0
					case second || half > 0:
						lone = true
					default:
						half = i + 5
					}
				}
				i += 4
			default:
				return false, false
			}
		}
	}
	return false, false
}

// number reads a number, or nothing that is a value.
func (s *scanner) number() bool {
	s.one("-")
	switch {
	case s.one("0"):
	case !s.digits():
		return false
	}
	if s.one(".") && !s.digits() {
		return false
	}
	if s.one("eE") {
		s.one("+-")
		return s.digits()
	}
	return true
}

// one reads one of these bytes, where it is what follows.
func (s *scanner) one(of string) bool {
	for n := range len(of) {
		if s.at < len(s.in) && s.in[s.at] == of[n] {
			s.at++
			return true
		}
	}
	return false
}

func (s *scanner) digits() bool {
	from := s.at
	for s.at < len(s.in) && '0' <= s.in[s.at] && s.in[s.at] <= '9' {
		s.at++
	}
	return s.at > from
}
