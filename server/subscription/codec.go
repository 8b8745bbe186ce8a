package subscription

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// Codec returns the codec that a gRPC server with an EventService of this package must be given (grpc.ForceServerCodecV2). It is
// gRPC's own for every message, but for the events of a stream: those are put together from what is stored, without
// decoding and encoding them again.
func Codec() encoding.CodecV2 { return codec{encoding.GetCodecV2(proto.Name)} }

type codec struct{ encoding.CodecV2 }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(*frame); ok {
		return f.wire, nil
	}
	return c.CodecV2.Marshal(v)
}
