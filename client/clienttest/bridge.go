package clienttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// TB is what a Bridge needs of a test: *testing.T, *testing.B and *testing.F have it.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Bridge is a bridge in memory.
type Bridge struct {
	t        TB
	settings settings
	server   *grpc.Server
	listener net.Listener
	served   chan error

	mu sync.Mutex
	// changed is closed and replaced when anything below changes.
	changed       chan struct{}
	events        []*hookbridgev1.Event // by sequence, from 1; nil where one was erased
	subscriptions map[string]*subscription
	streams       map[*stream]struct{}
	records       []Record
	// epoch counts restarts: ack_ids don't outlive one.
	epoch int
	down  error
	muted bool
	fails map[string][]error
}

// Option shapes a Bridge.
type Option func(*settings)

type settings struct {
	loopback    bool
	deadline    time.Duration
	heartbeat   time.Duration
	backoff     []time.Duration
	maxAttempts int32
	patience    time.Duration
	existing    []string
}

// Loopback serves on a port of this machine (Address), for programs that dial by themselves. Such a test can't run in a synctest bubble.
func Loopback() Option { return func(s *settings) { s.loopback = true } }

// AckDeadline is that of streams which ask for none. Default 30 s.
func AckDeadline(d time.Duration) Option { return func(s *settings) { s.deadline = d } }

// Heartbeat is that of streams which ask for none. Default 15 s.
func Heartbeat(d time.Duration) Option { return func(s *settings) { s.heartbeat = d } }

// Backoff is after which times a rejected event comes again; the last one counts for all further attempts. Default: as the bridge's, 1 s,
// 5 s, 30 s, 2 min, then 10 min, but without jitter.
func Backoff(after ...time.Duration) Option {
	return func(s *settings) {
		if len(after) > 0 {
			s.backoff = after
		}
	}
}

// MaxAttempts is after how many an unacknowledged event is a dead letter. Default 0: never.
func MaxAttempts(n int) Option {
	return func(s *settings) { s.maxAttempts = int32(min(max(n, 0), 1<<31-1)) }
}

// Patience is how long a test waits for something before it fails. Default 10 s.
func Patience(d time.Duration) Option { return func(s *settings) { s.patience = d } }

// Existing names subscriptions that are there before anybody subscribes, for clients with client.MustExist. They begin with the first event.
func Existing(subscriptions ...string) Option {
	return func(s *settings) { s.existing = append(s.existing, subscriptions...) }
}

// check tells which time can't be meant.
func (s *settings) check() error {
	for _, d := range s.backoff {
		if d < 0 {
			return fmt.Errorf("Backoff: want at least 0s, got %v", d)
		}
	}
	for _, t := range []struct {
		name string
		d    time.Duration
	}{{"AckDeadline", s.deadline}, {"Heartbeat", s.heartbeat}, {"Patience", s.patience}} {
		if t.d <= 0 {
			return fmt.Errorf("%s: want more than 0s, got %v", t.name, t.d)
		}
	}
	return nil
}

// New starts a bridge, which ends with the test.
func New(t TB, options ...Option) *Bridge {
	t.Helper()
	s := settings{
		deadline: 30 * time.Second, heartbeat: 15 * time.Second, patience: 10 * time.Second,
		backoff: []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute},
	}
	for _, o := range options {
		if o != nil {
			o(&s)
		}
	}
	if err := s.check(); err != nil {
		t.Fatalf("clienttest: %v", err)
	}
	b := &Bridge{
		t: t, settings: s, served: make(chan error, 1), changed: make(chan struct{}),
		subscriptions: map[string]*subscription{}, streams: map[*stream]struct{}{}, fails: map[string][]error{},
	}
	for _, name := range s.existing {
		b.subscription(&hookbridgev1.SubscribeRequest{Subscription: name, Start: client.Beginning()})
	}
	if s.loopback {
		var err error
		if b.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatalf("clienttest: %v", err)
		}
	} else {
		const buffer = 1 << 20
		b.listener = bufconn.Listen(buffer)
	}
	// Clients ping while nothing comes, as often as a bridge lets them.
	b.server = grpc.NewServer(grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}))
	hookbridgev1.RegisterEventServiceServer(b.server, &events{b: b})
	go func() { b.served <- b.server.Serve(b.listener) }()
	t.Cleanup(b.close)
	return b
}

func (b *Bridge) close() {
	b.server.Stop()
	// A test can end before it was begun to serve.
	if err := <-b.served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		b.t.Fatalf("clienttest: serving ended with %v", err)
	}
}

// Address is where the bridge listens, host:port, with Loopback; empty without.
func (b *Bridge) Address() string {
	if b.settings.loopback {
		return b.listener.Addr().String()
	}
	return ""
}

// Client connects to the bridge. The connection ends with the test, and so does a Subscribe that still uses it.
func (b *Bridge) Client(options ...client.DialOption) *client.Client {
	b.t.Helper()
	address := b.Address()
	if inMemory, ok := b.listener.(*bufconn.Listener); ok {
		// A name of this machine, which is never looked up.
		address = "unix:clienttest"
		options = append(options, client.WithGRPC(grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			b.mu.Lock()
			down := b.down
			b.mu.Unlock()
			if down != nil {
				return nil, down
			}
			return inMemory.DialContext(ctx)
		})))
	}
	c, err := client.Dial(address, options...)
	if err != nil {
		b.t.Fatalf("clienttest: %v", err)
	}
	b.t.Cleanup(func() {
		// The test may have closed it.
		if err := c.Close(); err != nil && status.Code(err) != codes.Canceled {
			b.t.Fatalf("clienttest: closing the connection: %v", err)
		}
	})
	return c
}

// change applies f and wakes everybody who waits for a change.
func (b *Bridge) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.changed)
	b.changed = make(chan struct{})
}
