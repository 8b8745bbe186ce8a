package clienttest

import (
	"errors"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// check refuses a request that the real bridge would, by the same rules and in the same words.
func check(request *hookbridgev1.SubscribeRequest) error {
	err := protovalidate.Validate(request)
	if broken, ok := errors.AsType[*protovalidate.ValidationError](err); ok && len(broken.Violations) > 0 {
		first := broken.Violations[0].Proto
		return status.Errorf(codes.InvalidArgument, "%s: %s", protovalidate.FieldPathString(first.GetField()), first.GetMessage())
	}
	if err != nil {
		return status.Errorf(codes.Internal, "the request can't be checked: %v", err)
	}
	if request.GetMustExist() && request.GetSubscription() == "" {
		return status.Error(codes.InvalidArgument, "must_exist: an ephemeral subscription is always a new one; want a name in subscription")
	}
	return nil
}
