package schema

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"sync"

	"github.com/tidwall/gjson"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A transcoder writes the encoded message of a JSON document without making the message: protojson and the encoding after it
// were a third of what a delivery costs. It makes no rules of its own. What it takes, protojson takes, with the same message as
// the result (FuzzTranscode holds it to that); everything else it leaves to protojson, which alone decides what is an error:
// numbers in unusual forms, duplicates, what is out of range, what is nested deep, what is no JSON.
type transcoder struct {
	text
	out []byte
	// keys are those of the maps that are being read, to find duplicates.
	keys [][]byte
	// resolver is for delegated values.
	resolver types
	// need is what is demanded of the object that comes next, broken the demands that don't hold so far.
	need   *need
	broken uint64
}

const (
	// maxTranscoded is how deep a document may be nested. It is less than MaxDepth, for values that protojson counts twice.
	maxTranscoded = 24
	// maxKeys is how many keys a map may have: each is compared with those before it.
	maxKeys = 256
	// keepTranscoder is the most memory that is kept for the next document.
	keepTranscoder = 64 << 10
)

var transcoders = sync.Pool{New: func() any { return &transcoder{} }}

// transcode returns the encoded message of a document, and the demands that it breaks; false leaves the document to protojson.
func (m *message) transcode(document []byte) (encoded []byte, broken uint64, ok bool) {
	if m.plan == nil {
		return nil, 0, false
	}
	encoded, ok = transcode(document, m.types, func(t *transcoder) bool {
		if m.outline != nil {
			t.need, t.broken = m.outline.root, m.outline.required
		}
		ok := t.object(m.plan, 1)
		broken = t.broken
		return ok
	})
	return encoded, broken, ok
}

// transcodeStruct is transcode for a google.protobuf.Struct.
func transcodeStruct(document []byte) ([]byte, bool) {
	return transcode(document, nil, func(t *transcoder) bool { return t.anyObject(1) })
}

func transcode(document []byte, resolver types, root func(*transcoder) bool) ([]byte, bool) {
	t, _ := transcoders.Get().(*transcoder)
	t.in, t.at, t.out, t.keys, t.resolver = document, 0, t.out[:0], t.keys[:0], resolver
	t.need, t.broken = nil, 0
	defer func() {
		t.in, t.resolver = nil, nil
		if cap(t.out) <= keepTranscoder && cap(t.scratch) <= keepTranscoder {
			transcoders.Put(t)
		}
	}()
	if !root(t) || t.next() != 0 || t.at < len(t.in) {
		return nil, false
	}
	return append(make([]byte, 0, len(t.out)), t.out...), true
}

// begin opens a record of unknown length; end closes it.
func (t *transcoder) begin() int {
	t.out = append(t.out, 0)
	return len(t.out)
}

func (t *transcoder) end(start int) {
	n := len(t.out) - start
	if n < 1<<7 {
		t.out[start-1] = byte(n)
		return
	}
	// The length takes more than the byte that was kept for it.
	extra := (bits.Len(uint(n)) - 1) / 7
	t.out = append(t.out, make([]byte, extra)...)
	copy(t.out[start+extra:], t.out[start:start+n])
	binary.PutUvarint(t.out[start-1:], uint64(n))
}

func (t *transcoder) bytes(b []byte) {
	t.out = append(protowire.AppendVarint(t.out, uint64(len(b))), b...)
}

// object reads the fields of a message.
func (t *transcoder) object(p *plan, depth int) bool {
	if depth > maxTranscoded || !t.take('{') {
		return false
	}
	need := t.need
	t.need = nil
	if t.take('}') {
		return true
	}
	var seen, oneofs bitset
	for {
		t.next()
		key, ok := t.str()
		if !ok || !t.take(':') {
			return false
		}
		field := p.fields[string(key)]
		c := t.next()
		if need != nil && need.below[string(key)] != nil && !t.meet(need.below[string(key)], field, depth) {
			return false
		}
		switch {
		case field == nil:
			ok = t.skip(depth + 1)
		case !seen.add(field.index):
			return false
		case field.form == undecided:
			return false
		case c == 'n' && field.form != anyValue:
			ok = t.word("null")
		case field.oneof > 0 && !oneofs.add(field.oneof-1):
			return false
		default:
			ok = t.field(field, depth)
		}
		if !ok {
			return false
		}
		if more, ok := t.more('}'); !more {
			return ok
		}
	}
}

// meet notes that a path with demands on it, or the next key of one, begins here. What is demanded of a value itself, or inside of one that
// isn't read as a message, is looked for apart.
func (t *transcoder) meet(n *need, f *fieldPlan, depth int) bool {
	t.broken &^= n.present
	inside := n.below != nil
	if inside && f != nil && f.form == plain && f.shape == singular && t.in[t.at] == '{' {
		t.need, inside = n, false
	}
	if !inside && n.values == nil {
		return true
	}
	from := t.at
	if !t.skip(depth + 1) {
		return false
	}
	value := gjson.ParseBytes(t.in[from:t.at])
	if t.at = from; inside {
		t.broken = n.look(value, t.broken)
	}
	t.broken = n.judge(value, t.broken)
	return true
}

func (t *transcoder) field(f *fieldPlan, depth int) bool {
	switch f.shape {
	case expanded:
		return t.list(depth, func() bool { return t.value(f, depth+1) })
	case packed:
		at := len(t.out)
		t.out = append(t.out, f.tag...)
		start := t.begin()
		if !t.list(depth, func() bool { return t.scalar(f) }) {
			return false
		}
		if len(t.out) == start {
			t.out = t.out[:at]
			return true
		}
		t.end(start)
		return true
	case mapped:
		return t.entries(depth, func(key []byte) bool { return t.entry(f.tag, key, func() bool { return t.value(f.value, depth+1) }) })
	}
	return t.value(f, depth)
}

// value reads one value and writes its record.
func (t *transcoder) value(f *fieldPlan, depth int) bool {
	at := len(t.out)
	t.out = append(t.out, f.tag...)
	if f.form == scalar {
		body := len(t.out)
		if !t.scalar(f) {
			return false
		}
		if !f.present && isZero(t.out[body:]) {
			t.out = t.out[:at]
		}
		return true
	}
	start, ok := t.begin(), false
	switch f.form {
	case plain:
		ok = t.object(f.message, depth+1)
	case anyValue:
		ok = t.anyValue(depth + 1)
	case anyObject:
		ok = t.anyObject(depth + 1)
	case anyList:
		ok = t.anyList(depth + 1)
	case delegated:
		ok = t.delegate(f)
	}
	if ok {
		t.end(start)
	}
	return ok
}

// isZero tells whether an encoded scalar is its kind's zero.
func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// scalar reads a value and writes it without its tag.
func (t *transcoder) scalar(f *fieldPlan) bool {
	c := t.next()
	switch f.kind {
	case protoreflect.StringKind:
		s, ok := t.str()
		if ok {
			t.bytes(s)
		}
		return ok
	case protoreflect.BoolKind:
		if c == 't' {
			t.out = append(t.out, 1)
			return t.word("true")
		}
		t.out = append(t.out, 0)
		return t.word("false")
	case protoreflect.DoubleKind:
		n, ok := t.float(64)
		t.out = protowire.AppendFixed64(t.out, math.Float64bits(n))
		return ok
	case protoreflect.FloatKind:
		n, ok := t.float(32)
		t.out = protowire.AppendFixed32(t.out, math.Float32bits(float32(n)))
		return ok
	case protoreflect.EnumKind:
		if c == '"' {
			name, ok := t.str()
			n, known := f.enum[string(name)]
			t.out = protowire.AppendVarint(t.out, uint64(n))
			return ok && known
		}
	}
	n, ok := t.integer()
	t.out = protowire.AppendVarint(t.out, uint64(n))
	return ok && fits32(f.kind, n)
}

func (t *transcoder) float(size int) (float64, bool) {
	literal, _, ok := t.number()
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseFloat(string(literal), size)
	return n, err == nil
}

// list reads an array.
func (t *transcoder) list(depth int, element func() bool) bool {
	if depth >= maxTranscoded || !t.take('[') {
		return false
	}
	if t.take(']') {
		return true
	}
	for {
		t.next()
		if !element() {
			return false
		}
		if more, ok := t.more(']'); !more {
			return ok
		}
	}
}

// entries reads an object of which all keys are taken.
func (t *transcoder) entries(depth int, element func(key []byte) bool) bool {
	if depth >= maxTranscoded || !t.take('{') {
		return false
	}
	if t.take('}') {
		return true
	}
	first := len(t.keys)
	defer func() {
		clear(t.keys[first:])
		t.keys = t.keys[:first]
	}()
	for {
		t.next()
		key, ok := t.str()
		if !ok || len(t.keys)-first == maxKeys {
			return false
		}
		if len(key) > 0 && len(t.scratch) > 0 && &key[0] == &t.scratch[0] {
			key = append([]byte(nil), key...)
		}
		for _, other := range t.keys[first:] {
			if string(other) == string(key) {
				return false
			}
		}
		t.keys = append(t.keys, key)
		if !t.take(':') {
			return false
		}
		t.next()
		if !element(key) {
			return false
		}
		if more, ok := t.more('}'); !more {
			return ok
		}
	}
}

// entry writes one entry of a map.
func (t *transcoder) entry(tag, key []byte, value func() bool) bool {
	t.out = append(t.out, tag...)
	start := t.begin()
	t.out = append(t.out, keyTag)
	t.bytes(key)
	if !value() {
		return false
	}
	t.end(start)
	return true
}

// delegate lets protojson read one value.
func (t *transcoder) delegate(f *fieldPlan) bool {
	from := t.at
	if !t.skip(maxTranscoded) {
		return false
	}
	m := f.typ.New().Interface()
	options := protojson.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: 1, Resolver: t.resolver}
	if err := options.Unmarshal(t.in[from:t.at], m); err != nil {
		return false
	}
	var err error
	t.out, err = proto.MarshalOptions{}.MarshalAppend(t.out, m)
	return err == nil
}
