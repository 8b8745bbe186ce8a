package expression

import (
	"fmt"
	"slices"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/structpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/schema"
)

const (
	// MaxLength is how long an expression may be, in characters.
	MaxLength = 4096
	// CostLimit is what evaluating the parts of an expression that look at data may cost, and those that don't, in units of the
	// language: about a comparison each, or ten characters that are looked at. The parts share it equally.
	CostLimit = 100_000

	// What an expression may grow to when its macros are expanded, how deep it may be nested, and how large its regular expressions
	// may be as programs.
	maxNodes   = 20_000
	maxNesting = 100
	maxRegex   = 1000

	// maxPrograms bounds the programs that are kept to be shared.
	maxPrograms = 1024
)

// The names of the variables, and of the message that data is for events that no message claims.
const (
	eventVariable = "event"
	dataVariable  = "data"
	structMessage = protoreflect.FullName("google.protobuf.Struct")
)

// Compiler compiles expressions for the messages of one registry. It is safe for concurrent use.
type Compiler struct {
	registry *schema.Registry
	types    *types.Registry
	// base is the environment without data, untyped the one in which data is dyn.
	base, untyped *cel.Env
	// messages are the types of the registry's messages.
	messages map[protoreflect.FullName]protoreflect.MessageType
	buffers  buffers

	mu       sync.Mutex
	typed    map[protoreflect.FullName]*cel.Env
	programs map[string]*Program
}

// NewCompiler returns a compiler for the messages of a registry.
func NewCompiler(registry *schema.Registry) (*Compiler, error) {
	known, err := types.NewProtoRegistry(types.ProtoTypeDefs(&hookbridgev1.Event{}, &structpb.Struct{}))
	if err != nil {
		return nil, fmt.Errorf("types of expressions: %w", err)
	}
	c := &Compiler{
		registry: registry, types: known, messages: map[protoreflect.FullName]protoreflect.MessageType{},
		typed: map[protoreflect.FullName]*cel.Env{}, programs: map[string]*Program{},
	}
	seen := map[string]bool{}
	for _, t := range registry.Types() {
		if err := register(known, t.Message.ParentFile(), seen); err != nil {
			return nil, fmt.Errorf("types of expressions: %w", err)
		}
		c.messages[t.Message.FullName()] = messageType(t.Message)
	}
	options := []cel.EnvOption{
		cel.CustomTypeAdapter(known), cel.CustomTypeProvider(&fields{Registry: known}),
		cel.Variable(eventVariable, cel.ObjectType(string(envelope().FullName()))),
		cel.CrossTypeNumericComparisons(true), cel.EnableMacroCallTracking(), cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(MaxLength), cel.ParserRecursionLimit(maxNesting), cel.ParserErrorRecoveryLimit(1),
		cel.ExpressionNodeLimit(maxNodes), cel.RegexProgramSizeLimit(maxRegex),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals()),
		ext.Strings(),
	}
	c.base, err = cel.NewEnv(options...)
	if err == nil {
		c.untyped, err = c.base.Extend(cel.Variable(dataVariable, cel.DynType))
	}
	if err != nil {
		return nil, fmt.Errorf("environment of expressions: %w", err)
	}
	return c, nil
}

// register makes the messages and enumerations of a file and of its imports known.
func register(known *types.Registry, file protoreflect.FileDescriptor, seen map[string]bool) error {
	if file.IsPlaceholder() || seen[file.Path()] {
		return nil
	}
	seen[file.Path()] = true
	for i := range file.Imports().Len() {
		if err := register(known, file.Imports().Get(i).FileDescriptor, seen); err != nil {
			return err
		}
	}
	return known.RegisterDescriptor(file)
}

// messageType is the compiled-in type of a message where that is the one described, else one made of the description.
func messageType(d protoreflect.MessageDescriptor) protoreflect.MessageType {
	if t, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName()); err == nil && t.Descriptor() == d {
		return t
	}
	return dynamicpb.NewMessageType(d)
}

// environment is that in which data is a message.
func (c *Compiler) environment(name protoreflect.FullName) (*cel.Env, error) {
	if name == structMessage {
		return c.untyped, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if env := c.typed[name]; env != nil {
		return env, nil
	}
	env, err := c.base.Extend(cel.Variable(dataVariable, cel.ObjectType(string(name))))
	if err != nil {
		return nil, fmt.Errorf("environment of expressions over %s: %w", name, err)
	}
	c.typed[name] = env
	return env, nil
}

// fields describes the messages to the checker, without those parts of the envelope that an expression doesn't see.
type fields struct{ *types.Registry }

// envelope is the message that `event` is.
func envelope() protoreflect.MessageDescriptor {
	return (*hookbridgev1.Event)(nil).ProtoReflect().Descriptor()
}

// hides says that an expression doesn't see a field.
func hides(message, field string) bool {
	return message == string(envelope().FullName()) && (field == "data" || field == "content" || field == "omission")
}

// FindStructFieldType implements types.Provider.
func (f *fields) FindStructFieldType(message, field string) (*types.FieldType, bool) {
	if hides(message, field) {
		return nil, false
	}
	return f.Registry.FindStructFieldType(message, field)
}

// FindStructFieldNames implements types.Provider.
func (f *fields) FindStructFieldNames(message string) ([]string, bool) {
	all, ok := f.Registry.FindStructFieldNames(message)
	return slices.DeleteFunc(all, func(name string) bool { return hides(message, name) }), ok
}
