package server

import (
	"errors"
	"fmt"
	"sync"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/schema"
)

// validator holds requests to the rules in their proto.
type validator struct {
	rules protovalidate.Validator
	// ruled has, by its descriptor, whether a message has rules: walking one that has none costs as much as checking a signature.
	ruled sync.Map
}

func newValidator() (*validator, error) {
	rules, err := protovalidate.New()
	if err != nil {
		return nil, fmt.Errorf("validator: %w", err)
	}
	return &validator{rules: rules}, nil
}

// asked tells whether a message has any rules.
func (v *validator) asked(descriptor protoreflect.MessageDescriptor) bool {
	known, ok := v.ruled.Load(descriptor)
	if !ok {
		known, _ = v.ruled.LoadOrStore(descriptor, schema.HasRules(descriptor))
	}
	return known != false
}

// validate holds a request to the rules in its proto.
func (v *validator) validate(req any) error {
	m, ok := req.(proto.Message)
	if !ok {
		return status.Errorf(codes.Internal, "request is a %T, not a message", req)
	}
	if !v.asked(m.ProtoReflect().Descriptor()) {
		return nil
	}
	err := v.rules.Validate(m)
	if err == nil {
		return nil
	}
	var invalid *protovalidate.ValidationError
	if !errors.As(err, &invalid) {
		return fmt.Errorf("validate %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	text, violations := "the request is invalid", make([]fault.Violation, 0, len(invalid.Violations))
	for n, broken := range invalid.Violations {
		violation := fault.Violation{Field: protovalidate.FieldPathString(broken.Proto.GetField()), Message: broken.Proto.GetMessage()}
		if n == 0 {
			text = violation.String()
		}
		violations = append(violations, violation)
	}
	return fault.Invalid(fault.ErrInvalidArgument, text, violations...)
}
