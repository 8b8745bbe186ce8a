package schema

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The tags of google.protobuf.Struct, Value and ListValue, and of the entries of maps.
const (
	keyTag         = 1<<3 | byte(protowire.BytesType)
	entryValueTag  = 2<<3 | byte(protowire.BytesType)
	structEntryTag = 1<<3 | byte(protowire.BytesType)
	listValueTag   = 1<<3 | byte(protowire.BytesType)
	nullTag        = 1<<3 | byte(protowire.VarintType)
	numberTag      = 2<<3 | byte(protowire.Fixed64Type)
	stringTag      = 3<<3 | byte(protowire.BytesType)
	boolTag        = 4<<3 | byte(protowire.VarintType)
	structTag      = 5<<3 | byte(protowire.BytesType)
	listTag        = 6<<3 | byte(protowire.BytesType)
)

// anyObject writes an object as a google.protobuf.Struct.
func (t *transcoder) anyObject(depth int) bool {
	return t.entries(depth, func(key []byte) bool {
		return t.entry([]byte{structEntryTag}, key, func() bool {
			t.out = append(t.out, entryValueTag)
			start := t.begin()
			if !t.anyValue(depth + 1) {
				return false
			}
			t.end(start)
			return true
		})
	})
}

// anyList writes an array as a google.protobuf.ListValue.
func (t *transcoder) anyList(depth int) bool {
	return t.list(depth, func() bool {
		t.out = append(t.out, listValueTag)
		start := t.begin()
		if !t.anyValue(depth + 1) {
			return false
		}
		t.end(start)
		return true
	})
}

// anyValue writes a value as a google.protobuf.Value.
func (t *transcoder) anyValue(depth int) bool {
	switch c := t.next(); c {
	case 'n':
		t.out = append(t.out, nullTag, 0)
		return t.word("null")
	case 't':
		t.out = append(t.out, boolTag, 1)
		return t.word("true")
	case 'f':
		t.out = append(t.out, boolTag, 0)
		return t.word("false")
	case '"':
		s, ok := t.str()
		t.out = append(t.out, stringTag)
		t.bytes(s)
		return ok
	case '{', '[':
		tag, read := structTag, t.anyObject
		if c == '[' {
			tag, read = listTag, t.anyList
		}
		t.out = append(t.out, tag)
		start := t.begin()
		if !read(depth) {
			return false
		}
		t.end(start)
		return true
	}
	n, ok := t.float(64)
	t.out = protowire.AppendFixed64(append(t.out, numberTag), math.Float64bits(n))
	return ok
}
