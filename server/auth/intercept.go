package auth

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"

	"github.com/hookbridge/hookbridge/server/fault"
)

// grace is how long a stream has to end by itself when it may not go on. One that is blocked in sending doesn't.
const grace = 500 * time.Millisecond

// Unary returns the interceptor of calls from outside: it authenticates the caller and holds the call to the method's rule.
func (a *Authenticator) Unary() grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		r, err := a.rule(info.FullMethod)
		if err != nil {
			return nil, err
		}
		if r.open {
			return next(ctx, req)
		}
		ctx, _, err = a.begin(ctx, ofCall(ctx))
		if err != nil {
			return nil, err
		}
		return a.call(ctx, r, req, next)
	}
}

// Inside returns the interceptor of calls within the process, whose context has been through Request. Metadata says nothing there
// about who calls.
func (a *Authenticator) Inside() grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		r, err := a.rule(info.FullMethod)
		if err != nil {
			return nil, err
		}
		if sessionOf(ctx) == nil && !r.open {
			return nil, fmt.Errorf("%s was called inside by nobody", info.FullMethod)
		}
		return a.call(ctx, r, req, next)
	}
}

func (a *Authenticator) call(ctx context.Context, r rule, req any, next grpc.UnaryHandler) (any, error) {
	if r.check != nil {
		if err := r.check(From(ctx), req); err != nil {
			return nil, a.counted(err)
		}
	}
	resp, err := next(ctx, req)
	return resp, a.counted(err)
}

// counted counts an error that is for a missing grant.
func (a *Authenticator) counted(err error) error {
	if errors.Is(err, fault.ErrPermissionDenied) {
		a.refuse(missingGrant)
	}
	return err
}

func (a *Authenticator) rule(method string) (rule, error) {
	r, ok := a.rules[method]
	if !ok {
		return rule{}, fmt.Errorf("no rule says who may call %s", method)
	}
	return r, nil
}

// Stream is Unary for streams. A stream ends when it may not go on, whatever its handler does: the handler runs on a goroutine of its
// own, which ends with it, and later only where it is blocked in sending; that the end of the call unblocks.
func (a *Authenticator) Stream() grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		r, err := a.rule(info.FullMethod)
		if err != nil {
			return err
		}
		if r.open {
			return next(srv, stream)
		}
		ctx, s, err := a.begin(stream.Context(), ofCall(stream.Context()))
		if err != nil {
			return err
		}
		if r.check != nil {
			// A stream outlives the grants of its beginning: it is held to its rule for as long as it lasts.
			if err := Keep(ctx, func(p *Principal) error { return r.check(p, nil) }); err != nil {
				return err
			}
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- handle(srv, &guarded{ServerStream: stream, ctx: ctx, session: s}, next) }()
		for {
			select {
			case err := <-ended:
				return s.outcome(err)
			case <-s.seen.Load().changed:
			}
			if err := s.again(); err != nil {
				cancel()
				late := time.NewTimer(grace)
				defer late.Stop()
				select {
				case <-ended:
				case <-late.C:
				}
				return err
			}
		}
	}
}

// handle calls a handler. A panic on a goroutine would end the process; it is an error of this call.
func handle(srv any, stream grpc.ServerStream, next grpc.StreamHandler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return next(srv, stream)
}

// outcome is what a stream ends with whose handler returned: the reason why it may not go on, if there is one, since the handler
// may have seen only that its context ended.
func (s *session) outcome(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return s.ended
	}
	return s.a.counted(err)
}

// guarded is a stream that sends nothing to a caller who may not go on.
type guarded struct {
	grpc.ServerStream
	ctx     context.Context
	session *session
}

// Context returns the context with the caller in it.
func (g *guarded) Context() context.Context { return g.ctx }

// SendMsg sends, if the caller may still have it.
func (g *guarded) SendMsg(m any) error {
	if err := g.session.check(); err != nil {
		return err
	}
	return g.ServerStream.SendMsg(m)
}
