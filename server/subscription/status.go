package subscription

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/auth"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

// tally counts for one subscription since the bridge was started. Metrics count beside it: there, subscriptions may share a label.
type tally struct{ sent, redelivered, missed atomic.Int64 }

// count counts a send. What was redriven begins anew and was sent before; what is replayed may never have been, and what comes to another
// member than it was meant for hasn't.
func (t *tally) count(x *machine.Send) {
	t.sent.Add(1)
	if x.Attempt > 1 || x.Reason == machine.Redriven {
		t.redelivered.Add(1)
	}
}

// addressOf is where a call comes from; empty inside the process.
func addressOf(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		return p.Addr.String()
	}
	return ""
}

// GetSubscription implements hookbridge.v1.SubscriptionService.
func (v *Service) GetSubscription(ctx context.Context, req *hookbridgev1.GetSubscriptionRequest) (*hookbridgev1.GetSubscriptionResponse, error) {
	s, err := v.find(ctx, "name", req.GetName())
	if err != nil {
		return nil, err
	}
	out, err := v.m.describe(ctx, s)
	return &hookbridgev1.GetSubscriptionResponse{Subscription: out}, err
}

// defaultSubscriptions is how many subscriptions a page has.
const defaultSubscriptions = 100

// ListSubscriptions implements hookbridge.v1.SubscriptionService.
func (v *Service) ListSubscriptions(ctx context.Context, req *hookbridgev1.ListSubscriptionsRequest) (*hookbridgev1.ListSubscriptionsResponse, error) {
	size := int(req.GetPageSize())
	if size == 0 {
		size = defaultSubscriptions
	}
	if size < 0 || size > maxPage {
		return nil, invalid("page_size", "want 0 to %d, got %d", maxPage, size)
	}
	after, err := parseNameToken(req.GetPageToken())
	if err != nil {
		return nil, err
	}
	m := v.m
	if err := m.serving(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	all := maps.Clone(m.subs)
	m.mu.Unlock()
	names := slices.Sorted(maps.Keys(all))
	at, _ := slices.BinarySearch(names, after+"\x00") // behind the name itself
	resp := &hookbridgev1.ListSubscriptionsResponse{}
	bytes := 0
	for ; at < len(names) && len(resp.GetSubscriptions()) < size; at++ {
		if auth.From(ctx).MayLook(names[at]) != nil {
			continue
		}
		out, err := m.describe(ctx, all[names[at]])
		if err != nil {
			continue // deleted meanwhile
		}
		n := proto.Size(out)
		if bytes > 0 && bytes+n > maxReply {
			break
		}
		bytes += n
		resp.Subscriptions = append(resp.Subscriptions, out)
	}
	if at < len(names) {
		resp.NextPageToken = nameToken(names[at-1])
	}
	return resp, nil
}

// describe returns a subscription as callers see it; an error, if it is deleted.
func (m *Manager) describe(ctx context.Context, s *subscription) (*hookbridgev1.Subscription, error) {
	m.deadCount.refresh(ctx)
	s.lookUpAge(ctx)
	dead, now := m.deadCount.of(s.name), m.wall()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deleted {
		return nil, s.broken
	}
	out := &hookbridgev1.Subscription{
		Name: s.name, Backoff: fromDurations(s.settings.backoff), MaxAttempts: s.settings.maxAttempts, Ordered: s.settings.ordered,
		Paused: s.settings.paused, CreatedAt: timestamppb.New(s.created), Status: s.status(now),
	}
	if !s.filter.all() {
		out.Filter = s.filter.proto()
	}
	if s.settings.ackDeadline > 0 {
		out.AckDeadline = durationpb.New(s.settings.ackDeadline)
	}
	out.Status.DeadLetters = dead
	return out, nil
}

// status is how the subscription is doing.
func (s *subscription) status(now time.Time) *hookbridgev1.SubscriptionStatus {
	position, end := s.position(), s.m.journal.Bounds().End
	stats, unexamined := s.machine.Stats(), max(0, end-s.machine.Next())
	out := &hookbridgev1.SubscriptionStatus{
		Position: position, JournalEnd: end,
		LagEvents:         int64(s.machine.Held()+s.machine.Buffered()) + unexamined,
		LagIsUpperBound:   unexamined > 0 && !s.filter.all(),
		OutstandingEvents: int64(stats.Outstanding), WaitingEvents: int64(stats.Waiting + stats.Blocked + stats.Burying),
		SentEvents: s.tally.sent.Load(), RedeliveredEvents: s.tally.redelivered.Load(), MissedEvents: s.tally.missed.Load(),
	}
	if at, ok := s.oldest(position, end); ok {
		out.LagTime = durationpb.New(max(0, now.Sub(at)))
	}
	for _, id := range slices.Sorted(maps.Keys(s.members)) {
		mem := s.members[id]
		is, _ := s.machine.MemberStats(id)
		out.Members = append(out.Members, &hookbridgev1.SubscriptionMember{
			ClientName: mem.client, Address: mem.address, Principal: mem.principal, ConnectedAt: timestamppb.New(mem.since),
			OutstandingEvents: int64(is.Held), OutstandingBytes: is.Bytes, Stalled: is.Stalled,
		})
	}
	out.UnknownSources = s.m.filters.unknown(s.filter)
	if s.replay != nil {
		out.Replay = proto.CloneOf(s.replay)
	}
	return out
}

// oldest is when the journal took the oldest event that is not settled; false where there is none, or it isn't known.
func (s *subscription) oldest(position, end int64) (time.Time, bool) {
	low := s.machine.Low()
	if low == position && position >= end {
		return time.Time{}, false
	}
	if t := s.machine.LowTime(); t != 0 {
		return time.Unix(0, t), true
	}
	return s.age, s.ageSeq == low
}

// all says that the filter lets everything pass.
func (f *filter) all() bool {
	return len(f.sources.list) == 0 && len(f.types.list) == 0 && f.condition == nil
}
