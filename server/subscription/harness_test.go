package subscription

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/auth"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/journal/journalfake"
	"github.com/hookbridge/hookbridge/server/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bridge is a Manager on a journal in memory, behind a real gRPC server and client.
type bridge struct {
	t        testing.TB
	journal  *journalfake.Journal
	manager  *Manager
	registry *prometheus.Registry
	// auth lets everybody do everything until a test replaces that.
	auth   *auth.Authenticator
	conn   grpc.ClientConnInterface
	client hookbridgev1.EventServiceClient
	manage hookbridgev1.SubscriptionServiceClient
	stop   func() error
}

// bubble runs a test in a bubble of its own time, where everything is still when synctest.Wait returns.
func bubble(t *testing.T, test func(t *testing.T, b *bridge)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, journalfake.New(), nil)
		test(t, b)
		if b.stop != nil {
			if err := b.stop(); err != nil {
				t.Errorf("stop: %v", err)
			}
		}
	})
}

// registry has the messages that are compiled in.
var registry = sync.OnceValues(func() (*schema.Registry, error) {
	return schema.New(schema.Config{Sets: []schema.Set{schema.Builtin()}})
})

func testConfig(j journal.Journal) Config {
	return Config{
		Journal: j, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
		Redecode: func(e *hookbridgev1.Event, body []byte) (*anypb.Any, *hookbridgev1.Decoding) {
			return &anypb.Any{TypeUrl: "type.googleapis.com/again." + e.GetType(), Value: body}, e.GetDecoding()
		},
		Principal: func(ctx context.Context) string { return auth.From(ctx).Name() },
		Registry: func() *schema.Registry {
			r, err := registry()
			if err != nil {
				panic(err)
			}
			return r
		},
	}
}

func start(t testing.TB, j *journalfake.Journal, change func(*Config)) *bridge {
	t.Helper()
	return startOn(&bridge{t: t, journal: j}, j, change)
}

// startOn is start on any journal.
func startOn(b *bridge, j journal.Journal, change func(*Config)) *bridge {
	t := b.t
	t.Helper()
	b.registry = prometheus.NewRegistry()
	cfg := testConfig(j)
	cfg.Registerer = b.registry
	if change != nil {
		change(&cfg)
	}
	var err error
	if b.manager, err = New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	listener := bufconn.Listen(1 << 20)
	if b.auth, err = auth.New(auth.Config{Registerer: b.registry}); err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(Codec()), grpc.ChainUnaryInterceptor(
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			resp, err := next(ctx, req)
			return resp, fault.Status(err, "").Err()
		},
		b.auth.Unary(),
	), grpc.ChainStreamInterceptor(
		func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			return fault.Status(next(srv, s), "").Err()
		},
		b.auth.Stream(),
	))
	hookbridgev1.RegisterEventServiceServer(server, b.manager)
	hookbridgev1.RegisterSubscriptionServiceServer(server, NewService(b.manager))
	var running sync.WaitGroup
	var ran error
	running.Go(func() { ran = b.manager.Run(ctx) })
	running.Go(func() { _ = server.Serve(listener) })
	conn, err := grpc.NewClient("passthrough:bridge", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	b.conn, b.client = conn, hookbridgev1.NewEventServiceClient(conn)
	b.manage = hookbridgev1.NewSubscriptionServiceClient(conn)
	b.stop = func() error {
		b.stop = nil
		_ = conn.Close()
		server.Stop()
		cancel()
		running.Wait()
		return ran
	}
	return b
}

// crash ends the bridge as kill -9 would, and starts another on what was on disk.
func (b *bridge) crash() *bridge {
	b.t.Helper()
	after := b.journal.Crash()
	_ = b.stop() // its last commit fails: the journal is gone
	return start(b.t, after, nil)
}

// event is a stored event of a test: number n, of a type.
func entry(n int, typ string, body int) *journal.Entry {
	event := &hookbridgev1.Event{
		Id: fmt.Sprint(n), Source: "src", Provider: "test", Type: typ, ReceivedAt: timestamppb.Now(),
		Data: &anypb.Any{TypeUrl: "type.googleapis.com/google.protobuf.Empty"},
	}
	content := &hookbridgev1.Content{Body: make([]byte, body), ContentType: "application/json"}
	return encode(event, content)
}

func encode(event *hookbridgev1.Event, content *hookbridgev1.Content) *journal.Entry {
	e, err := proto.Marshal(event)
	if err != nil {
		panic(err)
	}
	c, err := proto.Marshal(content)
	if err != nil {
		panic(err)
	}
	return &journal.Entry{
		Source: event.GetSource(), Type: event.GetType(), ID: event.GetId(), Event: e, Content: c, BodyBytes: int64(len(content.GetBody())),
		DedupeWindow: -1,
	}
}

// fill appends n events of a type, with the ids that follow.
func (b *bridge) fill(n int, typ string) {
	b.t.Helper()
	first := b.journal.Bounds().End
	for i := range n {
		b.append(entry(int(first)+i, typ, 10))
	}
}

func (b *bridge) append(e *journal.Entry) {
	b.t.Helper()
	if _, err := b.journal.Append(b.t.Context(), e); err != nil {
		b.t.Fatal(err)
	}
}

// stream is a subscriber. It reads as fast as it can, from when it is first asked for something.
type stream struct {
	t      testing.TB
	b      *bridge
	name   string
	rpc    grpc.ServerStreamingClient[hookbridgev1.SubscribeResponse]
	cancel context.CancelFunc
	reader sync.Once
	got    chan *hookbridgev1.SubscribeResponse
	err    error // why got is closed
}

func beginning() *hookbridgev1.Start {
	return &hookbridgev1.Start{At: &hookbridgev1.Start_Beginning{Beginning: &emptypb.Empty{}}}
}

// subscribe opens a stream and reads its Confirmed.
func (b *bridge) subscribe(req *hookbridgev1.SubscribeRequest) (*stream, *hookbridgev1.Confirmed) {
	b.t.Helper()
	s := b.open(req)
	return s, s.recv().GetConfirmed()
}

func (b *bridge) open(req *hookbridgev1.SubscribeRequest) *stream {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b.t.Cleanup(cancel)
	rpc, err := b.client.Subscribe(ctx, req)
	if err != nil {
		b.t.Fatal(err)
	}
	return &stream{
		t: b.t, b: b, name: req.GetSubscription(), rpc: rpc, cancel: cancel,
		got: make(chan *hookbridgev1.SubscribeResponse, 100_000),
	}
}

func (s *stream) read() {
	s.reader.Do(func() {
		go func() {
			defer close(s.got)
			for {
				resp, err := s.rpc.Recv()
				if err != nil {
					s.err = err
					return
				}
				s.got <- resp
			}
		}()
	})
}

func (s *stream) recv() *hookbridgev1.SubscribeResponse {
	s.t.Helper()
	s.read()
	resp, ok := <-s.got
	if !ok {
		s.t.Fatalf("receive: %v", s.err)
	}
	return resp
}

// delivery receives until there is a delivery.
func (s *stream) delivery() *hookbridgev1.Delivery {
	s.t.Helper()
	for {
		if d := s.recv().GetDelivery(); d != nil {
			return d
		}
	}
}

func (s *stream) deliveries(n int) []*hookbridgev1.Delivery {
	s.t.Helper()
	var all []*hookbridgev1.Delivery
	for range n {
		all = append(all, s.delivery())
	}
	return all
}

// ended receives what the stream ends with.
func (s *stream) ended() error {
	s.read()
	for range s.got {
	}
	return s.err
}

// close ends the stream as a client does that goes away, and returns when the bridge has noticed.
func (s *stream) close() {
	s.cancel()
	_ = s.ended()
	synctest.Wait()
}

// ack acknowledges and expects it to count.
func (s *stream) ack(ds ...*hookbridgev1.Delivery) {
	s.t.Helper()
	if failures := s.b.ack(s.name, ids(ds)...); len(failures) > 0 {
		s.t.Fatalf("acknowledge: %v", failures)
	}
}

func (b *bridge) ack(name string, ids ...string) []*hookbridgev1.AckFailure {
	b.t.Helper()
	resp, err := b.client.Acknowledge(b.t.Context(), &hookbridgev1.AcknowledgeRequest{Subscription: name, AckIds: ids})
	if err != nil {
		b.t.Fatalf("acknowledge: %v", err)
	}
	return resp.GetFailures()
}

func ids(ds []*hookbridgev1.Delivery) []string {
	var all []string
	for _, d := range ds {
		all = append(all, d.GetAckId())
	}
	return all
}

const (
	reasonNew      = hookbridgev1.Delivery_REASON_NEW
	reasonDeadline = hookbridgev1.Delivery_REASON_DEADLINE
	reasonLost     = hookbridgev1.Delivery_REASON_STREAM_LOST
	reasonRestart  = hookbridgev1.Delivery_REASON_RESTART
	reasonRejected = hookbridgev1.Delivery_REASON_REJECTED
	reasonRedriven = hookbridgev1.Delivery_REASON_REDRIVEN
	reasonReplay   = hookbridgev1.Delivery_REASON_REPLAY
)

// quiet expects that nothing more comes now. Only in a bubble.
func (s *stream) quiet() {
	s.t.Helper()
	s.read()
	synctest.Wait()
	select {
	case resp, ok := <-s.got:
		if ok {
			s.t.Errorf("got %v, want nothing", resp)
		} else {
			s.t.Errorf("the stream ended: %v", s.err)
		}
	default:
	}
}

const second = time.Second

// elapse lets time go by, and everything happen that is due. Only in a bubble.
func elapse(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
