package conformance

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// long is an ack deadline that no test lives to see pass, short the shortest that there is.
const (
	long  = time.Hour
	short = time.Second
)

// member is one stream of a subscription, and reads as fast as it can.
type member struct {
	t      testing.TB
	b      *bridge
	name   string
	cancel context.CancelFunc
	got    chan *hookbridgev1.SubscribeResponse
	err    error // why got is closed
	first  *hookbridgev1.Confirmed
}

func beginning() *hookbridgev1.Start {
	return &hookbridgev1.Start{At: &hookbridgev1.Start_Beginning{Beginning: &emptypb.Empty{}}}
}

// join opens a stream of a subscription, which begins with the journal if it is new, and reads its Confirmed. Events are this one's for an
// hour unless the change says otherwise.
func (b *bridge) join(name string, change func(*hookbridgev1.SubscribeRequest)) *member {
	b.t.Helper()
	return b.joinBy(b.events, name, change)
}

func (b *bridge) joinBy(client hookbridgev1.EventServiceClient, name string, change func(*hookbridgev1.SubscribeRequest)) *member {
	b.t.Helper()
	m := b.attempt(client, name, change)
	if m.first = m.recv().GetConfirmed(); m.first == nil {
		b.t.Fatal("a stream did not begin with Confirmed")
	}
	return m
}

// attempt opens a stream, which may be refused.
func (b *bridge) attempt(client hookbridgev1.EventServiceClient, name string, change func(*hookbridgev1.SubscribeRequest)) *member {
	b.t.Helper()
	req := &hookbridgev1.SubscribeRequest{
		Subscription: name, Start: beginning(), AckDeadline: durationpb.New(long), HeartbeatInterval: durationpb.New(time.Second),
	}
	if change != nil {
		change(req)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.t.Context()))
	b.t.Cleanup(cancel)
	rpc, err := client.Subscribe(ctx, req)
	if err != nil {
		b.t.Fatal(err)
	}
	m := &member{t: b.t, b: b, name: name, cancel: cancel, got: make(chan *hookbridgev1.SubscribeResponse, 10_000)}
	go func() {
		defer close(m.got)
		for {
			resp, err := rpc.Recv()
			if err != nil {
				m.err = err
				return
			}
			m.got <- resp
		}
	}()
	return m
}

// window bounds what a stream is sent.
func window(events int32, bytes int64) func(*hookbridgev1.SubscribeRequest) {
	return func(req *hookbridgev1.SubscribeRequest) {
		req.MaxOutstandingEvents, req.MaxOutstandingBytes = events, bytes
	}
}

// only is a filter.
func only(f *hookbridgev1.Filter) func(*hookbridgev1.SubscribeRequest) {
	return func(req *hookbridgev1.SubscribeRequest) { req.Filter = f }
}

// within sets a stream's ack deadline.
func within(d time.Duration) func(*hookbridgev1.SubscribeRequest) {
	return func(req *hookbridgev1.SubscribeRequest) { req.AckDeadline = durationpb.New(d) }
}

// unsaid leaves the ack deadline to the subscription.
func unsaid(req *hookbridgev1.SubscribeRequest) { req.AckDeadline = nil }

// recv returns the next message.
func (m *member) recv() *hookbridgev1.SubscribeResponse {
	m.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case resp, ok := <-m.got:
		if !ok {
			m.t.Fatalf("the stream ended: %v", m.err)
		}
		return resp
	case <-late.C:
		m.t.Fatalf("nothing came for %v", patience)
		return nil
	}
}

// next returns the next delivery.
func (m *member) next() *hookbridgev1.Delivery {
	m.t.Helper()
	for until := time.Now().Add(patience); time.Now().Before(until); {
		if d := m.recv().GetDelivery(); d != nil {
			return d
		}
	}
	m.t.Fatalf("no delivery came for %v", patience)
	return nil
}

// take returns the next n deliveries.
func (m *member) take(n int) (all []*hookbridgev1.Delivery) {
	m.t.Helper()
	for range n {
		all = append(all, m.next())
	}
	return all
}

// gets expects deliveries, in their order, and returns them.
func (m *member) gets(want ...sent) []*hookbridgev1.Delivery {
	m.t.Helper()
	all := m.take(len(want))
	equal(m.t, "deliveries", brief(all...), want)
	return all
}

// quiet expects that nothing is delivered until a heartbeat tells that nothing was to be delivered, and returns that.
func (m *member) quiet() *hookbridgev1.Heartbeat {
	m.t.Helper()
	resp := m.recv()
	if resp.GetHeartbeat() == nil {
		m.t.Fatalf("got %v, want nothing but a heartbeat", resp)
	}
	return resp.GetHeartbeat()
}

// ended returns what the stream ends with.
func (m *member) ended() error {
	m.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case _, ok := <-m.got:
			if !ok {
				return m.err
			}
		case <-late.C:
			m.t.Fatalf("the stream did not end within %v", patience)
		}
	}
}

// leave ends the stream as a client does that dies, and returns when the bridge has noticed.
func (m *member) leave() {
	m.t.Helper()
	members := 0
	if m.name != "" {
		members = len(m.b.status(m.name).GetMembers())
	}
	m.cancel()
	_ = m.ended()
	if m.name != "" {
		eventually(m.t, "the bridge notices that a stream has ended", func() bool { return len(m.b.status(m.name).GetMembers()) < members })
	}
}

// ack acknowledges, which has to count.
func (m *member) ack(ds ...*hookbridgev1.Delivery) {
	m.t.Helper()
	m.b.acks(m.name, nil, ds...)
}

// acks acknowledges, and expects these failures.
func (b *bridge) acks(name string, want []*hookbridgev1.AckFailure, ds ...*hookbridgev1.Delivery) {
	b.t.Helper()
	resp := must(b.t, b.events.Acknowledge, &hookbridgev1.AcknowledgeRequest{Subscription: name, AckIds: ids(ds)})
	equal(b.t, "failures of acknowledging", resp.GetFailures(), want)
}

// rejects gives deliveries back, all in the same way, which has to count.
func (m *member) rejects(how *hookbridgev1.Rejection, ds ...*hookbridgev1.Delivery) {
	m.t.Helper()
	equal(m.t, "failures of rejecting", must(m.t, m.b.events.Reject, rejection(m.name, how, ds...)).GetFailures(), nil)
}

func rejection(name string, how *hookbridgev1.Rejection, ds ...*hookbridgev1.Delivery) *hookbridgev1.RejectRequest {
	req := &hookbridgev1.RejectRequest{Subscription: name}
	for _, d := range ds {
		req.Rejections = append(req.Rejections, &hookbridgev1.Rejection{AckId: d.GetAckId(), Action: how.GetAction(), Error: how.GetError()})
	}
	return req
}

// What can be asked for.
func retry() *hookbridgev1.Rejection {
	return &hookbridgev1.Rejection{Action: &hookbridgev1.Rejection_Retry{Retry: &emptypb.Empty{}}}
}

func retryNow() *hookbridgev1.Rejection {
	return &hookbridgev1.Rejection{Action: &hookbridgev1.Rejection_RetryNow{RetryNow: &emptypb.Empty{}}}
}

func retryAfter(d time.Duration) *hookbridgev1.Rejection {
	return &hookbridgev1.Rejection{Action: &hookbridgev1.Rejection_RetryAfter{RetryAfter: durationpb.New(d)}}
}

func forGood(why string) *hookbridgev1.Rejection {
	return &hookbridgev1.Rejection{Action: &hookbridgev1.Rejection_DeadLetter{DeadLetter: &emptypb.Empty{}}, Error: why}
}

func ids(ds []*hookbridgev1.Delivery) (all []string) {
	for _, d := range ds {
		all = append(all, d.GetAckId())
	}
	return all
}

// failed are the failures of acknowledging deliveries that are stale.
func failed(why hookbridgev1.AckFailure_Reason, ds ...*hookbridgev1.Delivery) (all []*hookbridgev1.AckFailure) {
	for _, d := range ds {
		all = append(all, &hookbridgev1.AckFailure{AckId: d.GetAckId(), Reason: why})
	}
	return all
}

// sent is a delivery in short.
type sent struct {
	Seq     int64
	Attempt int32
	Reason  hookbridgev1.Delivery_Reason
}

const (
	reasonNew      = hookbridgev1.Delivery_REASON_NEW
	reasonDeadline = hookbridgev1.Delivery_REASON_DEADLINE
	reasonLost     = hookbridgev1.Delivery_REASON_STREAM_LOST
	reasonRestart  = hookbridgev1.Delivery_REASON_RESTART
	reasonRejected = hookbridgev1.Delivery_REASON_REJECTED
	reasonRedriven = hookbridgev1.Delivery_REASON_REDRIVEN
	reasonReplay   = hookbridgev1.Delivery_REASON_REPLAY

	stale = hookbridgev1.AckFailure_REASON_STALE
)

func brief(ds ...*hookbridgev1.Delivery) (all []sent) {
	for _, d := range ds {
		all = append(all, sent{d.GetEvent().GetSequence(), d.GetAttempt(), d.GetReason()})
	}
	return all
}

// fresh are first deliveries of sequences from first to last.
func fresh(first, last int64) (all []sent) { return again(first, last, 1, reasonNew) }

// again are deliveries of sequences from first to last.
func again(first, last int64, attempt int32, why hookbridgev1.Delivery_Reason) (all []sent) {
	for seq := first; seq <= last; seq++ {
		all = append(all, sent{seq, attempt, why})
	}
	return all
}

func equal[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// refused expects an error with a code, a reason and a text.
func refused(t testing.TB, err error, want string) {
	t.Helper()
	s, reason := status.Convert(err), ""
	for _, d := range s.Details() {
		if info, ok := d.(interface{ GetReason() string }); ok {
			reason = info.GetReason()
		}
	}
	if got := fmt.Sprintf("%v %s: %s", s.Code(), reason, s.Message()); got != want {
		t.Fatalf("error\n got %s\nwant %s", got, want)
	}
}

// eventually waits until something is true.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for until := time.Now().Add(patience); time.Now().Before(until); <-look.C {
		if is() {
			return
		}
	}
	t.Fatalf("not within %v: %s", patience, what)
}

// atLeast expects that something took so long.
func atLeast(t testing.TB, what string, since time.Time, least time.Duration) {
	t.Helper()
	if took := time.Since(since); took < least {
		t.Fatalf("%s after %v, want no sooner than %v", what, took, least)
	}
}
