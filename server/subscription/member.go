package subscription

import (
	"time"
	"unicode/utf8"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

// maxGaps bounds what a member has to be told of removed ranges; beyond that, the oldest become one.
const maxGaps = 64

// member is one stream of a subscription.
type member struct {
	id        machine.MemberID
	want      machine.Member
	content   bool
	maxBytes  int
	heartbeat time.Duration
	client    string
	// address is where the client is, principal who, since when it came.
	address, principal string
	since              time.Time
	// notify has a value when there may be something to take.
	notify chan struct{}
	// gaps is what it was not told yet, under the lock of the subscription.
	gaps      []machine.Range
	confirmed confirmed
	// covers says why the member may not see all that a filter lets pass; refused, under the lock of the subscription, why it has to
	// go since the filter was changed.
	covers  func(*filter) error
	refused error
}

// confirmed is what was found when the member joined.
type confirmed struct {
	created  bool
	position int64
	unknown  []string // sources of the filter
}

func (mem *member) wake() {
	select {
	case mem.notify <- struct{}{}:
	default:
	}
}

// The defaults and limits of a stream; see SubscribeRequest.
const (
	defaultWindowEvents = 1000
	maxWindowEvents     = 100_000
	defaultWindowBytes  = 16 << 20
	maxWindowBytes      = 256 << 20
	defaultAckDeadline  = 30 * time.Second
	maxAckDeadline      = time.Hour
	defaultHeartbeat    = 15 * time.Second
	maxHeartbeat        = 5 * time.Minute
	shortest            = time.Second
	defaultMaxEvent     = 3 << 20
	minMaxEvent         = 1 << 10
	maxMaxEvent         = 32 << 20
)

// newMember reads what a stream asks for.
func newMember(req *hookbridgev1.SubscribeRequest) (*member, error) {
	if name := req.GetSubscription(); name != "" && !validName(name) {
		return nil, invalid("subscription", nameRule, name)
	} else if name == "" && req.GetMustExist() {
		return nil, invalid("must_exist", "an ephemeral subscription is always a new one; want a name in subscription")
	}
	mem := &member{
		content: req.GetIncludeContent(), client: req.GetClientName(), notify: make(chan struct{}, 1),
		maxBytes: int(req.GetMaxEventBytes()), heartbeat: defaultHeartbeat,
		want: machine.Member{
			WindowEvents: int(req.GetMaxOutstandingEvents()), WindowBytes: req.GetMaxOutstandingBytes(),
			Content: req.GetIncludeContent(),
		},
	}
	if mem.want.WindowEvents == 0 {
		mem.want.WindowEvents = defaultWindowEvents
	}
	if mem.want.WindowBytes == 0 {
		mem.want.WindowBytes = defaultWindowBytes
	}
	if mem.maxBytes == 0 {
		mem.maxBytes = defaultMaxEvent
	}
	mem.want.MaxEventBytes = int64(mem.maxBytes)
	if d := req.GetAckDeadline(); d != nil {
		mem.want.AckDeadline = d.AsDuration()
	}
	if d := req.GetHeartbeatInterval(); d != nil {
		mem.heartbeat = d.AsDuration()
	}
	switch {
	case !validText(mem.client, 0, maxClient):
		return nil, invalid("client_name", "at most %d characters, got %d", maxClient, utf8.RuneCountInString(mem.client))
	case mem.want.WindowEvents < 1 || mem.want.WindowEvents > maxWindowEvents:
		return nil, invalid("max_outstanding_events", "want 0 to %d, got %d", maxWindowEvents, mem.want.WindowEvents)
	case mem.want.WindowBytes < 1 || mem.want.WindowBytes > maxWindowBytes:
		return nil, invalid("max_outstanding_bytes", "want 0 to %d, got %d", maxWindowBytes, mem.want.WindowBytes)
	case req.GetAckDeadline() != nil && (mem.want.AckDeadline < shortest || mem.want.AckDeadline > maxAckDeadline):
		return nil, invalid("ack_deadline", "want 1s to 1h, got %v", mem.want.AckDeadline)
	case mem.heartbeat < shortest || mem.heartbeat > maxHeartbeat:
		return nil, invalid("heartbeat_interval", "want 1s to 5m, got %v", mem.heartbeat)
	case mem.maxBytes < minMaxEvent || mem.maxBytes > maxMaxEvent:
		return nil, invalid("max_event_bytes", "want 0 or %d to %d, got %d", minMaxEvent, maxMaxEvent, mem.maxBytes)
	}
	return mem, nil
}
