package subscription

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// sent is a delivery in short.
type sent struct {
	Seq     int64
	Attempt int32
	Reason  hookbridgev1.Delivery_Reason
}

func short(ds ...*hookbridgev1.Delivery) []sent {
	var all []sent
	for _, d := range ds {
		all = append(all, sent{d.GetEvent().GetSequence(), d.GetAttempt(), d.GetReason()})
	}
	return all
}

// run is the deliveries of sequences from first to last.
func run(first, last int64, attempt int32, why hookbridgev1.Delivery_Reason) []sent {
	var all []sent
	for seq := first; seq <= last; seq++ {
		all = append(all, sent{seq, attempt, why})
	}
	return all
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// refused expects an error with a code, text and reason.
func refused(t testing.TB, err error, want string) {
	t.Helper()
	if got := described(err); got != want {
		t.Errorf("error\n got %s\nwant %s", got, want)
	}
}

// described is an error with code, reason and text.
func described(err error) string {
	s := status.Convert(err)
	reason := ""
	for _, d := range s.Details() {
		if info, ok := d.(interface{ GetReason() string }); ok {
			reason = info.GetReason()
		}
	}
	return fmt.Sprintf("%v %s: %s", s.Code(), reason, s.Message())
}
