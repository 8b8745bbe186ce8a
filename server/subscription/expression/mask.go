package expression

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// mask chooses parts of an encoded message, so that only they are decoded.
type mask struct {
	all    bool
	fields map[protowire.Number]*mask
}

// newMask makes the mask of the paths into a message.
func newMask(p *paths, d protoreflect.MessageDescriptor) *mask {
	m := &mask{all: p.all || isWellKnown(d), fields: map[protowire.Number]*mask{}}
	for name, below := range p.below {
		f := d.Fields().ByName(protoreflect.Name(name))
		switch {
		case f == nil: // an index into a map, whose field is taken as a whole
		case f.Message() == nil || f.IsMap() || f.Kind() == protoreflect.GroupKind:
			m.fields[f.Number()] = &mask{all: true}
		default:
			m.fields[f.Number()] = newMask(below, f.Message())
		}
	}
	return m
}

// isWellKnown says that a message is something else to an expression: an instant, an object, a number.
func isWellKnown(d protoreflect.MessageDescriptor) bool {
	return d.FullName().Parent() == "google.protobuf"
}

// lengthSize is the size of a length that is filled in later: a varint that is longer than it need be, which every reader takes.
const lengthSize = 5

// open appends a tag and the room for a length, and returns where what follows begins.
func open(out []byte, n protowire.Number) ([]byte, int) {
	out = protowire.AppendTag(out, n, protowire.BytesType)
	out = append(out, 0x80, 0x80, 0x80, 0x80, 0)
	return out, len(out)
}

// shut fills in the length of what was appended since.
func shut(out []byte, start int) []byte {
	n := len(out) - start
	for i := range lengthSize {
		b := byte(n>>(7*i)) & 0x7f
		if i < lengthSize-1 {
			b |= 0x80
		}
		out[start-lengthSize+i] = b
	}
	return out
}

// apply appends the chosen parts of an encoded message.
func (m *mask) apply(out, b []byte) ([]byte, error) {
	if m.all {
		return append(out, b...), nil
	}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return out, protowire.ParseError(n)
		}
		size := protowire.ConsumeFieldValue(num, typ, b[n:])
		if size < 0 {
			return out, protowire.ParseError(size)
		}
		field := b[:n+size]
		b = b[n+size:]
		below := m.fields[num]
		switch {
		case below == nil:
		case below.all || typ != protowire.BytesType:
			out = append(out, field...)
		default:
			value, _ := protowire.ConsumeBytes(field[n:])
			var start int
			var err error
			out, start = open(out, num)
			if out, err = below.apply(out, value); err != nil {
				return out, err
			}
			out = shut(out, start)
		}
	}
	return out, nil
}
