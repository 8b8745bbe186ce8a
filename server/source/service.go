package source

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/provider"
)

// defaultWindow is how long a window is open that nobody gave a time.
const defaultWindow = 10 * time.Minute

// Rejections is the part of the service that is about refused deliveries.
type Rejections interface {
	List(context.Context, *hookbridgev1.ListRejectionsRequest) (*hookbridgev1.ListRejectionsResponse, error)
	Follow(*hookbridgev1.FollowRejectionsRequest, grpc.ServerStreamingServer[hookbridgev1.FollowRejectionsResponse]) error
}

// Configured is a source as it is configured now.
type Configured struct {
	*provider.Source
	// Captured says that the secret which its handshake brings is there.
	Captured bool
}

// Config is what a Service needs.
type Config struct {
	// Sources returns the sources that are configured now.
	Sources func() []Configured
	// Keep keeps a secret that a handshake brought, for good, and lets the source use it at once. It never replaces one.
	// Errors: fault.ErrHandshakeForbidden where it can't be one of the source.
	Keep func(source, secret string) error
	// Kept says whether this is the secret that was kept.
	Kept func(source, secret string) bool
	// Rejections is nil where refusals aren't kept.
	Rejections Rejections
	// Principal names who calls, for the log.
	Principal func(context.Context) string
	Logger    *slog.Logger
	// Now is the clock of windows; it should be monotonic. Nil: time.Now.
	Now func() time.Time
}

// Service implements hookbridge.v1.SourceService.
type Service struct {
	hookbridgev1.UnsafeSourceServiceServer

	cfg     Config
	windows windows
	// capturing is held while a secret is kept: of two handshakes at once one is the first.
	capturing sync.Mutex
}

var _ hookbridgev1.SourceServiceServer = (*Service)(nil)

// New returns a service without open windows.
func New(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg: cfg}
}

// ListSources lists the sources by name.
func (s *Service) ListSources(context.Context, *hookbridgev1.ListSourcesRequest) (*hookbridgev1.ListSourcesResponse, error) {
	now := s.cfg.Now()
	resp := &hookbridgev1.ListSourcesResponse{}
	for _, c := range s.cfg.Sources() {
		out := &hookbridgev1.Source{Name: c.Name(), Provider: c.Provider(), Schemes: c.Schemes(), Secrets: int32(c.Secrets())}
		if until, ok := s.windows.end(c.Name(), now); ok {
			out.CaptureUntil = timestamppb.New(until)
		}
		resp.Sources = append(resp.Sources, out)
	}
	slices.SortFunc(resp.Sources, func(a, b *hookbridgev1.Source) int { return strings.Compare(a.GetName(), b.GetName()) })
	return resp, nil
}

// OpenCapture opens a window.
func (s *Service) OpenCapture(ctx context.Context, req *hookbridgev1.OpenCaptureRequest) (*hookbridgev1.OpenCaptureResponse, error) {
	window := defaultWindow
	if req.GetWindow() != nil {
		window = req.GetWindow().AsDuration()
	}
	// So that no window is opened for a source that is just getting its secret.
	s.capturing.Lock()
	defer s.capturing.Unlock()
	if err := s.capturable(req.GetSource()); err != nil {
		return nil, err
	}
	until := s.cfg.Now().Add(window)
	s.windows.open(req.GetSource(), until)
	s.cfg.Logger.InfoContext(ctx, "a handshake may bring the secret of a source", "source", req.GetSource(), "until", until, "principal", s.cfg.Principal(ctx))
	return &hookbridgev1.OpenCaptureResponse{Until: timestamppb.New(until)}, nil
}

// capturable says why no secret of a source can be captured; nil where it can.
func (s *Service) capturable(name string) error {
	sources := s.cfg.Sources()
	n := slices.IndexFunc(sources, func(c Configured) bool { return c.Name() == name })
	switch {
	case n < 0:
		return fault.ErrUnknownSource
	case !sources[n].PackCaptures():
		return fault.Detail(fault.ErrCaptureUnavailable, "source %q: no handshake of %s brings a secret", name, sources[n].Provider())
	case !sources[n].Captures():
		return fault.Detail(fault.ErrCaptureUnavailable, "source %q: its secrets are configured; with `secrets: [captured]` a handshake may bring one", name)
	case sources[n].Captured:
		return fault.Detail(fault.ErrCaptureUnavailable, "source %q: it has a captured secret, which is never replaced; remove its file first", name)
	}
	return nil
}

// Capture keeps the secret that a handshake of a source brought, if a window is open. It is what the edge calls before it answers. The handshake
// whose answer was lost comes again with the same secret, and is answered again.
func (s *Service) Capture(ctx context.Context, source, secret, peer string) error {
	s.capturing.Lock()
	defer s.capturing.Unlock()
	if s.cfg.Kept(source, secret) {
		return nil
	}
	if _, open := s.windows.end(source, s.cfg.Now()); !open {
		return fault.Detail(fault.ErrHandshakeForbidden, "no secret is waited for; the operator has to open a window first")
	}
	if err := s.cfg.Keep(source, secret); err != nil {
		return err
	}
	s.windows.shut(source)
	s.cfg.Logger.InfoContext(ctx, "the secret of a source was captured", "source", source, "peer", peer)
	return nil
}

// ListRejections lists refused deliveries.
func (s *Service) ListRejections(ctx context.Context, req *hookbridgev1.ListRejectionsRequest) (*hookbridgev1.ListRejectionsResponse, error) {
	if s.cfg.Rejections == nil {
		return nil, status.Error(codes.Unimplemented, "refused deliveries are not kept")
	}
	return s.cfg.Rejections.List(ctx, req)
}

// FollowRejections sends refused deliveries as they come.
func (s *Service) FollowRejections(
	req *hookbridgev1.FollowRejectionsRequest, stream grpc.ServerStreamingServer[hookbridgev1.FollowRejectionsResponse],
) error {
	if s.cfg.Rejections == nil {
		return status.Error(codes.Unimplemented, "refused deliveries are not kept")
	}
	return s.cfg.Rejections.Follow(req, stream)
}
