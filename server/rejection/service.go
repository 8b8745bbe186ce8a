package rejection

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Service is the part of SourceService that is about refusals. What it doesn't have is Unimplemented.
type Service struct {
	hookbridgev1.UnsafeSourceServiceServer
	log *Log
}

var _ hookbridgev1.SourceServiceServer = (*Service)(nil)

// NewService returns the service of a log.
func NewService(log *Log) *Service { return &Service{log: log} }

// ListRejections lists refused deliveries.
func (s *Service) ListRejections(ctx context.Context, req *hookbridgev1.ListRejectionsRequest) (*hookbridgev1.ListRejectionsResponse, error) {
	return s.log.List(ctx, req)
}

// FollowRejections sends refused deliveries as they come.
func (s *Service) FollowRejections(
	req *hookbridgev1.FollowRejectionsRequest, stream grpc.ServerStreamingServer[hookbridgev1.FollowRejectionsResponse],
) error {
	return s.log.Follow(req, stream)
}

// ListSources is not offered.
func (*Service) ListSources(context.Context, *hookbridgev1.ListSourcesRequest) (*hookbridgev1.ListSourcesResponse, error) {
	return nil, status.Error(codes.Unimplemented, "ListSources is not offered")
}

// OpenCapture is not offered.
func (*Service) OpenCapture(context.Context, *hookbridgev1.OpenCaptureRequest) (*hookbridgev1.OpenCaptureResponse, error) {
	return nil, status.Error(codes.Unimplemented, "OpenCapture is not offered")
}
