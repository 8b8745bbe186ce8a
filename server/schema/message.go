package schema

import (
	"errors"
	"fmt"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// message is a message of events, ready to decode.
type message struct {
	name protoreflect.FullName
	typ  protoreflect.MessageType
	// types resolves what a google.protobuf.Any names.
	types types
	// plan is for transcoding, nil where that can't be done; url names the message in an Any.
	plan *plan
	url  string
	// rules is nil for a message that has no rules anywhere in its tree: evaluating it would only cost time.
	rules protovalidate.Validator
	// outline is by what a document is known to be of the type; nil for nothing.
	outline *outline
	// contradicted says that a type which falls under the claim can only come out of another event's body.
	contradicted bool
	// custom has the declared texts of the message's own rules, by their id.
	custom map[string]string
}

// urlPrefix begins the names in an Any.
const urlPrefix = "type.googleapis.com/"

// compiler makes the messages of one set.
type compiler struct {
	types types
	rules protovalidate.Validator
}

// message makes a message and compiles its rules.
func (c *compiler) message(descriptor protoreflect.MessageDescriptor) (*message, error) {
	typ, err := c.types.FindMessageByName(descriptor.FullName())
	if err != nil {
		return nil, err
	}
	m := &message{
		name: descriptor.FullName(), typ: typ, types: fields{c.types}, url: urlPrefix + string(descriptor.FullName()),
		custom: map[string]string{},
	}
	m.plan = newPlan(descriptor, m.types)
	scan := scanner{custom: m.custom, seen: map[protoreflect.FullName]bool{}}
	if err := scan.message(descriptor); err != nil || !scan.found {
		return m, err
	}
	if c.rules == nil {
		if c.rules, err = protovalidate.New(protovalidate.WithExtensionTypeResolver(c.types)); err != nil {
			return nil, fmt.Errorf("validation rules: %w", err)
		}
	}
	m.rules = c.rules
	// Compiles the rules of the whole tree, so that a broken rule shows at start and not with the first delivery.
	err = m.rules.Validate(typ.New().Interface())
	if broken, ok := errors.AsType[*protovalidate.CompilationError](err); ok {
		return nil, broken
	}
	return m, nil
}

// fields keeps extensions out of decoding: a key like "[some.extension]" of a document is an unknown field as any other.
type fields struct{ types }

func (fields) FindExtensionByName(protoreflect.FullName) (protoreflect.ExtensionType, error) {
	return nil, protoregistry.NotFound
}

// HasRules tells whether a message has validation rules anywhere in its tree, so that one without need not be asked every time.
// What can't be read counts as a rule.
func HasRules(descriptor protoreflect.MessageDescriptor) bool {
	scan := scanner{custom: map[string]string{}, seen: map[protoreflect.FullName]bool{}}
	return scan.message(descriptor) != nil || scan.found
}

// scanner looks for validation rules in the tree of a message.
type scanner struct {
	found  bool
	custom map[string]string
	seen   map[protoreflect.FullName]bool
}

func (s *scanner) message(descriptor protoreflect.MessageDescriptor) error {
	if s.seen[descriptor.FullName()] {
		return nil
	}
	s.seen[descriptor.FullName()] = true
	rules, err := protovalidate.ResolveMessageRules(descriptor)
	if err != nil {
		return fmt.Errorf("validation rules of %s: %w", descriptor.FullName(), err)
	}
	s.found = s.found || rules != nil
	s.texts(rules.GetCel())
	for i := range descriptor.Oneofs().Len() {
		oneof, err := protovalidate.ResolveOneofRules(descriptor.Oneofs().Get(i))
		if err != nil {
			return fmt.Errorf("validation rules of %s: %w", descriptor.Oneofs().Get(i).FullName(), err)
		}
		s.found = s.found || oneof != nil
	}
	for i := range descriptor.Fields().Len() {
		if err := s.field(descriptor.Fields().Get(i)); err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) field(descriptor protoreflect.FieldDescriptor) error {
	rules, err := protovalidate.ResolveFieldRules(descriptor)
	if err != nil {
		return fmt.Errorf("validation rules of %s: %w", descriptor.FullName(), err)
	}
	s.found = s.found || rules != nil
	for _, r := range []*validate.FieldRules{
		rules, rules.GetRepeated().GetItems(), rules.GetMap().GetKeys(), rules.GetMap().GetValues(),
	} {
		s.texts(r.GetCel())
	}
	if m := descriptor.Message(); m != nil {
		return s.message(m)
	}
	return nil
}

// texts notes what rules say when they are broken. Where two rules of one id say different things, neither is kept.
func (s *scanner) texts(rules []*validate.Rule) {
	for _, rule := range rules {
		text, known := s.custom[rule.GetId()]
		if known && text != rule.GetMessage() {
			s.custom[rule.GetId()] = ""
			continue
		}
		s.custom[rule.GetId()] = rule.GetMessage()
	}
}

var _ types = fields{}

// new returns an empty message.
func (m *message) new() proto.Message { return m.typ.New().Interface() }
