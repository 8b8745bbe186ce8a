package server

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/hookbridge/hookbridge/server/fault"
)

// healthService says how the services of a gRPC server are, to load balancers and to clients: each that is registered, and the server as a
// whole under the empty name, all the same. They don't serve until serve, nor after Shutdown, which is final.
type healthService struct {
	*health.Server
	of        *grpc.Server
	dismissed chan struct{}
	once      sync.Once
}

// newHealth returns the health of a server, registered on it. Services may be registered after it.
func newHealth(of *grpc.Server) *healthService {
	h := &healthService{Server: health.NewServer(), of: of, dismissed: make(chan struct{})}
	h.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	healthpb.RegisterHealthServer(of, h)
	return h
}

// serve says that the server serves, with everything that is registered.
func (h *healthService) serve() {
	for name := range h.of.GetServiceInfo() {
		h.SetServingStatus(name, healthpb.HealthCheckResponse_SERVING)
	}
	h.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
}

// dismiss ends the streams of those who watch, and of those who come to: a server that stops in order waits for every stream, and these have
// no end.
func (h *healthService) dismiss() { h.once.Do(func() { close(h.dismissed) }) }

// Watch sends the health of a service whenever it changes, until the server stops.
func (h *healthService) Watch(req *healthpb.HealthCheckRequest, stream healthpb.Health_WatchServer) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	go func() {
		defer cancel()
		select {
		case <-h.dismissed:
		case <-ctx.Done():
		}
	}()
	err := h.Server.Watch(req, watching{stream, ctx})
	select {
	case <-h.dismissed:
		return fault.ErrShuttingDown
	default:
		return err
	}
}

// watching is a stream that ends with another context.
type watching struct {
	healthpb.Health_WatchServer
	ctx context.Context
}

// Context returns the context that ends it.
func (w watching) Context() context.Context { return w.ctx }
