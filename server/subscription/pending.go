package subscription

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

var errPending = status.Error(codes.Unimplemented, "not there yet")

// EraseEvent is not there yet.
func (m *Manager) EraseEvent(context.Context, *hookbridgev1.EraseEventRequest) (*hookbridgev1.EraseEventResponse, error) {
	return nil, errPending
}
