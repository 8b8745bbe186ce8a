package server

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// channel is the connection inside the process: unary calls go through the interceptors to the service, on the caller's goroutine and
// without encoding. A library that does it on a goroutine of its own for each call (grpchan) took a tenth of the machine for growing
// their stacks.
//
// The handler sees the caller's context, with the principal in it where there is one, and the metadata of the call as that which
// came in. It may keep its request: the gateway gives it away and never looks at it again.
type channel struct {
	chain   []grpc.UnaryServerInterceptor
	methods map[string]method
}

type method struct {
	service any
	desc    grpc.MethodDesc
}

var (
	_ grpc.ClientConnInterface = (*channel)(nil)
	_ grpc.ServiceRegistrar    = (*channel)(nil)
)

func newChannel(chain []grpc.UnaryServerInterceptor) *channel {
	return &channel{chain: chain, methods: map[string]method{}}
}

// RegisterService adds a service. It must not be called when calls may be running.
func (c *channel) RegisterService(desc *grpc.ServiceDesc, service any) {
	for _, m := range desc.Methods {
		c.methods["/"+desc.ServiceName+"/"+m.MethodName] = method{service: service, desc: m}
	}
}

// Invoke calls a method. Call options, which are about encoding and networks, mean nothing here.
func (c *channel) Invoke(ctx context.Context, name string, request, response any, _ ...grpc.CallOption) error {
	m, ok := c.methods[name]
	if !ok {
		return status.Errorf(codes.Unimplemented, "no method %s inside the process", name)
	}
	if md, ok := metadata.FromOutgoingContext(ctx); ok {
		ctx = metadata.NewIncomingContext(ctx, md)
	}
	decode := func(into any) error { return move(into, request) }
	answer, err := m.desc.Handler(m.service, ctx, decode, c.intercept)
	if err != nil {
		return err
	}
	return move(response, answer)
}

// intercept is the interceptor that all of the chain are.
func (c *channel) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	way := &chain{list: c.chain, info: info, handler: handler}
	way.next = way.run
	return way.run(ctx, req)
}

// NewStream is not offered: nothing inside the process streams.
func (*channel) NewStream(_ context.Context, _ *grpc.StreamDesc, name string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Errorf(codes.Unimplemented, "no streams inside the process: %s", name)
}

// move gives what is in one message to another: deliveries without a copy, since they may be large.
func move(to, from any) error {
	switch from := from.(type) {
	case *hookbridgev1.IngestBatchRequest:
		to, ok := to.(*hookbridgev1.IngestBatchRequest)
		if !ok {
			return fmt.Errorf("move a %T to a %T", from, to)
		}
		to.Source, to.Requests = from.Source, from.Requests
		return nil
	case *hookbridgev1.IngestRequest:
		to, ok := to.(*hookbridgev1.IngestRequest)
		if !ok {
			return fmt.Errorf("move a %T to a %T", from, to)
		}
		to.Source, to.Event, to.Validation = from.Source, from.Event, from.Validation
		to.DedupeWindow, to.HoldUntil, to.NotJson = from.DedupeWindow, from.HoldUntil, from.NotJson
		return nil
	}
	target, ok := to.(proto.Message)
	source, isMessage := from.(proto.Message)
	if !ok || !isMessage {
		return fmt.Errorf("move a %T to a %T: want messages", from, to)
	}
	proto.Reset(target)
	proto.Merge(target, source)
	return nil
}
