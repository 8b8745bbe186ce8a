package server

import (
	"fmt"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"google.golang.org/protobuf/proto"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// handover passes messages through the in-process channel without copying what is in them. The channel copies by default, because
// client and server could share what a message holds; here the gateway gives its request away and never looks at it again, and
// ingest does the same with its response.
type handover struct{}

var _ inprocgrpc.Cloner = handover{}

// Copy moves the fields of in to out.
func (handover) Copy(out, in any) error {
	switch in := in.(type) {
	case *hookbridgev1.IngestRequest:
		out, ok := out.(*hookbridgev1.IngestRequest)
		if !ok {
			return fmt.Errorf("copy %T to %T", in, out)
		}
		out.Source, out.Event, out.Validation = in.Source, in.Event, in.Validation
		out.DedupeWindow, out.HoldUntil, out.NotJson = in.DedupeWindow, in.HoldUntil, in.NotJson
		return nil
	case proto.Message:
		out, ok := out.(proto.Message)
		if !ok {
			return fmt.Errorf("copy %T to %T", in, out)
		}
		proto.Reset(out)
		proto.Merge(out, in)
		return nil
	default:
		return fmt.Errorf("copy a %T, which is no message", in)
	}
}

// Clone copies.
func (handover) Clone(in any) (any, error) {
	m, ok := in.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("clone a %T, which is no message", in)
	}
	return proto.Clone(m), nil
}
