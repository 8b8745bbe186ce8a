package subscription

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

var errPending = status.Error(codes.Unimplemented, "not there yet")

// Reject is not there yet.
func (m *Manager) Reject(context.Context, *hookbridgev1.RejectRequest) (*hookbridgev1.RejectResponse, error) {
	return nil, errPending
}

// ExtendDeadline is not there yet.
func (m *Manager) ExtendDeadline(context.Context, *hookbridgev1.ExtendDeadlineRequest) (*hookbridgev1.ExtendDeadlineResponse, error) {
	return nil, errPending
}
