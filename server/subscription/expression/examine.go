package expression

import (
	"bytes"
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Verdict is what an expression says about an event.
type Verdict uint8

// The verdicts. Only Pass lets an event through.
const (
	// Drop: the expression is false, or doesn't fit the event's message, or wants data of an event that has none.
	Drop Verdict = iota
	// Pass: the expression is true.
	Pass
	// Fail: the expression can't be evaluated on the event, or the event can't be read.
	Fail
)

// String returns "drop", "pass" or "error".
func (v Verdict) String() string { return [...]string{"drop", "pass", "error"}[v] }

// Event is what there is to know of an event.
type Event struct {
	// Sequence is the position in the journal.
	Sequence int64
	// ReplayOf is the sequence of the event that this one is suspected to be a replay of; 0 for none.
	ReplayOf int64
	// Encoded is the hookbridge.v1.Event as it is stored: without sequence and content, and with data unless that was too large.
	Encoded []byte
	// Data makes the data again where it was not stored; nil for none. A nil Data: what isn't in Encoded isn't there.
	Data func() (*anypb.Any, error)
}

// Examine decides about an event. It reads no more of it than the expression needs.
func (p *Program) Examine(ev Event) Verdict {
	if v, ok := p.memo.get(ev.Sequence); ok {
		return v
	}
	v := p.examine(ev)
	p.memo.put(ev.Sequence, v)
	return v
}

func (p *Program) examine(ev Event) Verdict {
	var x examination
	packed, err := x.envelope(p, ev)
	if err != nil {
		return Fail
	}
	verdict := x.run(p.envelope)
	if !p.readsData || verdict == Drop {
		return verdict
	}
	if packed == nil && ev.Data != nil {
		made, err := ev.Data()
		if err != nil {
			return Fail
		}
		packed = &packedData{name: nameIn([]byte(made.GetTypeUrl())), value: made.GetValue()}
	}
	if packed == nil || len(packed.name) == 0 {
		return Drop // there is no data
	}
	fits := p.plan(packed.name)
	if fits == nil {
		return Drop
	}
	if x.data, err = fits.decode(&p.compiler.buffers, packed.value); err != nil {
		return Fail
	}
	// As && has it: false wins over what can't be evaluated.
	if second := x.run(fits.parts); second != Pass {
		return second
	}
	return verdict
}

// examination has the values of the variables.
type examination struct{ event, data proto.Message }

var _ cel.Activation = (*examination)(nil)

// ResolveName implements cel.Activation.
func (x *examination) ResolveName(name string) (any, bool) {
	switch name {
	case eventVariable:
		return x.event, x.event != nil
	case dataVariable:
		return x.data, x.data != nil
	}
	return nil, false
}

// Parent implements cel.Activation.
func (x *examination) Parent() cel.Activation { return nil }

// run evaluates parts until one is false.
func (x *examination) run(parts []cel.Program) Verdict {
	verdict := Pass
	for _, part := range parts {
		value, _, err := part.Eval(x)
		switch {
		case err == nil && value == types.False:
			return Drop
		case err != nil || value != types.True:
			verdict = Fail
		}
	}
	return verdict
}

// packedData is the data of an event, as it is stored.
type packedData struct{ name, value []byte }

// nameIn returns the name of the message in the URL of its type.
func nameIn(url []byte) []byte { return url[bytes.LastIndexByte(url, '/')+1:] }

// The fields of a hookbridge.v1.Event that are read here by hand, and of a google.protobuf.Any.
const (
	eventData     protowire.Number = 9
	eventContent  protowire.Number = 12
	eventOmission protowire.Number = 13
	anyTypeURL    protowire.Number = 1
	anyValue      protowire.Number = 2
)

// envelope decodes what the program looks at of the envelope, and finds the data; nil for none.
func (x *examination) envelope(p *Program, ev Event) (*packedData, error) {
	buf := p.compiler.buffers.get()
	defer p.compiler.buffers.put(buf)
	var packed *packedData
	var err error
	buf.bytes, err = each(buf.bytes, ev.Encoded, func(out []byte, num protowire.Number, value, field []byte) ([]byte, error) {
		switch num {
		case eventData:
			packed = &packedData{}
			return each(out, value, func(out []byte, num protowire.Number, value, _ []byte) ([]byte, error) {
				switch num {
				case anyTypeURL:
					packed.name = nameIn(value)
				case anyValue:
					packed.value = value
				}
				return out, nil
			})
		case eventContent, eventOmission:
			return out, nil
		}
		return p.event.apply(out, field)
	})
	if err != nil || !p.readsEvent {
		return packed, err
	}
	event := &hookbridgev1.Event{}
	if err := proto.Unmarshal(buf.bytes, event); err != nil {
		return nil, fmt.Errorf("event of sequence %d: %w", ev.Sequence, err)
	}
	event.Sequence = ev.Sequence
	if ev.ReplayOf != 0 {
		if event.Auth == nil {
			event.Auth = &hookbridgev1.Authenticity{}
		}
		event.Auth.ReplaySuspected, event.Auth.ReplayOf = true, ev.ReplayOf
	}
	x.event = event
	return packed, nil
}

// decode decodes what the plan looks at of the data.
func (p *plan) decode(room *buffers, encoded []byte) (proto.Message, error) {
	buf := room.get()
	defer room.put(buf)
	var into proto.Message
	var err error
	if p.typ == nil {
		into = &structpb.Struct{}
		buf.bytes, err = p.keys.object(buf.bytes, encoded)
	} else {
		into = p.typ.New().Interface()
		buf.bytes, err = p.mask.apply(buf.bytes, encoded)
	}
	if err != nil {
		return nil, err
	}
	return into, proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(buf.bytes, into)
}
