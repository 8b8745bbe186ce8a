package expression

import "google.golang.org/protobuf/encoding/protowire"

// The fields of google.protobuf.Struct, Value and ListValue, and of the entries of a map.
const (
	structFields protowire.Number = 1
	valueStruct  protowire.Number = 5
	valueList    protowire.Number = 6
	listValues   protowire.Number = 1
	entryKey     protowire.Number = 1
	entryValue   protowire.Number = 2
)

// object appends what paths name of an encoded google.protobuf.Struct.
func (p *paths) object(out, b []byte) ([]byte, error) {
	if p.all {
		return append(out, b...), nil
	}
	return each(out, b, func(out []byte, num protowire.Number, value, field []byte) ([]byte, error) {
		if num != structFields {
			return out, nil
		}
		var key, of []byte
		if _, err := each(nil, value, func(_ []byte, num protowire.Number, value, _ []byte) ([]byte, error) {
			switch num {
			case entryKey:
				key = value
			case entryValue:
				of = value
			}
			return nil, nil
		}); err != nil {
			return out, err
		}
		below := p.below[string(key)]
		if below == nil || below.all {
			if below != nil {
				out = append(out, field...)
			}
			return out, nil
		}
		out, start := open(out, structFields)
		out = protowire.AppendTag(out, entryKey, protowire.BytesType)
		out = protowire.AppendBytes(out, key)
		out, inner := open(out, entryValue)
		out, err := below.value(out, of)
		return shut(shut(out, inner), start), err
	})
}

// value appends what paths name of an encoded google.protobuf.Value: of each element, where it is a list.
func (p *paths) value(out, b []byte) ([]byte, error) {
	if p.all {
		return append(out, b...), nil
	}
	return each(out, b, func(out []byte, num protowire.Number, value, field []byte) ([]byte, error) {
		if num != valueStruct && num != valueList {
			return append(out, field...), nil
		}
		out, start := open(out, num)
		var err error
		if num == valueStruct {
			out, err = p.object(out, value)
		} else {
			out, err = each(out, value, func(out []byte, num protowire.Number, value, _ []byte) ([]byte, error) {
				out, start := open(out, listValues)
				out, err := p.value(out, value)
				return shut(out, start), err
			})
		}
		return shut(out, start), err
	})
}

// each goes through the fields of an encoded message: value is the content of those that have a length, field all of it.
func each(out, b []byte, f func(out []byte, num protowire.Number, value, field []byte) ([]byte, error)) ([]byte, error) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return out, protowire.ParseError(n)
		}
		size := protowire.ConsumeFieldValue(num, typ, b[n:])
		if size < 0 {
			return out, protowire.ParseError(size)
		}
		var value []byte
		if typ == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(b[n:])
		}
		var err error
		if out, err = f(out, num, value, b[:n+size]); err != nil {
			return out, err
		}
		b = b[n+size:]
	}
	return out, nil
}
