package conformance

import (
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server"
)

func windowByCount(b *bridge) {
	b.push(5)
	m := b.join("a", window(2, 0))
	equal(b.t, "the window that applies", m.first.GetMaxOutstandingEvents(), 2)
	ds := m.gets(fresh(1, 2)...)
	// It is told that there is more.
	if beat := m.quiet(); beat.GetPosition() != 3 || beat.GetJournalEnd() != 6 {
		b.t.Fatalf("heartbeat %v, want position 3 of 6", beat)
	}
	m.ack(ds[1])
	ds = append(ds, m.gets(fresh(3, 3)...)...)
	m.quiet()
	// What is given back makes room, too.
	m.rejects(retryAfter(long), ds[0])
	m.gets(fresh(4, 4)...)
	m.quiet()
	// The window is each stream's own.
	b.join("a", window(2, 0)).gets(fresh(5, 5)...)
}

func windowByBytes(b *bridge) {
	const size = 100 << 10
	for range 4 {
		b.heavy(size)
	}
	whole := func(bytes int64) func(*hookbridgev1.SubscribeRequest) {
		return func(req *hookbridgev1.SubscribeRequest) { req.IncludeContent, req.MaxOutstandingBytes = true, bytes }
	}
	// An event counts with its data and its body, which are as large here.
	m := b.join("a", whole(5*size))
	equal(b.t, "the window that applies", m.first.GetMaxOutstandingBytes(), 5*size)
	ds := m.gets(fresh(1, 2)...)
	m.quiet()
	member := b.status("a").GetMembers()[0]
	if n := member.GetOutstandingBytes(); member.GetOutstandingEvents() != 2 || n < 4*size || n > 5*size {
		b.t.Fatalf("outstanding are %v, want 2 events of %d to %d bytes", member, 4*size, 5*size)
	}
	m.ack(ds[0])
	m.gets(fresh(3, 3)...)
	m.quiet()
	m.leave()
	// One goes out however large, and no other beside it.
	m = b.join("a", whole(1))
	m.ack(m.gets(sent{2, 2, reasonLost})...)
	m.gets(sent{3, 2, reasonLost})
	m.quiet()
}

func deadStream(b *bridge) {
	one := b.join("a", nil)
	b.push(3)
	one.gets(fresh(1, 3)...)
	other := b.join("a", nil)
	one.leave()
	// The deadline was an hour.
	other.ack(other.gets(again(1, 3, 2, reasonLost)...)...)
	equal(b.t, "unsettled", b.status("a").GetLagEvents(), 0)
}

// swallower is a proxy of TCP connections that can begin to swallow all that passes, so that each side is there for the other and never
// heard of again.
type swallower struct {
	listener net.Listener
	to       string
	swallows atomic.Bool
	running  sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

func newSwallower(b *bridge) *swallower {
	b.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	p := &swallower{listener: l, to: b.at.GRPC}
	p.running.Go(p.accept)
	b.t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for _, c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.running.Wait()
	})
	return p
}

func (p *swallower) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, in, out)
		p.mu.Unlock()
		p.running.Go(func() { p.pass(in, out) })
		p.running.Go(func() { p.pass(out, in) })
	}
}

// pass copies, and closes nothing: a side that ends is not told to the other.
func (p *swallower) pass(from io.Reader, to io.Writer) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !p.swallows.Load() {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func deadPeer(b *bridge) {
	b.stop()
	b.alive = server.Keepalive{Time: time.Second, Timeout: 2 * time.Second}
	b.start()
	proxy := newSwallower(b)
	conn := b.dial(proxy.listener.Addr().String())
	b.t.Cleanup(func() { _ = conn.Close() })
	vanishing := b.joinBy(hookbridgev1.NewEventServiceClient(conn), "a", nil)
	b.push(2)
	vanishing.gets(fresh(1, 2)...)
	other := b.join("a", nil)
	proxy.swallows.Store(true)
	// The deadline is an hour, and nobody has closed anything.
	other.gets(again(1, 2, 2, reasonLost)...)
	equal(b.t, "members", len(b.status("a").GetMembers()), 1)
}

func heartbeats(b *bridge) {
	m := b.join("a", func(req *hookbridgev1.SubscribeRequest) { req.Filter = &hookbridgev1.Filter{Types: []string{"push"}} })
	equal(b.t, "the interval that applies", m.first.GetHeartbeatInterval().AsDuration(), time.Second)
	upToDate := func(end int64) {
		b.t.Helper()
		// What doesn't match is passed over a moment later.
		eventually(b.t, "a heartbeat of the journal's end", func() bool {
			beat := m.quiet()
			if beat.GetPosition() > end || beat.GetJournalEnd() > end {
				b.t.Fatalf("heartbeat %v, want at most %d", beat, end)
			}
			return beat.GetPosition() == end && beat.GetJournalEnd() == end
		})
	}
	upToDate(1)
	b.push(2)
	m.gets(fresh(1, 2)...)
	upToDate(3)
	b.order("order.paid")
	upToDate(4)
}

func slowMember(b *bridge) {
	const events, size, held = 40, 50 << 10, 5
	slow := func(req *hookbridgev1.SubscribeRequest) {
		req.IncludeContent, req.MaxOutstandingEvents = true, held
	}
	// It has a stream, and never reads.
	stuck := b.stuck("a", slow)
	fast, other := b.join("a", nil), b.join("b", nil)
	for range events {
		b.heavy(size)
	}
	other.ack(other.gets(fresh(1, events)...)...)
	ds := fast.take(events - held)
	fast.ack(ds...)
	if !slices.IsSortedFunc(ds, func(a, b *hookbridgev1.Delivery) int {
		return int(a.GetEvent().GetSequence() - b.GetEvent().GetSequence())
	}) {
		b.t.Fatalf("got %v, want them in order", brief(ds...))
	}
	// What the slow one has is nobody else's until it is gone.
	stuck()
	seen := map[int64]bool{}
	for _, d := range append(ds, fast.take(held)...) {
		if seen[d.GetEvent().GetSequence()] {
			b.t.Fatalf("%d came twice", d.GetEvent().GetSequence())
		}
		seen[d.GetEvent().GetSequence()] = true
	}
	equal(b.t, "different events", len(seen), events)
}

// stuck opens a stream that is never read, and returns what ends it.
func (b *bridge) stuck(name string, change func(*hookbridgev1.SubscribeRequest)) (end func()) {
	b.t.Helper()
	// Of a connection of its own: the others' streams have theirs.
	conn := b.dial(b.at.GRPC)
	b.t.Cleanup(func() { _ = conn.Close() })
	req := &hookbridgev1.SubscribeRequest{Subscription: name, Start: beginning(), AckDeadline: durationpb.New(long)}
	change(req)
	stream, err := hookbridgev1.NewEventServiceClient(conn).Subscribe(b.t.Context(), req)
	if err != nil {
		b.t.Fatal(err)
	}
	if m, err := stream.Recv(); m.GetConfirmed() == nil {
		b.t.Fatalf("got %v, %v, want Confirmed", m, err)
	}
	return func() { _ = conn.Close() }
}
