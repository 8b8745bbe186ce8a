package subscription

import (
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

// settings are what the owner of a durable subscription decides. See hookbridge.v1.Subscription.
type settings struct {
	// ackDeadline is 0 for the default.
	ackDeadline time.Duration
	// backoff is empty for the default.
	backoff         []time.Duration
	maxAttempts     int32
	ordered, paused bool
}

// defaultBackoff is the schedule of a subscription that has none of its own.
func defaultBackoff() []time.Duration {
	return []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}
}

// policy is what the machine has to know.
func (s *settings) policy() machine.Policy {
	p := machine.Policy{Ordered: s.ordered, Backoff: slices.Clone(s.backoff), MaxAttempts: s.maxAttempts}
	if len(p.Backoff) == 0 {
		p.Backoff = defaultBackoff()
	}
	return p
}

// deadline is the ack deadline of streams that ask for none.
func (s *settings) deadline() time.Duration {
	if s.ackDeadline == 0 {
		return defaultAckDeadline
	}
	return s.ackDeadline
}

func toDurations(list []*durationpb.Duration) []time.Duration {
	var out []time.Duration
	for _, d := range list {
		out = append(out, d.AsDuration())
	}
	return out
}

func fromDurations(list []time.Duration) []*durationpb.Duration {
	var out []*durationpb.Duration
	for _, d := range list {
		out = append(out, durationpb.New(d))
	}
	return out
}
