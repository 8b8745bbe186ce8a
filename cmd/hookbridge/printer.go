package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"

	// The messages that events carry, linked so that they print as fields.
	_ "github.com/hookbridge/hookbridge/gen/hookbridge/github/v1"
	_ "github.com/hookbridge/hookbridge/gen/hookbridge/hmac/v1"
	_ "github.com/hookbridge/hookbridge/gen/hookbridge/shopify/v1"
	_ "github.com/hookbridge/hookbridge/gen/hookbridge/slack/v1"
	_ "github.com/hookbridge/hookbridge/gen/hookbridge/stripe/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// printer writes events, for a person or for a program.
type printer struct {
	out   io.Writer
	json  bool
	color bool
	// types find the messages that events carry. Nil: those that this build has linked.
	types resolver
}

// resolver is what protojson asks for messages.
type resolver interface {
	protoregistry.MessageTypeResolver
	protoregistry.ExtensionTypeResolver
}

// newPrinter uses colours on a terminal whose user hasn't said NO_COLOR (https://no-color.org).
func newPrinter(out io.Writer, asJSON bool) *printer {
	return &printer{out: out, json: asJSON, color: isTerminal(out) && os.Getenv("NO_COLOR") == ""}
}

// Colours, as SGR parameters.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	yellow = "33"
	cyan   = "36"
)

// paint colours a text. What a sender wrote can't change the terminal: control characters are shown as escapes.
func (p *printer) paint(color, text string) string {
	text = visible(text)
	if !p.color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

func visible(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsControl(r) {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// print writes one event, in one write.
func (p *printer) print(e *hookbridgev1.Event) error {
	var b bytes.Buffer
	if p.json {
		line, err := p.line(e)
		if err != nil {
			return err
		}
		b.Write(line)
		b.WriteByte('\n')
	} else if err := p.describe(&b, e); err != nil {
		return err
	}
	_, err := p.out.Write(b.Bytes())
	return err
}

func (p *printer) describe(b *bytes.Buffer, e *hookbridgev1.Event) error {
	fmt.Fprintf(b, "%s  %s  %s  %s  %s\n",
		p.paint(dim, e.GetReceivedAt().AsTime().Local().Format("15:04:05.000")), p.paint(cyan, e.GetSource()), p.paint(bold, e.GetType()),
		p.paint(dim, fmt.Sprintf("#%d", e.GetSequence())), p.paint(dim, e.GetId()))
	switch state := e.GetDecoding().GetState(); state {
	case hookbridgev1.Decoding_STATE_TYPED:
		fmt.Fprintf(b, "  %s\n", p.paint(dim, string(e.GetData().MessageName())))
	default:
		color := yellow
		if state == hookbridgev1.Decoding_STATE_UNDECODABLE {
			color = red
		}
		fmt.Fprintf(b, "  %s\n", p.paint(color, strings.ToLower(strings.TrimPrefix(state.String(), "STATE_"))))
	}
	for _, v := range e.GetDecoding().GetViolations() {
		text := v.GetMessage()
		if at := v.GetField(); at != "" { // What is wrong with the whole body has no place in it.
			text = at + ": " + text
		}
		fmt.Fprintf(b, "  %s\n", p.paint(yellow, text))
	}
	if a := e.GetAuth(); a.GetReplaySuspected() {
		fmt.Fprintf(b, "  %s\n", p.paint(yellow, fmt.Sprintf("suspected replay of #%d: the same body under another id", a.GetReplayOf())))
	}
	if o := e.GetOmission(); o != nil {
		fmt.Fprintf(b, "  %s\n", p.paint(yellow, fmt.Sprintf("too large to be shown: %s of data, %d of body", counted(o.GetDataBytes(), "byte", "bytes"), o.GetBodyBytes())))
	}
	if err := p.data(b, e); err != nil {
		return err
	}
	for _, h := range e.GetContent().GetHeaders() {
		fmt.Fprintf(b, "  %s %s\n", p.paint(dim, h.GetName()+":"), visible(h.GetValue()))
	}
	if body := e.GetContent().GetBody(); len(body) > 0 {
		p.body(b, body)
	}
	return nil
}

// line is an event as JSON. Data whose message nobody knows is shown by its type and its bytes, as grpcurl does it.
func (p *printer) line(e *hookbridgev1.Event) ([]byte, error) {
	whole, err := compact(e, p.resolver())
	data := e.GetData()
	if err == nil || data == nil {
		return whole, err
	}
	bare := proto.CloneOf(e)
	bare.Data = nil
	line, err := compact(bare, p.resolver())
	if err != nil {
		return nil, err
	}
	unknown, err := json.Marshal(map[string]any{"@type": data.GetTypeUrl(), "@value": data.GetValue()})
	if err != nil {
		return nil, err
	}
	return slices.Concat(bytes.TrimSuffix(line, []byte("}")), []byte(`,"data":`), unknown, []byte("}")), nil
}

func (p *printer) resolver() resolver {
	if p.types == nil {
		return protoregistry.GlobalTypes
	}
	return p.types
}

// data writes the fields of a message that is known.
func (p *printer) data(b *bytes.Buffer, e *hookbridgev1.Event) error {
	if e.GetData() == nil {
		return nil
	}
	m, err := anypb.UnmarshalNew(e.GetData(), proto.UnmarshalOptions{Resolver: p.resolver()})
	if err != nil {
		fmt.Fprintf(b, "  %s\n", p.paint(yellow, "a message that neither this build nor the bridge knows; --content shows the body"))
		return nil
	}
	line, err := compact(m, p.resolver())
	if err != nil {
		return err
	}
	b.WriteString("  ")
	err = json.Indent(b, line, "  ", "  ")
	b.WriteByte('\n')
	return err
}

// body writes text as it is, but for control characters, and how much there is of anything else.
func (p *printer) body(b *bytes.Buffer, body []byte) {
	if !utf8.Valid(body) {
		fmt.Fprintf(b, "  %s\n", p.paint(dim, counted(len(body), "byte that is no text", "bytes that are no text")))
		return
	}
	for line := range strings.Lines(string(body)) {
		fmt.Fprintf(b, "  %s %s\n", p.paint(dim, "|"), visible(strings.TrimRight(line, "\r\n")))
	}
}

// compact is protojson without the spaces that it puts in at random.
func compact(m proto.Message, types resolver) ([]byte, error) {
	loose, err := protojson.MarshalOptions{UseProtoNames: true, Resolver: types}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = json.Compact(&b, loose)
	return b.Bytes(), err
}
