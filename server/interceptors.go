package server

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"

	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/requestid"
)

// interceptors are what every call goes through, on the gRPC port and on the channels inside the process.
type interceptors struct {
	log       *slog.Logger
	validator *validator
	// inside says that the context is the caller's own, which has an id already.
	inside bool
	// caller and callerOfStream find out who calls, and whether that one may.
	caller         grpc.UnaryServerInterceptor
	callerOfStream grpc.StreamServerInterceptor
}

// verified is the caller of what comes from a sender: the edge has verified its signature, and no principal is involved.
func verified(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	return next(ctx, req)
}

// unary is the chain for unary calls, the outermost first.
func (i interceptors) unary() []grpc.UnaryServerInterceptor {
	return []grpc.UnaryServerInterceptor{
		// The id first: everything that is logged or answered names it.
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			return next(i.identify(ctx), req)
		},
		// Then errors get their public face, and defects are logged: it must see what recover made of a panic.
		func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			resp, err := next(ctx, req)
			return resp, i.report(ctx, info.FullMethod, err)
		},
		// A panic is an error of this call and of no other.
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
			defer recovered(&err)
			return next(ctx, req)
		},
		// Strangers are told nothing, not even what is wrong with their requests.
		i.caller,
		// Handlers see only valid requests.
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if err := i.validator.validate(req); err != nil {
				return nil, err
			}
			return next(ctx, req)
		},
	}
}

// stream is the same chain for streams.
func (i interceptors) stream() []grpc.StreamServerInterceptor {
	return []grpc.StreamServerInterceptor{
		func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			return next(srv, &stream{ServerStream: s, ctx: i.identify(s.Context()), validate: i.validator.validate})
		},
		func(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			return i.report(s.Context(), info.FullMethod, next(srv, s))
		},
		func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
			defer recovered(&err)
			return next(srv, s)
		},
		// From here on the stream has a goroutine of its own, which may be left behind when its caller's grants are withdrawn.
		i.callerOfStream,
	}
}

// identify gives the call its id.
func (i interceptors) identify(ctx context.Context) context.Context {
	if i.inside && requestid.From(ctx) != "" {
		return ctx
	}
	return requestid.With(ctx, requestid.New())
}

// report turns an error into the status that the caller gets, and logs it where the caller gets less than the whole.
func (i interceptors) report(ctx context.Context, method string, err error) error {
	if err == nil {
		return nil
	}
	s := fault.Status(err, requestid.From(ctx))
	switch s.Code() {
	case codes.Internal, codes.Unknown, codes.DataLoss:
		i.log.ErrorContext(ctx, "call failed", "method", method, "request_id", requestid.From(ctx), "error", err)
	case codes.Unauthenticated, codes.PermissionDenied:
		// Strangers could fill the log; a metric counts them.
		i.log.DebugContext(ctx, "call refused", "method", method, "request_id", requestid.From(ctx), "peer", peerOf(ctx), "error", err)
	}
	return s.Err()
}

// peerOf is where a call comes from, as far as that is known.
func peerOf(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		return p.Addr.String()
	}
	return ""
}

// recovered makes an error out of a panic.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	}
}

// stream is a server stream with the call's id whose messages are validated as they come in.
type stream struct {
	grpc.ServerStream
	ctx      context.Context
	validate func(any) error
}

// Context returns the context with the call's id.
func (s *stream) Context() context.Context { return s.ctx }

// RecvMsg receives a valid message.
func (s *stream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return s.validate(m)
}

// chain is a call on its way through interceptors, which call on at most once each: the in-process channel takes only one interceptor.
type chain struct {
	list    []grpc.UnaryServerInterceptor
	info    *grpc.UnaryServerInfo
	handler grpc.UnaryHandler
	// next is the rest of the way, made once for all of it.
	next grpc.UnaryHandler
}

// run calls the first interceptor that is left, or the handler.
func (c *chain) run(ctx context.Context, req any) (any, error) {
	if len(c.list) == 0 {
		return c.handler(ctx, req)
	}
	first := c.list[0]
	c.list = c.list[1:]
	return first(ctx, req, c.info, c.next)
}
